use contract::{
    Code,
    audit::AuditQuery,
    backup::Part,
    jobs::JobState,
    restore::{CheckLevel, RestoreSpec, RestoredState},
    session::Role,
};
use sqlx::{AssertSqlSafe, Executor, PgPool};
use testkit::{ClusterOptions, Version, tls::Authority};

use super::{
    restored::{definitions, spec},
    round_trip::contents,
    support,
    world::{World, fill, over, world},
};

/// Roles that own and read things, made once for all tests of a cluster.
pub(super) async fn roles(cluster: &testkit::Cluster, prefix: &str) {
    cluster
        .execute(&format!(
            r#"do $$ begin
                 perform pg_advisory_xact_lock(7);
                 if not exists (select from pg_roles where rolname = '{prefix} own"er') then
                   create role "{prefix} own""er" nologin;
                   create role "{prefix}_reader" login;
                 end if;
               end $$"#
        ))
        .await;
}

/// A bit of everything that a database can hold, with two owners.
async fn furnish(pool: &PgPool, prefix: &str) {
    let sql = format!(
        r#"create extension pg_trgm schema "Other ""Schema""";
           create schema "it's; a ""schema""" authorization "{prefix} own""er";
           set role "{prefix} own""er";
           set search_path = "it's; a ""schema""";
           create type mood as enum ('fine', 'it''s');
           create type span as range (subtype = float8);
           create domain positive as int check (value > 0);
           create function twice(n int) returns int language plpgsql immutable as $f$ begin return n * 2; end $f$;
           create sequence counter start 7;
           create table people (
               id int primary key default nextval('counter'),
               mood mood,
               kind text check (kind in ('a', 'b')),
               size positive,
               doubled int generated always as (twice(size)) stored,
               boss int references people);
           insert into people (mood, kind, size) select 'fine', 'a', n from generate_series(1, 500) n;
           create index on people (twice(size));
           comment on table people is 'it''s "people"';
           comment on column people.mood is 'how';
           create view happy as select * from people where kind in ('a', 'b');
           create materialized view total as select sum(size) as size from people;
           create function stamp() returns trigger language plpgsql as $f$ begin return new; end $f$;
           create trigger stamp before update on people for each row when (new.kind in ('a', 'b')) execute function stamp();
           alter table people enable row level security;
           create table guarded (id int);
           alter table guarded enable row level security;
           alter table guarded force row level security;
           create policy mine on people for select to "{prefix}_reader" using (kind in ('a', 'b'));
           grant usage on schema "it's; a ""schema""" to "{prefix}_reader";
           grant select, update (mood) on people to "{prefix}_reader" with grant option;
           alter default privileges in schema "it's; a ""schema""" grant select on tables to "{prefix}_reader";
           reset role;
           reset search_path;
           alter table orders owner to "{prefix} own""er";
           create view needs_key as select id, note from orders group by id;
           create rule nothing as on insert to nothing do instead nothing;
           create statistics pair on id, note from orders;
           create publication changes for table orders;
           select lo_from_bytea(0, 'third');
           do $d$ declare o oid; begin
             select max(oid) into o from pg_largeobject_metadata;
             execute format('alter large object %s owner to "{prefix} own""er"', o);
             execute format('comment on large object %s is ''a comment''', o);
           end $d$;
           create function watch() returns event_trigger language plpgsql as $f$ begin end $f$;
           create event trigger watch on ddl_command_end execute function watch();
           comment on schema "it's; a ""schema""" is 'a schema';"#
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
    let name: String = sqlx::query_scalar("select format('%I', current_database())")
        .fetch_one(pool)
        .await
        .unwrap();
    let sql = format!(
        r#"alter database {name} set search_path to "$user", public, "it's; a ""schema""";
           alter database {name} set app.key to 'it''s';
           alter role "{prefix}_reader" in database {name} set work_mem to '5MB';
           revoke connect on database {name} from public;
           grant connect on database {name} to "{prefix}_reader";
           comment on database {name} is 'the shop''s'"#
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

/// What a database is beside what is in it.
async fn outside(pool: &PgPool, database: &str) -> (String, Option<String>, Option<String>, Vec<String>) {
    sqlx::query_as(
        "select pg_get_userbyid(datdba)::text,
                (select string_agg(one, ';' order by one)
                   from (select format('%s %s %s', grantee::regrole, privilege_type, is_grantable) as one
                           from aclexplode(datacl)) a),
                shobj_description(oid, 'pg_database'),
                array(select unnest(setconfig) from pg_db_role_setting where setdatabase = pg_database.oid order by 1)
           from pg_database
          where datname = $1",
    )
    .bind(database)
    .fetch_one(pool)
    .await
    .unwrap()
}

pub(super) async fn furnished(prefix: &str) -> World {
    roles(testkit::shared().await, prefix).await;
    let world = world().await;
    furnish(&world.pool, prefix).await;
    world
}

#[tokio::test]
async fn a_restored_database_is_the_same_in_every_row_and_definition_and_the_live_one_is_untouched() {
    let cluster = testkit::shared().await;
    let world = furnished("res").await;
    let backup = world.backup().await;
    let live = definitions(cluster, world.database.name());
    let rows = contents(&world.pool).await;
    let name = format!("a \"restored\"; drop 'x' {}", world.database.name());
    let asked = RestoreSpec {
        into: Some(name.clone()),
        ..spec(&backup)
    };
    let plan = world
        .engine
        .backup()
        .plan_restore(&world.caller, asked.clone())
        .await
        .unwrap();
    assert!(plan.may_begin(), "{:?}", plan.checks);
    assert_eq!((plan.into.as_str(), plan.parallel), (name.as_str(), 2));
    assert!(plan.tables.iter().all(|table| table.in_backup && table.is_live));

    let restored = world.restore(asked).await;
    assert_eq!(
        (restored.database.as_str(), restored.backup),
        (name.as_str(), backup.id)
    );
    let report = restored.report.clone().unwrap();
    assert_eq!((report.tables, report.rows), (backup.tables, backup.rows));
    assert!(report.definitions > 30 && report.notes.is_empty(), "{report:?}");
    assert_eq!(definitions(cluster, &name), live);
    assert_eq!(definitions(cluster, world.database.name()), live);
    let inside = world.inside(cluster, &restored).await;
    assert_eq!(contents(&inside).await, rows);
    assert_eq!(
        outside(&inside, &name).await,
        outside(&world.pool, world.database.name()).await
    );
    let large: Vec<(String, Vec<u8>, Option<String>)> = sqlx::query_as(
        "select lomowner::regrole::text, lo_get(oid), obj_description(oid, 'pg_largeobject')
           from pg_largeobject_metadata order by 2",
    )
    .fetch_all(&inside)
    .await
    .unwrap();
    assert_eq!(large.len(), 3);
    assert_eq!(
        large[2],
        (
            "\"res own\"\"er\"".into(),
            b"third".to_vec(),
            Some("a comment".into())
        )
    );
    let total: i64 = sqlx::query_scalar(r#"select size from "it's; a ""schema""".total"#)
        .fetch_one(&inside)
        .await
        .unwrap();
    assert_eq!(total, 125_250, "materialized views are filled");
    let leaving: i64 = sqlx::query_scalar("select nextval('\"it''s; a \"\"schema\"\"\".counter')")
        .fetch_one(&inside)
        .await
        .unwrap();
    assert_eq!(leaving, 507);
    // What it took to make it is gone.
    let mut admin = cluster.admin().await;
    assert_eq!(
        super::restored::left_on(&mut admin, restored.job).await,
        [] as [&str; 0]
    );
    let log = world
        .engine
        .audit()
        .list(&world.caller, AuditQuery::default())
        .await
        .unwrap();
    // The list tells an act that has ended once, by its end.
    let of_job = log.entries.iter().find(|entry| entry.job == Some(restored.job));
    assert_eq!(of_job.unwrap().event_type, "backup.restore");
}

#[tokio::test]
async fn the_preview_tells_what_is_in_the_backup_and_what_is_live() {
    let world = world().await;
    let backup = world.backup().await;
    world
        .pool
        .execute(
            "drop table orders cascade; create table later (id int); insert into later values (1); analyze",
        )
        .await
        .unwrap();
    let plan = world
        .engine
        .backup()
        .plan_restore(&world.caller, spec(&backup))
        .await
        .unwrap();
    let of = |name: &str| plan.tables.iter().find(|table| table.name == name).unwrap();
    let (orders, later, quick) = (of("orders"), of("later"), of("quick"));
    assert_eq!(
        (orders.in_backup, orders.rows_then, orders.is_live),
        (true, Some(2000), false)
    );
    assert_eq!(
        (later.in_backup, later.is_live, later.rows_now_about),
        (false, true, Some(1))
    );
    assert_eq!((quick.rows_then, quick.rows_now_about), (Some(2), Some(2)));
    assert!(
        plan.into
            .starts_with(&format!("{}_restored_", world.database.name())),
        "{}",
        plan.into
    );
    // A lost table comes back.
    let restored = world.restore(spec(&backup)).await;
    let inside = world.inside(testkit::shared().await, &restored).await;
    let rows: i64 = sqlx::query_scalar("select count(*) from orders")
        .fetch_one(&inside)
        .await
        .unwrap();
    assert_eq!(rows, 2000);
}

#[tokio::test]
async fn chosen_tables_and_schemas_come_with_what_is_theirs_and_nothing_else() {
    let cluster = testkit::shared().await;
    let world = furnished("cho").await;
    let backup = world.backup().await;
    let part = |schema: &str, table: Option<&str>| Part {
        schema: schema.into(),
        table: table.map(str::to_owned),
    };
    let odd = "it's; a \"schema\"";
    let asked = RestoreSpec {
        only: vec![part(odd, Some("people")), part("public", Some("parts"))],
        ..spec(&backup)
    };
    let plan = world
        .engine
        .backup()
        .plan_restore(&world.caller, asked.clone())
        .await
        .unwrap();
    let names: Vec<&str> = plan.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["people", "parts_1", "parts_2"]);
    let restored = world.restore(asked).await;
    let report = restored.report.clone().unwrap();
    assert_eq!((report.rows, report.only.len()), (800, 2), "{report:?}");
    let inside = world.inside(cluster, &restored).await;
    let rows = contents(&world.pool).await;
    let found = contents(&inside).await;
    assert_eq!(found.len(), 3);
    assert!(
        found.iter().all(|(table, content)| rows[table] == *content),
        "{found:?}"
    );
    let policies: i64 = sqlx::query_scalar("select count(*) from pg_policies")
        .fetch_one(&inside)
        .await
        .unwrap();
    let triggers: i64 = sqlx::query_scalar("select count(*) from pg_trigger where not tgisinternal")
        .fetch_one(&inside)
        .await
        .unwrap();
    assert_eq!((policies, triggers), (1, 1));
    // A whole schema, and one that is not there.
    let restored = world
        .restore(RestoreSpec {
            only: vec![part(odd, None)],
            ..spec(&backup)
        })
        .await;
    let inside = world.inside(cluster, &restored).await;
    let views: i64 =
        sqlx::query_scalar("select count(*) from pg_class where relkind in ('v', 'm') and relowner > 16000")
            .fetch_one(&inside)
            .await
            .unwrap();
    assert_eq!(views, 2);
    let fault = world
        .refused(RestoreSpec {
            only: vec![part("none", None)],
            ..spec(&backup)
        })
        .await;
    assert!(
        fault.message.contains("no schema or table of this name") && fault.message.contains(": none."),
        "{fault}"
    );
}

#[tokio::test]
async fn what_cannot_be_restored_is_refused_with_the_remedy_before_anything_is_made() {
    let cluster = testkit::shared().await;
    let world = world().await;
    let backup = world.backup().await;
    let taken = RestoreSpec {
        into: Some(world.database.name().to_owned()),
        ..spec(&backup)
    };
    let fault = world.refused(taken).await;
    assert_eq!(fault.code, Code::Conflict);
    assert!(fault.message.contains("already") && fault.hint.unwrap().contains("Choose another name"));
    let long = RestoreSpec {
        into: Some("ü".repeat(32)),
        ..spec(&backup)
    };
    assert_eq!(world.refused(long).await.field.as_deref(), Some("into"));
    let none = RestoreSpec {
        backup: uuid::Uuid::nil(),
        ..spec(&backup)
    };
    assert_eq!(world.refused(none).await.code, Code::NotFound);
    // A superuser's rights are not given away.
    let root = RestoreSpec {
        owner: Some("postgres".into()),
        ..spec(&backup)
    };
    assert!(world.refused(root).await.message.contains("is a superuser"));
    let operator = support::caller(&world.engine, Role::Operator).await;
    let as_superuser = RestoreSpec {
        as_superuser: true,
        ..spec(&backup)
    };
    let fault = world
        .engine
        .backup()
        .restore(&operator, as_superuser)
        .await
        .unwrap_err()
        .fault();
    assert_eq!(fault.code, Code::Forbidden);

    // A byte that pg_restore would not miss: nothing is made.
    let archive = world.stored(&backup).join("archive.dump");
    let whole = std::fs::read(&archive).unwrap();
    let mut flipped = whole.clone();
    let at = flipped.len() - 100;
    flipped[at] ^= 1;
    std::fs::write(&archive, &flipped).unwrap();
    let fault = world.fails_to_restore(cluster, spec(&backup)).await;
    assert!(
        fault.message.contains("damaged") && fault.message.contains("SHA-256"),
        "{fault}"
    );
    std::fs::write(&archive, &whole[..whole.len() - 1]).unwrap();
    let fault = world.refused(spec(&backup)).await;
    assert!(fault.message.contains("damaged"), "{fault}");
    assert!(fault.hint.unwrap().contains("Restore another backup"));
}

#[tokio::test]
async fn missing_roles_are_told_and_created_without_powers_or_passwords_when_asked() {
    let cluster = testkit::shared().await;
    cluster
        .execute(
            "create role gone_owner superuser login password 'secret'; create role gone_group nologin createrole;
             create role gone_reader noinherit; grant gone_group to gone_reader; grant pg_read_server_files to gone_reader",
        )
        .await;
    let world = world().await;
    world
        .pool
        .execute(
            "alter table orders owner to gone_owner; grant select on quick to gone_reader;
             alter table quick enable row level security; create policy p on quick to gone_group using (true)",
        )
        .await
        .unwrap();
    let backup = world.backup().await;
    world
        .pool
        .execute("drop owned by gone_owner, gone_reader, gone_group cascade")
        .await
        .unwrap();
    cluster
        .execute("drop role gone_owner, gone_reader, gone_group")
        .await;
    let fault = world.refused(spec(&backup)).await;
    assert!(
        fault.message.contains("3 roles are missing") && fault.message.contains("gone_group"),
        "{fault}"
    );
    assert!(fault.hint.unwrap().contains("--create-roles"));

    let asked = RestoreSpec {
        create_roles: true,
        ..spec(&backup)
    };
    let restored = world.restore(asked).await;
    let report = restored.report.clone().unwrap();
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("gone_owner was created without SUPERUSER")),
        "{report:?}"
    );
    let made: Vec<(String, bool, bool, bool)> = sqlx::query_as(
        "select rolname::text, rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication,
                rolpassword is not null, rolcanlogin
           from pg_authid where rolname like 'gone\\_%' order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let names = |name: &str, login| (name.to_owned(), false, false, login);
    assert_eq!(
        made,
        [
            names("gone_group", false),
            names("gone_owner", true),
            names("gone_reader", false)
        ]
    );
    let members: Vec<String> = sqlx::query_scalar(
        "select format('%s in %s', member::regrole, roleid::regrole) from pg_auth_members
          where member::regrole::text like 'gone\\_%'",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!(
        members,
        ["gone_reader in gone_group"],
        "and in nothing that was there"
    );
    let inside = world.inside(cluster, &restored).await;
    let policies: Vec<String> =
        sqlx::query_scalar("select format('%s %s', tablename, roles) from pg_policies")
            .fetch_all(&inside)
            .await
            .unwrap();
    assert_eq!(policies, ["quick {gone_group}"]);
    // A restore that fails takes the roles with it that it created.
    drop(inside);
    cluster
        .execute(&format!("drop database \"{}\" with (force)", restored.database))
        .await;
    cluster
        .execute("drop role gone_owner, gone_reader, gone_group")
        .await;
    let archive = world.stored(&backup).join("archive.dump");
    let mut bytes = std::fs::read(&archive).unwrap();
    let at = bytes.len() - 50;
    bytes[at] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    world
        .fails_to_restore(
            cluster,
            RestoreSpec {
                create_roles: true,
                ..spec(&backup)
            },
        )
        .await;
    let left: i64 = sqlx::query_scalar("select count(*) from pg_roles where rolname like 'gone\\_%'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_role_that_owns_the_database_and_is_no_superuser_restores_it() {
    let cluster = testkit::shared().await;
    roles(cluster, "plain").await;
    cluster
        .execute(
            r#"create role plain_console login createdb password 'p'; grant "plain own""er" to plain_console;
               grant pg_read_all_stats to plain_console"#,
        )
        .await;
    let database = cluster.database("plain").await;
    let pool = database.pool().await;
    cluster
        .execute(&format!(
            "alter database \"{}\" owner to plain_console",
            database.name()
        ))
        .await;
    pool.execute(
        r#"set role plain_console;
           create extension pg_trgm;
           create schema other authorization "plain own""er";
           create table mine (id int primary key, note text);
           insert into mine select n, n::text from generate_series(1, 300) n;
           create index on mine using gin (note gin_trgm_ops);
           create table other.theirs (id int references mine);
           insert into other.theirs select 7;
           alter table other.theirs owner to "plain own""er";
           create view public.shown as select * from mine;
           grant select on mine to plain_reader;
           select lo_from_bytea(0, 'one');
           reset role;
           alter view shown owner to "plain own""er""#,
    )
    .await
    .unwrap();
    let world = over(database, pool).await;
    let url = cluster.url_of("plain_console", "p", cluster.port(), world.database.name());
    let world = world
        .instead(|config| {
            let parsed = engine::target::url::parse(&url).unwrap();
            config.targets[0].options = parsed.options;
            config.targets[0].password = parsed.password;
        })
        .await;
    let backup = world.backup().await;
    let restored = world.restore(spec(&backup)).await;
    assert_eq!(
        definitions(cluster, &restored.database),
        definitions(cluster, world.database.name())
    );
    let inside = world.inside(cluster, &restored).await;
    assert_eq!(contents(&inside).await, contents(&world.pool).await);

    // Not a member of an owner any more: told, with both ways out.
    cluster
        .execute(r#"revoke "plain own""er" from plain_console"#)
        .await;
    let fault = world.refused(spec(&backup)).await;
    assert!(fault.message.contains("no member of plain own"), "{fault}");
    assert!(fault.hint.unwrap().contains("--owner plain_console"));
    let all_mine = RestoreSpec {
        owner: Some("plain_console".into()),
        ..spec(&backup)
    };
    let restored = world.restore(all_mine).await;
    let inside = world.inside(cluster, &restored).await;
    let owners: Vec<String> = sqlx::query_scalar(
        "select distinct relowner::regrole::text from pg_class where relnamespace::regnamespace::text in ('public', 'other')",
    )
    .fetch_all(&inside)
    .await
    .unwrap();
    assert_eq!(owners, ["plain_console"]);
    cluster.execute("alter role plain_console nocreatedb").await;
    let fault = world.refused(spec(&backup)).await;
    assert!(fault.message.contains("may not create databases"), "{fault}");
    assert!(fault.hint.unwrap().contains("createdb"));
}

#[tokio::test]
async fn before_15_the_schema_public_stays_the_superusers_where_the_console_is_none_and_that_is_told() {
    let cluster = testkit::shared_of(Version::V14).await;
    cluster
        .execute(
            "create role owns_public login createdb password 'p'; grant pg_read_all_stats to owns_public",
        )
        .await;
    let database = cluster.database("public").await;
    let pool = database.pool().await;
    cluster
        .execute(&format!(
            "alter database \"{}\" owner to owns_public",
            database.name()
        ))
        .await;
    pool.execute(
        "alter schema public owner to owns_public;
         comment on schema public is 'ours';
         revoke create on schema public from public;
         set role owns_public;
         create table mine (id int primary key);
         insert into mine select generate_series(1, 50);
         reset role",
    )
    .await
    .unwrap();
    let world = over(database, pool).await;
    let url = cluster.url_of("owns_public", "p", cluster.port(), world.database.name());
    let mut world = world
        .instead(|config| {
            let parsed = engine::target::url::parse(&url).unwrap();
            config.targets[0].options = parsed.options;
            config.targets[0].password = parsed.password;
        })
        .await;
    // Older tools write down the rights alone; newer ones whose it is, and no rights that are as they are from PostgreSQL 15 on.
    for (tools, lost) in [
        (Version::V14, &["the rights on it"][..]),
        (Version::V17, &["its owner", "its comment"]),
    ] {
        world = world
            .instead(|config| config.pg_bin = Some(tools.bin_dir()))
            .await;
        let backup = world.backup().await;
        let plan = world
            .engine
            .backup()
            .plan_restore(&world.caller, spec(&backup))
            .await
            .unwrap();
        let told = plan.checks.iter().find(|check| check.key == "restore.public");
        let told = told.unwrap();
        assert_eq!(told.level, CheckLevel::Warning);
        assert!(lost.iter().all(|lost| told.words.contains(lost)), "{told:?}");
        let restored = world.restore(spec(&backup)).await;
        let notes = restored.report.clone().unwrap().notes;
        assert!(
            notes.iter().any(|note| note.contains("schema public")),
            "{notes:?}"
        );
        let inside = world.inside(cluster, &restored).await;
        let rows: i64 = sqlx::query_scalar("select count(*) from mine")
            .fetch_one(&inside)
            .await
            .unwrap();
        assert_eq!(rows, 50);
        // It says nothing of the backup, either.
        let trial = contract::backup::VerifySpec {
            target: "main".into(),
            id: backup.id,
            level: contract::backup::Proof::Equal,
            on: Some("main".into()),
        };
        let id = world
            .engine
            .backup()
            .verify_to(&world.caller, trial.clone())
            .await
            .unwrap();
        let job = world.ended(id).await;
        assert_eq!(
            job.state,
            JobState::Succeeded,
            "{:?} {:?}",
            job.fault,
            world.log(id).await
        );
    }
    // What belongs to a superuser no grant helps with.
    world
        .pool
        .execute("create table theirs (id int); grant select on theirs to owns_public")
        .await
        .unwrap();
    let backup = world.backup().await;
    let hint = world.refused(spec(&backup)).await.hint.unwrap();
    assert!(
        hint.contains("postgres is a superuser") && !hint.contains("grant postgres"),
        "{hint}"
    );
    let trial = contract::backup::VerifySpec {
        target: "main".into(),
        id: backup.id,
        level: contract::backup::Proof::Restored,
        on: Some("main".into()),
    };
    let id = world
        .engine
        .backup()
        .verify_to(&world.caller, trial)
        .await
        .unwrap();
    let fault = world.ended(id).await.fault.unwrap();
    let hint = fault.hint.unwrap();
    assert!(
        hint.contains("--on NAME") && !hint.contains("grant postgres") && !hint.contains("--owner"),
        "{hint}"
    );
}

#[tokio::test]
async fn every_version_restores_what_it_backed_up_and_newer_tools_do_too() {
    for version in Version::ALL {
        let cluster = testkit::shared_of(version).await;
        roles(cluster, "ver").await;
        let database = cluster.database("shop").await;
        let pool = database.pool().await;
        fill(&pool, 200).await;
        furnish(&pool, "ver").await;
        let own = over(database, pool)
            .await
            .instead(|config| config.pg_bin = Some(version.bin_dir()))
            .await;
        let backup = own.backup().await;
        let restored = own.restore(spec(&backup)).await;
        assert_eq!(
            definitions(cluster, &restored.database),
            definitions(cluster, own.database.name()),
            "{version}"
        );
        let inside = own.inside(cluster, &restored).await;
        assert_eq!(contents(&inside).await, contents(&own.pool).await, "{version}");
        // The newest tools know settings that this server does not.
        let newest = own
            .instead(|config| config.pg_bin = Some(Version::V18.bin_dir()))
            .await;
        let restored = newest.restore(spec(&backup)).await;
        let inside = newest.inside(cluster, &restored).await;
        assert_eq!(
            contents(&inside).await,
            contents(&newest.pool).await,
            "{version} with tools 18"
        );
    }
}

#[tokio::test]
async fn rows_that_come_into_another_partition_of_their_table_are_no_difference() {
    let cluster = testkit::shared().await;
    let world = world().await;
    // The hash of an enum's value depends on the number that the database has given it.
    let sql = "create type mood as enum ('good', 'fair', 'bad');
               create table moods (mood mood, n int) partition by hash (mood);
               create table moods_0 partition of moods for values with (modulus 2, remainder 0);
               create table moods_1 partition of moods for values with (modulus 2, remainder 1);
               insert into moods select (array['good', 'fair', 'bad'])[n % 3 + 1]::mood, n from generate_series(1, 60) n";
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&world.pool)
        .await
        .unwrap();
    let backup = world.backup().await;
    for _ in 0..3 {
        let restored = world.restore(spec(&backup)).await;
        let inside = world.inside(cluster, &restored).await;
        let rows: (i64, i64) = sqlx::query_as("select count(*), sum(n) from moods")
            .fetch_one(&inside)
            .await
            .unwrap();
        assert_eq!(rows, (60, 1830));
    }
}

#[tokio::test]
async fn another_managed_server_receives_it_and_an_older_one_is_refused() {
    let (here, there) = (testkit::shared().await, testkit::shared_of(Version::V17).await);
    for cluster in [here, there] {
        roles(cluster, "far").await;
    }
    let other = there.database("other").await;
    let world = furnished("far").await;
    let world = world
        .instead(|config| {
            let mut second = config.targets[0].clone();
            second.name = "second".into();
            second.options = other.socket_options();
            config.targets.push(second);
            config.pg_bin = Some(Version::V17.bin_dir());
        })
        .await;
    let backup = world.backup().await;
    let asked = RestoreSpec {
        to: Some("second".into()),
        ..spec(&backup)
    };
    let id = world.start_restore(asked).await;
    let job = world.ended(id).await;
    assert_eq!(
        job.state,
        JobState::Succeeded,
        "{:#?} {:?}",
        job.fault,
        world.log(id).await
    );
    assert_eq!(job.target.as_deref(), Some("second"));
    let all = world
        .engine
        .backup()
        .restored(&world.caller, "second")
        .await
        .unwrap();
    let restored = all.iter().find(|restored| restored.job == id).unwrap();
    let inside = world.inside(there, restored).await;
    assert_eq!(contents(&inside).await, contents(&world.pool).await);
    assert_eq!(world.restored(id).await, None, "it is not beside the source");
    // The other way round.
    let taken = {
        let id = world
            .engine
            .backup()
            .start(&world.caller, contract::backup::BackupSpec::whole("second"))
            .await
            .unwrap();
        assert_eq!(world.ended(id).await.state, JobState::Succeeded);
        id
    };
    let back = RestoreSpec {
        target: "second".into(),
        backup: taken.0,
        to: Some("main".into()),
        ..RestoreSpec::default()
    };
    let fault = world.refused(back).await;
    assert!(fault.message.contains("older than the backup's"), "{fault}");
}

#[tokio::test]
async fn a_restore_goes_over_tls_and_a_role_that_may_not_log_in_is_told() {
    let servers = Authority::new();
    let cluster =
        testkit::Cluster::start_with(ClusterOptions::new().tls_only(&servers.issue(&["localhost"]))).await;
    let database = cluster.database("shop").await;
    let pool = database.pool().await;
    fill(&pool, 200).await;
    let world = over(database, pool).await;
    let folder = tempfile::tempdir().unwrap();
    let root = servers.write_into(folder.path());
    let url = cluster.verified_url("localhost", &root, world.database.name());
    let world = world
        .instead(|config| {
            let parsed = engine::target::url::parse(&url).unwrap();
            config.targets[0].options = parsed.options;
            config.targets[0].password = parsed.password;
            config.targets[0].link = parsed.link;
        })
        .await;
    let backup = world.backup().await;
    let restored = world.restore(spec(&backup)).await;
    let inside = world.inside(&cluster, &restored).await;
    assert_eq!(contents(&inside).await, contents(&world.pool).await);

    // Nobody but the superuser is let in: said, with the way out and the other one.
    let hba = cluster.data_dir().join("pg_hba.conf");
    let rules = std::fs::read_to_string(&hba).unwrap();
    let only = rules
        .replace(" all all ", " all postgres ")
        .replace("\tall\tall\t", "\tall\tpostgres\t");
    assert_ne!(only, rules, "{rules}");
    std::fs::write(&hba, only).unwrap();
    let loaded = || async {
        let mut admin = cluster.admin().await;
        let at: String = sqlx::query_scalar("select pg_conf_load_time()::text")
            .fetch_one(&mut admin)
            .await
            .unwrap();
        at
    };
    let before = loaded().await;
    cluster.execute("select pg_reload_conf()").await;
    while loaded().await == before {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let fault = world.fails_to_restore(&cluster, spec(&backup)).await;
    assert!(fault.message.contains("cannot log in"), "{fault}");
    let hint = fault.hint.unwrap();
    assert!(
        hint.contains("pg_hba.conf") && hint.contains("--as-superuser"),
        "{hint}"
    );
    let as_superuser = RestoreSpec {
        as_superuser: true,
        ..spec(&backup)
    };
    let restored = world.restore(as_superuser).await;
    assert!(restored.report.unwrap().notes[0].contains("a superuser, as was asked"));
}

#[tokio::test]
async fn a_restored_database_that_is_not_what_was_backed_up_is_a_failure_whatever_pg_restore_says() {
    let cluster = testkit::shared().await;
    let world = world().await;
    let backup = world.backup().await;
    // A pg_restore that ends well and leaves out the policies and the rows of one table, as an old or a wrapped one might.
    let folder = tempfile::tempdir().unwrap();
    for name in ["pg_dump", "pg_dumpall", "pg_restore"] {
        let real = cluster.bin_dir().join(name);
        let text = match name {
            "pg_restore" => format!(
                "#!/bin/sh\nfor a in \"$@\"; do case \"$a\" in --use-list=*/load) \
                 exec {} --exclude-schema='Other \"Schema\"' \"$@\";; esac; done\nexec {} \"$@\"\n",
                real.display(),
                real.display()
            ),
            _ => format!("#!/bin/sh\nexec {} \"$@\"\n", real.display()),
        };
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let world = world
        .instead(|config| config.pg_bin = Some(folder.path().to_owned()))
        .await;
    let fault = world.fails_to_restore(cluster, spec(&backup)).await;
    assert!(fault.message.contains("is not what was backed up"), "{fault}");
    assert!(fault.message.contains("has 0 rows and not 77"), "{fault}");
}

#[tokio::test]
async fn blocked_checks_say_so_and_fine_ones_are_told_too() {
    let world = world().await;
    let backup = world.backup().await;
    let plan = world
        .engine
        .backup()
        .plan_restore(&world.caller, spec(&backup))
        .await
        .unwrap();
    let keys: Vec<&str> = plan.checks.iter().map(|check| check.key.as_str()).collect();
    for key in [
        "backup",
        "tools",
        "server",
        "rights",
        "name",
        "locale",
        "roles",
        "extensions",
        "room",
        "authors",
    ] {
        assert!(keys.contains(&format!("restore.{key}").as_str()), "{keys:?}");
    }
    for check in &plan.checks {
        assert_eq!(
            check.remedy.is_none(),
            check.level == CheckLevel::Fine,
            "what is not fine says what to do: {check:?}"
        );
    }
    let restored = world.restore(spec(&backup)).await;
    assert_eq!(restored.state, RestoredState::Ready);
    let view = world
        .engine
        .jobs()
        .detail(&world.caller, restored.job)
        .await
        .unwrap()
        .job;
    assert_eq!(view.state, JobState::Succeeded);
    assert!(view.outcome.unwrap().contains("are as in the backup"));
}
