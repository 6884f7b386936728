//! `pgsteward serve`: the console itself, until Ctrl-C or SIGTERM.

use std::net::SocketAddr;

use engine::session::FirstAdministrator;
use secrecy::ExposeSecret;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{Session, demo, failure::Failure};
use crate::{
    config::Settings,
    console::Console,
    http::{self, Site, Web},
};

pub(super) async fn run(session: Session<'_>, site: Site, with_demo: bool) -> Result<(), Failure> {
    let settings = session.settings;
    let stop = stop_signal()?;
    let listener = TcpListener::bind(settings.addr).await.map_err(|error| {
        Failure::with_hint(
            format!("{} cannot be listened on: {error}", settings.addr),
            "end what uses it, or set PGSTEWARD_ADDR=127.0.0.1:3001",
        )
    })?;
    let addr = listener.local_addr().unwrap_or(settings.addr);
    let console = Console::open(settings, true).await?;
    // Asked for while the embedded PostgreSQL was starting.
    if stop.is_cancelled() {
        console.close().await;
        return Ok(());
    }
    let first = console
        .engine
        .session()
        .ensure_first_administrator(settings.admin_password.clone())
        .await;
    let first = match first {
        Ok(first) => first,
        Err(error) => {
            console.close().await;
            return Err(error.into());
        }
    };
    greet(&session, addr, &first);
    let web = Web::new(console.engine.clone(), site, settings.trusted_proxies.clone());
    let (closing, trusted) = (web.closing.clone(), web.trusted_proxies.clone());
    let serving = tokio::spawn(http::connection::serve(
        listener,
        http::router(web),
        trusted,
        closing.clone(),
    ));
    if with_demo {
        demo::fill(&session, &console, stop.clone()).await;
    }
    stop.cancelled().await;
    tracing::info!("closing");
    closing.cancel();
    // Requests end while jobs clean up; both have a limit of their own.
    let (_ended, ()) = tokio::join!(serving, console.close());
    Ok(())
}

/// Cancelled by Ctrl-C or SIGTERM, not by SIGHUP. A second one changes nothing: what is left to do has its limits.
fn stop_signal() -> Result<CancellationToken, Failure> {
    let failed = |error: std::io::Error| Failure::message(format!("signals cannot be caught: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                // Its terminal was closed, or someone expects the settings to be read again.
                _ = hang_up.recv() => tracing::warn!(
                    "SIGHUP changes nothing: the console goes on, and settings are read at the next start"
                ),
            }
        }
        told.cancel();
    });
    Ok(stop)
}

/// The browser's files.
pub(super) fn site(settings: &Settings) -> Result<Site, Failure> {
    Site::read(&settings.site_root).map_err(|error| {
        Failure::with_hint(
            format!(
                "the browser's files are not in {}: {error}",
                settings.site_root.display()
            ),
            "build them (make build), or set LEPTOS_SITE_ROOT to their folder",
        )
    })
}

/// The address, and at the first start who may log in. The one-time password is shown here and nowhere else.
fn greet(session: &Session<'_>, addr: SocketAddr, first: &FirstAdministrator) {
    let who = match first {
        FirstAdministrator::NotNeeded => String::new(),
        FirstAdministrator::Made { name } => {
            format!("\n  Log in as  {name}\n  Password   the one in PGSTEWARD_ADMIN_PASSWORD\n")
        }
        FirstAdministrator::MadeWithOneTimePassword {
            name,
            password,
            until,
        } => format!(
            "\n  Log in as  {name}\n  Password   {}\n\n  This password is shown only now, is good until {}, and must be changed at the \
             first log-in.\n",
            password.expose_secret(),
            contract::format::absolute(*until)
        ),
        FirstAdministrator::OneTimePasswordWaits { name, until } => format!(
            "\n  Log in as  {name}\n  with the one-time password that an earlier start showed, which is good until {}; the first start \
             after that shows a new one\n",
            contract::format::absolute(*until)
        ),
    };
    session
        .out
        .say(&format!("\npgsteward is ready on http://{addr}\n{who}"));
    if !addr.ip().is_loopback() && session.settings.trusted_proxies.is_empty() {
        tracing::warn!(
            "listening beyond this machine without TLS: log-in works only through a TLS proxy, whose address \
             PGSTEWARD_TRUSTED_PROXY names"
        );
    }
}
