//! A plan that brings rows into tables that are there. Columns are matched by name; constraints and triggers hold.

use contract::{
    format,
    import::{
        ColumnFacts, ColumnType, Finding, FindingKind, Mapping, Obstacle, OnConflict, Severity, Stage,
        TableFacts,
    },
};

use super::{
    ColumnPlan, Draft, Existing, Parents, Step, TablePlan, columns, finding, new,
    target::{ColumnThere, TableThere, There},
};
use crate::{import::inspect::Inspected, quote};

/// Types that take a value of the staging column's type when it is assigned, with an error when it does not fit. A cast
/// would cut a text that is too long.
const ASSIGNED: [&str; 17] = [
    "int2",
    "int4",
    "int8",
    "float4",
    "float8",
    "numeric",
    "bool",
    "bytea",
    "date",
    "timestamp",
    "timestamptz",
    "uuid",
    "jsonb",
    "text",
    "varchar",
    "bpchar",
    "name",
];

pub(super) fn plan(inspected: &Inspected, mapping: &Mapping, there: &There, draft: &mut Draft) {
    let mut not_carried = 0;
    if mapping.follow {
        draft.obstacle(
            None,
            None,
            "Rows in tables that are there are not followed.",
            "Switch following off; another import with upsert brings changed rows over.",
        );
    }
    for facts in &inspected.inspection.tables {
        let choice = mapping.tables.get(&facts.name);
        if facts.kind.skipped().is_some() || choice.is_some_and(|choice| choice.skip) {
            continue;
        }
        let wanted = choice
            .and_then(|choice| choice.name.as_deref())
            .unwrap_or(&facts.name);
        let Some((name, table)) = by_name(
            wanted,
            there.tables.iter().map(|(name, table)| (name.as_str(), table)),
        ) else {
            match facts.rows {
                0 => draft.plan.items.push(finding(
                    Severity::Note,
                    FindingKind::NotCarried,
                    &facts.name,
                    format!("Has no rows, and {} has no such table.", mapping.schema),
                )),
                rows => draft.obstacle(
                    Some(&facts.name),
                    None,
                    format!(
                        "The schema {} has no table {wanted} for the {} rows of {}.",
                        mapping.schema,
                        format::exact(rows),
                        facts.name
                    ),
                    "Name another table, leave this one out, or make it first (a migration, or an import into new tables).",
                ),
            }
            continue;
        };
        not_carried += facts.indexes.len() + facts.checks.len() + facts.foreign_keys.len();
        one(inspected, facts, name, table, mapping, draft);
    }
    if not_carried > 0 {
        draft.plan.items.push(Finding {
            table: None,
            ..finding(
                Severity::Note,
                FindingKind::NotCarried,
                "",
                "Indexes, checks and keys of the file are not carried over: those of the tables that are there hold.",
            )
        });
    }
    order(there, draft);
    again(there, mapping.on_conflict, draft);
    identities(draft);
    new::analyze(&mut draft.plan);
}

/// What has a name: the very same, else the only one that differs in nothing but capitals.
fn by_name<'a, T>(wanted: &str, all: impl Iterator<Item = (&'a str, T)>) -> Option<(&'a str, T)> {
    let mut alike = Vec::new();
    for (name, what) in all {
        if name == wanted {
            return Some((name, what));
        }
        if name.eq_ignore_ascii_case(wanted) {
            alike.push((name, what));
        }
    }
    match alike.len() {
        1 => alike.pop(),
        _ => None,
    }
}

