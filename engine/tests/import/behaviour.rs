//! Not the values alone: keys, defaults, checks, numbering, views and triggers must do in PostgreSQL what they did.

use contract::import::{FindingKind, Severity, Verdict};
use rusqlite::Connection;
use sqlx::{AssertSqlSafe, PgPool};

use crate::run::{Runner, into};

const FILE: &str = "
    pragma foreign_keys = off;
    create table people (
        id integer primary key autoincrement,
        email text not null collate nocase unique,
        name text default 'nobody',
        age int default (1 + 1) check (age >= 0),
        active boolean not null default 1,
        at datetime default current_timestamp,
        note text default NULL,
        ratio real default 1.5,
        double_age int generated always as (age * 2) stored
    );
    insert into people (email, name, age, at) values
        ('Ada@example.org', 'Ada', 36, '2024-01-01 10:00:00'),
        ('bob@example.org', 'Bob', 17, '2024-01-02 10:00:00'),
        ('cid@example.org', null, 70, '2024-01-03 10:00:00');
    delete from people where id = 3;
    create table orders (
        person integer references people (id) on delete cascade on update cascade,
        number integer,
        total decimal(10, 2),
        primary key (number, person)
    );
    insert into orders values (1, 1, 10.5), (1, 2, 3), (2, 1, 99999999999999.25);
    create table tree (id integer primary key, parent int references tree (id));
    insert into tree values (1, null), (2, 1), (3, 2);
    create table orphans (id integer primary key, person int references people (id));
    insert into orphans values (1, 1), (2, 4242);
    create table wide (word text primary key, long text);
    create unique index by_long on wide (long);
    insert into wide values ('a', printf('%5000d', 1)), ('b', printf('%5000d', 2));
    create index grown on people (age) where age >= 18;
    create index by_lower on people (lower(name));
    create view adults as select id, email from people where age >= 18 and active;
    create view twice as select count(*) as many from adults;
    create table log (what text);
    create trigger noted after insert on orders begin insert into log values ('order ' || new.number); end;
    create trigger cheap before insert on orders when new.total < 0
        begin select raise(abort, 'no gifts'); end;
";

async fn ask(pool: &PgPool, sql: &str) -> Result<String, String> {
    sqlx::query_scalar(AssertSqlSafe(format!("select ({sql})::text")))
        .fetch_one(pool)
        .await
        .map_err(|error| error.to_string())
}

async fn run(pool: &PgPool, sql: &str) -> Result<(), String> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(pool)
        .await
        .map(|_| ())
        .map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_held_in_the_file_holds_in_the_database() {
    let runner = Runner::new().await;
    let file = runner.folder.path().join("f.db");
    let sqlite = Connection::open(&file).unwrap();
    sqlite.execute_batch(FILE).unwrap();
    drop(sqlite);
    let report = runner.import(&file, into("public")).await.unwrap();
    assert_eq!(
        report.verdict,
        Verdict::Identical,
        "{} {:?}",
        report.summary(),
        report.items
    );
    let pool = &runner.pool;

    // Numbers go on after the one that was deleted.
    run(pool, "insert into people (email) values ('new@example.org')")
        .await
        .unwrap();
    assert_eq!(
        ask(pool, "select id from people where email like 'new%'")
            .await
            .unwrap(),
        "4"
    );
    let defaults = "select concat_ws('|', name, age, active, note is null, ratio, double_age, \
                    abs(extract(epoch from at - (now() at time zone 'utc'))) < 60) from people where id = 4";
    assert_eq!(ask(pool, defaults).await.unwrap(), "nobody|2|t|t|1.5|4|t");

    for (sql, why) in [
        (
            "insert into people (email) values ('ADA@EXAMPLE.ORG')",
            "duplicate key",
        ),
        (
            "insert into people (email, age) values ('x', -1)",
            "check constraint",
        ),
        ("insert into people (email) values (null)", "not-null"),
        ("insert into orders values (1, 1, 0)", "duplicate key"),
        ("insert into orders values (4242, 1, 0)", "foreign key"),
        ("insert into orders values (1, 9, -1)", "no gifts"),
        ("insert into tree values (9, 99)", "foreign key"),
        ("insert into orphans values (9, 99)", "foreign key"),
        (
            "insert into wide select 'c', long from wide limit 1",
            "duplicate key",
        ),
        ("update people set double_age = 1", "double_age"),
    ] {
        let said = run(pool, sql).await.unwrap_err();
        assert!(said.contains(why), "{sql}: {said}");
    }
    // The orphan is kept, and its key holds for new rows alone.
    let key = report
        .foreign_keys
        .iter()
        .find(|key| key.table == "orphans")
        .unwrap();
    assert_eq!((key.validated, key.orphans), (false, 1));
    assert!(
        report
            .foreign_keys
            .iter()
            .filter(|key| key.table != "orphans")
            .all(|key| key.validated)
    );

    run(pool, "insert into orders values (4, 7, 1)").await.unwrap();
    assert_eq!(
        ask(pool, "select string_agg(what, ',') from log").await.unwrap(),
        "order 7"
    );
    run(pool, "delete from orphans; delete from people where id = 1")
        .await
        .unwrap();
    assert_eq!(
        ask(pool, "select count(*) from orders where person = 1")
            .await
            .unwrap(),
        "0"
    );
    assert_eq!(ask(pool, "select many from twice").await.unwrap(), "0");
    assert_eq!(
        ask(pool, "select max(total) from orders").await.unwrap(),
        "99999999999999.25"
    );
    for index in ["grown", "by_lower", "by_long", "people_pkey", "orders_pkey"] {
        let found = ask(
            pool,
            &format!("select count(*) from pg_indexes where indexname = '{index}'"),
        )
        .await;
        assert_eq!(found.unwrap(), "1", "{index}");
    }
    let lost: Vec<_> = report
        .items
        .iter()
        .filter(|item| item.kind == FindingKind::NotCarried && item.severity > Severity::Note)
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_carried_over_is_listed_with_its_sql() {
    let runner = Runner::new().await;
    let file = runner.folder.path().join("f.db");
    let sqlite = Connection::open(&file).unwrap();
    sqlite
        .execute_batch(
            "create table t (id integer primary key, v text check (v glob 'a*[' or random() > 0), w int);
             insert into t values (1, 'abc', 5);
             create view odd as select changes() as n from t;
             create trigger own after update on t begin insert or replace into t values (9, 'a', last_insert_rowid()); end;
             create index strange on t (soundex_like(v)) where 0;",
        )
        .err();
    sqlite
        .execute_batch(
            "create table if not exists t (id integer primary key, v text check (random() > 0), w int);
             create view if not exists odd as select changes() as n from t",
        )
        .unwrap();
    drop(sqlite);
    let report = runner.import(&file, into("public")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical);
    let with_sql: Vec<&str> = report
        .items
        .iter()
        .filter(|item| item.kind == FindingKind::NotCarried)
        .filter_map(|item| item.sql.as_deref())
        .collect();
    assert!(
        with_sql.iter().any(|sql| sql.contains("random()")),
        "{:?}",
        report.items
    );
    assert!(
        with_sql.iter().any(|sql| sql.contains("changes()")),
        "{:?}",
        report.items
    );
    let markdown = report.markdown();
    assert!(
        markdown.contains("```sql") && markdown.contains("changes()"),
        "{markdown}"
    );
}
