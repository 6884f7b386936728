//! From what was found and what was decided to what will be done. The plan is fixed when a load starts, so that a run
//! after an interruption does the same.

mod columns;
mod existing;
mod indexes;
mod naming;
mod new;
mod rehearse;
mod relations;
mod room;
mod target;
mod view;

use contract::import::{
    Conversion, Destination, Finding, FindingKind, Inspection, Mapping, Obstacle, OnConflict, Severity, Stage,
};
use serde::{Deserialize, Serialize};
use sqlite::{encode::Encoder, inspect::Inspected};
use sqlx::PgConnection;

pub(super) use self::{columns::ColumnPlan, relations::words, room::look as room, view::view};
use crate::{Result, target::Target};

/// What will be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The state of the file that it was made for.
    pub stamp: String,
    /// The schema that receives the tables.
    pub schema: String,
    /// Whether tables are made.
    pub into: Destination,
    /// What happens to a row whose key is there already.
    pub on_conflict: OnConflict,
    /// Whether a cancelled run leaves what is loaded.
    pub keep: bool,
    /// Whether later runs bring over what changed since.
    pub follow: bool,
    /// Tables that get rows.
    pub tables: Vec<TablePlan>,
    /// Statements before any row, each with the table it makes.
    pub create: Vec<Create>,
    /// Statements after the rows.
    pub steps: Vec<Step>,
    /// What changes, what is renamed, and what is not carried over.
    pub items: Vec<Finding>,
}

/// One table that gets rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TablePlan {
    /// Its name in the file.
    pub source: String,
    /// Its name in the schema.
    pub name: String,
    /// Its columns; those that PostgreSQL computes come last.
    pub columns: Vec<ColumnPlan>,
    /// The name under which a query gets the rowid, if there is one.
    pub rowid: Option<String>,
    /// The last rows of all parts but the last one.
    pub cuts: Vec<i64>,
    /// Rows of the file.
    pub rows: i64,
    /// Bytes of their values.
    pub bytes: i64,
    /// The columns, by their place, that tell rows apart; none when nothing does.
    pub key: Vec<usize>,
    /// The column that numbers its rows.
    pub identity: Option<IdentityPlan>,
    /// How rows get into it when it is there already.
    pub existing: Option<Existing>,
}

/// A column that numbers its rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct IdentityPlan {
    /// The column's name in the table.
    pub column: String,
    /// The number that comes next; none when there is no further one.
    pub next: Option<i64>,
}

/// How rows get into a table that is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Existing {
    /// Columns of the key by which rows agree, for an upsert.
    pub conflict: Vec<String>,
    /// Parents whose missing rows are made first.
    pub parents: Vec<Parents>,
    /// Tables of the plan, by place, that have to be loaded before.
    pub after: Vec<usize>,
    /// Columns that number rows and get values from the file.
    pub identities: Vec<String>,
    /// Whether its rows are compared again by their keys when all are in.
    #[serde(default)]
    pub again: bool,
    /// Whether the file may hold two rows with one of these keys in different parts; they are counted before any goes in.
    #[serde(default)]
    pub repeats: bool,
    /// All keys by which a row that did not come in may be there already; none when only a row that is there keeps one out.
    #[serde(default)]
    pub kept_by: Option<Vec<Vec<String>>>,
}

/// A foreign key whose parents may be missing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Parents {
    /// The referring columns, by their place.
    pub columns: Vec<usize>,
    /// The table they refer to, with its schema.
    pub schema: String,
    /// See `schema`.
    pub table: String,
    /// The columns there.
    pub parent_columns: Vec<String>,
}

/// A statement before any row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Create {
    /// The table it makes or changes, by its name in the schema.
    pub table: String,
    /// Its text.
    pub sql: String,
    /// What to report when PostgreSQL does not take it; none when nothing goes without it.
    pub or_else: Option<Finding>,
    /// Columns that the statement has PostgreSQL compute, which it may refuse.
    #[serde(default)]
    pub computed: Vec<Computed>,
}

/// A computed column of a statement that makes a table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Computed {
    /// Its name in the file.
    pub source: String,
    /// Its name and type, as the statement has them.
    pub column: String,
    /// What follows there and makes it a computed one.
    pub expression: String,
    /// What to report when PostgreSQL does not take it.
    pub lost: Finding,
}

impl Create {
    /// The statement with only some of its computed columns computed.
    fn computing(&self, kept: &[bool]) -> String {
        let left = self.computed.iter().zip(kept).filter(|(_, kept)| !**kept);
        left.fold(self.sql.clone(), |sql, (computed, _)| {
            let whole = format!("{}{}", computed.column, computed.expression);
            sql.replacen(&whole, &computed.column, 1)
        })
    }
}

