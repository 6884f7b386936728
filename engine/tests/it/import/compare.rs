//! Comparing what is in a file with what is in a schema, by other means than the import's own: SQLite's text of each value
//! against PostgreSQL's, row by row.

use contract::import::{ColumnType, ImportPlan, PlannedTable};
use rusqlite::{Connection, OpenFlags, types::Value};
use sqlx::{AssertSqlSafe, PgPool, Row};

/// Names every row that is on one side only.
pub async fn differences(file: &std::path::Path, pool: &PgPool, plan: &ImportPlan) -> Vec<String> {
    let copy = tempfile::tempdir().unwrap();
    // SQLite itself reads what is pending beside a file, and would write to it.
    for end in ["", "-wal", "-journal"] {
        let from = format!("{}{end}", file.display());
        if std::fs::metadata(&from).is_ok() {
            let to = copy.path().join(format!("f{end}"));
            std::fs::write(to, std::fs::read(from).unwrap()).unwrap();
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let sqlite = Connection::open_with_flags(copy.path().join("f"), flags).unwrap();
    sqlite
        .collation_needed(|connection, name| connection.create_collation(name, str::cmp))
        .unwrap();
    let mut found = Vec::new();
    for table in &plan.tables {
        let (mut file, mut database) = (of_file(&sqlite, table), of_database(pool, plan, table).await);
        file.sort();
        database.sort();
        if file.len() != database.len() {
            found.push(format!(
                "{}: {} rows, not {}",
                table.name,
                database.len(),
                file.len()
            ));
        }
        for (one, other) in file.iter().zip(&database) {
            if one != other {
                found.push(format!("{}: {one:?} became {other:?}", table.name));
                break;
            }
        }
    }
    found
}

fn of_file(sqlite: &Connection, table: &PlannedTable) -> Vec<Vec<String>> {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| match column.source.as_str() {
            "rowid" if column.name.starts_with("rowid") => "rowid".to_owned(),
            name => quote(name),
        })
        .collect();
    let mut query = sqlite
        .prepare(&format!(
            "select {} from {} not indexed",
            columns.join(", "),
            quote(&table.source)
        ))
        .unwrap();
    let mut rows = query.query([]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let values = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| expected(sqlite, row.get_ref(at).unwrap(), column.column_type));
        found.push(values.collect());
    }
    found
}

