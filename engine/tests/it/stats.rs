//! Sizes and activity are true, and a page of them never waits.

use std::time::{Duration, Instant};

use crate::support::{Console, caller, engine};
use contract::{
    Code,
    session::Role,
    stats::{RelationKind, TABLES_PER_PAGE, TableDetail, TablePage, TableQuery, TableSort, TableStat},
};
use engine::{Caller, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use testkit::{Database, seed, shared};

/// Less than a look that waited for the lock would take, until its own timeout or for ever; far more than one takes.
const HELD_UP: Duration = Duration::from_secs(10);

struct Test {
    console: Console,
    viewer: Caller,
    database: Database,
    pool: PgPool,
}

async fn console() -> Test {
    let database = shared().await.database("stats").await;
    let console = engine(&database, false).await;
    Test {
        viewer: caller(&console, Role::Viewer).await,
        pool: database.pool().await,
        console,
        database,
    }
}

fn query(search: &str, sort: TableSort, descending: bool, page: i64) -> TableQuery {
    TableQuery {
        target: "main".into(),
        search: Some(search.into()),
        sort,
        descending,
        page,
        all: false,
        look: None,
    }
}

impl Test {
    async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap();
    }

    async fn page(&self, query: TableQuery) -> TablePage {
        self.console.stats().tables(&self.viewer, query).await.unwrap()
    }

    /// The first page, once the sizes are those of the files; a busy machine may show the estimates first.
    async fn exact(&self) -> TablePage {
        for _ in 0..200 {
            let page = self.page(query("", TableSort::Total, true, 1)).await;
            if page.tables.iter().all(|table| !table.estimated) {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("sizes stay estimated");
    }

    /// A page of a look that began after all that was done so far: on a busy machine looks are costly, and are used again.
    async fn newer(&self, query: TableQuery) -> TablePage {
        let now: contract::Instant = sqlx::query_scalar("select clock_timestamp()")
            .fetch_one(&self.pool)
            .await
            .unwrap();
        let begun = Instant::now();
        loop {
            let page = self.page(query.clone()).await;
            if page.sampled_at > now {
                return page;
            }
            assert!(begun.elapsed() < crate::work::PATIENCE, "no new look");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn table(&self, name: &str) -> Result<TableDetail> {
        self.console
            .stats()
            .table(&self.viewer, "main", "public", name)
            .await
    }

    /// A session that holds what the statements lock, until it is dropped.
    async fn holding(&self, sql: &str) -> PgConnection {
        let mut session = PgConnection::connect_with(&self.database.socket_options())
            .await
            .unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("begin; {sql}")))
            .execute(&mut session)
            .await
            .unwrap();
        session
    }
}

fn find<'a>(page: &'a TablePage, name: &str) -> &'a TableStat {
    page.tables.iter().find(|table| table.name == name).unwrap()
}

