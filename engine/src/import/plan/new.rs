//! A plan that makes the tables.

use contract::{
    format,
    import::{
        ColumnFacts, ColumnType, Finding, FindingKind, Mapping, Severity, Stage, TableFacts, TableKind,
    },
};

use super::{
    ColumnPlan, Create, Draft, IdentityPlan, Plan, Step, TablePlan,
    columns::{self, by},
    finding, indexes,
    naming::{Names, by_policy},
    relations,
    target::There,
};
use crate::{
    import::{
        findings::{MOST_COLUMNS, ROW, width},
        inspect::Inspected,
        translate,
    },
    quote,
};

/// The most columns of a part of a table that is too wide, so that some can be added.
const FEW_COLUMNS: usize = 1_500;
/// See `FEW_COLUMNS`, in bytes of a row.
const NARROW: i64 = ROW - 160;

/// A table of the file on its way.
pub(super) struct Source<'a> {
    /// What was found.
    pub facts: &'a TableFacts,
    /// Its tables in the plan, by place: one, or several when it is too wide.
    pub places: Vec<usize>,
}

pub(super) fn plan(inspected: &Inspected, mapping: &Mapping, there: &There, draft: &mut Draft) {
    let mut names = Names::with(there.names.iter().cloned());
    let mut sources = Vec::new();
    for facts in &inspected.inspection.tables {
        let choice = mapping.tables.get(&facts.name);
        if facts.kind.skipped().is_some() || choice.is_some_and(|choice| choice.skip) {
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
        let places = tables(inspected, facts, &name, columns, &mut names, draft);
        sources.push(Source { facts, places });
    }
    // Defaults, checks, generated columns, indexes and keys need the names of all tables and columns.
    let mut schema = translated_schema(&draft.plan, &sources);
    for source in &sources {
        for place in &source.places {
            create(*place, source, &schema, draft);
        }
    }
    for source in &sources {
        indexes::plan(source, &schema, &mut names, draft);
    }
    for source in &sources {
        relations::checks(source, &schema, draft);
    }
    relations::foreign_keys(&sources, draft);
    analyze(&mut draft.plan);
    relations::objects(&inspected.inspection, mapping, &mut schema, draft);
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
pub(super) fn is_full_text(facts: &TableFacts) -> bool {
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

/// Adds a table to the plan, or several when PostgreSQL cannot hold it whole.
fn tables(
    inspected: &Inspected,
    facts: &TableFacts,
    name: &str,
    columns: Vec<ColumnPlan>,
    names: &mut Names,
    draft: &mut Draft,
) -> Vec<usize> {
    let layout = inspected.layout.get(&facts.name);
    let stored = |column: &ColumnPlan| {
        facts
            .columns
            .iter()
            .find(|it| Some(&it.name) == column.source.as_ref())
    };
    let widths: Vec<i64> = columns
        .iter()
        .map(|column| stored(column).map_or(8, |facts| width(column.encoder.to, facts)))
        .collect();
    let groups = match columns.len() > MOST_COLUMNS || widths.iter().sum::<i64>() > ROW {
        true => split(facts, columns, &widths),
        false => vec![columns],
    };
    let several = groups.len() > 1;
    let mut places = Vec::new();
    for (number, columns) in groups.into_iter().enumerate() {
        let name = match number {
            0 => name.to_owned(),
            _ => names.take(&format!("{name}_{}", number + 1), "table"),
        };
        let place_of = |wanted: &str| {
            columns
                .iter()
                .position(|column| column.source.as_deref() == Some(wanted))
        };
        let key: Option<Vec<usize>> = facts.primary_key.iter().map(|part| place_of(part)).collect();
        let identity = facts
            .identity
            .as_ref()
            .filter(|_| number == 0)
            .and_then(|identity| {
                place_of(&identity.column).map(|place| IdentityPlan {
                    column: columns[place].name.clone(),
                    next: identity.next,
                })
            });
        places.push(draft.plan.tables.len());
        draft.plan.tables.push(TablePlan {
            source: facts.name.clone(),
            name,
            key: key.filter(|key| !key.is_empty()).unwrap_or_default(),
            identity,
            columns,
            rowid: layout.and_then(|layout| layout.rowid.clone()),
            cuts: layout.map(|layout| layout.cuts.clone()).unwrap_or_default(),
            rows: facts.rows,
            bytes: layout.map_or(0, |layout| layout.bytes),
            existing: None,
        });
    }
    if several {
        let list: Vec<&str> = places
            .iter()
            .map(|place| draft.plan.tables[*place].name.as_str())
            .collect();
        let by = match facts.primary_key.is_empty() {
            true => by(facts.rows_by).to_owned(),
            false => facts.primary_key.join(", "),
        };
        let words = format!(
            "Wider than a table of PostgreSQL can be: it is split into {}, joined by {by}.",
            list.join(", ")
        );
        draft.plan.items.push(finding(
            Severity::Warning,
            FindingKind::Changed,
            &facts.name,
            words,
        ));
    }
    places
}

/// Cuts columns into groups that each fit a table, every group with the key, or with the rowid when there is none.
fn split(facts: &TableFacts, columns: Vec<ColumnPlan>, widths: &[i64]) -> Vec<Vec<ColumnPlan>> {
    let is_key = |column: &ColumnPlan| {
        column
            .source
            .as_ref()
            .is_some_and(|name| facts.primary_key.contains(name))
    };
    let mut key: Vec<ColumnPlan> = columns.iter().filter(|column| is_key(column)).cloned().collect();
    if key.is_empty() {
        let mut names = Names::with(columns.iter().map(|column| column.name.clone()));
        key.push(ColumnPlan::rowid(names.take("rowid", "rowid")));
    }
    let key_width: i64 = key.len() as i64 * 20;
    let mut groups = Vec::new();
    let mut group = key.clone();
    let mut wide = key_width;
    for (column, width) in columns.into_iter().zip(widths) {
        if is_key(&column) {
            continue;
        }
        if group.len() >= FEW_COLUMNS || wide + width > NARROW {
            groups.push(std::mem::replace(&mut group, key.clone()));
            wide = key_width;
        }
        wide += width;
        group.push(column);
    }
    groups.push(group);
    groups
}

/// The tables as the translation of expressions needs them.
fn translated_schema(plan: &Plan, sources: &[Source<'_>]) -> translate::Schema {
    translate::Schema {
        name: plan.schema.clone(),
        tables: sources
            .iter()
            .filter_map(|source| {
                let table = plan.tables.get(*source.places.first()?)?;
                Some(translate::Table {
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
                            })
                        })
                        .collect(),
                })
            })
            .collect(),
    }
}

