//! A plan as pages and commands show it.

use contract::import::{
    Destination, ImportPlan, OnConflict, PlannedColumn, PlannedStatement, PlannedTable, Room, Stage,
};

use super::Draft;

/// The plan with its obstacles.
pub(in crate::import) fn view(draft: Draft, target: &str, room: Room) -> ImportPlan {
    let plan = draft.plan;
    let mut statements: Vec<PlannedStatement> = plan
        .create
        .iter()
        .map(|create| PlannedStatement {
            stage: Stage::Create,
            about: if create.table.is_empty() {
                plan.schema.clone()
            } else {
                create.table.clone()
            },
            sql: create.sql.clone(),
        })
        .collect();
    for table in &plan.tables {
        statements.push(PlannedStatement {
            stage: Stage::Load,
            about: table.name.clone(),
            sql: load_sql(table, &plan.schema, plan.on_conflict),
        });
    }
    for step in &plan.steps {
        statements.extend(step.sql.iter().map(|sql| PlannedStatement {
            stage: step.stage,
            about: step.about.clone(),
            sql: sql.clone(),
        }));
    }
    statements.sort_by_key(|statement| statement.stage);
    let obstacles = draft.obstacles;
    ImportPlan {
        target: target.to_owned(),
        schema: plan.schema.clone(),
        into: plan.into,
        rows: plan.tables.iter().map(|table| table.rows).sum(),
        tables: plan
            .tables
            .iter()
            .map(|table| table_view(table, plan.into))
            .collect(),
        statements,
        items: plan.items,
        obstacles,
        room,
    }
}

fn table_view(table: &super::TablePlan, into: Destination) -> PlannedTable {
    PlannedTable {
        source: table.source.clone(),
        name: table.name.clone(),
        rows: table.rows,
        columns: table
            .columns
            .iter()
            .map(|column| PlannedColumn {
                source: column.source.clone().unwrap_or_else(|| "rowid".to_owned()),
                name: column.name.clone(),
                column_type: column.encoder.to,
                declared: column.declared.clone(),
                conversion: column.conversion,
                generated: column.generated,
            })
            .collect(),
        follow: table.follow(into),
        follow_cheaply: into == Destination::New && !table.key.is_empty(),
    }
}

fn load_sql(table: &super::TablePlan, schema: &str, on_conflict: OnConflict) -> String {
    match table.existing {
        None => table.copy_in(schema),
        Some(_) => format!("{};\n{}", table.staging(), table.bring_in(schema, on_conflict)),
    }
}

impl super::TablePlan {
    /// The statement that takes rows into a table that the plan makes.
    pub(in crate::import) fn copy_in(&self, schema: &str) -> String {
        let columns: Vec<String> = self
            .sent()
            .map(|column| crate::quote::ident(&column.name))
            .collect();
        format!(
            "copy {} ({}) from stdin (format binary)",
            crate::quote::qualified(schema, &self.name),
            columns.join(", ")
        )
    }

    /// The statement that reads all rows back, of the pages from one up to another where they are given.
    pub(in crate::import) fn copy_out(&self, schema: &str, pages: Option<(i64, i64)>) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| crate::quote::ident(&column.name))
            .collect();
        let pages = pages
            .map(|(from, to)| format!(" where ctid >= '({from},0)' and ctid < '({to},0)'"))
            .unwrap_or_default();
        format!(
            "copy (select {} from {}{pages}) to stdout (format binary)",
            columns.join(", "),
            crate::quote::qualified(schema, &self.name)
        )
    }

    /// How later runs bring over what changed, in words.
    fn follow(&self, into: Destination) -> String {
        let words = match (into, self.key.is_empty(), self.rowid_column().is_some()) {
            (Destination::Existing, ..) => "by another import with upsert",
            (Destination::New, true, _) => {
                "not cheaply: it has no key, so it is loaded anew when anything in it changed"
            }
            (Destination::New, false, true) => {
                "by the hashes of its ranges; only ranges that changed are touched"
            }
            (Destination::New, false, false) => {
                "by the hashes of its ranges; the keys of the whole table say which rows are gone"
            }
        };
        words.to_owned()
    }
}
