//! This area's own tables: `users`, `sessions`, `login_attempts`.

pub(super) mod attempts;
pub(super) mod sessions;
pub(super) mod users;

pub(super) use users::User;

type Result<T> = std::result::Result<T, sqlx::Error>;

/// Advisory locks of this area, as the first of two keys.
const LOCK_USERS: i32 = 7300;
const LOCK_ACCOUNT: i32 = 7301;
const LOCK_NETWORK: i32 = 7302;
