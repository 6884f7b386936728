//! Checks, foreign keys, views and triggers of tables that the plan makes.

use contract::import::{
    Finding, FindingKind, ForeignKey, Inspection, Mapping, ObjectFacts, Places, RowsBy, Severity, Stage,
};
use sqlite::{column_findings::rows, ddl, translate};

use super::{
    Draft, Step, bare, finding,
    naming::{Names, by_policy},
    new::Source,
};
use crate::quote;

/// Adds the checks of one table.
pub(super) fn checks(source: &Source<'_>, schema: &translate::Schema, draft: &mut Draft) {
    let facts = source.facts;
    let Some(&place) = source.places.first() else {
        return;
    };
    let Some(table) = schema.tables.iter().find(|table| table.source == facts.name) else {
        return;
    };
    for (number, check) in facts.checks.iter().enumerate() {
        let told = |kind, words: String| Finding {
            sql: Some(format!("check ({})", check.expression)),
            ..finding(Severity::Warning, kind, &facts.name, words)
        };
        match translate::check(&check.expression, table) {
            Ok(sql) => {
                let planned = &draft.plan.tables[place];
                let name = quote::qualified(&draft.plan.schema, &planned.name);
                let constraint = quote::ident(&constraint_name(&planned.name, "check", number));
                let add =
                    |how: &str| format!("alter table {name} add constraint {constraint} check ({sql}){how}");
                let broken = check.broken.count;
                draft.plan.steps.push(Step {
                    stage: Stage::Constrain,
                    table: Some(place),
                    other: None,
                    about: planned.name.clone(),
                    sql: vec![add(if broken > 0 { " not valid" } else { "" })],
                    instead: vec![add(" not valid")],
                    or_else: told(
                        FindingKind::Broken,
                        "Rows break a check as PostgreSQL reads it: it holds for new rows alone (NOT VALID)."
                            .to_owned(),
                    ),
                    lost: Some(told(
                        FindingKind::NotCarried,
                        format!("The check ({}) is not carried over.", check.expression),
                    )),
                    foreign_key: None,
                    undo: Some(format!(
                        "alter table {name} drop constraint if exists {constraint}"
                    )),
                });
                if broken > 0 {
                    draft.plan.items.push(told(
                        FindingKind::Broken,
                        format!(
                            "Rows break the check ({}), which holds for new rows alone then (NOT VALID): {}.",
                            check.expression,
                            rows(&check.broken, facts.rows_by)
                        ),
                    ));
                }
            }
            Err(why) => draft.plan.items.push(told(
                FindingKind::NotCarried,
                format!(
                    "A check is not carried over: {}.{}",
                    bare(&why),
                    broken_by(&check.broken, facts.rows_by)
                ),
            )),
        }
    }
}

