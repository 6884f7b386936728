use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::{Doing, or_fail};

/// A wire between a client and a server on 127.0.0.1 that a test can cut, stall and restore. Lives in the runtime that
/// started it and ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: watch::Sender<State>,
    /// Whether the port has a listener, as the task that owns it says.
    listening: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    line: Line,
    /// How often the line was cut: a connection older than the last cut is dead, however short the cut was.
    cuts: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Open,
    Stalled,
    Cut,
}

impl Proxy {
    /// Listens on a free port and forwards each connection to `target`, a port on 127.0.0.1.
    pub async fn start(target: u16) -> Self {
        let (state, watched) = watch::channel(State {
            line: Line::Open,
            cuts: 0,
        });
        let listener = or_fail(
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .doing("starting a proxy"),
        );
        let address = or_fail(listener.local_addr().doing("starting a proxy"));
        let (listens, listening) = watch::channel(true);
        let task = tokio::spawn(listen(listener, address, target, watched, listens));
        Self {
            port: address.port(),
            state,
            listening,
            task,
        }
    }

    /// Where clients connect, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections and refuses new ones; returns when it does.
    pub async fn cut(&self) {
        self.state.send_modify(|state| {
            *state = State {
                line: Line::Cut,
                cuts: state.cuts + 1,
            }
        });
        self.wait_for_listener(false).await;
    }

    /// Keeps connections open and takes new ones, and moves no byte: a server that hangs, a network that swallows.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.line = Line::Stalled);
    }

    /// Takes connections and forwards again. What was held back by a stall arrives; what was cut stays cut.
    pub async fn restore(&self) {
        self.state.send_modify(|state| state.line = Line::Open);
        self.wait_for_listener(true).await;
    }

    async fn wait_for_listener(&self, wanted: bool) {
        let mut listening = self.listening.clone();
        or_fail(
            listening
                .wait_for(|now| *now == wanted)
                .await
                .map(|_| ())
                .doing("waiting for the proxy"),
        );
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    first: TcpListener,
    address: SocketAddr,
    target: u16,
    mut state: watch::Receiver<State>,
    listens: watch::Sender<bool>,
) {
    let mut listener = Some(first);
    loop {
        if state.borrow_and_update().line == Line::Cut {
            // Only a port without a listener refuses, so the listener goes and comes back.
            listener = None;
            listens.send_replace(false);
            if state.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(open) = &listener else {
            match TcpListener::bind(address).await {
                Ok(bound) => listener = Some(bound),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
            listens.send_replace(listener.is_some());
            continue;
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(forward(client, target, state.clone()));
                }
            }
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

async fn forward(client: TcpStream, target: u16, mut state: watch::Receiver<State>) {
    let born = state.borrow().cuts;
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pump(from_client, to_server, state.clone());
    let down = pump(from_server, to_client, state.clone());
    tokio::select! {
        _ = async { tokio::join!(up, down) } => {}
        _ = state.wait_for(|now| now.cuts != born) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if state.wait_for(|now| now.line != Line::Stalled).await.is_err() {
            return;
        }
        tokio::select! {
            // The stall is looked at first, so that no byte read after it gets through.
            biased;
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            read = from.read(&mut buffer) => match read {
                Ok(count) if count > 0 => {
                    if to.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
                _ => {
                    let _closed_already = to.shutdown().await;
                    return;
                }
            },
        }
    }
}
