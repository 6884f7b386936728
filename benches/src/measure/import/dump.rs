//! `.dump | psql`, as AI-PAL's migration guide has it, with the edits without which it loads nothing.

use std::path::Path;

use super::{program::Program, stage::Stage};
use crate::Result;

/// `sh` gets the file and psql's path. The edits, in turn: 0 and 1 may become booleans (by a cast, which is cheaper than to alter
/// the columns afterwards); no PRAGMA; in a table's definition, where lines begin with a tab, the name of the type for times,
/// and no foreign key, because the unique index that it needs comes last in the dump; the function that makes a line break
/// of a number. The foreign key and ANALYZE come at the end.
const PIPELINE: &str = r#"
{
  echo 'update pg_cast set castcontext = $$a$$ where castsource = $$int$$::regtype and casttarget = $$bool$$::regtype;'
  sqlite3 -readonly "$1" .dump |
    sed -e '/^PRAGMA /d' \
      -e '/^\t/s/^\(\t[a-z_]*\) DATETIME/\1 timestamp/' \
      -e '/^\tFOREIGN KEY/d' \
      -e 's/^\tPRIMARY KEY (id), *$/\tPRIMARY KEY (id)/' \
      -e 's/,char(\(9\|10\|13\)))/,chr(\1))/g'
  echo 'alter table atomic_blocks add foreign key (goal_id) references ffe_goals (goal_id);'
  echo 'analyze;'
} | "$2" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --output=/dev/null
"#;

/// Says what is missing before anything is measured; the shell finds it by itself.
pub fn find(folder: &Path) -> Result<()> {
    Program::named("sqlite3", "apt-get install sqlite3", folder).map(drop)
}

/// Loads into an empty database; seconds.
pub async fn measure(stage: &Stage, database: &str, file: &Path, folder: &Path) -> Result<f64> {
    let ended = Program::new(Path::new("/bin/sh"), folder)
        .arguments(["-c", PIPELINE, "pipeline"])
        .arguments([file.to_string_lossy().into_owned(), stage.psql()])
        .variables(stage.variables(database))
        .succeed("dump")
        .await?;
    Ok(ended.seconds)
}
