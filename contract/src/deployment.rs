//! Deployments: somebody tells of them, and charts show them on the time axis.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Instant;

/// Where the webhook listens.
pub const HOOK: &str = "/hooks/deployment";

/// A deployment to tell of: by command, or as the JSON of the webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDeployment {
    /// The managed database; not needed where there is only one, or with a token that is for one.
    #[serde(default)]
    pub target: Option<String>,
    /// What was deployed, such as `shop 1.4.2`; this or a note.
    #[serde(default)]
    pub version: Option<String>,
    /// What is to be said of it, in a line.
    #[serde(default)]
    pub note: Option<String>,
    /// A page about it elsewhere: `http://` or `https://`.
    #[serde(default)]
    pub link: Option<String>,
    /// When it was; now when it is not said.
    #[serde(default)]
    pub at: Option<Instant>,
}

/// A deployment as it was told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its number.
    pub id: i64,
    /// The managed database.
    pub target: String,
    /// When it was.
    pub at: Instant,
    /// What was deployed.
    pub version: Option<String>,
    /// What was said of it.
    pub note: Option<String>,
    /// A page about it elsewhere.
    pub link: Option<String>,
    /// Who told of it: a user, or `token` with its name.
    pub told_by: String,
    /// When it was told.
    pub told_at: Instant,
}

impl Deployment {
    /// Its mark in words, as in `Deployment shop 1.4.2: new check-out`.
    pub fn words(&self) -> String {
        words(self.version.as_deref(), self.note.as_deref())
    }
}

/// The words of a deployment's mark.
pub fn words(version: Option<&str>, note: Option<&str>) -> String {
    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
    let note = note.map(|note| format!(": {note}")).unwrap_or_default();
    format!("Deployment{version}{note}")
}

/// A token to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    /// A name to know it by, such as the pipeline's: 1–64 characters of letters, digits, `.`, `_`, `-`, `@`.
    pub name: String,
    /// The one managed database that it tells of; none: any.
    pub target: Option<String>,
}

/// A token of the webhook, without what makes it one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    /// Which one; the first half of the token.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The one managed database that it tells of; none: any.
    pub target: Option<String>,
    /// Who made it.
    pub made_by: String,
    /// When it was made.
    pub made_at: Instant,
    /// When it was used last.
    pub used_at: Option<Instant>,
    /// From where that was.
    pub used_from: Option<String>,
}

/// A token that was just made. Nothing keeps the token itself, so that this is the one time that it is seen.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeToken {
    /// What is kept of it.
    pub view: TokenView,
    /// The token.
    pub token: String,
}
