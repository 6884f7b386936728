//! The files that are imported here.

use std::path::Path;

use rusqlite::Connection;
use testkit::sqlite::ai_pal::ai_pal;

/// AI-PAL's nine tables with a foreign key, and beside them a table of several parts without a key, one WITHOUT ROWID, and one
/// that numbers its rows and whose rows name others.
pub fn mixed(path: &Path, rows: u64) {
    ai_pal(path, rows);
    run(
        path,
        "create table readings (sensor integer not null, level real, note text);
         insert into readings
              with recursive n (i) as (select 1 union all select i + 1 from n where i < 320000)
            select i % 100, (i % 1000) / 4.0, 'note ' || (i % 50) from n;
         create index readings_by_sensor on readings (sensor, level);
         create table settings (name text primary key, value text not null) without rowid;
         insert into settings
              with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000)
            select 'name ' || i, hex(i) from n;
         create table remarks (
             id integer primary key autoincrement,
             goal varchar(36) references ffe_goals (goal_id) on delete cascade,
             body text not null default 'nothing',
             check (length(body) > 0));
         insert into remarks (goal, body) select goal_id, 'about ' || id from ffe_goals;
         create unique index remarks_once on remarks (goal, body);",
    );
}

/// One table whose rows take some time, in several parts.
pub fn long(path: &Path) {
    run(
        path,
        "create table readings (id integer primary key, sensor integer not null, note text not null);
         insert into readings
              with recursive n (i) as (select 1 union all select i + 1 from n where i < 900000)
            select i, i % 100, 'a note that makes the row somewhat longer, number ' || i from n;
         create index readings_by_sensor on readings (sensor);",
    );
}

/// A few rows: with a key, without one, and WITHOUT ROWID.
pub fn small(path: &Path) {
    run(
        path,
        "create table people (id integer primary key autoincrement, name text not null, age integer);
         insert into people (name, age)
              with recursive n (i) as (select 1 union all select i + 1 from n where i < 500)
            select 'person ' || i, i % 90 from n;
         create table readings (sensor integer, note text);
         insert into readings values (1, 'a'), (1, 'a'), (2, 'b');
         create table settings (name text primary key, value text not null) without rowid;
         insert into settings values ('colour', 'red'), ('size', '7');",
    );
}

/// Runs statements on a file, which is made when it is not there.
pub fn run(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "synchronous", "off").unwrap();
    // Looking for the children of each new row would take SQLite hours.
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection
        .execute_batch(&format!("begin; {sql}; commit;"))
        .unwrap();
}

/// Texts out of a file.
pub fn texts(path: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut query = connection
        .prepare(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Each table of a file with how many rows it has, in the order of their names.
pub fn counts(path: &Path) -> Vec<(String, i64)> {
    let names = texts(
        path,
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by name",
    );
    let connection = Connection::open(path).unwrap();
    let count = |name: &String| {
        connection
            .query_row(&format!("select count(*) from {name}"), [], |row| row.get(0))
            .unwrap()
    };
    names
        .into_iter()
        .map(|name| {
            let rows = count(&name);
            (name, rows)
        })
        .collect()
}