fn one(
    inspected: &Inspected,
    facts: &TableFacts,
    name: &str,
    table: &TableThere,
    mapping: &Mapping,
    draft: &mut Draft,
) {
    let layout = inspected.layout.get(&facts.name);
    let uncomputed = layout.map_or(&[][..], |layout| &layout.uncomputed);
    let Some(columns) = matched(facts, uncomputed, name, table, mapping, draft) else {
        return;
    };
    let named = |wanted: &String| columns.iter().any(|column| column.name == *wanted);
    let conflict = table
        .keys
        .iter()
        .find(|key| !key.is_empty() && key.iter().all(named))
        .cloned()
        .unwrap_or_default();
    if mapping.on_conflict == OnConflict::Upsert && conflict.is_empty() {
        draft.obstacle(
            Some(&facts.name),
            None,
            format!("{name} has no unique key among the file's columns, so a row cannot be found again."),
            "Let conflicts fail or be skipped, or leave the table out.",
        );
    }
    let names: Vec<&str> = table.triggers.iter().map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        draft.plan.items.push(finding(
            Severity::Note,
            FindingKind::Changed,
            &facts.name,
            format!(
                "For each new row of {name} its triggers run: {}.",
                names.join(", ")
            ),
        ));
    }
    let identities = table
        .columns
        .iter()
        .filter(|column| column.numbers && !column.always && named(&column.name))
        .map(|column| column.name.clone())
        .collect();
    let key = match conflict.is_empty() {
        false => conflict.clone(),
        true => facts.primary_key.clone(),
    };
    let key = key
        .iter()
        .map(|part| columns.iter().position(|column| column.name == *part))
        .collect::<Option<Vec<usize>>>()
        .unwrap_or_default();
    draft.plan.tables.push(TablePlan {
        source: facts.name.clone(),
        name: name.to_owned(),
        key,
        identity: None,
        columns,
        rowid: layout.and_then(|layout| layout.rowid.clone()),
        cuts: layout.map(|layout| layout.cuts.clone()).unwrap_or_default(),
        rows: facts.rows,
        bytes: layout.map_or(0, |layout| layout.bytes),
        existing: Some(Existing {
            conflict,
            parents: Vec::new(),
            after: Vec::new(),
            identities,
            again: false,
        }),
    });
}

/// The columns of the file that have a place in the table; none when something stands in the way.
fn matched(
    facts: &TableFacts,
    uncomputed: &[String],
    name: &str,
    table: &TableThere,
    mapping: &Mapping,
    draft: &mut Draft,
) -> Option<Vec<ColumnPlan>> {
    let choices = mapping.tables.get(&facts.name);
    let before = draft.obstacles.len();
    let mut found: Vec<ColumnPlan> = Vec::new();
    for column in facts
        .columns
        .iter()
        .filter(|column| !uncomputed.contains(&column.name))
    {
        let choice = choices.and_then(|choice| choice.columns.get(&column.name));
        if choice.is_some_and(|choice| choice.skip) {
            draft.plan.items.push(item(
                facts,
                column,
                Severity::Warning,
                format!(
                    "Left out by choice, with {} values.",
                    format::exact(column.stored.values())
                ),
            ));
            continue;
        }
        let wanted = choice
            .and_then(|choice| choice.name.as_deref())
            .unwrap_or(&column.name);
        let place = by_name(wanted, table.columns.iter().map(|it| (it.name.as_str(), it)));
        match place {
            None if column.stored.values() == 0 => draft.plan.items.push(item(
                facts,
                column,
                Severity::Note,
                format!("Holds nothing, and {name} has no such column."),
            )),
            None => draft.obstacle(
                Some(&facts.name),
                Some(&column.name),
                format!(
                    "{name} has no column {wanted} for {} values.",
                    format::exact(column.stored.values())
                ),
                "Name another column, leave this one out, or add it to the table first.",
            ),
            Some((_, there)) if there.always => draft.plan.items.push(item(
                facts,
                column,
                Severity::Warning,
                format!(
                    "PostgreSQL computes {} itself; the file's values are not carried over.",
                    there.name
                ),
            )),
            Some((_, there)) => found.extend(fitted(facts, column, there, mapping, draft)),
        }
    }
    for there in &table.columns {
        let given = found.iter().any(|column| column.name == there.name);
        if there.not_null && !there.has_default && !there.always && !given {
            draft.obstacle(
                Some(&facts.name),
                None,
                format!(
                    "{name}.{} must have a value, has no default, and the file has no such column.",
                    there.name
                ),
                "Give it a default, or name the column of the file that belongs there.",
            );
        }
    }
    (draft.obstacles.len() == before && !found.is_empty()).then_some(found)
}

