//! Looks at databases whose owner sets traps: nothing of theirs is ever run, and nothing of ours is left behind.

use std::time::Duration;

use contract::{
    Code,
    audit::{AuditQuery, AuditSource, Severity},
    backup::BackupSpec,
    jobs::{JobId, JobState},
    migration::MigrateSpec,
    optimize::OptimizeSpec,
    session::Role,
    stats::{TableQuery, TableSort},
    target::TargetState,
};
use engine::{Caller, Engine, EngineConfig, target::url};
use sqlx::{Connection, PgConnection, Row};
use testkit::{
    Cluster, ClusterOptions, Database, PgBouncer, PgBouncerOptions, PoolMode, Proxy, tls::Authority,
};

use crate::{
    support,
    work::{self, PATIENCE, refused},
};

/// Twins of all that `pg_catalog` has, in a schema that stands before it for everyone who comes. Whoever calls, reads or
/// casts by one of them gets an error that says `sprung`.
const TRAPS: &str = r#"
create schema evil;
create function evil.spring() returns boolean language plpgsql as $$ begin raise exception 'sprung'; end $$;
do $traps$
declare
    it record;
begin
    for it in
        select p.proname, p.oid, p.prokind, p.proretset, format_type(p.prorettype, null) as result,
               array_to_string(array(select format_type(t, null) from unnest(p.proargtypes) as t), ', ') as arguments
          from pg_proc p
         where p.pronamespace = 'pg_catalog'::regnamespace
           and p.prokind in ('f', 'a')
    loop
        begin
            if it.prokind = 'f' then
                execute format(
                    'create function evil.%I(%s) returns %s %s language plpgsql as $f$ begin raise exception ''sprung''; end $f$',
                    it.proname, it.arguments, case when it.proretset then 'setof' end, it.result);
            else
                execute format(
                    'create function evil.step_%s(%s) returns int language plpgsql as $f$ begin raise exception ''sprung''; end $f$',
                    it.oid, concat_ws(', ', 'int', nullif(it.arguments, '')));
                execute format(
                    'create aggregate evil.%I(%s) (sfunc = evil.step_%s, stype = int, initcond = ''0'')',
                    it.proname, coalesce(nullif(it.arguments, ''), '*'), it.oid);
            end if;
        exception when others then
            -- Pseudo-types and the like cannot have twins.
            null;
        end;
    end loop;
    for it in
        select o.oid, o.oprname, nullif(o.oprleft, 0)::regtype::text as lefts, o.oprright::regtype::text as rights,
               o.oprresult::regtype::text as result
          from pg_operator o
         where o.oprnamespace = 'pg_catalog'::regnamespace
    loop
        begin
            execute format(
                'create function evil.operate_%s(%s) returns %s language plpgsql as $f$ begin raise exception ''sprung''; end $f$',
                it.oid, concat_ws(', ', it.lefts, it.rights), it.result);
            execute format(
                'create operator evil.%s (function = evil.operate_%s %s, rightarg = %s)',
                it.oprname, it.oid, ', leftarg = ' || it.lefts, it.rights);
        exception when others then null;
        end;
    end loop;
    for it in
        select c.relname from pg_class c where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind in ('r', 'v')
    loop
        begin
            execute format('create view evil.%I as select * from pg_catalog.%I where evil.spring()', it.relname, it.relname);
        exception when others then null;
        end;
    end loop;
    for it in
        select unnest(array['text', 'regclass', 'regtype', 'oid', 'name', 'int8', 'int4', 'bool', 'jsonb', 'uuid', 'pg_lsn']) as name
    loop
        execute format('create domain evil.%I as pg_catalog.%I check (evil.spring())', it.name, it.name);
    end loop;
    execute format('alter database %I set search_path = evil, pg_catalog, public', current_database());
end
$traps$"#;

/// A cluster of its own, whose log tells what was run in it, and a database with the AI-PAL schema.
async fn victim(cluster: &Cluster) -> (support::Console, Database) {
    let database = cluster.database("victim").await;
    let console = support::engine(&database, true).await;
    let caller = support::caller(&console, Role::Administrator).await;
    let spec = MigrateSpec {
        target: "main".into(),
        ..MigrateSpec::default()
    };
    let id = console.migration().start(&caller, spec).await.unwrap();
    succeeded(&console, &caller, id).await;
    (console, database)
}