/// Statements after the rows, done together or not at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Step {
    /// When.
    pub stage: Stage,
    /// The table of the plan, by place; none for what concerns several.
    pub table: Option<usize>,
    /// Another table of the plan that has to be ready.
    pub other: Option<usize>,
    /// What it is about, by name.
    pub about: String,
    /// The statements.
    pub sql: Vec<String>,
    /// What is done instead when PostgreSQL does not take them.
    pub instead: Vec<String>,
    /// What to report then.
    pub or_else: Finding,
    /// What to report when that is not taken either, if it is something else.
    #[serde(default)]
    pub lost: Option<Finding>,
    /// The foreign key, when it is one.
    pub foreign_key: Option<ForeignKeyPlan>,
    /// What takes it away again, for rules that bind rows, views and triggers.
    pub undo: Option<String>,
}

/// A foreign key that is added.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ForeignKeyPlan {
    /// Its name.
    pub name: String,
    /// The key in words.
    pub words: String,
    /// Rows without a parent.
    pub orphans: i64,
}

impl Step {
    /// What to report when PostgreSQL takes nothing of it.
    pub fn lost(&self) -> &Finding {
        self.lost.as_ref().unwrap_or(&self.or_else)
    }
}

impl TablePlan {
    /// How many parts it is loaded in.
    pub fn parts(&self) -> usize {
        self.cuts.len() + 1
    }

    /// The column that holds the rowid and alone tells rows apart, if there is one.
    pub fn rowid_column(&self) -> Option<&str> {
        let [key] = self.key.as_slice() else { return None };
        let column = &self.columns[*key];
        let identity = self.identity.as_ref()?;
        let is_rowid =
            identity.column == column.name && column.encoder.to == contract::import::ColumnType::Bigint;
        is_rowid.then_some(column.name.as_str())
    }

    /// Has the values of a column sent, which PostgreSQL was to compute.
    fn send(&mut self, source: &str) {
        for column in &mut self.columns {
            column.generated &= column.source.as_deref() != Some(source);
        }
        let key: Vec<String> = self.key.iter().map(|at| self.columns[*at].name.clone()).collect();
        self.columns.sort_by_key(|column| column.generated);
        let place = |name: &String| self.columns.iter().position(|column| column.name == *name);
        self.key = key.iter().filter_map(place).collect();
    }

    /// Columns that are sent: all but those that PostgreSQL computes.
    pub fn sent(&self) -> impl Iterator<Item = &ColumnPlan> {
        self.columns.iter().filter(|column| !column.generated)
    }

    /// The types of all columns, in their order.
    pub fn types(&self) -> Vec<contract::import::ColumnType> {
        self.columns.iter().map(|column| column.encoder.to).collect()
    }
}

/// A plan and what stands in its way.
pub(super) struct Draft {
    /// The plan.
    pub plan: Plan,
    /// What has to be decided or mended first.
    pub obstacles: Vec<Obstacle>,
    /// How the database encodes its text, as PostgreSQL calls it.
    pub encoding: String,
}

impl Draft {
    /// Adds what has to be mended.
    fn obstacle(
        &mut self,
        table: Option<&str>,
        column: Option<&str>,
        words: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.obstacles.push(Obstacle {
            table: table.map(str::to_owned),
            column: column.map(str::to_owned),
            words: words.into(),
            hint: hint.into(),
        });
    }
}

/// Makes the plan and rehearses it: every statement runs on empty tables in a transaction that is rolled back.
///
/// # Errors
/// `Target` when the managed database cannot be reached.
pub(super) async fn make(
    inspected: &Inspected,
    mapping: &Mapping,
    target: &Target,
    connection: &mut PgConnection,
) -> Result<Draft> {
    let there = target::look(connection, &mapping.schema)
        .await
        .map_err(|source| target.error(source))?;
    let mut draft = Draft {
        plan: Plan {
            stamp: inspected.stamp.clone(),
            schema: mapping.schema.clone(),
            into: mapping.into,
            on_conflict: mapping.on_conflict,
            keep: mapping.on_cancel == contract::import::OnCancel::Keep,
            follow: mapping.follow,
            tables: Vec::new(),
            create: Vec::new(),
            steps: Vec::new(),
            items: carried_findings(&inspected.inspection, mapping),
        },
        obstacles: Vec::new(),
        encoding: there.encoding.clone(),
    };
    unknown_choices(&inspected.inspection, mapping, &mut draft);
    match mapping.into {
        Destination::New => new::plan(inspected, mapping, &there, &mut draft),
        Destination::Existing => existing::plan(inspected, mapping, &there, &mut draft),
    }
    rehearse::rehearse(&mut draft, &there, target, connection).await?;
    draft
        .plan
        .items
        .sort_by_key(|item| std::cmp::Reverse(item.severity));
    Ok(draft)
}

