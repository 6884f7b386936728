//! What is said of the loads: budgets, numbers, notes.

use std::fmt::Write;

use contract::format;

use super::{Budgets, Loads, Size, pgloader::Outcome, stage::SETTINGS};
use crate::{measure::megabytes, report::Row};

/// The load against the floor.
const LOAD: f64 = 1.15;
/// The load and the verification against the floor.
const VERIFIED: f64 = 1.6;
/// How many times faster than pgloader tuned, all included, at the large size.
const TUNED: f64 = 3.5;
/// How many times faster than pgloader, all included, at the small size.
const SMALL: f64 = 3.0;
/// Megabytes beside the mapped file.
const MEMORY: f64 = 64.0;

/// Says what is being done.
pub fn progress(size: Size, what: &str) {
    eprintln!("          import of {} rows: {what}", exact(size.rows));
}

/// The budgets of one size.
pub fn rows(loads: &Loads) -> Vec<Row> {
    match loads.size.budgets {
        Budgets::Large => large(loads),
        Budgets::Small => vec![against_pgloader(loads, SMALL, fastest(loads))],
    }
}

fn large(loads: &Loads) -> Vec<Row> {
    let floor = loads.floor();
    let load = loads.ours(|it| it.load);
    let verified = loads.ours(|it| it.load + it.verify);
    let measured = |seconds: f64| format!("{:.2} × ({seconds:.1} s, floor {floor:.1} s)", seconds / floor);
    let rows = exact(loads.size.rows);
    let own = loads
        .ours
        .iter()
        .map(|it| it.memory.own)
        .max()
        .unwrap_or_default();
    let files = loads
        .ours
        .iter()
        .map(|it| it.memory.files)
        .max()
        .unwrap_or_default();
    vec![
        Row::new(
            format!("import of {rows} rows, the load"),
            format!("≤ {LOAD:.2} × binary COPY of prepared data and its indexes"),
            measured(load),
            load <= LOAD * floor,
            || phases(loads),
        ),
        Row::new(
            format!("import of {rows} rows, load and verification"),
            format!("≤ {VERIFIED:.1} × the same"),
            measured(verified),
            verified <= VERIFIED * floor,
            || phases(loads),
        ),
        against_pgloader(
            loads,
            TUNED,
            loads.tuned.died.is_none().then_some((&loads.tuned, "tuned")),
        ),
        Row::new(
            format!("import of {rows} rows, those that arrive; pgloader with its defaults"),
            "all",
            format!("all; {}", fate(&loads.defaults)),
            // Anything less than all was an error before.
            !loads.ours.is_empty(),
            || "nothing was imported".to_owned(),
        ),
        Row::new(
            "memory of an import beside the mapped file",
            format!("≤ {MEMORY:.0} MB"),
            format!("{:.1} MB", megabytes(own)),
            megabytes(own) <= MEMORY,
            || format!("{:.1} MB are pages of files", megabytes(files)),
        ),
    ]
}

/// Where pgsteward's time went, by its own clock.
fn phases(loads: &Loads) -> String {
    format!(
        "inspection {:.1} s, load {:.1} s, verification {:.1} s",
        loads.ours(|it| it.inspect),
        loads.ours(|it| it.load),
        loads.ours(|it| it.verify)
    )
}

/// Everything that a person waits for, on both sides.
fn against_pgloader(loads: &Loads, bar: f64, peer: Option<(&Outcome, &str)>) -> Row {
    let whole = loads.ours(|it| it.whole);
    let what = format!(
        "import of {} rows, inspected and verified, all the command's time",
        exact(loads.size.rows)
    );
    let bar_words = |name: &str| format!("≥ {bar:.1} × faster than pgloader {name}");
    match peer {
        Some((outcome, name)) => Row::new(
            what,
            bar_words(name),
            format!(
                "{:.2} × ({whole:.1} s, pgloader {:.1} s)",
                outcome.ended.seconds / whole,
                outcome.ended.seconds
            ),
            outcome.ended.seconds >= bar * whole,
            || format!("{}; of pgloader: {}", phases(loads), fate(outcome)),
        ),
        None => Row::new(
            what,
            bar_words("").trim_end().to_owned(),
            format!("{whole:.1} s, pgloader died"),
            true,
            String::new,
        ),
    }
}

