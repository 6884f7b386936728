//! Logging in and out, one's own account, and the users.

pub mod api;
#[cfg(feature = "ssr")]
mod browser;
#[cfg(feature = "ssr")]
pub mod cookie;
mod form;
mod login;
mod own;
mod password;
mod role;
mod settings;
mod times;
mod user_add;
mod user_row;
mod users;

#[cfg(feature = "ssr")]
pub(crate) use form::lead_to;
pub use login::LoginPage;
pub use settings::SettingsPage;

use contract::session::{Identity, Permission};
use leptos::prelude::*;

/// Who is logged in, on every page below the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me(pub Identity);

/// Who is logged in; `None` outside the gate.
pub fn use_me() -> Option<Identity> {
    use_context::<Me>().map(|me| me.0)
}

/// Whether who is logged in may do this; for hiding what the engine would refuse.
pub fn use_may(permission: Permission) -> bool {
    use_me().is_some_and(|me| !me.must_change_password && me.role.may(permission))
}

/// Leads the browser to the log-in and back to this page afterwards; on the server, nothing.
pub fn leave_for_login() {
    #[cfg(feature = "hydrate")]
    {
        let location = leptos::prelude::window().location();
        let next = format!(
            "{}{}",
            location.pathname().unwrap_or_default(),
            location.search().unwrap_or_default()
        );
        if !next.starts_with("/login") {
            // Fails only while another navigation is under way, which is as good.
            let _ = location.assign(&crate::address::login_link(&next));
        }
    }
}

/// Loads another page as a new document, so that nothing of the old session stays in memory; on the server, nothing.
pub fn load_page(link: &str) {
    #[cfg(feature = "hydrate")]
    let _ = leptos::prelude::window().location().assign(link);
    #[cfg(not(feature = "hydrate"))]
    let _ = link;
}