/// Adds the foreign keys of all tables.
pub(super) fn foreign_keys(sources: &[Source<'_>], draft: &mut Draft) {
    for source in sources {
        for (number, key) in source.facts.foreign_keys.iter().enumerate() {
            let words = words(&source.facts.name, key);
            match foreign_key(source, key, number, sources, draft) {
                Ok(step) => {
                    if key.orphans.count > 0 {
                        draft.plan.items.push(finding(
                            Severity::Warning,
                            FindingKind::Broken,
                            &source.facts.name,
                            format!(
                                "The foreign key {words} has rows without a parent, which are kept; it holds for new rows alone then (NOT VALID): {}.",
                                rows(&key.orphans, RowsBy::Rowid)
                            ),
                        ));
                    }
                    draft.plan.steps.push(step);
                }
                Err(why) => draft.plan.items.push(finding(
                    Severity::Warning,
                    FindingKind::NotCarried,
                    &source.facts.name,
                    format!(
                        "The foreign key {words} is not carried over: {}.{}",
                        bare(&why),
                        broken_by(&key.orphans, RowsBy::Rowid)
                    ),
                )),
            }
        }
    }
}

/// Which rows break a rule, as a sentence of its own; nothing when none does.
fn broken_by(places: &Places, rows_by: RowsBy) -> String {
    match places.count {
        0 => String::new(),
        _ => format!(" Rows break it: {}.", rows(places, rows_by)),
    }
}

/// A foreign key in words.
pub(in crate::import) fn words(table: &str, key: &ForeignKey) -> String {
    let parent = match key.parent_columns.is_empty() {
        true => key.parent.clone(),
        false => format!("{} ({})", key.parent, key.parent_columns.join(", ")),
    };
    format!("{table} ({}) → {parent}", key.columns.join(", "))
}

fn foreign_key(
    source: &Source<'_>,
    key: &ForeignKey,
    number: usize,
    sources: &[Source<'_>],
    draft: &Draft,
) -> Result<Step, String> {
    let plan = &draft.plan;
    let parent = sources
        .iter()
        .find(|it| it.facts.name.eq_ignore_ascii_case(&key.parent))
        .ok_or_else(|| format!("there is no table {} here", key.parent))?;
    let first = |source: &Source<'_>| {
        source
            .places
            .first()
            .copied()
            .ok_or("a table is missing".to_owned())
    };
    let (place, other) = (first(source)?, first(parent)?);
    let (child_table, parent_table) = (&plan.tables[place], &plan.tables[other]);
    let parent_columns = match key.parent_columns.is_empty() {
        true => &parent.facts.primary_key,
        false => &key.parent_columns,
    };
    if parent_columns.len() != key.columns.len() {
        return Err("it names another number of columns than its parent has".to_owned());
    }
    let column = |table: &super::TablePlan, name: &str| {
        table
            .columns
            .iter()
            .find(|it| {
                it.source
                    .as_ref()
                    .is_some_and(|source| source.eq_ignore_ascii_case(name))
            })
            .map(|it| (quote::ident(&it.name), it.encoder.to))
            .ok_or_else(|| format!("{}.{name} is not carried over", table.source))
    };
    let mut pairs = Vec::new();
    for (from, to) in key.columns.iter().zip(parent_columns) {
        let ((from, from_type), (to, to_type)) = (column(child_table, from)?, column(parent_table, to)?);
        if from_type != to_type {
            return Err(format!(
                "it ties {} to {}, which PostgreSQL does not allow",
                from_type.sql(),
                to_type.sql()
            ));
        }
        pairs.push((from, to));
    }
    let list = |side: fn(&(String, String)) -> &String| {
        pairs
            .iter()
            .map(|pair| side(pair).as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let constraint = constraint_name(&child_table.name, "fkey", number);
    let definition = source.facts.sql.as_deref().map(ddl::table).unwrap_or_default();
    let deferred = definition.deferred.iter().any(|(columns, parent)| {
        let pairs = || columns.iter().zip(&key.columns);
        parent.eq_ignore_ascii_case(&key.parent)
            && columns.len() == key.columns.len()
            && pairs().all(|(one, other)| one.eq_ignore_ascii_case(other))
    });
    let add = |how: &str| {
        format!(
            "alter table {} add constraint {} foreign key ({}) references {} ({}){}{}{}{how}",
            quote::qualified(&plan.schema, &child_table.name),
            quote::ident(&constraint),
            list(|pair| &pair.0),
            quote::qualified(&plan.schema, &parent_table.name),
            list(|pair| &pair.1),
            action("update", &key.on_update),
            action("delete", &key.on_delete),
            if deferred {
                " deferrable initially deferred"
            } else {
                ""
            },
        )
    };
    let words = words(&source.facts.name, key);
    Ok(Step {
        stage: Stage::Relate,
        table: Some(place),
        other: Some(other),
        about: child_table.name.clone(),
        sql: vec![add(if key.orphans.count > 0 { " not valid" } else { "" })],
        instead: vec![add(" not valid")],
        or_else: finding(
            Severity::Warning,
            FindingKind::Broken,
            &source.facts.name,
            format!(
                "The foreign key {words} could not be validated: it holds for new rows alone (NOT VALID)."
            ),
        ),
        undo: Some(format!(
            "alter table {} drop constraint if exists {}",
            quote::qualified(&plan.schema, &child_table.name),
            quote::ident(&constraint)
        )),
        lost: Some(finding(
            Severity::Warning,
            FindingKind::NotCarried,
            &source.facts.name,
            format!("The foreign key {words} is not carried over."),
        )),
        foreign_key: Some(super::ForeignKeyPlan {
            name: constraint,
            words,
            orphans: key.orphans.count,
        }),
    })
}

fn action(when: &str, what: &str) -> String {
    match what.to_ascii_uppercase().as_str() {
        "CASCADE" | "RESTRICT" | "SET NULL" | "SET DEFAULT" => {
            format!(" on {when} {}", what.to_ascii_lowercase())
        }
        _ => String::new(),
    }
}

/// A name of a constraint that is free in its table, for all of them are made here.
fn constraint_name(table: &str, end: &str, number: usize) -> String {
    let end = match number {
        0 => format!("_{end}"),
        _ => format!("_{end}{number}"),
    };
    format!("{}{end}", &table[..table.floor_char_boundary(63 - end.len())])
}

/// Adds views and triggers. Which of them PostgreSQL takes shows the rehearsal.
pub(super) fn objects(
    inspection: &Inspection,
    mapping: &Mapping,
    schema: &mut translate::Schema,
    names: &mut Names,
    draft: &mut Draft,
) {
    if mapping.skip_views {
        draft.plan.items.extend(
            inspection
                .views
                .iter()
                .map(|view| lost(view, "view", "left out by choice")),
        );
    } else {
        views(&inspection.views, mapping, schema, names, draft);
    }
    if mapping.skip_triggers {
        draft.plan.items.extend(
            inspection
                .triggers
                .iter()
                .map(|trigger| lost(trigger, "trigger", "left out by choice")),
        );
    } else {
        // Functions have names of their own kind.
        let mut names = Names::default();
        for trigger in &inspection.triggers {
            let name = names.take(&trigger.name, "trigger");
            match translate::trigger(&trigger.sql, schema, &name) {
                Ok(translated) => {
                    let undo = translated.drop;
                    draft.plan.items.extend(renamed(trigger, "trigger", &name));
                    draft
                        .plan
                        .steps
                        .push(object(trigger, "trigger", translated.create, undo));
                }
                Err(why) => draft.plan.items.push(lost(trigger, "trigger", &why)),
            }
        }
    }
}

/// A view may be over another one that comes later in the file, so whoever fails is tried again after the others.
fn views(
    views: &[ObjectFacts],
    mapping: &Mapping,
    schema: &mut translate::Schema,
    names: &mut Names,
    draft: &mut Draft,
) {
    let mut waiting: Vec<(&ObjectFacts, String)> = views
        .iter()
        .map(|view| {
            let wanted = by_policy(&view.name, mapping.names);
            (view, names.take(&wanted, "view"))
        })
        .collect();
    loop {
        let before = waiting.len();
        let mut left = Vec::new();
        for (view, name) in waiting {
            match translate::view(&view.sql, schema, &name) {
                Ok(translated) => {
                    schema.tables.push(translated.table);
                    draft.plan.items.extend(renamed(view, "view", &name));
                    let undo = format!(
                        "drop view if exists {}",
                        quote::qualified(&draft.plan.schema, &name)
                    );
                    draft
                        .plan
                        .steps
                        .push(object(view, "view", vec![translated.sql], undo));
                }
                Err(why) => left.push((view, name, why)),
            }
        }
        if left.is_empty() || left.len() == before {
            draft
                .plan
                .items
                .extend(left.iter().map(|(view, _, why)| lost(view, "view", why)));
            return;
        }
        waiting = left.into_iter().map(|(view, name, _)| (view, name)).collect();
    }
}

/// What to report of a name that could not stay.
fn renamed(object: &ObjectFacts, what: &str, name: &str) -> Option<Finding> {
    let severity = match name.eq_ignore_ascii_case(&object.name) {
        true => Severity::Note,
        false => Severity::Warning,
    };
    (name != object.name).then(|| {
        finding(
            severity,
            FindingKind::Renamed,
            &object.name,
            format!("The {what} becomes {name}."),
        )
    })
}

fn lost(object: &ObjectFacts, what: &str, why: &str) -> Finding {
    Finding {
        sql: Some(object.sql.clone()),
        ..finding(
            Severity::Warning,
            FindingKind::NotCarried,
            &object.name,
            format!("The {what} is not carried over: {}.", bare(why)),
        )
    }
}

fn object(object: &ObjectFacts, what: &str, sql: Vec<String>, undo: String) -> Step {
    Step {
        stage: Stage::Finish,
        table: None,
        other: None,
        about: object.name.clone(),
        sql,
        instead: Vec::new(),
        or_else: lost(object, what, "PostgreSQL does not take its translation"),
        lost: None,
        foreign_key: None,
        undo: Some(undo),
    }
}
