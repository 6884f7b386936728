//! The one place that asks for a session before a page is shown. It is a courtesy to the reader: what a page may show or
//! do is decided by the engine.

use contract::session::Identity;
use leptos::either::EitherOf3;
use leptos_router::{
    components::{Outlet, Redirect},
    hooks::use_location,
};

use super::{
    fleet::Fleet,
    keys::Keys,
    nav::{Side, provide_targets},
    opened::Opened,
    palette::Palette,
    top::Top,
};
use crate::{
    address::{login_link, settings_link},
    live,
    prelude::*,
    session::Me,
    target::api::list_targets,
    ui::{NeedsScript, ToastList, Toasts, provide_acts},
};

/// Shows the page below inside the frame to whoever is logged in, leads everyone else to the log-in and back, and leads
/// who must choose a password to the settings.
#[component]
pub fn Gate() -> impl IntoView {
    let me = SharedValue::new(who).into_inner();
    let location = use_location();
    let path = location.pathname.get_untracked();
    let next = match location.search.get_untracked().as_str() {
        "" => path.clone(),
        search => format!("{path}?{search}"),
    };
    match me {
        None => EitherOf3::A(view! { <Redirect path=login_link(&next) /> }),
        Some(me) if me.must_change_password && path != "/settings" => {
            EitherOf3::B(view! { <Redirect path=settings_link(&next) /> })
        }
        Some(me) => EitherOf3::C(view! { <Frame me /> }),
    }
}

/// Who is logged in, read on the server from the request and by the browser from the document.
fn who() -> Option<Identity> {
    #[cfg(feature = "ssr")]
    return crate::rpc::identity();
    // Only without a document from the server, which does not happen: `hydrate` is the browser's one entry.
    #[cfg(not(feature = "ssr"))]
    None
}

#[component]
fn Frame(me: Identity) -> impl IntoView {
    let locked = me.must_change_password;
    provide_context(Me(me));
    if !locked {
        live::provide();
    }
    Toasts::provide();
    provide_acts();
    provide_targets();
    let fleet = Fleet(Resource::new(
        || (),
        move |()| async move {
            if locked {
                Ok(Vec::new())
            } else {
                list_targets().await
            }
        },
    ));
    provide_context(fleet);
    let opened = Opened {
        palette: RwSignal::new(false),
        keys: RwSignal::new(false),
    };
    provide_context(opened);
    view! {
        <a class="skip-link" href="#main" rel="external">
            "Skip to content"
        </a>
        <div class="shell">
            <Side locked />
            <div>
                <Top locked />
                <main class="stack" id="main" tabindex="-1">
                    <Outlet />
                    <NeedsScript />
                </main>
            </div>
        </div>
        <Palette />
        <Keys />
        <ToastList />
    }
}
