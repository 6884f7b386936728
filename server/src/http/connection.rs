//! Connections: how many, how long their heads may take, and how they end.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::Request;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections at the same time; more wait in the kernel's queue.
const MOST: usize = 2000;
/// Connections of one address: half of the room is always left to others. Trusted proxies speak for many.
const OF_ONE: usize = MOST / 2;
/// Of those, connections on which nothing was asked yet: a browser opens a few ahead, a flood is silent.
const SILENT: usize = 64;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);
/// How long requests may take to end once the console closes.
const LAST: Duration = Duration::from_secs(5);

/// Serves until `closing` is cancelled, then lets the running requests end.
///
/// Addresses in `trusted` are proxies, which may have as many connections as there is room for.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    trusted: Arc<[IpAddr]>,
    closing: CancellationToken,
) {
    let peers = Peers::default();
    let room = Arc::new(Semaphore::new(MOST));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = closing.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let address = peer.ip().to_canonical();
                let own = (!trusted.contains(&address)).then(|| peers.enter(address));
                match own {
                    // Closed at once: what its owner has open already is enough.
                    Some(None) => tracing::debug!(%address, "too many connections of one address"),
                    Some(Some(place)) => begin(stream, peer, (permit, Some(place)), &router, &graceful),
                    None => begin(stream, peer, (permit, None), &router, &graceful),
                }
            }
            Err(error) => {
                // Out of file handles, most likely: those in use become free, so that waiting helps and ending does not.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(LAST, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and were broken off");
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = room
        .clone()
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

fn begin(
    stream: TcpStream,
    peer: SocketAddr,
    room: (OwnedSemaphorePermit, Option<Arc<Place>>),
    router: &Router,
    graceful: &GracefulShutdown,
) {
    let place = room.1.clone();
    let service = router.clone().map_request(move |mut request: Request<Incoming>| {
        if let Some(place) = &place {
            place.asked();
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(Body::new)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // A client that went away, or that did not speak HTTP, is no news.
        if let Err(error) = connection.await {
            tracing::trace!(%error, "a connection ended early");
        }
        drop(room);
    });
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<HashMap<IpAddr, Count>>>);

#[derive(Default)]
struct Count {
    open: usize,
    silent: usize,
}

impl Peers {
    /// A place for one more connection; `None` when its address has enough.
    fn enter(&self, address: IpAddr) -> Option<Arc<Place>> {
        let one = one(address);
        let mut all = self.lock();
        let count = all.entry(one).or_default();
        if count.open >= OF_ONE || count.silent >= SILENT {
            return None;
        }
        count.open += 1;
        count.silent += 1;
        Some(Arc::new(Place {
            peers: self.clone(),
            one,
            silent: AtomicBool::new(true),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is counted as one: an address, or the /64 that one IPv6 client has to itself.
fn one(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// A connection's place; free again when it is dropped.
struct Place {
    peers: Peers,
    one: IpAddr,
    silent: AtomicBool,
}

impl Place {
    /// A whole request came.
    fn asked(&self) {
        if self.silent.swap(false, Ordering::Relaxed)
            && let Some(count) = self.peers.lock().get_mut(&self.one)
        {
            count.silent -= 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.asked();
        let mut all = self.peers.lock();
        if let Some(count) = all.get_mut(&self.one) {
            count.open -= 1;
            if count.open == 0 {
                all.remove(&self.one);
            }
        }
    }
}
