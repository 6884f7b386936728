//! A plan that makes the tables.

mod create;
mod tables;

use contract::{
    format,
    import::{
        ColumnFacts, ColumnType, Finding, FindingKind, Mapping, Severity, Stage, TableChoice, TableFacts,
        TableKind,
    },
};
use sqlite::{fit::Forms, inspect::Inspected, translate};

use super::{
    ColumnPlan, Draft, Plan, Step, columns, finding, indexes,
    naming::{Names, by_policy},
    relations,
    target::There,
};
use crate::quote;

/// A table of the file on its way.
pub(in crate::import::plan) struct Source<'a> {
    /// What was found.
    pub facts: &'a TableFacts,
    /// Its tables in the plan, by place: one, or several when it is too wide.
    pub places: Vec<usize>,
}

pub(in crate::import::plan) fn plan(
    inspected: &Inspected,
    mapping: &Mapping,
    there: &There,
    draft: &mut Draft,
) {
    let mut names = Names::with(there.names.iter().cloned());
    let mut sources = Vec::new();
    for facts in &inspected.inspection.tables {
        let choice = mapping.tables.get(&facts.name);
        if is_left_out(facts, choice, draft) {
            continue;
        }
        let wanted = choice
            .and_then(|choice| choice.name.clone())
            .unwrap_or_else(|| by_policy(&facts.name, mapping.names));
        if there.names.contains(&wanted) {
            draft.obstacle(
                Some(&facts.name),
                None,
                format!("{wanted} is in the schema {} already.", mapping.schema),
                "Choose another schema or another name, bring the rows into existing tables, or leave the table out. Nothing is ever dropped.",
            );
        }
        let name = names.take(&wanted, "table");
        if name != facts.name {
            let mut renamed = finding(
                if name == wanted {
                    Severity::Note
                } else {
                    Severity::Warning
                },
                FindingKind::Renamed,
                &facts.name,
                format!("Becomes {name}."),
            );
            renamed.sql = None;
            draft.plan.items.push(renamed);
        }
        let uncomputed = inspected
            .layout
            .get(&facts.name)
            .map_or(&[][..], |layout| &layout.uncomputed);
        let Some(columns) = all_columns(facts, uncomputed, mapping, draft) else {
            continue;
        };
        let places = tables::tables(inspected, facts, &name, columns, &mut names, draft);
        sources.push(Source { facts, places });
    }
    // Defaults, checks, generated columns, indexes and keys need the names of all tables and columns.
    let mut schema = translated_schema(&draft.plan, &sources);
    for source in &sources {
        for place in &source.places {
            create::create(*place, source, &schema, draft);
        }
    }
    let keys: Vec<_> = sources
        .iter()
        .map(|source| indexes::plan(source, &schema, &mut names, draft))
        .collect();
    for source in &sources {
        relations::checks(source, &schema, draft);
    }
    relations::foreign_keys(&sources, draft);
    analyze(&mut draft.plan);
    // Statements of triggers may go by them.
    for (table, keys) in schema.tables.iter_mut().zip(keys) {
        table.keys = keys;
    }
    relations::objects(&inspected.inspection, mapping, &mut schema, &mut names, draft);
}

/// The columns of a table, in its order; none when something stands in the way.
fn all_columns(
    facts: &TableFacts,
    uncomputed: &[String],
    mapping: &Mapping,
    draft: &mut Draft,
) -> Option<Vec<ColumnPlan>> {
    let choices = mapping.tables.get(&facts.name);
    let mut names = Names::of_columns();
    let mut found = Vec::new();
    let mut whole = true;
    // The inspection reports those that nobody can compute here.
    for column in facts
        .columns
        .iter()
        .filter(|column| !uncomputed.contains(&column.name))
    {
        let choice = choices.and_then(|choice| choice.columns.get(&column.name));
        if choice.is_some_and(|choice| choice.skip) {
            left_out(facts, column, draft);
            continue;
        }
        let wanted = choice
            .and_then(|choice| choice.name.clone())
            .unwrap_or_else(|| by_policy(&column.name, mapping.names));
        let name = names.take(&wanted, "column");
        if name != column.name {
            draft.plan.items.push(Finding {
                column: Some(column.name.clone()),
                ..finding(
                    if name == wanted {
                        Severity::Note
                    } else {
                        Severity::Warning
                    },
                    FindingKind::Renamed,
                    &facts.name,
                    format!("Becomes {name}."),
                )
            });
        }
        let to = columns::wanted(column, choice);
        match columns::encoder(facts, column, to, mapping.text, draft) {
            Some(encoder) => found.push(ColumnPlan::of(column, name, encoder)),
            None => whole = false,
        }
    }
    // Others name its rows by a number that is no column.
    if is_full_text(facts) {
        found.insert(0, ColumnPlan::rowid(names.take("rowid", "rowid")));
    }
    if found.is_empty() && whole {
        draft.obstacle(
            Some(&facts.name),
            None,
            format!("Every column of {} is left out.", facts.name),
            "Leave the table out as a whole, or keep a column.",
        );
        return None;
    }
    whole.then_some(found)
}

