//! Archives from elsewhere: what is whole is stored apart and can be restored, what is not is refused for a reason, and nothing in one is
//! ever run by a superuser.

use std::{
    convert::Infallible,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use contract::{
    Code, Fault,
    backup::{ArchiveForm, BackupView, Proof, VerifySpec},
    import::{NewUpload, UploadKind, UploadPart},
    jobs::{JobState, JobView},
    restore::{CheckLevel, RestoreSpec},
    session::Role,
};
use futures::stream;
use sqlx::PgPool;
use testkit::{Cluster, Database};
use tokio_util::bytes::Bytes;

use super::{
    restore_hostile::trapped,
    restored::spec,
    support,
    world::{World, entries, fill, over, world},
};

/// pg_dump of a database as somebody else runs it.
fn dump(cluster: &Cluster, database: &str, arguments: &[&str], to: &Path) {
    run(
        cluster,
        "pg_dump",
        arguments,
        to,
        &[&format!("--dbname={database}")],
    );
}

fn run(cluster: &Cluster, program: &str, arguments: &[&str], to: &Path, more: &[&str]) {
    let done = Command::new(cluster.bin_dir().join(program))
        .args(["--username=postgres"])
        .arg(format!("--host={}", cluster.socket_dir().display()))
        .arg(format!("--port={}", cluster.port()))
        .arg(format!("--file={}", to.display()))
        .args(arguments)
        .args(more)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn tar(folder: &Path, to: &Path) {
    let packed = Command::new("tar")
        .arg("-cf")
        .arg(to)
        .arg("-C")
        .arg(folder)
        .arg(".")
        .status();
    assert!(packed.unwrap().success());
}

/// The same dump in each form, in a folder.
fn every_form(cluster: &Cluster, database: &Database, folder: &Path) -> Vec<(ArchiveForm, PathBuf)> {
    let at = |name: &str| folder.join(name);
    dump(cluster, database.name(), &["-Fc"], &at("a.dump"));
    dump(cluster, database.name(), &["-Ft"], &at("a.tar"));
    dump(cluster, database.name(), &["-Fd", "-j2"], &at("folder"));
    tar(&at("folder"), &at("folder.tar"));
    vec![
        (ArchiveForm::Custom, at("a.dump")),
        (ArchiveForm::Tar, at("a.tar")),
        (ArchiveForm::Directory, at("folder.tar")),
    ]
}

impl World {
    /// Uploads a file as the browser does.
    async fn send(&self, name: &str, bytes: &[u8]) -> Result<uuid::Uuid, Fault> {
        let import = self.engine.import();
        let new = NewUpload {
            kind: UploadKind::Archive,
            name: name.to_owned(),
            bytes: bytes.len() as i64,
            wal_bytes: None,
            modified_ms: None,
            wal_modified_ms: None,
        };
        let upload = import
            .begin_upload(&self.caller, new)
            .await
            .map_err(|error| error.fault())?;
        let pieces: Vec<Result<Bytes, Infallible>> =
            bytes.chunks(60_000).map(Bytes::copy_from_slice).map(Ok).collect();
        let sent = import.upload(
            &self.caller,
            upload.id,
            UploadPart::Database,
            0,
            stream::iter(pieces),
        );
        sent.await.map_err(|error| error.fault())?;
        Ok(upload.id)
    }

    async fn add(&self, name: &str, bytes: &[u8]) -> JobView {
        let upload = self.send(name, bytes).await.unwrap();
        let job = self
            .engine
            .backup()
            .add(&self.caller, "main", upload)
            .await
            .unwrap();
        self.ended(job).await
    }

    async fn added(&self, path: &Path) -> BackupView {
        let name = path.file_name().unwrap().to_str().unwrap();
        let job = self.add(name, &std::fs::read(path).unwrap()).await;
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
        let list = self.list().await;
        list.backups
            .into_iter()
            .find(|backup| backup.id == job.id.0)
            .unwrap()
    }

    /// Why it is not taken, whether that is seen in its first bytes or by the job. Nothing of it is left.
    async fn not_added(&self, name: &str, bytes: &[u8]) -> Fault {
        let fault = match self.send(name, bytes).await {
            Err(fault) => fault,
            Ok(upload) => {
                let job = self
                    .engine
                    .backup()
                    .add(&self.caller, "main", upload)
                    .await
                    .unwrap();
                let job = self.ended(job).await;
                assert_eq!(job.state, JobState::Failed, "{name}: {:?}", job.outcome);
                job.fault.unwrap()
            }
        };
        assert_eq!(
            entries(&self.folder().join(".partial")),
            [] as [&str; 0],
            "{name}"
        );
        assert_eq!(
            entries(&self.config.data_dir.join("uploads")),
            [] as [&str; 0],
            "{name}"
        );
        assert_eq!(self.list().await.backups.len(), 0, "{name}");
        assert_eq!(fault.code, Code::Invalid, "{fault}");
        fault
    }
}

/// What a restored database holds: rows of some tables, large objects.
async fn held(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar(
        r#"select unnest(array[
               (select count(*) from orders), (select count(*) from "Other ""Schema"""."Ünï; drop table orders; --"),
               (select count(*) from parts), (select n from many), (select count(*) from pg_largeobject_metadata),
               (select last_value from orders_id_seq)])"#,
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn an_archive_of_every_form_is_stored_apart_from_the_backups_and_restored() {
    let cluster = testkit::shared().await;
    let world = world().await;
    let elsewhere = cluster.database("elsewhere").await;
    let pool = elsewhere.pool().await;
    fill(&pool, 500).await;
    let folder = tempfile::tempdir().unwrap();
    for (form, path) in every_form(cluster, &elsewhere, folder.path()) {
        let backup = world.added(&path).await;
        let uploaded = backup.uploaded.clone().unwrap();
        assert_eq!(
            (uploaded.form, backup.database.as_str()),
            (form, elsewhere.name())
        );
        assert_eq!(uploaded.name, path.file_name().unwrap().to_str().unwrap());
        assert!(uploaded.made.is_some() && !backup.is_sound(), "{backup:?}");
        assert_eq!(
            (backup.proof, backup.rows),
            (Proof::ReadBack, 500 + 77 + 300 + 2 + 3)
        );
        assert_eq!(backup.bytes, std::fs::metadata(&path).unwrap().len() as i64);
        assert_eq!(entries(&world.folder().join(".partial")), [] as [&str; 0]);
        assert_eq!(entries(&world.config.data_dir.join("uploads")), [] as [&str; 0]);

        let verified = world.verified(&backup).await;
        assert_eq!(
            verified.state,
            JobState::Succeeded,
            "{form:?}: {:?}",
            verified.fault
        );
        let level = Proof::Restored;
        let trial = VerifySpec {
            target: "main".into(),
            id: backup.id,
            level,
            on: None,
        };
        let fault = world
            .engine
            .backup()
            .verify_to(&world.caller, trial)
            .await
            .unwrap_err()
            .fault();
        assert!(fault.message.contains("uploaded from elsewhere"), "{fault}");

        let restored = world.restore(spec(&backup)).await;
        let inside = world.inside(cluster, &restored).await;
        assert_eq!(held(&inside).await, held(&pool).await, "{form:?}");
        let (owner, login, superuser, others): (String, bool, bool, i64) = sqlx::query_as(
            "select rolname::text, rolcanlogin, rolsuper,
                    (select count(*) from pg_class c
                      where relowner <> r.oid and relnamespace = 'public'::regnamespace
                        and not exists (select from pg_depend where objid = c.oid and deptype = 'e'))
               from pg_roles r
              where oid = (select datdba from pg_database where datname = current_database())",
        )
        .fetch_one(&inside)
        .await
        .unwrap();
        assert_eq!(
            (owner, login, superuser, others),
            (format!("{}_owner", restored.database), false, false, 0)
        );
        assert_eq!(entries(&world.folder().join(".partial")), [] as [&str; 0]);
        assert_eq!(restored.report.unwrap().rows, backup.rows);
    }
    // None of the three is a backup of this database.
    let list = world.list().await;
    assert_eq!((list.backups.len(), list.expected_ms), (3, None));
    let plan = world
        .engine
        .backup()
        .retention(&world.caller, "main")
        .await
        .unwrap()
        .plan;
    assert!(
        plan.verdicts
            .iter()
            .all(|verdict| !verdict.goes && verdict.why.contains("uploaded from elsewhere")),
        "{plan:?}"
    );
    let view = world.engine.targets().view(&world.caller, "main").await.unwrap();
    let keys: Vec<String> = view.findings.iter().map(|finding| finding.key.clone()).collect();
    assert!(keys.contains(&"backup.none".to_owned()), "{keys:?}");
}

#[tokio::test]
async fn what_is_no_whole_archive_is_refused_with_the_reason_and_nothing_of_it_is_kept() {
    let cluster = testkit::shared().await;
    let world = world().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let read = |name: &str| std::fs::read(at(name)).unwrap();
    let name = world.database.name().to_owned();
    dump(cluster, &name, &["--table=orders"], &at("plain.sql"));
    run(cluster, "pg_dumpall", &["--globals-only"], &at("all.sql"), &[]);
    assert!(
        Command::new("gzip")
            .arg("-k")
            .arg(at("plain.sql"))
            .status()
            .unwrap()
            .success()
    );
    for (file, bytes, words) in [
        (
            "plain.sql",
            read("plain.sql"),
            "SQL text of pg_dump, and no archive",
        ),
        ("all.sql", read("all.sql"), "SQL text of pg_dumpall"),
        ("plain.sql.gz", read("plain.sql.gz"), "compressed by gzip"),
        ("a.zip", b"PK\x03\x04rest".to_vec(), "is a zip"),
    ] {
        let fault = world.not_added(file, &bytes).await;
        assert!(fault.message.contains(words), "{fault}");
    }
    for (form, path) in every_form(cluster, &world.database, folder.path()) {
        let bytes = std::fs::read(&path).unwrap();
        // A tar is filled up with zeros, which nobody misses.
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for cut in [end / 2, end - end / 10] {
            let fault = world.not_added("cut", &bytes[..cut]).await;
            assert!(
                fault.message.contains("not whole") || fault.message.contains("cut off"),
                "{form:?} at {cut}: {fault}"
            );
        }
    }
    // What would have pg_restore read another file of this machine, or write one.
    let toc = at("folder/toc.dat");
    let whole = std::fs::read(&toc).unwrap();
    let data = entries(&at("folder"));
    let file = data
        .iter()
        .find(|name| name.ends_with(".dat.gz") && !name.starts_with("blob"))
        .unwrap();
    let inner = file.strip_suffix(".gz").unwrap().as_bytes();
    let place = whole.windows(inner.len()).position(|part| part == inner).unwrap();
    let mut evil = whole.clone();
    let away = format!("../{}", "x".repeat(inner.len() - 3));
    evil[place..place + inner.len()].copy_from_slice(away.as_bytes());
    std::fs::write(&toc, &evil).unwrap();
    tar(&at("folder"), &at("evil.tar"));
    let fault = world.not_added("evil.tar", &read("evil.tar")).await;
    assert!(fault.message.contains(&format!("rows are in {away}")), "{fault}");
    std::fs::write(&toc, &whole).unwrap();
    let list = data.iter().find(|name| name.starts_with("blobs")).unwrap();
    let mut objects = std::fs::OpenOptions::new()
        .append(true)
        .open(at("folder").join(list))
        .unwrap();
    objects.write_all(b"77 ../../../../etc/passwd\n").unwrap();
    tar(&at("folder"), &at("evil.tar"));
    let fault = world.not_added("evil.tar", &read("evil.tar")).await;
    assert!(fault.message.contains("etc/passwd"), "{fault}");
    std::os::unix::fs::symlink("/etc/passwd", at("folder/1.dat")).unwrap();
    tar(&at("folder"), &at("evil.tar"));
    let fault = world.not_added("evil.tar", &read("evil.tar")).await;
    assert!(fault.message.contains("holds a link"), "{fault}");
}

/// Puts words of its own in the place of others of the same length in an archive.
fn forge(archive: &mut [u8], old: &str, new: &str) {
    assert!(new.len() <= old.len(), "{new} has no room");
    let new = format!("{new}{}", " ".repeat(old.len() - new.len()));
    let places: Vec<usize> = (0..archive.len().saturating_sub(old.len()))
        .filter(|at| archive[*at..].starts_with(old.as_bytes()))
        .collect();
    assert!(!places.is_empty(), "{old} is not in the archive");
    for at in places {
        archive[at..at + old.len()].copy_from_slice(new.as_bytes());
    }
}

async fn superusers(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select rolname::text from pg_roles where rolsuper order by 1")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn nothing_of_an_archive_from_elsewhere_runs_as_a_superuser() {
    let cluster = Cluster::start().await;
    let long = "f".repeat(60);
    let world = trapped(
        &cluster,
        &format!(
            "create function public.{long}() returns int language sql as 'select 1';
             create function public.watch() returns event_trigger language plpgsql as $f$ begin perform m.strike('event'); end $f$;
             create event trigger watch on ddl_command_end execute function public.watch();
             create publication everything for all tables;
             create type public.odd as enum ('a');
             create cast (public.odd as int) with inout;
             comment on table m.bait is 'a comment that is long enough to hold a statement of someone who means harm, and a bit more'"
        ),
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trap.dump");
    dump(&cluster, world.database.name(), &["-Fc"], &path);
    let mut forged = std::fs::read(&path).unwrap();
    // The console's own statements were once made of these words.
    forge(
        &mut forged,
        &format!("DROP FUNCTION public.{long}();"),
        "DROP FUNCTION public.f(); create role struck superuser;",
    );
    std::fs::write(&path, &forged).unwrap();
    let backup = world.added(&path).await;
    let plan = world
        .engine
        .backup()
        .plan_restore(&world.caller, spec(&backup))
        .await
        .unwrap();
    let left = plan
        .checks
        .iter()
        .find(|check| check.key == "restore.left_out")
        .unwrap();
    for words in ["event trigger watch", "publication everything", "cast "] {
        assert!(left.words.contains(words), "{left:?}");
    }
    let restored = world.restore(spec(&backup)).await;
    let log = cluster.log();
    let struck: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("struck at "))
        .map(|(_, rest)| rest)
        .collect();
    for stage in ["domain", "check", "generated", "index 1", "refresh 2"] {
        assert!(
            struck
                .iter()
                .any(|line| line.starts_with(&format!("{stage} as "))),
            "{stage} did not run, so that this test proves nothing of it: {struck:?}"
        );
    }
    let loader = format!("pgsteward_restore_{}", restored.job.0.simple());
    for line in &struck {
        // The server's own ANALYZE runs an index's function as the table's owner, who is nobody else.
        let who = line.rsplit_once(" as ").unwrap().1;
        assert!(
            who == loader || who == format!("{}_owner", restored.database),
            "{line}"
        );
    }
    assert!(!log.contains("struck with success"), "{log}");
    assert_eq!(superusers(&world.pool).await, ["postgres"]);
    let inside = world.inside(&cluster, &restored).await;
    let left: i64 = sqlx::query_scalar(
        "select (select count(*) from pg_event_trigger) + (select count(*) from pg_publication)",
    )
    .fetch_one(&inside)
    .await
    .unwrap();
    assert_eq!(left, 0);

    // A statement in the place of a comment is run by who loads, who may not.
    forge(
        &mut forged,
        "COMMENT ON TABLE m.bait IS 'a comment that is long enough to hold a statement of someone who means harm, and a bit more';",
        "create role struck superuser;",
    );
    std::fs::write(&path, &forged).unwrap();
    let backup = world.added(&path).await;
    let fault = world.fails_to_restore(&cluster, spec(&backup)).await;
    let said = fault.target.map(|refusal| refusal.message).unwrap_or_default();
    assert!(
        said.contains("permission denied") || said.contains("must be superuser"),
        "{said}"
    );
    assert_eq!(superusers(&world.pool).await, ["postgres"]);
    let roles: i64 = sqlx::query_scalar(
        "select count(*) from pg_roles where rolname = 'struck' or rolname like '%restored%owner%'",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(roles, 1, "the owner of the one that was restored");
    let asked = RestoreSpec {
        as_superuser: true,
        ..spec(&backup)
    };
    assert!(
        world
            .refused(asked)
            .await
            .message
            .contains("nothing of it is run as a superuser")
    );
    let given = RestoreSpec {
        owner: Some("postgres".into()),
        ..spec(&backup)
    };
    assert!(
        world
            .refused(given)
            .await
            .message
            .contains("postgres is a superuser")
    );
}

#[tokio::test]
async fn a_console_that_is_no_superuser_restores_an_archive_only_for_who_vouches_for_it() {
    let cluster = Cluster::start().await;
    let database = cluster.database("shop").await;
    let pool = database.pool().await;
    let sql = format!(
        "create role plain_console login createdb password 'p';
         grant pg_read_all_data, pg_read_all_stats to plain_console;
         alter database {} owner to plain_console;
         create table seen as select n from generate_series(1, 100) n",
        database.name()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&pool)
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.dump");
    dump(&cluster, database.name(), &["-Fc"], &path);
    let url = cluster.url_of("plain_console", "p", cluster.port(), database.name());
    let world = over(database, pool).await;
    let world = world
        .instead(|config| {
            let parsed = engine::target::url::parse(&url).unwrap();
            config.targets[0].options = parsed.options;
            config.targets[0].password = parsed.password;
        })
        .await;
    let backup = world.added(&path).await;
    let fault = world.refused(spec(&backup)).await;
    assert!(fault.message.contains("plain_console is no superuser"), "{fault}");
    let trusting = RestoreSpec {
        trust: true,
        ..spec(&backup)
    };
    let operator = support::caller(&world.engine, Role::Operator).await;
    let fault = world
        .engine
        .backup()
        .restore(&operator, trusting.clone())
        .await
        .unwrap_err()
        .fault();
    assert_eq!(fault.code, Code::Forbidden);
    let plan = world
        .engine
        .backup()
        .plan_restore(&world.caller, trusting.clone())
        .await
        .unwrap();
    assert!(
        plan.checks
            .iter()
            .any(|check| check.key == "restore.authors" && check.level == CheckLevel::Warning),
        "{plan:?}"
    );
    let restored = world.restore(trusting).await;
    let inside = world.inside(&cluster, &restored).await;
    let (rows, owner): (i64, String) = sqlx::query_as(
        "select count(*), (select relowner::regrole::text from pg_class where relname = 'seen') from seen",
    )
    .fetch_one(&inside)
    .await
    .unwrap();
    assert_eq!((rows, owner.as_str()), (100, "plain_console"));
}
