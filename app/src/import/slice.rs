//! Cuts out of an import what its page's URL asks for.

use contract::{
    format,
    import::{
        Finding, ImportDetail, ImportPlan, ImportReport, ImportState, IndexFacts, Inspection, Rehearsal,
        Severity, TableFacts, TableReport, Verdict,
    },
    jobs::JobView,
};

use super::{
    export::ended,
    grid::{Cell, Cells},
    sheet::{
        FileSheet, Findings, FollowSheet, Look, OpenTable, PER_PAGE, Paged, PlanSheet, Proof, Sheet,
        StageSheet,
    },
    words,
};
use crate::ui::{Tone, cut};

/// Lines of damage, findings of a table and other things shown beside a list: the first few.
const FEW: usize = 20;

/// The page of an import.
pub fn sheet(detail: ImportDetail, job: Option<JobView>, look: &Look) -> Sheet {
    let ImportDetail {
        import,
        mapping,
        revision,
        inspection,
        rehearsal,
        report,
        following,
        newer,
    } = detail;
    let done = import.state == ImportState::Done;
    let looked_at = inspection.as_ref().filter(|_| !done || look.inspection);
    let open = looked_at.and_then(|inspection| {
        let name = look.table.as_ref()?;
        let at = inspection.tables.iter().position(|table| table.name == *name)?;
        Some(open_table(inspection, at, look))
    });
    let findings = match (&report, looked_at) {
        (Some(report), None) => Some(findings(&report.items, look)),
        (_, Some(inspection)) => Some(findings(&inspection.findings, look)),
        (None, None) => None,
    };
    Sheet {
        no_such_table: looked_at.is_some() && look.table.is_some() && open.is_none(),
        tables: looked_at
            .filter(|_| open.is_none())
            .map(|inspection| tables(inspection, look)),
        file: inspection.as_ref().map(file),
        proof: report.as_ref().map(|report| proof(report, look)),
        plan: rehearsal
            .filter(|_| import.state == ImportState::Ready)
            .map(|rehearsal| plan(rehearsal, &revision, mapping.follow, look)),
        findings,
        open,
        import,
        job,
        mapping,
        revision,
        following,
        newer,
    }
}

/// The most statements of a stage that are shown, and the most bytes of their text; the file has all.
const STATEMENTS: usize = 100;
const SQL_BYTES: usize = 100_000;

/// A rehearsal.
fn plan(rehearsal: Rehearsal, revision: &str, follow: bool, look: &Look) -> PlanSheet {
    let plan = rehearsal.plan;
    let mut stages: Vec<StageSheet> = Vec::new();
    for statement in &plan.statements {
        let at = stages.iter().position(|it| it.stage == statement.stage);
        let at = at.unwrap_or_else(|| {
            stages.push(StageSheet {
                stage: statement.stage,
                count: 0,
                shown: 0,
                sql: String::new(),
            });
            stages.len() - 1
        });
        let stage = &mut stages[at];
        let room =
            stage.shown == stage.count && stage.shown < STATEMENTS as i64 && stage.sql.len() < SQL_BYTES;
        stage.count += 1;
        if room {
            if stage.shown > 0 {
                stage.sql.push_str("\n\n");
            }
            stage.shown += 1;
            stage.sql.push_str(&ended(&statement.sql));
        }
    }
    stages.sort_by_key(|stage| stage.stage);
    let items = worst_first(&plan.items);
    let (shown, page) = cut(&items, look.plan_page, PER_PAGE);
    PlanSheet {
        at: rehearsal.at,
        current: rehearsal.revision == revision,
        tables: plan.tables.len() as i64,
        follow: follow.then(|| following(&plan)),
        items: Paged {
            rows: shown.iter().map(|item| finding_row(item)).collect(),
            page,
            matching: items.len() as i64,
            all: items.len() as i64,
        },
        target: plan.target,
        schema: plan.schema,
        into: plan.into,
        rows: plan.rows,
        all_obstacles: plan.obstacles.len() as i64,
        obstacles: plan.obstacles.into_iter().take(FEW).collect(),
        room: plan.room,
        stages,
    }
}