#[tokio::test]
async fn sizes_and_rows_are_the_servers_own() {
    let test = console().await;
    test.sql(
        "create table plain (id int primary key, n int);
         create index on plain (n);
         insert into plain select g, g from generate_series(1, 20000) g;
         delete from plain where id <= 500;
         create table long (id int primary key, body text);
         alter table long alter body set storage external;
         insert into long select g, repeat('x', 9000) from generate_series(1, 300) g;
         create unlogged table unlogged (id int primary key);
         insert into unlogged values (1);
         create table bare ();
         create materialized view summary as select count(*) from plain;
         create table parent (id int) partition by range (id);
         create table child partition of parent for values from (0) to (1000);
         insert into parent select generate_series(0, 999);
         create schema other;
         create table other.small (id int);
         create view looks as select * from plain",
    )
    .await;
    test.sql("analyze plain").await;
    test.sql("vacuum long").await;
    test.sql("select pg_stat_force_next_flush()").await;

    let page = test.exact().await;
    let mut names: Vec<String> = page
        .tables
        .iter()
        .map(|table| format!("{}.{}", table.schema, table.name))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "other.small",
            "public.bare",
            "public.long",
            "public.parent",
            "public.plain",
            "public.summary",
            "public.unlogged"
        ],
        "every table that holds rows, itself or in its partitions, and no system table or view"
    );
    for table in page.tables.iter().filter(|table| table.name != "parent") {
        let (total, index, toast): (i64, i64, i64) = sqlx::query_as(
            "select pg_total_relation_size(oid), pg_indexes_size(oid),
                    case when reltoastrelid = 0 then 0 else pg_total_relation_size(reltoastrelid) end
               from pg_class
              where oid = format('%I.%I', $1::text, $2::text)::regclass",
        )
        .bind(&table.schema)
        .bind(&table.name)
        .fetch_one(&test.pool)
        .await
        .unwrap();
        assert_eq!(table.total_bytes, total, "{table:?}");
        assert_eq!(
            (table.index_bytes, table.toast_bytes),
            (index, toast),
            "{table:?}"
        );
        assert_eq!(
            table.heap_bytes + table.toast_bytes + table.index_bytes,
            table.total_bytes
        );
    }
    assert_eq!(
        page.total_bytes,
        page.tables.iter().map(|table| table.total_bytes).sum::<i64>()
    );
    assert_eq!(page.largest_bytes, page.tables[0].total_bytes);
    assert_eq!((page.matching, page.all), (7, 7));

    let plain = find(&page, "plain");
    assert_eq!(
        (plain.rows, plain.dead_rows, plain.indexes),
        (Some(19500), 500, 2)
    );
    assert!(plain.last_analyze.is_some() && plain.last_vacuum.is_none());
    assert!(find(&page, "long").last_vacuum.is_some());
    assert!(find(&page, "long").toast_bytes > 300 * 9000);
    let child = test
        .page(query("child", TableSort::Name, false, 1))
        .await
        .tables
        .remove(0);
    assert_eq!(child.rows, None, "never analyzed is not zero rows");
    let parent = find(&page, "parent");
    assert_eq!((parent.total_bytes, parent.rows), (child.total_bytes, None));
    assert_eq!(parent.kind, RelationKind::Partitioned);
}

#[tokio::test]
async fn a_table_that_is_locked_exclusively_holds_up_nothing() {
    let test = console().await;
    test.sql(
        "create table locked (id int primary key, n int default 1 check (n > 0));
         create index locked_n on locked (n);
         create table reindexed (id int primary key);
         create table free (id int primary key)",
    )
    .await;
    for table in ["locked", "reindexed", "free"] {
        test.sql(&format!("insert into {table} select generate_series(1, 5000)"))
            .await;
    }
    test.sql("vacuum analyze").await;
    let before = test.exact().await;

    let holder = test
        .holding("lock table locked in access exclusive mode; reindex index reindexed_pkey")
        .await;
    for _ in 0..3 {
        let page = test.newer(query("", TableSort::Total, true, 1)).await;
        let started = Instant::now();
        test.page(query("", TableSort::Total, true, 1)).await;
        let detail = test.table("locked").await.unwrap();
        let indexes = test.console.stats().indexes(&test.viewer, "main").await.unwrap();
        assert!(started.elapsed() < HELD_UP, "{:?}", started.elapsed());
        assert_eq!(page.matching, 3);
        for name in ["locked", "reindexed"] {
            assert!(find(&page, name).estimated);
        }
        assert!(detail.table.estimated && detail.indexes.len() == 2 && detail.columns.len() == 2);
        assert_eq!(detail.indexes[0].definition, "", "its words would have to wait");
        let estimated: Vec<(&str, bool)> = indexes
            .iter()
            .map(|index| (index.name.as_str(), index.estimated))
            .collect();
        assert!(estimated.contains(&("reindexed_pkey", true)) && estimated.contains(&("free_pkey", false)));
    }
    // The estimate is the last exact size, or what the last vacuum saw: all but the maps, which vacuum does not count.
    let page = test.page(query("locked", TableSort::Total, true, 1)).await;
    let was = find(&before, "locked");
    assert_eq!(find(&page, "locked").index_bytes, was.index_bytes);
    assert!(
        find(&page, "locked").heap_bytes <= was.heap_bytes
            && find(&page, "locked").heap_bytes > was.heap_bytes / 2
    );

    drop(holder);
    assert_eq!(find(&test.exact().await, "locked").total_bytes, was.total_bytes);
}

