use contract::{jobs::JobState, restore::RestoreSpec};
use sqlx::{AssertSqlSafe, Executor};

use super::{
    restored::spec,
    world::{World, fill, over},
};

/// A database of a superuser's in which someone else owns functions that strike wherever they run outside of it.
pub async fn trapped(cluster: &testkit::Cluster, more: &str) -> World {
    let database = cluster.database("shop").await;
    let pool = database.pool().await;
    fill(&pool, 100).await;
    let source = database.name();
    let sql = format!(
        r#"do $$ begin if not exists (select from pg_roles where rolname = 'mallory') then create role mallory login; end if; end $$;
           create schema m authorization mallory;
           grant create on schema public to mallory;
           set role mallory;
           create function m.strike(stage text) returns boolean language plpgsql as $f$
           declare attempt text;
           begin
             if current_database() = '{source}' then return true; end if;
             raise log '%', 'str' || 'uck at ' || stage || ' as ' || current_user;
             foreach attempt in array array[
               'reset session authorization', 'reset role', 'set role postgres', 'set session authorization postgres',
               'alter role mallory superuser',
               $c$copy (select 1) to program 'touch /tmp/pgsteward-struck'$c$,
               $c$copy (select 1) to '/tmp/pgsteward-struck'$c$,
               'alter system set work_mem = ''7MB''',
               'create role struck superuser'] loop
               begin
                 execute attempt;
                 if attempt not like 'reset%' then raise log '%', 'str' || 'uck with success: ' || attempt; end if;
               exception when others then null;
               end;
             end loop;
             return true;
           end $f$;
           -- What is called immutable may call what is not.
           create function m.still(stage text) returns boolean language plpgsql immutable as $f$ begin return m.strike(stage); end $f$;
           create function m.on_index(n int) returns boolean language plpgsql immutable as $f$ begin return m.strike('index ' || n); end $f$;
           create domain m.trap as int check (m.strike('domain'));
           create table m.bait (
               n int check (m.strike('check')),
               d m.trap,
               g boolean generated always as (m.still('generated')) stored,
               p int default (m.strike('default')::int));
           insert into m.bait (n, d) values (1, 1), (2, 2);
           create index on m.bait ((m.on_index(n)));
           create materialized view m.view as select m.strike('refresh ' || n) from m.bait;
           create function m.pulled() returns trigger language plpgsql as $f$ begin perform m.strike('trigger'); return new; end $f$;
           create trigger pulled before insert or update on m.bait for each row execute function m.pulled();
           create rule pulled as on delete to m.bait do also select m.strike('rule');
           reset role;
           -- A superuser's own table that uses what is theirs.
           create table public.trusting (n m.trap check (m.strike('check of a superuser')));
           insert into public.trusting values (1);
           create index on public.trusting ((m.still('index of a superuser')));
           create materialized view public.seen as select m.strike('view of a superuser') from m.bait;
           {more}"#
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    over(database, pool).await
}

#[tokio::test]
async fn nothing_of_a_hostile_owner_runs_as_a_superuser_at_any_stage_of_a_restore() {
    let cluster = testkit::Cluster::start().await;
    let world = trapped(
        &cluster,
        "create function m.watch() returns event_trigger language plpgsql as $f$ begin perform m.strike('event'); end $f$;
         alter function m.watch() owner to mallory;
         create event trigger watch on ddl_command_end execute function m.watch()",
    )
    .await;
    let backup = world.backup().await;
    let restored = world.restore(spec(&backup)).await;
    let log = cluster.log();
    let struck: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("struck at "))
        .map(|(_, rest)| rest)
        .collect();
    for stage in [
        "domain",
        "check",
        "generated",
        "index 1",
        "refresh 2",
        "check of a superuser",
        "index of a superuser",
        "view of a superuser",
    ] {
        assert!(
            struck
                .iter()
                .any(|line| line.starts_with(&format!("{stage} as "))),
            "{stage} did not run, so that this test proves nothing of it: {struck:?}"
        );
    }
    for line in &struck {
        let who = line.rsplit_once(" as ").unwrap().1;
        assert!(
            who == "mallory" || who == format!("pgsteward_restore_{}", restored.job.0.simple()),
            "{line}"
        );
    }
    assert!(!log.contains("struck with success"), "{log}");
    assert!(!std::path::Path::new("/tmp/pgsteward-struck").exists());
    let super_users: Vec<String> = sqlx::query_scalar("select rolname::text from pg_roles where rolsuper")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    assert_eq!(super_users, ["postgres"]);
    let inside = world.inside(&cluster, &restored).await;
    let triggers: Vec<String> = sqlx::query_scalar("select evtname::text from pg_event_trigger")
        .fetch_all(&inside)
        .await
        .unwrap();
    assert_eq!(triggers, ["watch"], "it is there, and was made last");
}

#[tokio::test]
async fn what_a_hostile_function_changes_or_makes_while_it_is_loaded_is_found_and_the_database_is_removed() {
    let cluster = testkit::Cluster::start().await;
    let tamper = |what: &str| {
        format!(
            "create function public.safe() returns text language sql security definer as 'select ''safe''';
             create function m.tamper() returns boolean language plpgsql as $f$
             begin
               if current_database() like 'pgsteward_restoring%' then execute $t${what}$t$; end if;
               return true;
             end $f$;
             alter function m.tamper() owner to mallory;
             create table m.lever (n int check (m.tamper()));
             insert into m.lever values (1)"
        )
    };
    for (what, found) in [
        (
            "create or replace function public.safe() returns text language sql security definer as 'select ''evil'''",
            "changed while rows were loaded: function public.safe()",
        ),
        (
            "create function m.more() returns int language sql as 'select 1'",
            "m.more()",
        ),
        ("create view m.more as select 1", "m.more"),
    ] {
        let world = trapped(&cluster, &tamper(what)).await;
        let backup = world.backup().await;
        let fault = world.fails_to_restore(&cluster, spec(&backup)).await;
        assert!(fault.message.contains(found), "{fault}");
        world.engine.close().await;
    }
}

#[tokio::test]
async fn given_to_one_role_nothing_is_anyone_elses() {
    let cluster = testkit::Cluster::start().await;
    let world = trapped(&cluster, "create role keeper").await;
    let backup = world.backup().await;
    let restored = world
        .restore(RestoreSpec {
            owner: Some("keeper".into()),
            ..spec(&backup)
        })
        .await;
    let inside = world.inside(&cluster, &restored).await;
    let owners: Vec<String> = sqlx::query_scalar(
        "select distinct owner::regrole::text
           from (select relowner as owner from pg_class where relnamespace in ('m'::regnamespace, 'public'::regnamespace)
                    and not exists (select from pg_depend where objid = pg_class.oid and deptype = 'e')
                  union all
                 select proowner from pg_proc where pronamespace = 'm'::regnamespace
                  union all
                 select nspowner from pg_namespace where nspname = 'm') owned",
    )
    .fetch_all(&inside)
    .await
    .unwrap();
    assert_eq!(owners, ["keeper"]);
    inside.execute("select 1").await.unwrap();
    let job = world
        .engine
        .jobs()
        .detail(&world.caller, restored.job)
        .await
        .unwrap()
        .job;
    assert_eq!(job.state, JobState::Succeeded);
}