/// How tables can be followed: how many in which way, and the first that cannot be so cheaply.
fn following(plan: &ImportPlan) -> FollowSheet {
    let mut ways: Vec<(String, i64)> = Vec::new();
    for table in &plan.tables {
        match ways.iter_mut().find(|(way, _)| *way == table.follow) {
            Some((_, count)) => *count += 1,
            None => ways.push((table.follow.clone(), 1)),
        }
    }
    let costly = || plan.tables.iter().filter(|table| !table.follow_cheaply);
    FollowSheet {
        ways,
        all_costly: costly().count() as i64,
        costly: costly()
            .take(FEW)
            .map(|table| {
                vec![
                    name(&table.source, &table.name),
                    Cell::Number(table.rows),
                    Cell::Words(table.follow.clone()),
                ]
            })
            .collect(),
    }
}

fn file(inspection: &Inspection) -> FileSheet {
    let mut facts = inspection.file.clone();
    let damages = facts.integrity.len() as i64;
    facts.integrity.truncate(FEW);
    let read = || {
        inspection
            .tables
            .iter()
            .filter(|table| table.kind.skipped().is_none())
    };
    FileSheet {
        facts,
        damages,
        tables: read().count() as i64,
        rows: read().map(|table| table.rows).sum(),
        views: inspection.views.len() as i64,
        triggers: inspection.triggers.len() as i64,
    }
}

fn has(text: &str, search: Option<&str>) -> bool {
    search.is_none_or(|search| text.to_lowercase().contains(&search.to_lowercase()))
}

fn worst_first(items: &[Finding]) -> Vec<&Finding> {
    let mut items: Vec<&Finding> = items.iter().collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.severity));
    items
}

fn findings(items: &[Finding], look: &Look) -> Findings {
    let count = |severity| items.iter().filter(|item| item.severity == severity).count() as i64;
    let search = look.finding.as_deref();
    let fitting: Vec<&Finding> = worst_first(items)
        .into_iter()
        .filter(|item| {
            look.severity
                .as_deref()
                .is_none_or(|name| name == item.severity.name())
        })
        .filter(|item| has(&item.place(), search) || has(&item.words, search))
        .collect();
    let (shown, page) = cut(&fitting, look.finding_page, PER_PAGE);
    Findings {
        counts: [Severity::Error, Severity::Warning, Severity::Note].map(count),
        page: Paged {
            rows: shown.iter().map(|item| finding_row(item)).collect(),
            page,
            matching: fitting.len() as i64,
            all: items.len() as i64,
        },
    }
}

fn finding_row(item: &Finding) -> Cells {
    let (tone, word) = severity(item.severity);
    vec![
        Cell::Badge(tone, word.to_owned()),
        Cell::Name(match item.place() {
            place if place.is_empty() => "the file".to_owned(),
            place => place,
        }),
        match &item.sql {
            Some(sql) => Cell::Sql(item.words.clone(), sql.clone()),
            None => Cell::Words(item.words.clone()),
        },
    ]
}

fn severity(severity: Severity) -> (Tone, &'static str) {
    match severity {
        Severity::Error => (Tone::Bad, "Error"),
        Severity::Warning => (Tone::Warn, "Warning"),
        Severity::Note => (Tone::Off, "Note"),
    }
}

fn tables(inspection: &Inspection, look: &Look) -> Paged {
    let mut fitting: Vec<&TableFacts> = inspection
        .tables
        .iter()
        .filter(|table| has(&table.name, look.search.as_deref()))
        .collect();
    match look.sort.as_deref() {
        Some("name") => fitting.sort_by_key(|table| table.name.to_lowercase()),
        Some("rows") => fitting.sort_by_key(|table| table.rows),
        Some("columns") => fitting.sort_by_key(|table| table.columns.len()),
        _ => {}
    }
    if look.descending {
        fitting.reverse();
    }
    let (shown, page) = cut(&fitting, look.page, PER_PAGE);
    Paged {
        rows: shown
            .iter()
            .map(|table| table_row(table, &inspection.findings))
            .collect(),
        page,
        matching: fitting.len() as i64,
        all: inspection.tables.len() as i64,
    }
}

