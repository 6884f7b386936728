//! The console over HTTP: which layers a request passes, from the outside in.
//!
//! trace → origin → headers → panics → limits → cross-site → session → guard → route. Everything that answers, also with
//! an error, passes the first three on its way out. Uploads alone have limits of their own, in [`upload`]. A route is public only when `server/public_routes.txt` names it.

pub mod connection;
mod cross_site;
mod download;
mod events;
mod fault;
mod guard;
mod headers;
mod health;
mod hook;
mod limits;
mod origin;
mod pages;
mod public;
mod redirect;
mod session;
mod site;
mod trace;
mod upload;

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::FromRef,
    middleware,
    routing::{any, get, post, put},
};
use engine::Engine;
use leptos::config::LeptosOptions;
use tokio_util::sync::CancellationToken;
use tower_http::{CompressionLevel, catch_panic::CatchPanicLayer, compression::CompressionLayer};

pub use events::Streams;
pub use public::Public;
pub use site::Site;

/// What every route knows.
#[derive(Clone)]
pub struct Web {
    /// What does the work.
    pub engine: Engine,
    /// The browser's files.
    pub site: Site,
    /// Proxies whose word about a request counts.
    pub trusted_proxies: Arc<[IpAddr]>,
    /// The live streams.
    pub streams: Streams,
    /// How often a stream asks whether its session still lives.
    pub recheck: Duration,
    /// Cancelled when the console closes; streams end then.
    pub closing: CancellationToken,
}

impl Web {
    /// The state for an engine and a site, with the pace that holds in production.
    pub fn new(engine: Engine, site: Site, trusted_proxies: Vec<IpAddr>) -> Self {
        Self {
            engine,
            site,
            trusted_proxies: trusted_proxies.into(),
            streams: Streams::default(),
            recheck: Duration::from_secs(30),
            closing: CancellationToken::new(),
        }
    }
}

/// Leptos' own options; it asks for them at its routes.
#[derive(Clone)]
struct Routed {
    web: Web,
    leptos: LeptosOptions,
}

impl FromRef<Routed> for Web {
    fn from_ref(routed: &Routed) -> Self {
        routed.web.clone()
    }
}

impl FromRef<Routed> for LeptosOptions {
    fn from_ref(routed: &Routed) -> Self {
        routed.leptos.clone()
    }
}

/// Every route with every layer.
pub fn router(web: Web) -> Router {
    let leptos = LeptosOptions::builder()
        .output_name("pgsteward")
        .site_pkg_dir("pkg")
        .build();
    let routed = Routed {
        web: web.clone(),
        leptos,
    };
    // Compressed as they are written; what is a stream or stored compressed is not.
    let written = pages::routes(&routed)
        .route("/rpc/{*path}", any(fault::no_such_route))
        .layer(middleware::from_fn(redirect::only_same_origin))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest));
    let routes = Router::new()
        .merge(written)
        .route("/events", get(events::handle))
        .route("/download/{target}/{id}", get(download::archive))
        .route("/download/{target}/{id}/globals", get(download::globals))
        .route("/hooks/deployment", post(hook::deployment))
        .route("/healthz", get(health::lives))
        .route("/readyz", get(health::ready))
        .route("/readyz/detail", get(health::detail))
        .route("/api/{*path}", any(fault::no_such_route))
        .nest_service("/pkg", pages::files(web.site.clone()))
        .fallback(fault::no_such_route)
        .method_not_allowed_fallback(fault::wrong_method)
        .with_state(routed);
    let uploads = Router::new()
        .route("/import/uploads/{id}/{part}", put(upload::take))
        .method_not_allowed_fallback(fault::wrong_method)
        .with_state(web.clone());
    let bounded = bound(admit(routes, &web));
    complete(bounded.merge(admit(uploads, &web)), web)
}

/// Puts every layer around some routes.
pub fn protect(routes: Router, web: Web) -> Router {
    complete(bound(admit(routes, &web)), web)
}

/// Lets in who may come in.
fn admit(routes: Router, web: &Web) -> Router {
    routes
        .layer(middleware::from_fn(guard::deny_by_default))
        .layer(middleware::from_fn_with_state(web.clone(), session::prove))
        .layer(middleware::from_fn_with_state(web.clone(), cross_site::refuse))
}

/// Bounds what a request may bring, and how long it may take.
fn bound(routes: Router) -> Router {
    routes.layer(middleware::from_fn(limits::keep))
}

/// Completes what goes out.
fn complete(routes: Router, web: Web) -> Router {
    routes
        .layer(CatchPanicLayer::custom(fault::of_panic))
        .layer(middleware::from_fn(headers::complete))
        .layer(middleware::from_fn_with_state(web, origin::learn))
        .layer(middleware::from_fn(trace::log))
}