pub(super) fn is_nocase(column: &ColumnFacts) -> bool {
    column
        .collation
        .as_deref()
        .is_some_and(|name| name.eq_ignore_ascii_case("nocase"))
}

/// The statements that make one table.
fn create(place: usize, source: &Source<'_>, schema: &translate::Schema, draft: &mut Draft) {
    let facts = source.facts;
    let translated = schema.tables.iter().find(|table| table.source == facts.name);
    let table = &mut draft.plan.tables[place];
    let mut lines = Vec::new();
    let mut later = Vec::new();
    let mut items = Vec::new();
    for column in &mut table.columns {
        let found = column
            .source
            .as_ref()
            .and_then(|name| facts.columns.iter().find(|it| it.name == *name));
        let parts = translated.and_then(|table| {
            let column = table
                .columns
                .iter()
                .find(|it| Some(&it.source) == column.source.as_ref())?;
            Some((table, column))
        });
        let mut line = format!("{} {}", quote::ident(&column.name), column.encoder.to.sql());
        if let (Some(expression), Some((of, part))) = (found.and_then(|it| it.generated.as_ref()), parts) {
            match translate::generated(expression, part, of) {
                Ok(sql) => {
                    line.push_str(&format!(" generated always as ({sql}) stored"));
                    column.generated = true;
                }
                Err(why) => items.push(Finding {
                    column: column.source.clone(),
                    sql: Some(expression.clone()),
                    ..finding(
                        Severity::Warning,
                        FindingKind::NotCarried,
                        &facts.name,
                        format!("Was computed by SQLite; its values are carried over, its expression is not: {why}."),
                    )
                }),
            }
        }
        if let Some(identity) = table.identity.as_ref().filter(|it| it.column == column.name) {
            let start = identity.next.unwrap_or(i64::MAX);
            line.push_str(" generated by default as identity");
            // The numbers of SQLite may be below one.
            match start {
                1 => {}
                2.. => line.push_str(&format!(" (start with {start})")),
                _ => line.push_str(&format!(" (minvalue {} start with {start})", i64::MIN)),
            }
        }
        if let Some(found) = found {
            let key = facts.primary_key.contains(&found.name) && !nullable_key(facts);
            if (found.not_null || key) && found.stored.nulls == 0 {
                line.push_str(" not null");
            } else if found.not_null {
                items.push(Finding {
                    column: Some(found.name.clone()),
                    ..finding(
                        Severity::Warning,
                        FindingKind::Broken,
                        &facts.name,
                        format!(
                            "Is NOT NULL, but {} rows hold NULL: it becomes nullable.",
                            format::exact(found.stored.nulls)
                        ),
                    )
                });
            }
            if let (Some(default), Some((_, part)), false) = (&found.default, parts, column.generated) {
                default_of(
                    default,
                    part,
                    &column.name,
                    facts,
                    &draft.plan.schema,
                    &table.name,
                    &mut later,
                    &mut items,
                );
            }
        }
        lines.push(line);
    }
    // What PostgreSQL computes cannot be sent.
    table.columns.sort_by_key(|column| column.generated);
    let name = quote::qualified(&draft.plan.schema, &table.name);
    let order: Vec<String> = lines.iter().map(|line| format!("    {line}")).collect();
    draft.plan.create.push(Create {
        table: table.name.clone(),
        sql: format!("create table {name} (\n{}\n)", order.join(",\n")),
        or_else: None,
    });
    remap_key(table, facts);
    draft.plan.create.extend(later);
    draft.plan.items.extend(items);
    if let Some(identity) = draft.plan.tables[place]
        .identity
        .clone()
        .filter(|it| it.next.is_none())
    {
        exhausted(place, &identity, &name, draft);
    }
}