async fn succeeded(engine: &Engine, caller: &Caller, id: JobId) {
    let job = work::until(engine, caller, id, PATIENCE, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Succeeded, "{job:#?}");
}

fn tables() -> TableQuery {
    TableQuery {
        target: "main".into(),
        search: None,
        sort: TableSort::Name,
        descending: false,
        page: 1,
        all: false,
        look: None,
    }
}

fn log_of_target() -> AuditQuery {
    AuditQuery {
        source: AuditSource::Target,
        target: Some("main".into()),
        user: Some("ann".into()),
        event_type: Some("login".into()),
        severity: Some(Severity::Info),
        ..AuditQuery::default()
    }
}

/// Everything that a page, a sampler or the API reads of a managed database.
async fn every_look(engine: &Engine, caller: &Caller) {
    let view = engine.targets().view(caller, "main").await.unwrap();
    assert!(matches!(view.state, TargetState::Up(_)), "{view:?}");
    let page = engine.stats().tables(caller, tables()).await.unwrap();
    assert!(
        page.tables.iter().any(|table| table.name == "audit_logs"),
        "{page:?}"
    );
    let detail = engine
        .stats()
        .table(caller, "main", "public", "audit_logs")
        .await
        .unwrap();
    assert!(detail.columns.len() > 5 && !detail.constraints.is_empty());
    assert!(engine.stats().indexes(caller, "main").await.unwrap().len() > 5);
    let status = engine.migration().status(caller, "main").await.unwrap();
    assert_eq!((status.pending, status.problem), (0, None));
    let spec = MigrateSpec {
        target: "main".into(),
        ..MigrateSpec::default()
    };
    assert_eq!(engine.migration().plan(caller, spec).await.unwrap().pending, 0);
    let plan = engine.optimize().plan(caller, "main").await.unwrap();
    assert!(
        plan.items.iter().any(|item| item.table == "public.audit_logs"),
        "{plan:?}"
    );
    engine.audit().list(caller, log_of_target()).await.unwrap();
    engine.audit().export(caller, log_of_target()).await.unwrap();
    engine.backup().list(caller, "main").await.unwrap();
}