/// What the inspection says that holds for the import too. What the plan itself finds out is left out here.
fn carried_findings(inspection: &Inspection, mapping: &Mapping) -> Vec<Finding> {
    inspection
        .findings
        .iter()
        .filter(|finding| {
            let left_out = finding
                .table
                .as_ref()
                .and_then(|table| mapping.tables.get(table))
                .is_some_and(|choice| {
                    choice.skip
                        || finding
                            .column
                            .as_ref()
                            .and_then(|column| choice.columns.get(column))
                            .is_some_and(|column| column.skip)
                });
            // A trigger may have the name of a table.
            let of_object = finding.kind == FindingKind::NotCarried && finding.severity == Severity::Note;
            let object = of_object
                && finding.table.as_ref().is_some_and(|name| {
                    let named = |object: &contract::import::ObjectFacts| object.name == *name;
                    inspection.views.iter().any(named) || inspection.triggers.iter().any(named)
                });
            // The plan says itself what becomes of the rules of tables that it makes, with the rows that break them; of
            // names, of foreign keys by the types that are chosen, and of texts by the policy.
            let told = match finding.kind {
                FindingKind::Broken => finding.table.is_some() && mapping.into == Destination::New,
                FindingKind::Renamed | FindingKind::Untied | FindingKind::Altered => true,
                _ => false,
            };
            !left_out && !object && !told
        })
        .cloned()
        .collect()
}

/// Choices for what the file does not have: a mapping made for another file, or a typing error.
fn unknown_choices(inspection: &Inspection, mapping: &Mapping, draft: &mut Draft) {
    for (name, choice) in &mapping.tables {
        let Some(table) = inspection.tables.iter().find(|table| table.name == *name) else {
            draft.obstacle(
                Some(name),
                None,
                format!("The mapping speaks of a table {name}, which the file does not have."),
                "Take it out of the mapping, or correct its name; capitals count.",
            );
            continue;
        };
        for column in choice.columns.keys() {
            if !table.columns.iter().any(|it| it.name == *column) {
                draft.obstacle(
                    Some(name),
                    Some(column),
                    format!(
                        "The mapping speaks of a column {column} of {name}, which the file does not have."
                    ),
                    "Take it out of the mapping, or correct its name; capitals count.",
                );
            }
        }
    }
}

fn finding(severity: Severity, kind: FindingKind, table: &str, words: impl Into<String>) -> Finding {
    Finding {
        severity,
        kind,
        table: Some(table.to_owned()),
        column: None,
        words: words.into(),
        sql: None,
    }
}

/// A reason as a part of a sentence.
fn bare(why: &str) -> &str {
    why.trim_end_matches('.')
}

/// What is done to the values of a column.
fn conversion(column: &contract::import::ColumnFacts, encoder: Encoder) -> Option<Conversion> {
    match encoder.to == column.proposal.column_type {
        true => column.proposal.conversion,
        false => sqlite::fit::Forms(&column.stored).conversion(encoder.to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, generated: bool) -> ColumnPlan {
        ColumnPlan {
            source: Some(name.to_owned()),
            generated,
            ..ColumnPlan::rowid(name.to_owned())
        }
    }

    #[test]
    fn what_postgresql_does_not_compute_is_sent() {
        let mut table = TablePlan {
            source: "t".into(),
            name: "t".into(),
            columns: vec![column("id", false), column("b", true), column("c", true)],
            rowid: None,
            cuts: Vec::new(),
            rows: 1,
            bytes: 8,
            key: vec![0],
            identity: None,
            existing: None,
        };
        table.send("c");
        let order: Vec<_> = table
            .columns
            .iter()
            .map(|it| (it.name.as_str(), it.generated))
            .collect();
        assert_eq!(order, [("id", false), ("c", false), ("b", true)]);
        assert_eq!(table.key, [0]);
    }

    #[test]
    fn a_statement_is_made_without_some_of_its_expressions() {
        let computed = |name: &str| Computed {
            source: name.into(),
            column: format!("\"{name}\" bigint"),
            expression: " generated always as (1) stored".into(),
            lost: finding(Severity::Warning, FindingKind::NotCarried, "t", "It is lost."),
        };
        let create = Create {
            table: "t".into(),
            sql: "create table t (\"a\" bigint generated always as (1) stored, \"b\" bigint generated always as (1) stored not null)".into(),
            or_else: None,
            computed: vec![computed("a"), computed("b")],
        };
        assert_eq!(
            create.computing(&[true, false]),
            "create table t (\"a\" bigint generated always as (1) stored, \"b\" bigint not null)"
        );
        assert_eq!(
            create.computing(&[false, false]),
            "create table t (\"a\" bigint, \"b\" bigint not null)"
        );
        assert_eq!(create.computing(&[true, true]), create.sql);
    }
}