fn table_row(table: &TableFacts, findings: &[Finding]) -> Cells {
    let about = || {
        findings
            .iter()
            .filter(|item| item.table.as_ref() == Some(&table.name))
    };
    let worst = about().map(|item| item.severity).max();
    let found = match (table.kind.skipped(), worst) {
        (Some(_), _) => Cell::Badge(Tone::Off, "Skipped".to_owned()),
        (None, None) => Cell::Badge(Tone::Ok, "As it is".to_owned()),
        (None, Some(worst)) => {
            let count = about().filter(|item| item.severity == worst).count();
            let (tone, word) = severity(worst);
            let s = if count == 1 { "" } else { "s" };
            Cell::Badge(tone, format!("{count} {}{s}", word.to_lowercase()))
        }
    };
    vec![
        Cell::Table(table.name.clone()),
        Cell::Number(table.rows),
        Cell::Number(table.columns.len() as i64),
        found,
    ]
}

fn open_table(inspection: &Inspection, at: usize, look: &Look) -> OpenTable {
    let table = &inspection.tables[at];
    let fitting: Vec<_> = table
        .columns
        .iter()
        .filter(|column| has(&column.name, look.search.as_deref()))
        .collect();
    let (shown, page_number) = cut(&fitting, look.page, PER_PAGE);
    let about: Vec<Finding> = inspection
        .findings
        .iter()
        .filter(|item| item.table.as_ref() == Some(&table.name))
        .cloned()
        .collect();
    let neighbour = |at: Option<usize>| Some(inspection.tables.get(at?)?.name.clone());
    OpenTable {
        name: table.name.clone(),
        rows: table.rows,
        columns: table.columns.len() as i64,
        notes: words::notes(table),
        sql: table.sql.clone(),
        skipped: table.kind.skipped().is_some(),
        page: shown
            .iter()
            .map(|column| words::column(column, table.rows_by))
            .collect(),
        page_number,
        matching: fitting.len() as i64,
        objects: objects(table),
        findings: worst_first(&about)
            .into_iter()
            .take(FEW)
            .map(finding_row)
            .collect(),
        neighbours: [neighbour(at.checked_sub(1)), neighbour(Some(at + 1))],
    }
}

/// Indexes, foreign keys and checks of a table.
fn objects(table: &TableFacts) -> Vec<Cells> {
    let indexes = table.indexes.iter().map(|index| {
        vec![
            Cell::Words(if index.unique { "Unique index" } else { "Index" }.to_owned()),
            with_sql(
                format!("{} on {}", index.name, index_words(index)),
                index.sql.as_ref(),
            ),
            Cell::None,
        ]
    });
    let keys = table.foreign_keys.iter().map(|key| {
        let words = match key.parent_columns.is_empty() {
            true => format!("{} → {}", key.columns.join(", "), key.parent),
            false => format!(
                "{} → {} ({})",
                key.columns.join(", "),
                key.parent,
                key.parent_columns.join(", ")
            ),
        };
        let broken = (key.orphans.count > 0).then(|| words::places(&key.orphans, table.rows_by));
        vec![
            Cell::Words("Foreign key".to_owned()),
            Cell::Words(words),
            rows_against(broken),
        ]
    });
    let checks = table.checks.iter().map(|check| {
        let broken = (check.broken.count > 0).then(|| words::places(&check.broken, table.rows_by));
        vec![
            Cell::Words("Check".to_owned()),
            Cell::Words(check.expression.clone()),
            rows_against(broken),
        ]
    });
    keys.chain(checks).chain(indexes).collect()
}

fn rows_against(broken: Option<String>) -> Cell {
    broken.map_or(Cell::None, |words| Cell::Badge(Tone::Warn, words))
}

fn with_sql(words: String, sql: Option<&String>) -> Cell {
    match sql {
        Some(sql) => Cell::Sql(words, sql.clone()),
        None => Cell::Words(words),
    }
}

fn index_words(index: &IndexFacts) -> String {
    let columns: Vec<String> = index
        .columns
        .iter()
        .map(|column| {
            let name = column.name.as_deref().unwrap_or("an expression");
            match column.descending {
                true => format!("{name} descending"),
                false => name.to_owned(),
            }
        })
        .collect();
    match index.partial {
        true => format!("{}, for some rows", columns.join(", ")),
        false => columns.join(", "),
    }
}

