//! Not the values alone: keys, defaults, checks, numbering, views and triggers must do in PostgreSQL what they did.

use contract::import::{FindingKind, Severity, Verdict};
use rusqlite::Connection;
use sqlx::{AssertSqlSafe, PgPool};

use super::run::{Runner, into};

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

pub async fn ask(pool: &PgPool, sql: &str) -> Result<String, String> {
    sqlx::query_scalar(AssertSqlSafe(format!("select ({sql})::text")))
        .fetch_one(pool)
        .await
        .map_err(|error| error.to_string())
}

pub async fn run(pool: &PgPool, sql: &str) -> Result<(), String> {
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
    assert_eq!(report.verdict, Verdict::Explained);
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

const VIEWS: &str = "
    create table n (
        id integer primary key, r real, d numeric, i int, price decimal(10, 2), active boolean, flag boolean,
        word text, at datetime, mixed datetime, data text
    );
    insert into n values
        (1, 0.45, 3, 7, 0.1, 'true', 1, 'b', '2024-01-31 23:59:59.999600', '2024-05-01', '{\"null\": 1}'),
        (2, 0.05, 2.5, -7, 19.99, 'false', 0, 'B', '2024-02-29 10:00:00.123500', '2024-05-01 00:00:00', '{}'),
        (3, 0.005, 5, 4, 3, 'true', 1, 'É', '2024-03-01 00:00:00.000400', '2024-05-01T00:00:00', '[]'),
        (4, -0.04, -3, 0, null, null, null, 'é', null, null, null);
    create view carried_rounds as select id, round(r, 1) as a, round(r, 2) as b, round(r) as c, round(price, 1) as p from n;
    create view carried_prints as select id, printf('%.1f', r) as a, printf('%.2f', r) as b, printf('%05d', i) as c, printf('%.1f', i) as d from n;
    create view carried_halves as select id, r / 2 as a, i / 2 as b, i % 2 as c, d / 2.0 as e, i / 2.0 as f, typeof(r) as g from n;
    create view carried_products as select id, price * 3 as a, price + i as b, -price as c, abs(price) as e from n;
    create view carried_times as select id, unixepoch(at) as a, julianday(at) as b, strftime('%f', at) as c, strftime('%f', at, '+1 hour') as f,
        date(at, 'start of month', '+1 month', '-1 day') as d, strftime('%Y%m%d', at) as e from n;
    create view carried_groups as select flag, count(*) as c, sum(flag) as s, avg(r) / 2 as a, unixepoch(max(at)) as m from n where flag group by flag;
    create view carried_order as select id from n order by at desc limit 2;
    create view carried_null as select id, nullif(word, 'b') as a, nullif(date(at), '2024-01-31') is null as b from n;
    create view refused_half as select d / 2 as x from n;
    create view refused_coalesced as select coalesce(i, 0.5) / 2 as x from n;
    create view refused_kind as select typeof(d) as x from n;
    create view refused_words as select id from n where active;
    create view refused_word as select id from n where active = 1;
    create view refused_sum as select sum(active) as x from n;
    create view refused_order as select id from n order by mixed;
    create view refused_distinct as select distinct mixed from n;
    create view refused_count as select count(distinct mixed) as x from n;
    create view refused_union as select mixed from n union select mixed from n;
    create view refused_width as select printf('%+5d', i) as x from n;
";

/// What a view gives, each number as a double; in no order.
fn of_sqlite(sqlite: &Connection, view: &str) -> Vec<String> {
    use rusqlite::types::ValueRef;
    let mut query = sqlite.prepare(&format!("select * from {view}")).unwrap();
    let count = query.column_count();
    let mut rows = query.query([]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let values = (0..count).map(|at| match row.get_ref(at).unwrap() {
            ValueRef::Null => "NULL".to_owned(),
            ValueRef::Integer(number) => shown(&number.to_string()),
            ValueRef::Real(number) => shown(&number.to_string()),
            ValueRef::Text(text) | ValueRef::Blob(text) => shown(&String::from_utf8_lossy(text)),
        });
        found.push(values.collect::<Vec<_>>().join("|"));
    }
    found.sort();
    found
}

async fn of_database(pool: &PgPool, view: &str) -> Vec<String> {
    let columns: Vec<String> = sqlx::query_scalar(
        "select attname::text from pg_attribute where attrelid = $1::regclass and attnum > 0 order by attnum",
    )
    .bind(view)
    .fetch_all(pool)
    .await
    .unwrap();
    let listed: Vec<String> = columns
        .iter()
        .map(|name| format!("coalesce(\"{name}\"::text, 'NULL')"))
        .collect();
    let rows: Vec<Vec<String>> = sqlx::query_scalar(AssertSqlSafe(format!(
        "select array[{}] from {view}",
        listed.join(", ")
    )))
    .fetch_all(pool)
    .await
    .unwrap();
    let mut found: Vec<String> = rows
        .into_iter()
        .map(|row| row.iter().map(|value| shown(value)).collect::<Vec<_>>().join("|"))
        .collect();
    found.sort();
    found
}

/// A number in one spelling; what else there is as it is. Truth values are 0 and 1 in SQLite.
fn shown(value: &str) -> String {
    match value {
        "true" => "1".to_owned(),
        "false" => "0".to_owned(),
        // A text of digits stays one.
        _ if value.len() > 1 && value.starts_with('0') && !value.starts_with("0.") => value.to_owned(),
        _ => match value.parse::<f64>() {
            Ok(0.0) => "0".to_owned(),
            Ok(number) => number.to_string(),
            Err(_) => value.to_owned(),
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_give_what_they_gave_or_are_refused() {
    let runner = Runner::new().await;
    let file = runner.folder.path().join("f.db");
    let sqlite = Connection::open(&file).unwrap();
    sqlite.execute_batch(VIEWS).unwrap();
    let report = runner.import(&file, into("public")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Explained, "{:?}", report.items);
    let views: Vec<String> = VIEWS
        .split("create view ")
        .skip(1)
        .filter_map(|rest| rest.split(' ').next().map(str::to_owned))
        .collect();
    assert!(views.len() > 15);
    let there: Vec<String> =
        sqlx::query_scalar("select viewname::text from pg_views where schemaname = 'public'")
            .fetch_all(&runner.pool)
            .await
            .unwrap();
    let mut wrong = Vec::new();
    for view in &views {
        if view.starts_with("refused") {
            let listed = report.items.iter().any(|item| {
                item.kind == FindingKind::NotCarried
                    && item.table.as_ref() == Some(view)
                    && item.sql.is_some()
            });
            if there.contains(view) || !listed {
                wrong.push(format!("{view} is not refused"));
            }
            continue;
        }
        if !there.contains(view) {
            let why: Vec<_> = report
                .items
                .iter()
                .filter(|item| item.table.as_ref() == Some(view))
                .collect();
            wrong.push(format!("{view} is lost: {why:?}"));
            continue;
        }
        let (one, other) = (of_sqlite(&sqlite, view), of_database(&runner.pool, view).await);
        if one != other {
            wrong.push(format!("{view}: {one:#?} became {other:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_forbid_what_they_forbade_and_no_more() {
    let runner = Runner::new().await;
    let file = runner.folder.path().join("f.db");
    let sqlite = Connection::open(&file).unwrap();
    sqlite
        .execute_batch(
            "create table t (v text primary key collate nocase, w text collate nocase unique);
             insert into t values ('a', 'É'), ('É', 'é');
             create table holes (v text primary key);
             insert into holes values (null), (null), ('a');
             create table seen (url text primary key, title text, n int default 1);
             create table visits (url text);
             create trigger counted after insert on visits begin
                insert into seen (url, title) values (new.url, 'x') on conflict (url) do update set n = n + 1;
             end;
             create table long (url text unique, n int default 1);
             insert into long (url) values (printf('%5000d', 1));
             create trigger lost after insert on visits begin
                insert into long (url) values (new.url) on conflict (url) do nothing;
             end;",
        )
        .unwrap();
    drop(sqlite);
    let report = runner.import(&file, into("public")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Explained, "{:?}", report.items);
    let pool = &runner.pool;
    for sql in [
        "insert into t values ('A', 'x')",
        "insert into t values ('b', 'É')",
        "insert into holes values ('a')",
        "insert into long (url) select url from long",
    ] {
        let said = run(pool, sql).await.unwrap_err();
        assert!(said.contains("duplicate key"), "{sql}: {said}");
    }
    run(pool, "insert into t values ('é', 'y')").await.unwrap();
    run(
        pool,
        "insert into visits values ('u'); insert into visits values ('u')",
    )
    .await
    .unwrap();
    assert_eq!(ask(pool, "select n from seen").await.unwrap(), "2");
    let of = |words: &str| report.items.iter().any(|item| item.words.contains(words));
    assert!(of("stands beside it"), "{:?}", report.items);
    assert!(of("ON CONFLICT names no columns"), "{:?}", report.items);
}

#[tokio::test(flavor = "multi_thread")]
async fn clauses_that_no_table_has_are_listed_and_deferred_keys_are_told_apart() {
    let runner = Runner::new().await;
    let trap = testkit::sqlite::traps()
        .find(|trap| trap.name == "clauses_of_rules")
        .unwrap();
    let file = trap.write(runner.folder.path());
    let report = runner.import(&file, into("public")).await.unwrap();
    let lost: Vec<&str> = report
        .items
        .iter()
        .filter(|item| item.kind == FindingKind::NotCarried && item.words.contains("ON CONFLICT"))
        .filter_map(|item| item.sql.as_deref())
        .collect();
    assert_eq!(
        lost,
        [
            "id integer primary key on conflict replace",
            "a int unique on conflict ignore"
        ]
    );
    let deferred = "select string_agg(a.attname || ' ' || condeferred, ',' order by a.attname)
        from pg_constraint join pg_attribute a on attrelid = conrelid and attnum = conkey[1]
        where contype = 'f'";
    assert_eq!(ask(&runner.pool, deferred).await.unwrap(), "p true,q false");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_with_long_names_arrive_under_others() {
    let runner = Runner::new().await;
    let trap = testkit::sqlite::traps()
        .find(|trap| trap.name == "long_names_of_objects")
        .unwrap();
    let file = trap.write(runner.folder.path());
    let report = runner.import(&file, into("public")).await.unwrap();
    let renamed = report
        .items
        .iter()
        .filter(|item| item.kind == FindingKind::Renamed)
        .count();
    assert_eq!(renamed, 3, "{:?}", report.items);
    run(&runner.pool, "insert into t values (2)").await.unwrap();
    assert_eq!(ask(&runner.pool, "select sum(v) from log").await.unwrap(), "3");
    let views = "select count(*) from pg_views where schemaname = 'public'";
    assert_eq!(ask(&runner.pool, views).await.unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_values_that_would_become_equal_stand_in_the_way() {
    let runner = Runner::new().await;
    for (number, rows) in ["(5), ('5')", "('a'), (x'61')", "(7), (x'37')"]
        .into_iter()
        .enumerate()
    {
        let file = runner.folder.path().join(format!("f{number}.db"));
        let sqlite = Connection::open(&file).unwrap();
        sqlite
            .execute_batch(&format!(
                "create table t (v unique); insert into t values {rows};"
            ))
            .unwrap();
        drop(sqlite);
        let id = runner.look(&file).await.unwrap();
        let plan = runner.plan(id, into(&format!("u{number}"))).await.unwrap();
        let [obstacle] = plan.obstacles.as_slice() else {
            panic!("{rows}: {:?}", plan.obstacles);
        };
        assert!(
            obstacle.words.contains("could become equal"),
            "{}",
            obstacle.words
        );
    }
    // Words and numbers are never equal.
    let file = runner.folder.path().join("fine.db");
    let sqlite = Connection::open(&file).unwrap();
    sqlite
        .execute_batch("create table t (v unique); insert into t values (5), ('five');")
        .unwrap();
    drop(sqlite);
    let id = runner.look(&file).await.unwrap();
    let plan = runner.plan(id, into("u9")).await.unwrap();
    assert!(plan.obstacles.is_empty(), "{:?}", plan.obstacles);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_over_what_is_left_out_are_refused() {
    let runner = Runner::new().await;
    let file = runner.folder.path().join("f.db");
    let sqlite = Connection::open(&file).unwrap();
    sqlite
        .execute_batch(
            "create table t (id integer primary key, name text, secret text, check (\"secret\" <> ''));
             insert into t values (1, 'a', 'x');
             create index of_secret on t (name) where \"secret\" is not null;
             create view shows as select \"secret\" from t;
             create view all_of_it as select * from t;
             create view fine as select name from t;",
        )
        .unwrap();
    drop(sqlite);
    let mut mapping = into("public");
    let secret = mapping
        .tables
        .entry("t".to_owned())
        .or_default()
        .columns
        .entry("secret".to_owned())
        .or_default();
    secret.skip = true;
    let report = runner.import(&file, mapping).await.unwrap();
    let pool = &runner.pool;
    let views = "select string_agg(viewname, ',') from pg_views where schemaname = 'public'";
    assert_eq!(ask(pool, views).await.unwrap(), "fine");
    assert_eq!(
        ask(
            pool,
            "select count(*) from pg_constraint where contype = 'c' and conrelid = 't'::regclass"
        )
        .await
        .unwrap(),
        "0"
    );
    assert_eq!(
        ask(
            pool,
            "select count(*) from pg_indexes where indexname = 'of_secret'"
        )
        .await
        .unwrap(),
        "0"
    );
    let refused = report
        .items
        .iter()
        .filter(|item| item.words.contains("t.secret is not carried over"))
        .count();
    assert_eq!(refused, 4, "{:?}", report.items);
}