/// Whether a table is one for full-text search.
pub(in crate::import::plan) fn is_full_text(facts: &TableFacts) -> bool {
    matches!(&facts.kind, TableKind::Searchable { module } if module.to_ascii_lowercase().starts_with("fts"))
}

fn left_out(facts: &TableFacts, column: &ColumnFacts, draft: &mut Draft) {
    draft.plan.items.push(Finding {
        column: Some(column.name.clone()),
        ..finding(
            Severity::Warning,
            FindingKind::NotCarried,
            &facts.name,
            format!(
                "Left out by choice, with {} values.",
                format::exact(column.stored.values())
            ),
        )
    });
}

/// The tables as the translation of expressions needs them.
fn translated_schema(plan: &Plan, sources: &[Source<'_>]) -> translate::Schema {
    translate::Schema {
        name: plan.schema.clone(),
        tables: sources
            .iter()
            .filter_map(|source| {
                let table = plan.tables.get(*source.places.first()?)?;
                let is_here = |name: &String| table.columns.iter().any(|it| it.source.as_ref() == Some(name));
                let all = source.facts.columns.iter().map(|column| &column.name);
                Some(translate::Table {
                    missing: all.filter(|name| !is_here(name)).cloned().collect(),
                    keys: Vec::new(),
                    source: table.source.clone(),
                    name: table.name.clone(),
                    rowid_alias: source.facts.identity.as_ref().map(|it| it.column.clone()),
                    columns: table
                        .columns
                        .iter()
                        .filter_map(|column| {
                            let source_name = column.source.clone()?;
                            let facts = source.facts.columns.iter().find(|it| it.name == source_name)?;
                            Some(translate::Column {
                                source: source_name,
                                name: column.name.clone(),
                                column_type: column.encoder.to,
                                conversion: column.conversion,
                                affinity: facts.affinity,
                                spelling: None,
                                nocase: is_nocase(facts),
                                strange: facts.collation.clone().filter(|_| !is_nocase(facts)),
                                computed: facts.generated.is_some(),
                                facts: Forms(&facts.stored).facts(column.encoder.to),
                            })
                        })
                        .collect(),
                })
            })
            .collect(),
    }
}

pub(in crate::import::plan) fn is_nocase(column: &ColumnFacts) -> bool {
    column
        .collation
        .as_deref()
        .is_some_and(|name| name.eq_ignore_ascii_case("nocase"))
}

/// Whether a primary key holds NULLs, so that it becomes a unique index.
pub(in crate::import::plan) fn nullable_key(facts: &TableFacts) -> bool {
    facts
        .columns
        .iter()
        .any(|column| facts.primary_key.contains(&column.name) && column.stored.nulls > 0)
}

/// Whether a table is not carried over; says so where that is a choice.
pub(in crate::import::plan) fn is_left_out(
    facts: &TableFacts,
    choice: Option<&TableChoice>,
    draft: &mut Draft,
) -> bool {
    let by_choice = choice.is_some_and(|choice| choice.skip);
    if by_choice && facts.kind.skipped().is_none() {
        draft.plan.items.push(finding(
            Severity::Warning,
            FindingKind::NotCarried,
            &facts.name,
            format!("Left out by choice, with {} rows.", format::exact(facts.rows)),
        ));
    }
    by_choice || facts.kind.skipped().is_some()
}

/// Statistics, for tables that have rows.
pub(in crate::import::plan) fn analyze(plan: &mut Plan) {
    for (place, table) in plan.tables.iter().enumerate().filter(|(_, table)| table.rows > 0) {
        plan.steps.push(Step {
            stage: Stage::Finish,
            table: Some(place),
            other: None,
            about: table.name.clone(),
            sql: vec![format!("analyze {}", quote::qualified(&plan.schema, &table.name))],
            instead: Vec::new(),
            or_else: finding(
                Severity::Note,
                FindingKind::NotCarried,
                &table.source,
                "Its statistics could not be collected; autovacuum does it later.",
            ),
            lost: None,
            foreign_key: None,
            undo: None,
        });
    }
}

/// Whether values of a type can be longer than an index entry.
pub(in crate::import::plan) fn is_long(column: ColumnType) -> bool {
    matches!(
        column,
        ColumnType::Text | ColumnType::Bytea | ColumnType::Jsonb | ColumnType::Json | ColumnType::Numeric
    )
}