#[tokio::test]
async fn a_lock_that_is_only_waited_for_holds_up_nothing_either() {
    let test = console().await;
    test.sql("create table busy (id int primary key); insert into busy values (1)")
        .await;
    let reader = test.holding("select * from busy").await;
    let mut waiter = PgConnection::connect_with(&test.database.socket_options())
        .await
        .unwrap();
    let waiting = tokio::spawn(async move {
        sqlx::raw_sql("alter table busy add column n int")
            .execute(&mut waiter)
            .await
            .unwrap();
    });
    for _ in 0..200 {
        let waits: bool = sqlx::query_scalar(
            "select exists (select from pg_locks where not granted and relation = 'busy'::regclass)",
        )
        .fetch_one(&test.pool)
        .await
        .unwrap();
        if waits {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let started = Instant::now();
    assert!(find(&test.page(query("", TableSort::Total, true, 1)).await, "busy").estimated);
    assert_eq!(test.table("busy").await.unwrap().columns.len(), 1);
    assert!(started.elapsed() < HELD_UP, "{:?}", started.elapsed());
    drop(reader);
    waiting.await.unwrap();
}

#[tokio::test]
async fn search_takes_every_character_for_itself() {
    let test = console().await;
    let names = [
        r#"50%_off"#,
        "50xyoff",
        r#"a"; drop table b; --"#,
        "ÜBER",
        r"back\slash",
        "<b>",
    ];
    for name in names {
        test.sql(&format!(r#"create table "{}" ()"#, name.replace('"', "\"\"")))
            .await;
    }
    for (search, found) in [
        ("50%", vec!["50%_off"]),
        ("_", vec!["50%_off"]),
        ("50", vec!["50%_off", "50xyoff"]),
        ("über", vec!["ÜBER"]),
        (r"\", vec![r"back\slash"]),
        (r#""; DROP"#, vec![r#"a"; drop table b; --"#]),
        ("public.<", vec!["<b>"]),
        ("nothing like this", vec![]),
        ("  ", {
            let mut all = names.to_vec();
            all.sort_unstable();
            all
        }),
    ] {
        let page = test.page(query(search, TableSort::Name, false, 1)).await;
        assert_eq!(
            page.tables
                .iter()
                .map(|table| table.name.as_str())
                .collect::<Vec<_>>(),
            found,
            "{search}"
        );
        assert_eq!((page.matching, page.all), (found.len() as i64, 6));
    }
    for name in names {
        assert_eq!(test.table(name).await.unwrap().table.name, name);
    }
}

#[tokio::test]
async fn a_table_is_shown_whole() {
    let test = console().await;
    test.sql(
        "create table owners (id int primary key);
         create table whole (
             id int generated always as identity primary key,
             owner int not null references owners (id),
             gone int,
             price numeric(10, 2) default 1.50,
             twice numeric generated always as (price * 2) stored,
             label varchar(20)
         );
         alter table whole drop column gone;
         alter table whole add constraint whole_price check (price > 0) not valid;
         comment on table whole is 'It''s <all> of it';
         insert into owners values (1);
         insert into whole (owner, label) select 1, 'same' from generate_series(1, 3)",
    )
    .await;
    let broken = sqlx::raw_sql("create unique index concurrently whole_label on whole (label)")
        .execute(&test.pool)
        .await;
    assert!(broken.is_err());

    let whole = test.table("whole").await.unwrap();
    assert_eq!(whole.comment.as_deref(), Some("It's <all> of it"));
    let columns: Vec<(&str, &str, bool, Option<&str>)> = whole
        .columns
        .iter()
        .map(|column| {
            (
                column.name.as_str(),
                column.sql_type.as_str(),
                column.not_null,
                column.default.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("id", "integer", true, Some("generated always as identity")),
            ("owner", "integer", true, None),
            ("price", "numeric(10,2)", false, Some("1.50")),
            (
                "twice",
                "numeric",
                false,
                Some("generated always as ((price * (2)::numeric))")
            ),
            ("label", "character varying(20)", false, None),
        ]
    );
    let mut indexes: Vec<(&str, bool, bool, bool)> = whole
        .indexes
        .iter()
        .map(|index| (index.name.as_str(), index.unique, index.primary, index.valid))
        .collect();
    indexes.sort_unstable();
    assert_eq!(
        indexes,
        [
            ("whole_label", true, false, false),
            ("whole_pkey", true, true, true)
        ]
    );
    assert!(
        whole
            .indexes
            .iter()
            .all(|index| index.definition.starts_with("CREATE UNIQUE INDEX"))
    );
    let constraints: Vec<(&str, bool)> = whole
        .constraints
        .iter()
        .map(|constraint| (constraint.name.as_str(), constraint.validated))
        .collect();
    assert_eq!(
        constraints,
        [
            ("whole_pkey", true),
            ("whole_owner_fkey", true),
            ("whole_price", false)
        ]
    );
    assert!(
        whole.constraints[1]
            .definition
            .contains("REFERENCES public.owners(id)")
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let test = console().await;
    for name in ["nothing", "pg_class", "", "a\"b"] {
        let fault = test.table(name).await.unwrap_err().fault();
        assert_eq!(fault.code, Code::NotFound, "{name}");
        assert!(fault.hint.is_some());
    }
    let stats = test.console.stats();
    let elsewhere = TableQuery {
        target: "elsewhere".into(),
        ..query("", TableSort::Name, false, 1)
    };
    assert_eq!(
        stats
            .tables(&test.viewer, elsewhere)
            .await
            .unwrap_err()
            .fault()
            .code,
        Code::NotFound
    );
    assert_eq!(
        stats
            .indexes(&test.viewer, "elsewhere")
            .await
            .unwrap_err()
            .fault()
            .code,
        Code::NotFound
    );
    let empty = test.page(query("", TableSort::Total, true, 1)).await;
    assert_eq!(
        (empty.tables.len(), empty.matching, empty.all, empty.total_bytes),
        (0, 0, 0, 0)
    );
}

#[tokio::test]
async fn ten_thousand_tables_are_shown_page_by_page() {
    const TABLES: u32 = 10_000;
    let test = console().await;
    seed::many_tables(&test.pool, TABLES).await;

    // Nobody waits for the sizes of so many files, and whoever asks at the same time shares one look.
    let asking = (0..20).map(|_| test.page(query("", TableSort::Name, false, 1)));
    for page in futures::future::join_all(asking).await {
        assert_eq!(
            (page.matching, page.all, page.tables.len()),
            (10_000, 10_000, TABLES_PER_PAGE as usize)
        );
    }
    let exact = test.exact().await;
    assert_eq!(exact.total_bytes % 8192, 0);
    assert!(exact.total_bytes > i64::from(TABLES) * 3 * 8192);

    let last = test.page(query("", TableSort::Name, false, 200)).await;
    assert_eq!(
        last.tables.last().map(|table| table.name.as_str()),
        Some("many_10000")
    );
    assert_eq!(
        test.page(query("", TableSort::Name, false, 9_999)).await.tables,
        last.tables
    );
    let found = test.page(query("many_0999", TableSort::Name, true, 1)).await;
    assert_eq!(found.matching, 10);
    assert_eq!(found.tables[0].name, "many_09999");
    let indexes = test.console.stats().indexes(&test.viewer, "main").await.unwrap();
    assert_eq!(indexes.len() as i64, engine::stats::MOST_INDEXES);
}

#[tokio::test]
async fn all_of_many_fresh_tables_come_in_one_look_with_exact_sizes_and_in_order() {
    const TABLES: u32 = 3_000;
    let test = console().await;
    seed::many_tables(&test.pool, TABLES).await;
    // The largest, which no vacuum has counted.
    for number in 1..=5 {
        test.sql(&format!(
            "create table fresh_{number} as select g, repeat('x', 500) as body from generate_series(1, {}) g",
            number * 1000
        ))
        .await;
    }
    // What autovacuum does meanwhile: it takes a table's lock for a moment, again and again.
    let mut churn = PgConnection::connect_with(&test.database.socket_options())
        .await
        .unwrap();
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ends = std::sync::Arc::clone(&over);
    let churning = tokio::spawn(async move {
        while !ends.load(std::sync::atomic::Ordering::Relaxed) {
            sqlx::raw_sql(
                "begin; lock table many_01500 in access exclusive mode; select pg_sleep(0.15); commit",
            )
            .execute(&mut churn)
            .await
            .unwrap();
        }
    });
    let all = test
        .console
        .stats()
        .all_tables(&test.viewer, query("", TableSort::Total, true, 1))
        .await
        .unwrap();
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    churning.await.unwrap();

    let names: std::collections::BTreeSet<&str> =
        all.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!((all.tables.len(), names.len()), (3_005, 3_005), "each once");
    assert_eq!((all.matching, all.all, all.settling), (3_005, 3_005, false));
    let largest: Vec<&str> = all.tables[..5].iter().map(|table| table.name.as_str()).collect();
    assert_eq!(largest, ["fresh_5", "fresh_4", "fresh_3", "fresh_2", "fresh_1"]);
    assert!(
        all.tables
            .windows(2)
            .all(|pair| pair[0].total_bytes >= pair[1].total_bytes)
    );
    let estimated: Vec<&str> = all
        .tables
        .iter()
        .filter(|table| table.estimated)
        .map(|table| table.name.as_str())
        .collect();
    assert!(
        estimated.iter().all(|name| *name == "many_01500"),
        "{estimated:?}"
    );
    assert_eq!(all.note.is_some(), !estimated.is_empty());
}

#[tokio::test]
async fn later_pages_continue_the_look_of_the_first() {
    let test = console().await;
    seed::many_tables(&test.pool, 120).await;
    let first = test.page(query("", TableSort::Name, false, 1)).await;
    // What comes first by name now would push the last table of page 1 onto page 2.
    test.sql("create table a_new_one (id int); drop table many_00120")
        .await;
    let mut names: Vec<String> = first.tables.iter().map(|table| table.name.clone()).collect();
    for page in 2..=3 {
        let next = TableQuery {
            look: Some(first.look),
            ..query("", TableSort::Name, false, page)
        };
        let next = test.page(next).await;
        assert_eq!(next.look, first.look);
        names.extend(next.tables.into_iter().map(|table| table.name));
    }
    let expected: Vec<String> = (1..=120).map(|number| format!("many_{number:05}")).collect();
    assert_eq!(names, expected);
    // Without the look's number, as a page without JavaScript asks, the last one that was shown goes on.
    let second = test.page(query("", TableSort::Name, false, 2)).await;
    assert_eq!(second.look, first.look);
    let again = test.newer(query("", TableSort::Name, false, 1)).await;
    assert_eq!(again.tables[0].name, "a_new_one");
}

#[tokio::test]
async fn every_kind_of_relation_is_listed_and_has_a_page() {
    let test = console().await;
    test.sql(
        "create table tree (id int, at date not null) partition by range (at);
         create table tree_2025 partition of tree for values from ('2025-01-01') to ('2026-01-01');
         create table tree_2026 partition of tree for values from ('2026-01-01') to ('2027-01-01')
             partition by list (id);
         create table tree_2026_1 partition of tree_2026 for values in (1);
         create table tree_2026_2 partition of tree_2026 for values in (2);
         create index tree_at on tree (at);
         insert into tree select 1 + n % 2, date '2025-12-01' + n % 100 from generate_series(1, 9000) n;
         analyze;
         create extension file_fdw;
         create server files foreign data wrapper file_fdw;
         create foreign table elsewhere (line text) server files options (filename '/dev/null');
         create materialized view kept as select count(*) from tree;
         create view looks as select id from tree where id > 1;
         create table _sqlx_migrations (version bigint primary key);
         create table _pgsteward_import (id int)",
    )
    .await;
    let page = test.exact().await;
    let listed: Vec<(&str, RelationKind)> = page
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.kind))
        .collect();
    let mut sorted = listed.clone();
    sorted.sort_by_key(|(name, _)| *name);
    assert_eq!(
        sorted,
        [
            ("elsewhere", RelationKind::Foreign),
            ("kept", RelationKind::Materialized),
            ("tree", RelationKind::Partitioned)
        ]
    );
    assert_eq!((page.all, page.hidden), (3, 7));
    let all = test
        .console
        .stats()
        .all_tables(
            &test.viewer,
            TableQuery {
                all: true,
                ..query("", TableSort::Name, false, 1)
            },
        )
        .await
        .unwrap();
    assert_eq!((all.tables.len(), all.all, all.hidden), (10, 10, 0));
    assert!(find(&all, "_sqlx_migrations").own && find(&all, "_pgsteward_import").own);

    // The sums are the server's own, over all levels.
    let tree = find(&all, "tree");
    let bytes: i64 = sqlx::query_scalar(
        "select sum(pg_total_relation_size(relid))::int8 from pg_partition_tree('tree') where isleaf",
    )
    .fetch_one(&test.pool)
    .await
    .unwrap();
    assert_eq!((tree.total_bytes, tree.rows), (bytes, Some(9000)));
    assert_eq!((tree.partitions, tree.indexes), (2, 1));
    let kept = find(&all, "kept").total_bytes;
    assert_eq!(
        page.total_bytes,
        bytes + kept,
        "what is in a partition counts once"
    );
    let inner = find(&all, "tree_2026");
    assert_eq!(inner.partition_of.as_ref().unwrap().name, "tree");
    assert_eq!(
        inner.total_bytes,
        find(&all, "tree_2026_1").total_bytes + find(&all, "tree_2026_2").total_bytes
    );

    let detail = test.table("tree").await.unwrap();
    assert_eq!(detail.table.total_bytes, bytes);
    let mut below: Vec<&str> = detail
        .partitions
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    below.sort_unstable();
    assert_eq!(below, ["tree_2025", "tree_2026"]);
    let index = &detail.indexes[0];
    let of_index: i64 = sqlx::query_scalar(
        "select sum(pg_table_size(relid))::int8 from pg_partition_tree('tree_at') where isleaf",
    )
    .fetch_one(&test.pool)
    .await
    .unwrap();
    assert_eq!(
        (index.name.as_str(), index.bytes, index.valid),
        ("tree_at", of_index, true)
    );
    let inner = test.table("tree_2026_1").await.unwrap();
    assert_eq!(inner.table.partition_of.unwrap().name, "tree_2026");
    let elsewhere = test.table("elsewhere").await.unwrap();
    assert_eq!(
        (
            elsewhere.server.as_deref(),
            elsewhere.columns.len(),
            elsewhere.table.total_bytes
        ),
        (Some("files"), 1, 0)
    );
    let looks = test.table("looks").await.unwrap();
    assert!(looks.query.unwrap().contains("WHERE"));
    assert!(test.table("kept").await.unwrap().query.is_some());
}