fn name(source: &str, name: &str) -> Cell {
    match source == name {
        true => Cell::Name(name.to_owned()),
        false => Cell::Renamed(source.to_owned(), name.to_owned()),
    }
}

fn proof(report: &ImportReport, look: &Look) -> Proof {
    let mut fitting: Vec<&TableReport> = report
        .tables
        .iter()
        .filter(|table| look.inspection || has(&table.name, look.search.as_deref()))
        .collect();
    match look.sort.as_deref() {
        Some("name") => fitting.sort_by_key(|table| table.name.to_lowercase()),
        Some("rows") => fitting.sort_by_key(|table| table.rows),
        // What differs is what one looks for.
        _ => fitting.sort_by_key(|table| match table.verdict {
            Verdict::Differs => 0,
            Verdict::Explained => 1,
            Verdict::Identical => 2,
        }),
    }
    if look.descending {
        fitting.reverse();
    }
    let (shown, page) = cut(&fitting, if look.inspection { 1 } else { look.page }, PER_PAGE);
    let mut identities: Vec<_> = report.identities.iter().collect();
    identities.sort_by_key(|identity| identity.right);
    let mut keys: Vec<_> = report.foreign_keys.iter().collect();
    keys.sort_by_key(|key| key.validated);
    let all = [identities.len() as i64, keys.len() as i64];
    identities.truncate(FEW);
    keys.truncate(FEW);
    let number = |number: Option<i64>| number.map_or(Cell::None, Cell::Number);
    Proof {
        verdict: report.verdict,
        summary: report.summary(),
        schema: report.schema.clone(),
        facts: vec![
            ("Looked at in".to_owned(), format::duration(report.inspect_ms)),
            ("Loaded in".to_owned(), format::duration(report.load_ms)),
            ("Verified in".to_owned(), format::duration(report.verify_ms)),
            ("Ended".to_owned(), crate::zone::absolute(report.ended_at)),
        ],
        tables: Paged {
            rows: shown.iter().map(|table| proof_row(table)).collect(),
            page,
            matching: fitting.len() as i64,
            all: report.tables.len() as i64,
        },
        differences: report
            .tables
            .iter()
            .filter(|table| !table.differences.is_empty())
            .take(FEW)
            .map(|table| {
                let rows = table
                    .differences
                    .iter()
                    .take(FEW)
                    .map(|difference| difference.words())
                    .collect();
                (table.name.clone(), rows)
            })
            .collect(),
        all_identities: all[0],
        all_keys: all[1],
        identities: identities
            .into_iter()
            .map(|identity| {
                let (tone, word) = if identity.right {
                    (Tone::Ok, "Right")
                } else {
                    (Tone::Bad, "Wrong")
                };
                vec![
                    Cell::Name(format!("{}.{}", identity.table, identity.column)),
                    number(identity.expected),
                    number(identity.next),
                    Cell::Badge(tone, word.to_owned()),
                ]
            })
            .collect(),
        keys: keys
            .into_iter()
            .map(|key| {
                let (tone, word) = if key.validated {
                    (Tone::Ok, "Validated")
                } else {
                    (Tone::Warn, "Not valid")
                };
                vec![
                    Cell::Name(key.table.clone()),
                    Cell::Words(key.words.clone()),
                    Cell::Badge(tone, word.to_owned()),
                    Cell::Number(key.orphans),
                ]
            })
            .collect(),
    }
}

fn proof_row(table: &TableReport) -> Cells {
    let (tone, word) = match table.verdict {
        Verdict::Identical => (Tone::Ok, "Identical"),
        Verdict::Explained => (Tone::Warn, "Explained"),
        Verdict::Differs => (Tone::Bad, "Differs"),
    };
    vec![
        name(&table.source, &table.name),
        Cell::Badge(tone, word.to_owned()),
        Cell::Number(table.rows),
        Cell::Number(table.rows_back),
        Cell::Number(table.skipped),
        Cell::Bytes(table.bytes),
        Cell::Name(match table.hash == table.hash_back {
            true => table.hash.clone(),
            false => format!("{} sent, {} read back", table.hash, table.hash_back),
        }),
    ]
}

#[cfg(test)]
#[path = "slice_tests.rs"]
mod tests;