/// Whether a primary key holds NULLs, so that it becomes a unique index.
pub(super) fn nullable_key(facts: &TableFacts) -> bool {
    facts
        .columns
        .iter()
        .any(|column| facts.primary_key.contains(&column.name) && column.stored.nulls > 0)
}

fn remap_key(table: &mut TablePlan, facts: &TableFacts) {
    let key: Option<Vec<usize>> = facts
        .primary_key
        .iter()
        .map(|part| {
            table
                .columns
                .iter()
                .position(|column| column.source.as_ref() == Some(part))
        })
        .collect();
    // NULLs do not tell rows apart.
    table.key = key.filter(|_| !nullable_key(facts)).unwrap_or_default();
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is one of the two ends of a statement"
)]
fn default_of(
    default: &str,
    part: &translate::Column,
    name: &str,
    facts: &TableFacts,
    schema: &str,
    table: &str,
    later: &mut Vec<Create>,
    items: &mut Vec<Finding>,
) {
    let lost = |why: &str| Finding {
        column: Some(part.source.clone()),
        sql: Some(format!("default {default}")),
        ..finding(
            Severity::Warning,
            FindingKind::NotCarried,
            &facts.name,
            format!("Its default is not carried over: {why}."),
        )
    };
    match translate::default(default, part) {
        Ok(Some(sql)) => later.push(Create {
            table: table.to_owned(),
            sql: format!(
                "alter table {} alter column {} set default {sql}",
                quote::qualified(schema, table),
                quote::ident(name)
            ),
            or_else: Some(lost("PostgreSQL does not take it")),
        }),
        Ok(None) => {}
        Err(why) => items.push(lost(&why)),
    }
}

/// An identity whose largest number is taken gives no further one, in PostgreSQL as in SQLite.
fn exhausted(place: usize, identity: &IdentityPlan, name: &str, draft: &mut Draft) {
    let about = draft.plan.tables[place].name.clone();
    draft.plan.steps.push(Step {
        stage: Stage::Constrain,
        table: Some(place),
        other: None,
        sql: vec![format!(
            "select setval(pg_get_serial_sequence({}, {}), {}, true)",
            quote::literal(name),
            quote::literal(&identity.column),
            i64::MAX
        )],
        instead: Vec::new(),
        or_else: finding(
            Severity::Error,
            FindingKind::NotCarried,
            &about,
            "Its identity could not be set to its last number.",
        ),
        foreign_key: None,
        undo: None,
        about,
    });
}

/// Statistics, for tables that have rows.
pub(super) fn analyze(plan: &mut Plan) {
    for (place, table) in plan.tables.iter().enumerate().filter(|(_, table)| table.rows > 0) {
        plan.steps.push(Step {
            stage: Stage::Finish,
            table: Some(place),
            other: None,
            about: table.name.clone(),
            sql: vec![format!("analyze {}", quote::qualified(&plan.schema, &table.name))],
            instead: Vec::new(),
            or_else: finding(
                Severity::Warning,
                FindingKind::NotCarried,
                &table.source,
                "Its statistics could not be collected; autovacuum does it later.",
            ),
            foreign_key: None,
            undo: None,
        });
    }
}

/// Whether values of a type can be longer than an index entry.
pub(super) fn is_long(column: ColumnType) -> bool {
    matches!(
        column,
        ColumnType::Text | ColumnType::Bytea | ColumnType::Jsonb | ColumnType::Numeric
    )
}