/// The faster one of those that came to their end.
fn fastest(loads: &Loads) -> Option<(&Outcome, &'static str)> {
    let both = [(&loads.tuned, "tuned"), (&loads.defaults, "with its defaults")];
    both.into_iter()
        .filter(|(outcome, _)| outcome.died.is_none())
        .min_by(|one, other| one.0.ended.seconds.total_cmp(&other.0.ended.seconds))
}

fn fate(outcome: &Outcome) -> String {
    let found = &outcome.found;
    let rows = exact(found.total());
    let text = match &outcome.died {
        Some(why) => format!("it died with {rows} rows loaded: {why}"),
        None => format!(
            "it loaded {rows} rows (indexes {}, foreign keys {}) in {:.1} s, errors {}",
            found.indexes, found.foreign_keys, outcome.ended.seconds, outcome.errors
        ),
    };
    text.replace(['|', '\n'], " ")
}

/// All numbers of one size, as Markdown.
pub fn table(loads: &Loads) -> String {
    let floor = loads.floor();
    let mut text = format!(
        "{} rows, a file of {}:\n\n| | seconds | × floor | rows | peak memory |\n|---|---|---|---|---|\n",
        exact(loads.size.rows),
        format::bytes(i64::try_from(loads.bytes).unwrap_or(i64::MAX)),
    );
    let all = exact(loads.size.rows);
    let mut line = |what: &str, seconds: f64, rows: &str, memory: &str| {
        let _fits = writeln!(
            text,
            "| {what} | {seconds:.2} | {:.2} | {rows} | {memory} |",
            seconds / floor
        );
    };
    line(
        "floor: binary COPY, indexes, foreign key, ANALYZE",
        floor,
        &all,
        "",
    );
    if !loads.ours.is_empty() {
        let peak = loads
            .ours
            .iter()
            .map(|it| it.memory)
            .reduce(super::footprint::Footprint::max)
            .unwrap_or_default();
        let memory = format!(
            "{:.1} MB and {:.1} MB of files, {:.1} MB in all",
            megabytes(peak.own),
            megabytes(peak.files),
            megabytes(peak.whole)
        );
        line("pgsteward, its load", loads.ours(|it| it.load), &all, "");
        line(
            "pgsteward, load and verification",
            loads.ours(|it| it.load + it.verify),
            &all,
            "",
        );
        line(
            "pgsteward, the whole command",
            loads.ours(|it| it.whole),
            &all,
            &memory,
        );
    }
    for (what, outcome) in [
        (super::Variant::Tuned.name(), &loads.tuned),
        (super::Variant::Defaults.name(), &loads.defaults),
    ] {
        let dead = if outcome.died.is_some() { " (died)" } else { "" };
        line(
            &format!("{what}{dead}"),
            outcome.ended.seconds,
            &exact(outcome.found.total()),
            &format!("{:.0} MB", megabytes(outcome.ended.memory.whole)),
        );
    }
    if let Some(seconds) = loads.dump {
        line("`.dump`, sed, psql", seconds, &all, "");
    }
    let single = |name: &str, values: &mut dyn Iterator<Item = f64>| {
        let texts: Vec<String> = values.map(|value| format!("{value:.2} s")).collect();
        format!("{name} {}", texts.join(", "))
    };
    let _fits = writeln!(
        text,
        "\nSingle values: {}; {}. pgloader tuned: {}. pgloader with its defaults: {}.\n",
        single("floor", &mut loads.floor.iter().copied()),
        single("pgsteward", &mut loads.ours.iter().map(|it| it.whole)),
        fate(&loads.tuned),
        fate(&loads.defaults),
    );
    text
}

fn exact(rows: u64) -> String {
    format::exact(i64::try_from(rows).unwrap_or(i64::MAX))
}