fn fitted(
    facts: &TableFacts,
    column: &ColumnFacts,
    there: &ColumnThere,
    mapping: &Mapping,
    draft: &mut Draft,
) -> Option<ColumnPlan> {
    let to = staged(&there.type_name);
    let encoder = columns::encoder(facts, column, to, mapping.text, draft)?;
    if there.not_null && column.stored.nulls > 0 {
        draft.obstacle(
            Some(&facts.name),
            Some(&column.name),
            format!(
                "{} rows hold NULL, which {} does not allow.",
                format::exact(column.stored.nulls),
                there.name
            ),
            "Mend the rows in the file, or allow NULL in the table first.",
        );
    }
    let range = match there.type_name.as_str() {
        "int2" => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
        "int4" => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        _ => None,
    };
    if let (Some((low, high)), Some((least, most))) = (range, column.stored.integer_range)
        && (least < low || most > high)
    {
        draft.obstacle(
            Some(&facts.name),
            Some(&column.name),
            format!(
                "Holds {} to {}, more than {} can.",
                format::exact(least),
                format::exact(most),
                there.declared
            ),
            "Widen the column to bigint first.",
        );
    }
    let mut plan = ColumnPlan::of(column, there.name.clone(), encoder);
    plan.declared = Some(there.declared.clone());
    Some(plan)
}

fn item(facts: &TableFacts, column: &ColumnFacts, severity: Severity, words: String) -> Finding {
    Finding {
        column: Some(column.name.clone()),
        ..finding(severity, FindingKind::NotCarried, &facts.name, words)
    }
}

/// The type in which values wait before they are assigned to a column of this type.
fn staged(type_name: &str) -> ColumnType {
    match type_name {
        "int2" | "int4" | "int8" => ColumnType::Bigint,
        "float4" | "float8" => ColumnType::Double,
        "numeric" => ColumnType::Numeric,
        "bool" => ColumnType::Boolean,
        "bytea" => ColumnType::Bytea,
        "date" => ColumnType::Date,
        "timestamp" => ColumnType::Timestamp,
        "timestamptz" => ColumnType::Timestamptz,
        "uuid" => ColumnType::Uuid,
        "jsonb" => ColumnType::Jsonb,
        _ => ColumnType::Text,
    }
}

/// Which tables wait for which, and whose parents may be missing.
fn order(there: &There, draft: &mut Draft) {
    let places: Vec<(String, usize)> = draft
        .plan
        .tables
        .iter()
        .enumerate()
        .map(|(place, table)| (table.name.clone(), place))
        .collect();
    let schema = draft.plan.schema.clone();
    for (name, place) in &places {
        let Some(table) = there.tables.get(name) else {
            continue;
        };
        let (mut after, mut parents, mut of_itself) = (Vec::new(), Vec::new(), false);
        for key in &table.foreign_keys {
            let here = key.parent_schema == schema;
            match places.iter().find(|(parent, _)| here && *parent == key.parent) {
                Some((_, parent)) if parent == place => of_itself = true,
                Some((_, parent)) => after.push(*parent),
                None => {}
            }
            let columns: Option<Vec<usize>> = key
                .columns
                .iter()
                .map(|column| {
                    let planned = &draft.plan.tables[*place].columns;
                    planned.iter().position(|it| it.name == *column)
                })
                .collect();
            let can_be_made = here
                && key.parent != *name
                && there.tables.get(&key.parent).is_some_and(|parent| {
                    parent.columns.iter().all(|column| {
                        !column.not_null || column.has_default || key.parent_columns.contains(&column.name)
                    })
                });
            if let (Some(columns), true) = (columns, can_be_made) {
                parents.push(Parents {
                    columns,
                    schema: key.parent_schema.clone(),
                    table: key.parent.clone(),
                    parent_columns: key.parent_columns.clone(),
                });
            }
        }
        let table = &mut draft.plan.tables[*place];
        if of_itself {
            // A row may come before its parent; within one statement that is allowed.
            table.cuts.clear();
        }
        if let Some(existing) = &mut table.existing {
            existing.after = after;
            existing.parents = parents;
        }
    }
    let graph: Vec<Vec<usize>> = draft
        .plan
        .tables
        .iter()
        .map(|table| {
            table
                .existing
                .as_ref()
                .map(|it| it.after.clone())
                .unwrap_or_default()
        })
        .collect();
    if let Some(place) = (0..graph.len()).find(|place| reaches(&graph, *place, *place)) {
        let table = &draft.plan.tables[place];
        draft.obstacles.push(Obstacle {
            table: Some(table.source.clone()),
            column: None,
            words: format!(
                "The foreign keys of {} lead in a circle, so no table can be filled first.",
                table.name
            ),
            hint: "Drop one of the keys for the import, or leave a table out.".to_owned(),
        });
    }
}

