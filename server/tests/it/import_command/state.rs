//! What a schema holds, so that two can be compared that are called differently.

use std::path::Path;

use super::{sample, world::World};

/// Everything that an import makes, as lines of text.
#[derive(Debug, PartialEq, Eq)]
pub struct State(Vec<String>);

impl State {
    /// Looks at a schema.
    pub async fn of(world: &World, schema: &str) -> Self {
        let mut lines = Vec::new();
        for table in world.tables(schema).await {
            let rows = format!(
                "select count(*) || ' rows, ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)
                   from {schema}.{table} t"
            );
            for found in world.texts(&rows).await {
                lines.push(format!("{table}: {found}"));
            }
        }
        let without = |sql: &str| format!("replace({sql}, '{schema}.', '')");
        for sql in [
            format!(
                "select {} from pg_indexes where schemaname = '{schema}' order by 1",
                without("indexdef")
            ),
            format!(
                "select {} || ': ' || conname || ' ' || convalidated || ' ' || {}
                   from pg_constraint
                  where connamespace = '{schema}'::regnamespace
                  order by 1",
                without("conrelid::regclass::text"),
                without("pg_get_constraintdef(oid)")
            ),
            format!(
                "select sequencename || ' at ' || coalesce(last_value::text, 'its beginning')
                   from pg_sequences
                  where schemaname = '{schema}'
                  order by 1"
            ),
            format!(
                "select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
                        || coalesce({}, '') || ' ' || coalesce(identity_generation, '')
                   from information_schema.columns
                  where table_schema = '{schema}'
                  order by 1",
                without("column_default")
            ),
        ] {
            lines.extend(world.texts(&sql).await);
        }
        Self(lines)
    }

    /// Checks that it is the same as another one, and says where it is not.
    pub fn must_be(&self, other: &Self, what: &str) {
        let missing: Vec<&String> = other.0.iter().filter(|line| !self.0.contains(line)).collect();
        let more: Vec<&String> = self.0.iter().filter(|line| !other.0.contains(line)).collect();
        assert!(
            missing.is_empty() && more.is_empty() && self.0.len() == other.0.len(),
            "{what}: missing {missing:#?}, too much {more:#?}"
        );
    }
}

/// Checks that a schema has the rows of a file made by [`sample::mixed`], none of them twice and none of them missing, and
/// nothing beside its tables.
pub async fn has_all(world: &World, schema: &str, file: &Path) {
    let counts = sample::counts(file);
    let names: Vec<&String> = counts.iter().map(|(name, _)| name).collect();
    assert_eq!(world.tables(schema).await.iter().collect::<Vec<_>>(), names);
    for (table, rows) in &counts {
        let key = match table.as_str() {
            "readings" => "null",
            "settings" => "name",
            _ => "id",
        };
        let found = world
            .texts(&format!(
                "select count(*) || ' ' || count(distinct {key}) from {schema}.{table}"
            ))
            .await;
        let distinct = if key == "null" { 0 } else { *rows };
        assert_eq!(found, [format!("{rows} {distinct}")], "{table}");
    }
    // The same statement on both sides.
    let rows = |table: &str| {
        format!(
            "select sensor || ' ' || cast(level * 4 as integer) || ' ' || note || ' ' || count(*)
               from {table}
              group by sensor, level, note
              order by 1"
        )
    };
    let (of_file, of_database) = (rows("readings"), rows(&format!("{schema}.readings")));
    assert_eq!(
        world.texts(&of_database).await,
        sample::texts(file, &of_file),
        "readings"
    );
}