#[tokio::test]
async fn nothing_of_the_databases_owner_is_run_by_a_look_or_a_job() {
    let cluster = Cluster::start().await;
    let (console, database) = victim(&cluster).await;
    console.close().await;
    let mut owner = connect(&database).await;
    sqlx::raw_sql(TRAPS).execute(&mut owner).await.unwrap();
    let twins: i64 = sqlx::query_scalar(
        "select (select count(*) from pg_proc where pronamespace = 'evil'::regnamespace)
              + (select count(*) from pg_operator where oprnamespace = 'evil'::regnamespace)
              + (select count(*) from pg_class where relnamespace = 'evil'::regnamespace)",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert!(twins > 4000, "only {twins} traps were set");

    // Planning any question about this table evaluates the function.
    sqlx::raw_sql(
        "create role mallory;
         create schema mallory authorization mallory;
         set role mallory;
         set search_path = pg_catalog;
         create function mallory.trap(int) returns int immutable language plpgsql as $$ begin return 1; end $$;
         reset role;
         create table public.goods as select g as id, E'a\\nb' || g as note from generate_series(1, 77) as g;
         create index goods_trap on public.goods (mallory.trap(1));
         alter table public.goods owner to mallory;
         set role mallory;
         create or replace function mallory.trap(int) returns int immutable language plpgsql set search_path = pg_catalog
             as $$ begin if current_user = 'postgres' then raise exception 'sprung'; end if; return 1; end $$",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    let engine = console.beside(true).await;
    let caller = support::caller(&engine, Role::Administrator).await;
    every_look(&engine, &caller).await;
    let id = engine
        .optimize()
        .start(&caller, OptimizeSpec::all("main"))
        .await
        .unwrap();
    succeeded(&engine, &caller, id).await;
    let spec = BackupSpec::whole("main");
    let id = engine.backup().start(&caller, spec).await.unwrap();
    succeeded(&engine, &caller, id).await;
    let stored = engine.backup().list(&caller, "main").await.unwrap().backups;
    assert_eq!(stored[0].migration, Some(10));
    assert!(stored[0].rows >= 77, "{:?}", stored[0]);
    let id = engine
        .backup()
        .verify(&caller, "main", stored[0].id)
        .await
        .unwrap();
    succeeded(&engine, &caller, id).await;
    every_look(&engine, &caller).await;
    engine.close().await;
    assert!(!cluster.log().contains("sprung"), "{}", cluster.log());

    // Whoever takes the database's word for it is caught.
    let mut unwary = connect(&database).await;
    for sql in [
        "select current_database()",
        "select 1 + 1",
        "select count(*) from pg_catalog.pg_class",
        "select * from pg_class",
        "select 'a'::text",
    ] {
        let error = sqlx::raw_sql(sql).execute(&mut unwary).await.unwrap_err();
        assert!(error.to_string().contains("sprung"), "{sql}: {error}");
    }
}

async fn connect(database: &Database) -> PgConnection {
    PgConnection::connect_with(&database.socket_options())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_table_that_runs_its_owners_code_when_it_is_read_is_not_read() {
    let cluster = Cluster::start().await;
    let (console, database) = victim(&cluster).await;
    let caller = support::caller(&console, Role::Administrator).await;
    cluster.execute("create role mallory").await;
    let mut session = connect(&database).await;
    for (sql, words) in [
        (
            "create view audit_logs as select * from logs where mallory.trap(1)",
            "it is no plain table",
        ),
        (
            "create table audit_logs (like logs); create index on audit_logs (mallory.trap(1))",
            "it uses the function mallory.trap(integer)",
        ),
        (
            "create table audit_logs (like logs); alter table audit_logs add check (mallory.trap(1))",
            "it uses the function mallory.trap(integer)",
        ),
        (
            "create table audit_logs (like logs); create statistics s on (mallory.trap(1)), id from audit_logs",
            "it uses the function mallory.trap(integer)",
        ),
        (
            "create table audit_logs (like logs); alter table audit_logs drop user_id; alter table audit_logs add user_id mallory.kind",
            "it uses the type mallory.kind",
        ),
        (
            "create table audit_logs (like logs); create table child () inherits (audit_logs); create index on child (mallory.trap(1))",
            "it uses the function mallory.trap(integer)",
        ),
    ] {
        let sql = format!(
            "alter table audit_logs rename to logs;
             create schema mallory authorization mallory;
             set role mallory;
             create type mallory.kind as (value text);
             create function mallory.trap(int) returns boolean immutable language plpgsql
                 as $$ begin return true; end $$;
             reset role;
             {sql};
             set role mallory;
             create or replace function mallory.trap(int) returns boolean immutable language plpgsql
                 as $$ begin raise exception 'sprung'; end $$;
             reset role"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut session)
            .await
            .unwrap();
        let fault = refused(
            console.audit().list(&caller, log_of_target()).await,
            Code::Conflict,
        );
        assert!(fault.message.contains(words), "{words}: {fault}");
        let fault = refused(
            console.audit().export(&caller, log_of_target()).await,
            Code::Conflict,
        );
        assert!(fault.message.contains(words), "{words}: {fault}");
        let undo = "do $$ begin
                        if exists (select from pg_class where relname = 'audit_logs' and relkind = 'v') then
                            drop view audit_logs;
                        else
                            drop table audit_logs cascade;
                        end if;
                    end $$;
                    drop schema mallory cascade;
                    alter table logs rename to audit_logs";
        sqlx::raw_sql(undo).execute(&mut session).await.unwrap();
    }
    assert!(!cluster.log().contains("sprung"), "{}", cluster.log());
    console.audit().list(&caller, log_of_target()).await.unwrap();
    // The tables in which migrations are written down are read by the same rule.
    sqlx::raw_sql(
        "create schema mallory authorization mallory;
         set role mallory;
         create function mallory.trap(int) returns boolean immutable language plpgsql
             as $$ begin raise exception 'sprung'; end $$;
         reset role;
         alter table _sqlx_migrations rename to applied;
         create view _sqlx_migrations as select * from applied where mallory.trap(1)",
    )
    .execute(&mut session)
    .await
    .unwrap();
    let fault = refused(console.migration().status(&caller, "main").await, Code::Conflict);
    assert!(fault.message.contains("it is no plain table"), "{fault}");
    assert!(!cluster.log().contains("sprung"));
}

/// A console that reaches its managed database through this pooler.
async fn behind(console: &support::Console, bouncer: &PgBouncer, database: &Database) -> Engine {
    let parsed = url::parse(&bouncer.url(database.name())).unwrap();
    let mut config: EngineConfig = console.config.clone();
    config.targets[0].options = parsed.options;
    config.targets[0].password = parsed.password;
    Engine::open(config).await.unwrap()
}

#[tokio::test]
async fn looks_go_through_a_transaction_pooler_and_leave_nothing_in_its_sessions() {
    let cluster = Cluster::start().await;
    let (console, database) = victim(&cluster).await;
    console.close().await;
    // One server session for all: whoever comes next gets the one that the console had.
    let options = PgBouncerOptions::new(PoolMode::Transaction).setting("default_pool_size", "1");
    let bouncer = PgBouncer::start_with(&cluster, options).await;
    let engine = behind(&console, &bouncer, &database).await;
    let caller = support::caller(&engine, Role::Administrator).await;
    let mut application = PgConnection::connect_with(
        &url::parse(&bouncer.url(database.name()))
            .unwrap()
            .options
            .extra_float_digits(None),
    )
    .await
    .unwrap();
    for _ in 0..3 {
        every_look(&engine, &caller).await;
        for (setting, expected) in [
            ("search_path", "\"$user\", public"),
            ("statement_timeout", "0"),
            ("lock_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
            ("client_min_messages", "notice"),
            ("transaction_read_only", "off"),
        ] {
            let show = sqlx::AssertSqlSafe(format!("show {setting}"));
            let row = sqlx::raw_sql(show).fetch_one(&mut application).await.unwrap();
            assert_eq!(row.get::<String, _>(0), expected, "{setting}");
        }
        let row = sqlx::raw_sql("select count(*)::text from pg_prepared_statements where name <> ''")
            .fetch_one(&mut application)
            .await
            .unwrap();
        assert_eq!(row.get::<String, _>(0), "0");
    }
    engine.close().await;
}

#[tokio::test]
async fn a_job_says_that_it_needs_a_session_and_takes_the_direct_address() {
    let cluster = Cluster::start().await;
    let (console, database) = victim(&cluster).await;
    console.close().await;
    let bouncer = PgBouncer::before(&cluster, PoolMode::Transaction).await;
    let engine = behind(&console, &bouncer, &database).await;
    let caller = support::caller(&engine, Role::Administrator).await;
    every_look(&engine, &caller).await;
    let spec = || BackupSpec::whole("main");
    let id = engine.backup().start(&caller, spec()).await.unwrap();
    let job = work::until(&engine, &caller, id, PATIENCE, |job| job.state.is_final()).await;
    let fault = job.fault.unwrap();
    assert_eq!(fault.code, Code::Conflict, "{fault}");
    assert!(fault.message.contains("a session of its own"), "{fault}");
    assert!(fault.hint.unwrap().contains("DATABASE_DIRECT_URL"));
    engine.close().await;

    let parsed = url::parse(&bouncer.url(database.name())).unwrap();
    let mut config: EngineConfig = console.config.clone();
    config.targets[0].options = parsed.options;
    config.targets[0].password = parsed.password;
    config.targets[0].direct = Some(url::parse(&cluster.url(database.name())).unwrap());
    let engine = Engine::open(config).await.unwrap();
    let caller = support::caller(&engine, Role::Administrator).await;
    every_look(&engine, &caller).await;
    let id = engine.backup().start(&caller, spec()).await.unwrap();
    succeeded(&engine, &caller, id).await;
    let id = engine
        .optimize()
        .start(&caller, OptimizeSpec::all("main"))
        .await
        .unwrap();
    succeeded(&engine, &caller, id).await;
    engine.close().await;
}

#[tokio::test]
async fn a_backup_goes_over_tls_with_an_authority_and_a_clients_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let options = ClusterOptions::new()
        .tls_only(&servers.issue(&["localhost"]))
        .client_certificates(&clients);
    let cluster = Cluster::start_with(options).await;
    let (console, database) = victim(&cluster).await;
    console.close().await;
    let folder = tempfile::tempdir().unwrap();
    let root = servers.write_into(folder.path());
    let (certificate, key) = clients.issue(&[cluster.superuser()]).write_into(folder.path());
    let url = format!(
        "postgresql://{}@localhost:{}/{}?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
        cluster.superuser(),
        cluster.port(),
        database.name(),
        root.display(),
        certificate.display(),
        key.display()
    );
    let parsed = url::parse(&url).unwrap();
    let mut config: EngineConfig = console.config.clone();
    config.targets[0].options = parsed.options;
    config.targets[0].password = parsed.password;
    config.targets[0].link = parsed.link;
    let engine = Engine::open(config).await.unwrap();
    let caller = support::caller(&engine, Role::Administrator).await;
    every_look(&engine, &caller).await;
    let view = engine.targets().view(&caller, "main").await.unwrap();
    assert!(matches!(view.state, TargetState::Up(server) if server.tls));
    let spec = BackupSpec::whole("main");
    let id = engine.backup().start(&caller, spec).await.unwrap();
    succeeded(&engine, &caller, id).await;
    // What is not there any more is named.
    std::fs::remove_file(&root).unwrap();
    let spec = BackupSpec::whole("main");
    let id = engine.backup().start(&caller, spec).await.unwrap();
    let job = work::until(&engine, &caller, id, PATIENCE, |job| job.state.is_final()).await;
    let fault = job.fault.unwrap();
    let named = format!("the file {} (sslrootcert) is not there", root.display());
    assert!(fault.message.contains(&named), "{fault}");
    engine.close().await;
}

#[tokio::test]
async fn a_backup_finds_a_connection_behind_a_pooler_with_few() {
    let cluster = Cluster::start().await;
    let (console, database) = victim(&cluster).await;
    console.close().await;
    let options = PgBouncerOptions::new(PoolMode::Session)
        .setting("default_pool_size", "5")
        .setting("query_wait_timeout", "30");
    let bouncer = PgBouncer::start_with(&cluster, options).await;
    let engine = behind(&console, &bouncer, &database).await;
    let caller = support::caller(&engine, Role::Administrator).await;
    for _ in 0..2 {
        let stats = engine.stats();
        let looks = (0..4).map(|_| stats.indexes(&caller, "main"));
        for look in futures::future::join_all(looks).await {
            look.unwrap();
        }
        let spec = BackupSpec::whole("main");
        let id = engine.backup().start(&caller, spec).await.unwrap();
        succeeded(&engine, &caller, id).await;
    }
    engine.close().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_down_and_that_is_answered_at_once() {
    let cluster = testkit::shared().await;
    let database = cluster.database("silent").await;
    let console = support::engine(&database, false).await;
    let wire = Proxy::start(cluster.port()).await;
    let parsed = url::parse(&cluster.url_of(
        cluster.superuser(),
        cluster.password(),
        wire.port(),
        database.name(),
    ))
    .unwrap();
    let mut config: EngineConfig = console.config.clone();
    config.targets[0].options = parsed.options;
    config.targets[0].password = parsed.password;
    let engine = Engine::open(config).await.unwrap();
    let caller = support::caller(&engine, Role::Administrator).await;
    engine.stats().tables(&caller, tables()).await.unwrap();
    wire.stall();
    // Whoever asks before it is known waits for the answer that is not coming, and gets words too.
    let first = engine.optimize().plan(&caller, "main").await.unwrap_err().fault();
    assert!(
        matches!(first.code, Code::TargetUnreachable | Code::TargetTimeout),
        "{first}"
    );
    let down = async {
        loop {
            let state = engine.targets().list(&caller).await.unwrap().remove(0).state;
            if let TargetState::Down { fault, .. } = state {
                return fault;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let known = tokio::time::timeout(PATIENCE, down).await.unwrap();
    assert!(known.message.contains("did not answer in time"), "{known}");
    let plan = engine.optimize().plan(&caller, "main").await.unwrap_err().fault();
    let status = engine
        .migration()
        .status(&caller, "main")
        .await
        .unwrap_err()
        .fault();
    let stats = engine.stats().indexes(&caller, "main").await.unwrap_err().fault();
    // The very words of the monitor: nobody asked the server for them again.
    for fault in [plan, status, stats] {
        assert_eq!(fault.message, known.message);
    }
    wire.restore().await;
    let up = async {
        while engine.stats().tables(&caller, tables()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, up).await.unwrap();
}