fn reaches(graph: &[Vec<usize>], from: usize, to: usize) -> bool {
    let mut seen = vec![false; graph.len()];
    let mut next = graph[from].clone();
    while let Some(place) = next.pop() {
        if place == to {
            return true;
        }
        if !std::mem::replace(&mut seen[place], true) {
            next.extend(&graph[place]);
        }
    }
    false
}

/// Triggers that run after a row is in may change it, and rows of other tables: then all are compared again at the end.
fn again(there: &There, on_conflict: OnConflict, draft: &mut Draft) {
    let mut running = draft
        .plan
        .tables
        .iter()
        .filter_map(|table| there.tables.get(&table.name))
        .flat_map(|table| &table.triggers);
    if !running.any(|(_, after)| *after) {
        return;
    }
    for table in &mut draft.plan.tables {
        // Rows that stayed as they were cannot be told from those that came in.
        let can = on_conflict != OnConflict::Skip && table.conflict_places().is_some();
        match &mut table.existing {
            Some(existing) if can => existing.again = true,
            _ => draft.plan.items.push(finding(
                Severity::Warning,
                FindingKind::Changed,
                &table.source,
                format!(
                    "What triggers change in {} after a row is in is not compared with the file: {}.",
                    table.name,
                    match on_conflict {
                        OnConflict::Skip => "rows that were there may be skipped",
                        OnConflict::Fail | OnConflict::Upsert => "it has no key among the file's columns",
                    }
                ),
            )),
        }
    }
}

/// Sequences that go on after the largest number that came in.
fn identities(draft: &mut Draft) {
    let mut steps = Vec::new();
    for (place, table) in draft.plan.tables.iter().enumerate() {
        let name = quote::qualified(&draft.plan.schema, &table.name);
        for column in table.existing.iter().flat_map(|existing| &existing.identities) {
            let sequence = format!(
                "pg_get_serial_sequence({}, {})",
                quote::literal(&name),
                quote::literal(column)
            );
            steps.push(Step {
                stage: Stage::Constrain,
                table: Some(place),
                other: None,
                about: table.name.clone(),
                // Never back: numbers that were given away before stay given away.
                sql: vec![format!(
                    "select setval({sequence}, greatest(max({0}), pg_sequence_last_value({sequence}::regclass)))
   from {name}
 having greatest(max({0}), pg_sequence_last_value({sequence}::regclass)) is not null",
                    quote::ident(column)
                )],
                instead: Vec::new(),
                or_else: finding(
                    Severity::Error,
                    FindingKind::NotCarried,
                    &table.source,
                    format!("The numbers of {column} could not be set to go on after the largest one."),
                ),
                foreign_key: None,
                undo: None,
            });
        }
    }
    draft.plan.steps.extend(steps);
}

