use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, PgPool};

use crate::failure::{Doing, or_fail};

/// Where the migrations of the AI-PAL schema lie.
#[must_use]
pub fn migrations() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/ai_pal"))
}

/// Brings an empty database to the newest AI-PAL schema, for tests of what comes after. Writes no record of it: a test of
/// migrations applies them with the product's own code.
pub async fn apply_schema(pool: &PgPool) {
    let files = or_fail(
        Migrator::new(migrations())
            .await
            .doing("reading the AI-PAL migrations"),
    );
    for file in files.iter() {
        let what = format!("migration {} {}", file.version, file.description);
        // PostgreSQL makes one transaction of what it gets in one string, and these cannot run in one. In the files of this
        // folder a statement ends where a line ends with a semicolon.
        let parts: Vec<&str> = if file.no_tx {
            file.sql.as_str().split_inclusive(";\n").collect()
        } else {
            vec![file.sql.as_str()]
        };
        for part in parts {
            let ran = sqlx::raw_sql(AssertSqlSafe(part.to_owned())).execute(pool).await;
            or_fail(ran.doing(&what));
        }
    }
}
