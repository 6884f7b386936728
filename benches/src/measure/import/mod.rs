//! The import of a SQLite file of AI-PAL's shape, next to the floor and to what people use today, in one run.
//!
//! All load the same file into an empty database of the same server, one after the other, each after a checkpoint. A load that
//! does not leave every row, index and foreign key counts only for pgloader, where that is the finding.

mod dump;
mod floor;
mod folder;
mod footprint;
mod pgloader;
mod program;
mod stage;
mod steward;
mod typed;
mod words;

use std::{fs, path::Path};

use testkit::sqlite::ai_pal;

use crate::{Result, report::Section, timing::median};
use floor::Floor;
use folder::Folder;
use pgloader::{Outcome, Variant};
use stage::{Found, Stage};
use steward::Import;

/// Indexes of the file, and a primary key for each of the nine tables.
const INDEXES: i64 = 16 + 9;
const FOREIGN_KEYS: i64 = 1;

/// How much one run of the measurement takes.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Rows of the file.
    pub rows: u64,
    /// Times that the floor and pgsteward are measured, in turn; medians count.
    pub rounds: usize,
    /// In how many of them pgloader is measured too: it takes long for a large file, and its times differ little then.
    pub pgloader: usize,
    /// Which budgets hold.
    pub budgets: Budgets,
    /// Whether `.dump | psql` is waited for: it takes two minutes for a million rows.
    pub dump: bool,
}

/// What is asked for at a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budgets {
    /// Against the floor, against pgloader tuned, and memory.
    Large,
    /// Against pgloader.
    Small,
}

/// The sizes of the real run, or with `quick` those of a smoke run.
pub fn sizes(quick: bool) -> Vec<Size> {
    let large = Size {
        rows: 3_700_000,
        rounds: 3,
        pgloader: 1,
        budgets: Budgets::Large,
        dump: false,
    };
    let small = Size {
        rows: 370_000,
        rounds: 3,
        pgloader: 3,
        budgets: Budgets::Small,
        dump: true,
    };
    if quick {
        return vec![Size {
            rows: 20_000,
            rounds: 1,
            dump: true,
            ..large
        }];
    }
    vec![small, large]
}

/// All loads of one file.
struct Loads {
    size: Size,
    bytes: u64,
    floor: Vec<f64>,
    ours: Vec<Import>,
    tuned: Outcome,
    defaults: Outcome,
    dump: Option<f64>,
}

impl Loads {
    fn floor(&self) -> f64 {
        median(self.floor.iter().copied())
    }

    /// The median of one of pgsteward's numbers.
    fn ours(&self, number: impl Fn(&Import) -> f64) -> f64 {
        median(self.ours.iter().map(number))
    }
}

/// Measures every size. When pgsteward's own import fails, what the others took is printed all the same.
pub async fn against_peers(program: &Path, work: &Path, sizes: &[Size]) -> Result<Section> {
    let kept = Folder::new(work.join("import"))?;
    let folder = kept.path();
    dump::find(folder)?;
    let version = pgloader::version(folder).await?;
    let stage = Stage::start().await?;
    let mut section = Section {
        notes: words::notes(&version),
        ..Section::default()
    };
    let mut tables = String::new();
    for size in sizes {
        let (loads, failed) = one(program, &stage, folder, *size).await?;
        let table = words::table(&loads);
        eprint!("{table}");
        if let Some(why) = failed {
            return Err(why);
        }
        tables.push_str(&table);
        section.rows.extend(words::rows(&loads));
    }
    section.detail = Some(("Import of a SQLite file".to_owned(), tables));
    Ok(section)
}

/// One size, and why pgsteward could not be measured, if it could not.
async fn one(program: &Path, stage: &Stage, folder: &Path, size: Size) -> Result<(Loads, Option<String>)> {
    let counts = ai_pal::counts(size.rows);
    let tables = counts.map(|(table, _)| table);
    let whole = Found {
        rows: counts.map(|(_, rows)| rows).to_vec(),
        indexes: INDEXES,
        foreign_keys: FOREIGN_KEYS,
    };
    let file = folder.join(format!("ai_pal_{}.db", size.rows));
    let to = file.clone();
    words::progress(size, "writing the file");
    tokio::task::spawn_blocking(move || ai_pal::ai_pal(&to, size.rows))
        .await
        .map_err(|error| format!("writing the SQLite file: {error}"))?;
    let bytes = fs::metadata(&file).map_or(0, |found| found.len());
    words::progress(size, "preparing the floor");
    let prepared = Floor::prepare(stage, &file, folder).await?;

    let (mut floor, mut ours, mut failed) = (Vec::new(), Vec::new(), None);
    let mut peers = [(Variant::Tuned, Vec::new()), (Variant::Defaults, Vec::new())];
    for round in 0..size.rounds {
        words::progress(size, "the floor");
        stage.begin("import_floor").await?;
        floor.push(prepared.measure(stage, "import_floor", folder).await?);
        finish(stage, "import_floor", &tables, &whole).await?;
        if failed.is_none() {
            words::progress(size, "pgsteward");
            stage.begin("import_steward").await?;
            let import = steward::measure(program, stage, "import_steward", &file, folder).await;
            let checked = match import {
                Ok(import) => finish(stage, "import_steward", &tables, &whole)
                    .await
                    .map(|()| import),
                Err(why) => stage.end("import_steward").await.and(Err(why)),
            };
            match checked {
                Ok(import) => ours.push(import),
                Err(why) => failed = Some(why),
            }
        }
        for (variant, outcomes) in peers.iter_mut().filter(|_| round < size.pgloader) {
            words::progress(size, variant.name());
            stage.begin("import_pgloader").await?;
            let outcome = pgloader::measure(stage, "import_pgloader", &file, folder, *variant, &tables);
            outcomes.push(outcome.await?);
            stage.end("import_pgloader").await?;
        }
    }
    let mut dump = None;
    if size.dump {
        words::progress(size, ".dump | psql");
        stage.begin("import_dump").await?;
        dump = Some(dump::measure(stage, "import_dump", &file, folder).await?);
        finish(stage, "import_dump", &tables, &whole).await?;
    }
    let _removed = fs::remove_file(&file);
    let [tuned, defaults] = peers.map(|(_, outcomes)| middle(outcomes));
    let none = || "pgloader was not measured".to_owned();
    let (tuned, defaults) = (tuned.ok_or_else(none)?, defaults.ok_or_else(none)?);
    Ok((
        Loads {
            size,
            bytes,
            floor,
            ours,
            tuned,
            defaults,
            dump,
        },
        failed,
    ))
}

/// The one with the median time.
fn middle(mut outcomes: Vec<Outcome>) -> Option<Outcome> {
    outcomes.sort_by(|one, other| one.ended.seconds.total_cmp(&other.ended.seconds));
    let at = outcomes.len() / 2;
    (at < outcomes.len()).then(|| outcomes.swap_remove(at))
}

/// Checks that everything has arrived, and drops the database.
async fn finish(stage: &Stage, database: &str, tables: &[&str], whole: &Found) -> Result<()> {
    let found = stage.found(database, tables).await?;
    stage.end(database).await?;
    if found == *whole {
        return Ok(());
    }
    Err(format!("{database} holds {found:?} and not {whole:?}"))
}
