//! Beginning an import, which each list of files can do.

use contract::import::ImportView;
use leptos::prelude::*;
use uuid::Uuid;

use super::api::create_import;
use crate::rpc::ApiError;

/// Begins an import into a managed database: of a file on the server by its path, or of an upload. The database is named
/// by who asks, since the page may show another one by the end of an upload.
pub type Create = Action<(String, Option<String>, Option<Uuid>), Result<ImportView, ApiError>>;

/// The act itself, one for all the lists of a page, so that they know of each other when it is under way.
pub fn create_action() -> Create {
    Action::new(
        |(target, path, upload): &(String, Option<String>, Option<Uuid>)| {
            create_import(target.clone(), path.clone(), *upload)
        },
    )
}