impl TablePlan {
    /// The staging table in which rows of a part wait.
    pub(in crate::import) fn staging(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| format!("c{at} {}", column.encoder.to.sql()))
            .collect();
        format!(
            "create temp table pgsteward_stage ({}) on commit drop",
            columns.join(", ")
        )
    }

    /// The statement that brings the waiting rows into the table, and gives what became of them in the staging types.
    pub(in crate::import) fn bring_in(&self, schema: &str, on_conflict: OnConflict) -> String {
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|column| quote::ident(&column.name))
            .collect();
        let values: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| column.given(at))
            .collect();
        let conflict: &[String] = self.existing.as_ref().map_or(&[], |existing| &existing.conflict);
        let on_conflict = match on_conflict {
            OnConflict::Fail => String::new(),
            OnConflict::Skip => " on conflict do nothing".to_owned(),
            OnConflict::Upsert => {
                let keys: Vec<String> = conflict.iter().map(|name| quote::ident(name)).collect();
                let sets: Vec<String> = self
                    .columns
                    .iter()
                    .map(|column| quote::ident(&column.name))
                    // A key that is set to itself makes the statement whole when there is nothing else.
                    .filter(|name| !keys.contains(name) || keys.len() == names.len())
                    .map(|name| format!("{name} = excluded.{name}"))
                    .collect();
                format!(
                    " on conflict ({}) do update set {}",
                    keys.join(", "),
                    sets.join(", ")
                )
            }
        };
        format!(
            "insert into {} ({}) overriding system value select {} from pgsteward_stage{on_conflict} returning {}",
            quote::qualified(schema, &self.name),
            names.join(", "),
            values.join(", "),
            self.kept("").join(", ")
        )
    }

    /// What the table keeps, in the staging types; `of` names the table and ends with a dot when there are several.
    pub(in crate::import) fn kept(&self, of: &str) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| format!("{of}{}::{}", quote::ident(&column.name), column.encoder.to.sql()))
            .collect()
    }

    /// The places of the columns of the key by which rows agree, when there is one.
    pub(in crate::import) fn conflict_places(&self) -> Option<Vec<usize>> {
        let key = &self
            .existing
            .as_ref()
            .filter(|it| !it.conflict.is_empty())?
            .conflict;
        key.iter()
            .map(|name| self.columns.iter().position(|column| column.name == *name))
            .collect()
    }
}

/// How PostgreSQL itself calls the type of a column of this declared type, without its modifier, when values are assigned
/// to it without a cast.
fn assigned(declared: &str) -> Option<&'static str> {
    let spelled = [
        ("smallint", "int2"),
        ("integer", "int4"),
        ("bigint", "int8"),
        ("real", "float4"),
        ("double precision", "float8"),
        ("boolean", "bool"),
        ("character varying", "varchar"),
        ("character", "bpchar"),
        ("timestamp with time zone", "timestamptz"),
        ("timestamp without time zone", "timestamp"),
    ];
    // A modifier may stand in the middle: timestamp(3) without time zone.
    let mut bare = String::new();
    let mut depth = 0;
    for char in declared.chars() {
        match char {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => bare.push(char),
            _ => {}
        }
    }
    let name = spelled
        .iter()
        .find(|(words, _)| *words == bare)
        .map_or(bare.as_str(), |(_, name)| name);
    ASSIGNED.into_iter().find(|it| *it == name)
}

impl ColumnPlan {
    fn declared(&self) -> &str {
        self.declared.as_deref().unwrap_or("text")
    }

    /// A staged value as it is assigned to the column: uncast where PostgreSQL itself refuses what does not fit.
    pub(in crate::import) fn given(&self, at: usize) -> String {
        match assigned(self.declared()) {
            Some(_) => format!("c{at}"),
            None => format!("c{at}::{}", self.declared()),
        }
    }

    /// A staged value as it is compared with the column's: in the column's type, without the modifier that would cut it.
    pub(in crate::import) fn compared(&self, at: usize) -> String {
        let bare = assigned(self.declared()).unwrap_or(self.declared());
        format!("c{at}::{bare}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_types_that_refuse_what_does_not_fit_are_assigned() {
        for declared in [
            "character varying(36)",
            "integer",
            "timestamp(3) without time zone",
            "numeric(10,2)",
            "text",
        ] {
            assert!(assigned(declared).is_some(), "{declared}");
        }
        for declared in ["inet", "json", "\"Mood\"", "xml"] {
            assert_eq!(assigned(declared), None, "{declared}");
        }
    }

    #[test]
    fn a_name_is_found_by_its_capitals_only_when_it_is_the_only_one() {
        let all = |names: &'static [&'static str]| names.iter().map(|name| (*name, ()));
        assert_eq!(by_name("Id", all(&["ID", "other"])), Some(("ID", ())));
        assert_eq!(by_name("Id", all(&["ID", "id"])), None);
        assert_eq!(by_name("id", all(&["ID", "id"])), Some(("id", ())));
    }
}
