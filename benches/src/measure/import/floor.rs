//! The floor: what PostgreSQL itself needs for the data when all is prepared.
//!
//! Binary COPY of typed rows that PostgreSQL wrote itself, in two streams. The largest table is divided among both; each of the
//! others is in one stream, which builds its indexes as soon as it is loaded. An index on the divided table waits by
//! itself for the other stream's half, because `create index` waits for who is writing.

use std::{fmt::Write as _, fs, path::Path, time::Instant};

use super::{
    stage::Stage,
    typed::{self, Table},
};
use crate::Result;

/// What the floor takes, made once for a file.
pub struct Floor {
    create: String,
    streams: [String; 2],
    finish: String,
}

/// Where one table's typed rows are.
struct Prepared {
    table: Table,
    bytes: u64,
}

impl Floor {
    /// Loads the file once, slowly, and lets PostgreSQL write its rows out.
    pub async fn prepare(stage: &Stage, file: &Path, folder: &Path) -> Result<Self> {
        const DATABASE: &str = "floor_source";
        let tables = typed::tables(file).map_err(|error| format!("reading {}: {error}", file.display()))?;
        let create: String = tables.iter().map(Table::definition).collect();
        stage.begin(DATABASE).await?;
        stage.script(DATABASE, folder, "create", &create).await?;
        let mut prepared = Vec::new();
        for table in tables {
            let text = folder.join("rows.txt");
            let (from, name, to) = (file.to_owned(), table.name.clone(), text.clone());
            let written = tokio::task::spawn_blocking(move || {
                typed::write_text(&from, &name, &to).map_err(|error| error.to_string())
            });
            written
                .await
                .map_err(|error| error.to_string())
                .flatten()
                .map_err(|error| format!("writing the rows of {}: {error}", table.name))?;
            let bytes = fs::metadata(&text).map_or(0, |found| found.len());
            let script = format!("\\copy {} from '{}'\n", table.name, text.display());
            stage.script(DATABASE, folder, "first-load", &script).await?;
            prepared.push(Prepared { table, bytes });
        }
        prepared.sort_by_key(|it| std::cmp::Reverse(it.bytes));
        let largest = prepared
            .first()
            .map(|it| it.table.name.clone())
            .unwrap_or_default();
        let mut write = String::new();
        for Prepared { table, .. } in &prepared {
            if table.name == largest {
                for (half, test) in ["<=", ">"].iter().enumerate() {
                    let rows = format!(
                        "select * from {largest} where id {test} (select max(id) / 2 from {largest})"
                    );
                    let _fits = writeln!(
                        write,
                        "\\copy ({rows}) to '{}' (format binary)",
                        half_of(folder, half)
                    );
                }
            } else {
                let _fits = writeln!(
                    write,
                    "\\copy {} to '{}' (format binary)",
                    table.name,
                    whole_of(folder, table)
                );
            }
        }
        stage.script(DATABASE, folder, "write-out", &write).await?;
        stage.end(DATABASE).await?;
        // A file that stays behind only takes room until the run's folder goes.
        let _removed = fs::remove_file(folder.join("rows.txt"));
        Ok(Self::of(create, &prepared, folder))
    }

    /// The scripts; the tables come largest first.
    fn of(create: String, prepared: &[Prepared], folder: &Path) -> Self {
        let mut streams = [0, 1].map(|_| "set max_parallel_maintenance_workers = 0;\n".to_owned());
        let mut loads = [0_u64; 2];
        let mut finish = String::new();
        if let Some(Prepared { table, .. }) = prepared.first() {
            let name = &table.name;
            for (half, stream) in streams.iter_mut().enumerate() {
                let _fits = writeln!(
                    stream,
                    "\\copy {name} from '{}' (format binary)",
                    half_of(folder, half)
                );
            }
            // A key would lock the other stream out, so it begins as an index.
            let key = format!("create unique index {name}_pkey on {name} (id)");
            let _fits = writeln!(
                finish,
                "alter table {name} add primary key using index {name}_pkey;\nanalyze {name};"
            );
            for (turn, index) in std::iter::once(&key).chain(&table.indexes).enumerate() {
                let _fits = writeln!(streams[turn % 2], "{index};");
            }
        }
        for Prepared { table, bytes } in prepared.iter().skip(1) {
            let turn = usize::from(loads[1] < loads[0]);
            loads[turn] += bytes;
            let (name, stream) = (&table.name, &mut streams[turn]);
            let _fits = writeln!(
                stream,
                "\\copy {name} from '{}' (format binary)",
                whole_of(folder, table)
            );
            for index in &table.indexes {
                let _fits = writeln!(stream, "{index};");
            }
            let _fits = writeln!(
                stream,
                "alter table {name} add primary key (id);\nanalyze {name};"
            );
        }
        for key in prepared.iter().flat_map(|it| &it.table.foreign_keys) {
            let _fits = writeln!(finish, "{key};");
        }
        Self {
            create,
            streams,
            finish,
        }
    }

    /// Loads into an empty database; seconds.
    pub async fn measure(&self, stage: &Stage, database: &str, folder: &Path) -> Result<f64> {
        let begun = Instant::now();
        stage.script(database, folder, "create", &self.create).await?;
        let [one, other] = &self.streams;
        tokio::try_join!(
            stage.script(database, folder, "stream-1", one),
            stage.script(database, folder, "stream-2", other),
        )?;
        stage.script(database, folder, "finish", &self.finish).await?;
        Ok(begun.elapsed().as_secs_f64())
    }
}

fn half_of(folder: &Path, half: usize) -> String {
    folder
        .join(format!("half-{half}.bin"))
        .to_string_lossy()
        .into_owned()
}

fn whole_of(folder: &Path, table: &Table) -> String {
    folder
        .join(format!("{}.bin", table.name))
        .to_string_lossy()
        .into_owned()
}