/// What PostgreSQL should say of a value.
fn expected(sqlite: &Connection, value: rusqlite::types::ValueRef<'_>, to: ColumnType) -> String {
    use rusqlite::types::ValueRef as V;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
    let ask =
        |sql: &str, value: Value| -> String { sqlite.query_row(sql, [value], |row| row.get(0)).unwrap() };
    match (to, value) {
        (_, V::Null) => "NULL".to_owned(),
        (ColumnType::Boolean, value) => {
            let word = match value {
                V::Integer(number) => number.to_string(),
                V::Real(number) => (number as i64).to_string(),
                V::Text(bytes) | V::Blob(bytes) => text(bytes).to_ascii_lowercase(),
                V::Null => String::new(),
            };
            matches!(word.as_str(), "1" | "t" | "true" | "y").to_string()
        }
        (ColumnType::Double, V::Integer(number)) => format!("{:016x}", (number as f64).to_bits()),
        (ColumnType::Double, V::Real(number)) => format!("{:016x}", number.to_bits()),
        (ColumnType::Numeric, V::Real(number)) if number.is_infinite() => {
            if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        }
        (ColumnType::Numeric, V::Real(number)) => number.to_string(),
        (ColumnType::Bytea, V::Text(bytes) | V::Blob(bytes)) => hex::encode(bytes),
        (ColumnType::Uuid, V::Blob(bytes)) => hex::encode(bytes),
        (ColumnType::Uuid, V::Text(bytes)) => text(bytes).replace('-', ""),
        (ColumnType::Timestamp | ColumnType::Timestamptz, V::Integer(number)) => {
            let seconds = match number.abs() {
                ..=3_000_000 => {
                    return ask(
                        "select strftime('%Y-%m-%d %H:%M:%S', ?) || '.000000'",
                        Value::Integer(number),
                    );
                }
                3_000_001..=99_999_999_999 => number,
                100_000_000_000..=99_999_999_999_999 => {
                    return ask(
                        "select strftime('%Y-%m-%d %H:%M:%f', ?, 'unixepoch') || '000'",
                        Value::Real(number as f64 / 1e3),
                    );
                }
                _ => {
                    let whole = ask(
                        "select strftime('%Y-%m-%d %H:%M:%S', ?, 'unixepoch')",
                        Value::Integer(number.div_euclid(1_000_000)),
                    );
                    return format!("{whole}.{:06}", number.rem_euclid(1_000_000));
                }
            };
            ask(
                "select strftime('%Y-%m-%d %H:%M:%S', ?, 'unixepoch') || '.000000'",
                Value::Integer(seconds),
            )
        }
        (ColumnType::Timestamp | ColumnType::Timestamptz, V::Real(number)) if number < 3e6 => ask(
            "select strftime('%Y-%m-%d %H:%M:%f', ?) || '000'",
            Value::Real(number),
        ),
        (ColumnType::Timestamp | ColumnType::Timestamptz, V::Real(number)) => {
            let whole = ask(
                "select strftime('%Y-%m-%d %H:%M:%S', ?, 'unixepoch')",
                Value::Integer(number.floor() as i64),
            );
            format!("{whole}.{:06}", ((number - number.floor()) * 1e6).round() as i64)
        }
        (ColumnType::Timestamp | ColumnType::Timestamptz, V::Text(bytes)) => {
            let text = text(bytes);
            let (clock, fraction) = match text.split_once('.') {
                Some((clock, rest)) => {
                    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    let zone = &rest[digits.len()..];
                    (format!("{clock}{zone}"), format!("{digits:0<6}")[..6].to_owned())
                }
                None => (text.clone(), "000000".to_owned()),
            };
            // SQLite knows offsets of the form +02:00 and Z alone.
            let clock = clock.replace(" UTC", "Z").replace(" +", "+").replace(" -", "-");
            let clock = match clock.len() {
                22 if clock.as_bytes()[19] != b'.' => format!("{clock}:00"),
                24 if clock.as_bytes()[19] != b'.' => format!("{}:{}", &clock[..22], &clock[22..]),
                _ => clock,
            };
            let clock = ask("select strftime('%Y-%m-%d %H:%M:%S', ?)", Value::Text(clock));
            format!("{clock}.{fraction}")
        }
        (ColumnType::Time, V::Text(bytes)) => {
            let text = text(bytes);
            match (text.len(), text.contains('.')) {
                (5, _) => format!("{text}:00"),
                (_, true) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                (_, false) => text,
            }
        }
        (ColumnType::Jsonb, V::Blob(bytes)) if !bytes.starts_with(b"{") && !bytes.starts_with(b"[") => {
            json(&ask("select json(?)", Value::Blob(bytes.to_vec())))
        }
        (ColumnType::Jsonb, V::Text(bytes) | V::Blob(bytes)) => json(&text(bytes)),
        // Without an exponent, as PostgreSQL writes it.
        (ColumnType::Jsonb, V::Real(number)) => json(&number.to_string()),
        (ColumnType::Text, V::Real(number)) if number.is_infinite() => {
            if number > 0.0 { "Inf" } else { "-Inf" }.to_owned()
        }
        (_, V::Real(number)) => format!("{number:?}"),
        (_, V::Integer(number)) => number.to_string(),
        (_, V::Text(bytes)) => text(bytes),
        (_, V::Blob(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => text.to_owned(),
            _ => {
                let decoded: Result<String, _> =
                    sqlite.query_row("select json(?)", [Value::Blob(bytes.to_vec())], |row| row.get(0));
                decoded.unwrap_or_else(|_| format!("\\x{}", hex::encode(bytes)))
            }
        },
    }
}

fn json(text: &str) -> String {
    serde_json::from_str::<serde_json::Value>(text)
        .unwrap()
        .to_string()
}

async fn of_database(pool: &PgPool, plan: &ImportPlan, table: &PlannedTable) -> Vec<Vec<String>> {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let name = quote(&column.name);
            let shown = match column.column_type {
                ColumnType::Double => format!("encode(float8send({name}), 'hex')"),
                ColumnType::Bytea => format!("encode({name}, 'hex')"),
                ColumnType::Uuid => format!("replace({name}::text, '-', '')"),
                ColumnType::Timestamp => format!("to_char({name}, 'YYYY-MM-DD HH24:MI:SS.US')"),
                ColumnType::Timestamptz => {
                    format!("to_char({name} at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS.US')")
                }
                _ => format!("{name}::text"),
            };
            format!("coalesce({shown}, 'NULL')")
        })
        .collect();
    // A row of a query has at most 1,664 columns, which is what a table has at most too.
    let sql = format!(
        "select array[{}] from {}.{}",
        columns.join(", "),
        quote(&plan.schema),
        quote(&table.name)
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(pool).await.unwrap();
    rows.iter()
        .map(|row| {
            let values: Vec<String> = row.get(0);
            values
                .into_iter()
                .zip(&table.columns)
                .map(|(value, column)| match column.column_type {
                    ColumnType::Jsonb if value != "NULL" => json(&value),
                    _ => value,
                })
                .collect()
        })
        .collect()
}