/// How it is measured.
pub fn notes(pgloader: &str) -> Vec<String> {
    let settings: Vec<String> = SETTINGS
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    vec![
        format!(
            "Import: a generated SQLite file with the nine tables of AI-PAL, 16 indexes and a foreign key. All load it into an empty \
             database of one server over TCP on 127.0.0.1, one after the other, each after a checkpoint; {}; fsync and \
             full_page_writes off for all, the rest PostgreSQL's defaults. The file was just written and is in the system's cache.",
            settings.join(", ")
        ),
        "Import, the floor: binary COPY by psql of rows that PostgreSQL wrote out itself, typed as pgsteward proposes (uuid, \
         timestamp, boolean, double precision, bigint, text), in two streams with the largest table divided between them; \
         each stream builds its indexes at once without parallel workers; then the foreign key and ANALYZE."
            .to_owned(),
        format!(
            "Import, the peers: {pgloader} with `prefetch rows = 10000` and with its defaults; `sqlite3 .dump` through sed (times, \
             booleans, PRAGMA, line breaks) into psql. With the smaller file pgloader is measured as often as pgsteward, in turn with it, and \
             its medians count; with the larger one once. Neither looks at what it loaded. pgsteward's time against pgloader is that \
             of the whole command with inspection and verification; against the floor, that of the named parts by its own clock."
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::import::{footprint::Footprint, program::Ended, stage::Found, steward::Import};

    fn outcome(seconds: f64, died: bool) -> Outcome {
        Outcome {
            ended: Ended {
                seconds,
                memory: Footprint::default(),
                status: Some(0),
                output: String::new(),
                complaints: String::new(),
            },
            found: Found::default(),
            errors: 0,
            died: died.then(|| "its heap | was exhausted".to_owned()),
        }
    }

    fn loads(budgets: Budgets, tuned: Outcome, defaults: Outcome) -> Loads {
        let import = Import {
            whole: 25.0,
            inspect: 2.0,
            load: 18.0,
            verify: 4.0,
            memory: Footprint {
                whole: 900 << 20,
                own: 40 << 20,
                files: 860 << 20,
            },
        };
        Loads {
            size: Size {
                rows: 3_700_000,
                rounds: 1,
                pgloader: 1,
                budgets,
                dump: false,
            },
            bytes: 1 << 30,
            floor: vec![15.0, 16.0, 17.0],
            ours: vec![import],
            tuned,
            defaults,
            dump: None,
        }
    }

    fn text(loads: &Loads) -> String {
        rows(loads).iter().map(|row| format!("{row:?}\n")).collect()
    }

    #[test]
    fn the_floor_is_compared_with_the_median_and_pgloader_with_the_whole_command() {
        let all = text(&loads(Budgets::Large, outcome(87.0, false), outcome(9.0, true)));
        for expected in [
            "1.12 × (18.0 s, floor 16.0 s)",
            "1.38 × (22.0 s",
            "3.48 × (25.0 s, pgloader 87.0 s)",
        ] {
            assert!(all.contains(expected), "{all}");
        }
        assert!(
            all.contains("it died with 0 rows loaded") && all.contains("40.0 MB"),
            "{all}"
        );
        // 3.48 is less than 3.5, and nothing else is missed.
        assert_eq!(all.matches("Missed").count(), 1, "{all}");
    }

    #[test]
    fn a_dead_peer_is_no_measure_of_speed() {
        let small = text(&loads(Budgets::Small, outcome(100.0, false), outcome(1.0, true)));
        assert!(
            small.contains("4.00 ×") && small.contains("pgloader tuned"),
            "{small}"
        );
        let none = text(&loads(Budgets::Large, outcome(1.0, true), outcome(1.0, true)));
        assert!(
            none.contains("25.0 s, pgloader died") && !none.contains("Missed"),
            "{none}"
        );
        let table = table(&loads(Budgets::Large, outcome(1.0, true), outcome(1.0, true)));
        assert!(
            table.contains("its defaults (died)") && !table.contains("heap |"),
            "{table}"
        );
    }
}
