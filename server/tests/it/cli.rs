//! The commands, run as a program against a real server.

use std::{io::BufRead, process::Stdio, time::Instant};

use crate::program::{Home, PATIENCE, wait_until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testkit::Database;

/// A folder whose program manages a fresh database, with a store of its own.
async fn home(hint: &str) -> (Home, Database) {
    let cluster = testkit::shared().await;
    let (store, target) = (cluster.database("store").await, cluster.database(hint).await);
    let home = Home::new()
        .with("DATABASE_URL", &target.url())
        .with("PGSTEWARD_MIGRATIONS", "ai_pal")
        .with("PGSTEWARD_STORE_URL", &store.url());
    (home, target)
}

#[tokio::test]
async fn the_guides_steps_are_commands() {
    let (home, target) = home("guide").await;

    let status = home.json(&["migrate", "status"]);
    let pending = status["pending"].as_i64().unwrap();
    assert!(pending >= 8, "{status}");
    let plan = home.run(&["migrate", "plan"]);
    assert!(
        plan.code == 0 && plan.out.contains("create table") && plan.out.contains("ari_snapshots"),
        "{}",
        plan.out
    );

    let early = home.run(&["create-indexes"]);
    assert_eq!(early.code, 1, "{}", early.out);
    assert!(
        early.err.contains("error: ") && early.err.contains("hint: "),
        "{}",
        early.err
    );

    let job = home.json(&["migrate", "up", "--to", "1"]);
    assert_eq!(
        (job["state"].as_str(), job["kind"].as_str()),
        (Some("succeeded"), Some("migrate")),
        "{job}"
    );
    assert_eq!(
        home.json(&["migrate", "status"])["pending"].as_i64(),
        Some(pending - 1)
    );
    let up = home.run(&["migrate", "up", "--yes"]);
    assert_eq!(up.code, 0, "{}", up.err);
    assert!(
        // How much of it is seen depends on how fast it is over.
        ["Waiting for its turn", "Preparing", "Applying migrations"]
            .iter()
            .any(|phase| up.err.contains(phase)),
        "progress goes to standard error: {}",
        up.err
    );
    let again = home.run(&["migrate", "up"]);
    assert!(
        again.code == 0 && again.out.contains("Nothing to do"),
        "{} {}",
        again.out,
        again.err
    );

    assert_eq!(home.json(&["optimize"])["state"], "succeeded");
    let again = home.run(&["create-indexes"]);
    assert!(
        again.code == 0 && again.out.contains("Nothing to do"),
        "{} {}",
        again.out,
        again.err
    );
    assert_eq!(home.json(&["analyze"])["state"], "succeeded");

    let stats = home.json(&["stats", "--target", target.name()]);
    let names: Vec<&str> = stats["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"ari_snapshots") && names.contains(&"audit_logs"),
        "{names:?}"
    );
    let words = home.run(&["stats"]);
    assert!(
        words.out.contains("ari_snapshots") && words.out.contains(" kB"),
        "{}",
        words.out
    );

    // A statement's plan; one that changes rows is run only with --yes.
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let reads = file("reads.sql", "select * from ari_snapshots where snapshot_id = 'x'");
    let plan = home.run(&["explain", &reads]);
    assert!(
        plan.code == 0 && plan.out.contains("Scan on ari_snapshots"),
        "{} {}",
        plan.out,
        plan.err
    );
    let ran = home.json(&["explain", "--analyze", &reads]);
    assert_eq!(ran["mode"], "analyze", "{ran}");
    let changes = file("changes.sql", "delete from ari_snapshots");
    let refused = home.run(&["explain", "--analyze", &changes]);
    assert!(
        refused.code == 1 && refused.err.contains("changes rows") && refused.err.contains("--yes"),
        "{}",
        refused.err
    );
    assert_eq!(home.run(&["explain", "--analyze", "--yes", &changes]).code, 0);
    let pasted = file("plan.txt", "Result  (cost=0.00..0.01 rows=1 width=4)");
    assert!(home.run(&["explain", "--pasted", &pasted]).out.contains("Result"));

    // What statements cost, and what to do where nothing counts them.
    let early = home.run(&["queries"]);
    assert!(
        early.code == 0 && early.out.contains("create extension pg_stat_statements"),
        "{} {}",
        early.out,
        early.err
    );
    let client = target.pool().await;
    sqlx::query("create extension pg_stat_statements")
        .execute(&client)
        .await
        .unwrap();
    sqlx::query("select count(*) from ari_snapshots where id > 0 and 'seen' = 'seen'")
        .execute(&client)
        .await
        .unwrap();
    let found = |view: &serde_json::Value| -> Option<String> {
        let all = view["statements"].as_array().unwrap();
        let text = |it: &&serde_json::Value| {
            it["text"]
                .as_str()
                .is_some_and(|it| it.starts_with("select count(*) from ari_snapshots where id >"))
        };
        all.iter()
            .find(text)
            .map(|it| it["queryid"].as_str().unwrap().to_owned())
    };
    let mut id = None;
    wait_until("the statement is listed", || {
        // A look is half a minute old at most.
        id = found(&home.json(&[
            "queries",
            "--by",
            "calls",
            "--range",
            "24h",
            "--limit",
            "200",
            "--search",
            "ari_snapshots",
        ]));
        id.is_some()
    });
    let whole = home.run(&["queries", &id.unwrap()]);
    assert!(
        whole.code == 0
            && whole.out.contains("from ari_snapshots where id > $1")
            && whole.out.contains("1 calls took"),
        "{} {}",
        whole.out,
        whole.err
    );
    let wrong = home.run(&["queries", "--by", "speed"]);
    assert!(
        wrong.code == 2 && wrong.err.contains("there are total, mean, calls"),
        "{}",
        wrong.err
    );
    let none = home.run(&["queries", "-4711"]);
    assert!(
        none.code == 1 && none.err.contains("no statement -4711"),
        "{}",
        none.err
    );

    // A session of an application is seen and ended; a pid that is none is an error.
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&client)
        .await
        .unwrap();
    let now = home.json(&["activity"]);
    assert_eq!(now["primary"], true);
    let pids: Vec<i64> = now["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["pid"].as_i64().unwrap())
        .collect();
    assert!(pids.contains(&i64::from(pid)), "{pid}: {now}");
    assert!(home.run(&["activity"]).out.contains("in this database"));
    let pid = pid.to_string();
    let idle = home.run(&["activity", "cancel", &pid, "--yes"]);
    assert!(
        idle.code == 1 && idle.err.contains("runs no statement"),
        "{}",
        idle.err
    );
    let ended = home.run(&["activity", "terminate", &pid, "--yes"]);
    assert!(
        ended.code == 0 && ended.out.contains("is ended"),
        "{} {}",
        ended.out,
        ended.err
    );
    let none = home.run(&["activity", "terminate", &pid, "--yes"]);
    assert!(
        none.code == 1 && none.err.contains("no session has pid"),
        "{}",
        none.err
    );
}

#[tokio::test]
async fn backups_are_taken_listed_verified_copied_and_deleted() {
    let (home, target) = home("kept").await;
    home.json(&["migrate", "up"]);
    assert_eq!(home.json(&["backup", "create"])["state"], "succeeded");
    let list = home.json(&["backup", "list"]);
    let backup = &list["backups"][0];
    let id = backup["id"].as_str().unwrap();
    assert_eq!(backup["proof"], "read_back");
    assert_eq!(home.json(&["backup", "verify", "--latest"])["state"], "succeeded");
    assert_eq!(home.json(&["backup", "verify", id])["state"], "succeeded");
    assert!(home.run(&["backup", "list"]).out.contains(id));

    let written = home.json(&["backup", "download", id, "-o", "copy.dump"]);
    let copy = std::fs::read(home.path().join("copy.dump")).unwrap();
    assert_eq!(written["bytes"].as_u64(), Some(copy.len() as u64));
    assert!(copy.starts_with(b"PGDMP"));
    let over = home.run(&["backup", "download", id, "-o", "copy.dump"]);
    assert!(
        over.code == 1 && over.err.contains("copy.dump"),
        "it must not overwrite: {}",
        over.err
    );

    let into = format!("{} again", target.name());
    let plan = home.json(&["backup", "restore", "--latest", "--into", &into, "--plan"]);
    assert_eq!(plan["into"], into);
    assert_eq!(
        home.json(&["backup", "restored"]),
        serde_json::json!([]),
        "a plan makes nothing"
    );
    let restore = ["-y", "backup", "restore", id, "--into", &into, "-j", "2"];
    assert_eq!(home.json(&restore)["state"], "succeeded");
    let restored = home.json(&["backup", "restored"]);
    assert_eq!(
        (&restored[0]["database"], &restored[0]["state"]),
        (&into.clone().into(), &"ready".into())
    );
    assert!(home.run(&["backup", "restored"]).out.contains(&into));
    let taken = home.run(&restore);
    assert!(
        taken.code == 1 && taken.err.contains("already") && taken.err.contains("hint: Choose another name"),
        "{}",
        taken.err
    );

    // The same file as if it came from elsewhere: stored apart, restored by its id, and never the newest backup.
    let added = home.json(&["backup", "add", "copy.dump"]);
    assert_eq!(added["state"], "succeeded");
    let stranger = added["id"].as_str().unwrap();
    let listed = home.run(&["backup", "list"]).out;
    assert!(
        listed.contains("uploaded from elsewhere") && listed.contains("Uploaded from elsewhere as copy.dump"),
        "{listed}"
    );
    let plan = home.json(&["backup", "restore", "--latest", "--into", "z", "--plan"]);
    assert_eq!(plan["backup"]["id"], id);
    let again = format!("{} from elsewhere", target.name());
    let said = home
        .run(&["backup", "restore", stranger, "--into", "z", "--plan"])
        .out;
    assert!(
        said.contains("uploaded") && said.contains("as copy.dump") && !said.contains("as it was"),
        "{said}"
    );
    let restore_stranger = ["-y", "backup", "restore", stranger, "--into", &again];
    assert_eq!(home.json(&restore_stranger)["state"], "succeeded");
    std::fs::write(
        home.path().join("a.sql"),
        "-- PostgreSQL database dump\ncreate table t ();\n",
    )
    .unwrap();
    for (file, words) in [("a.sql", "SQL text of pg_dump"), ("none.dump", "cannot be read")] {
        let refused = home.run(&["backup", "add", file]);
        assert!(
            refused.code != 0 && refused.err.contains(words) && refused.err.contains("hint: "),
            "{}",
            refused.err
        );
    }
    assert_eq!(
        home.run(&["backup", "delete", stranger, "--confirm", target.name()])
            .code,
        0
    );

    let wrong = home.run(&["backup", "delete", id, "--confirm", "something"]);
    assert!(
        wrong.code == 1 && wrong.err.contains(target.name()),
        "{}",
        wrong.err
    );
    let deleted = home.run(&["backup", "delete", id, "--confirm", target.name()]);
    assert_eq!(deleted.code, 0, "{}", deleted.err);
    assert_eq!(
        home.json(&["backup", "list"])["backups"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    let none = home.run(&["backup", "verify", "--latest"]);
    assert!(none.code == 1 && none.err.contains("no backup"), "{}", none.err);
}

#[tokio::test]
async fn chosen_parts_say_what_they_need_before_they_are_taken_and_are_never_the_latest_backup() {
    let (home, target) = home("parts").await;
    let pool = target.pool().await;
    sqlx::raw_sql(
        "create table customers (id int primary key);
         create table invoices (customer int references customers)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let none = home.run(&["backup", "create", "--table", "public.invoices"]);
    assert_eq!(none.code, 0, "{}", none.err);
    assert!(
        none.err.contains("cannot be restored by itself") && none.err.contains("table public.customers"),
        "{}",
        none.err
    );
    let latest = home.run(&["backup", "verify", "--latest"]);
    assert!(
        latest.code == 1 && latest.err.contains("no backup of the whole") && latest.err.contains("hint: "),
        "{}",
        latest.err
    );
    let whole = home.json(&["backup", "create"]);
    home.json(&["backup", "create", "--table", "public.customers"]);
    let plan = home.json(&["backup", "restore", "--latest", "--into", "z", "--plan"]);
    assert_eq!(plan["backup"]["id"], whole["id"]);
    let said = home.run(&["backup", "restore", "--latest", "--into", "z", "--plan"]);
    assert!(
        said.err.contains("newest whole backup") && said.err.contains("chosen parts"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn what_is_no_file_is_refused_as_an_archive_by_what_it_is() {
    let (home, _target) = home("pipe").await;
    nix::unistd::mkfifo(&home.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(home.path().join("socket")).unwrap();
    for (file, words) in [
        ("pipe", "is a named pipe"),
        ("socket", "is a socket"),
        ("/dev/zero", "is a device"),
        (".", "is a folder"),
    ] {
        let refused = home.run(&["backup", "add", file]);
        assert!(
            refused.code != 0 && refused.err.contains(words) && refused.err.contains("hint: "),
            "{}",
            refused.err
        );
    }
}

#[tokio::test]
async fn the_log_is_verified_and_exported_by_command() {
    let cluster = testkit::shared().await;
    let (store, target) = (cluster.database("store").await, cluster.database("kept").await);
    let home = Home::new()
        .with("DATABASE_URL", &target.url())
        .with("PGSTEWARD_STORE_URL", &store.url());
    for name in ["ada", "grace"] {
        let added = home.run_with(
            &["user", "add", name, "--role", "viewer", "--password-stdin"],
            "nine boats on a lake\n",
        );
        assert_eq!(added.code, 0, "{}", added.err);
    }
    let whole = home.json(&["audit", "verify"]);
    let head = format!(
        "{}:{}",
        whole["head"]["link"],
        whole["head"]["hash"].as_str().unwrap()
    );
    assert!(
        whole["checked"].as_i64().unwrap() >= 2 && whole["broken"].is_null(),
        "{whole}"
    );
    assert_eq!(home.run(&["audit", "verify", "--head", &head]).code, 0);

    let written = home.json(&["audit", "export", "-o", "log.jsonl"]);
    let text = std::fs::read_to_string(home.path().join("log.jsonl")).unwrap();
    assert_eq!(written.as_u64(), Some(text.lines().count() as u64));
    let piped = home.run(&["audit", "export"]);
    assert!(
        piped.code == 0 && piped.out.lines().count() >= text.lines().count(),
        "{}",
        piped.err
    );
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    let over = home.run(&["audit", "export", "-o", "log.jsonl"]);
    assert!(over.code == 1 && over.err.contains("log.jsonl"), "{}", over.err);

    // The store's owner can do what the console cannot, and is found out.
    let pool = store.pool().await;
    sqlx::raw_sql(
        "alter table audit_log disable trigger user;
         update audit_log set object = 'another' where id = (select min(id) from audit_log);
         alter table audit_log enable trigger user",
    )
    .execute(&pool)
    .await
    .unwrap();
    let broken = home.run(&["audit", "verify"]);
    assert_eq!(broken.code, 1, "{}", broken.out);
    assert!(
        broken.err.starts_with("error: ") && broken.out.contains("The chain is broken after 0 entries"),
        "{} {}",
        broken.out,
        broken.err
    );
    let told = home.run(&["audit", "verify", "--json"]);
    let told_whole: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert!(told.code == 1 && told_whole["broken"].is_object(), "{}", told.out);
}

#[tokio::test]
async fn users_are_kept_without_a_password_in_any_argument() {
    let (home, _target) = home("users").await;
    let add = |name: &str, password: &str| {
        home.run_with(
            &[
                "user",
                "add",
                name,
                "--role",
                "operator",
                "--password-stdin",
                "--json",
            ],
            password,
        )
    };
    let added = add("grace", "nine boats on a lake\n");
    assert_eq!(added.code, 0, "{}", added.err);
    let user: serde_json::Value = serde_json::from_str(&added.out).unwrap();
    assert_eq!(
        (user["name"].as_str(), user["role"].as_str()),
        (Some("grace"), Some("operator"))
    );
    assert!(!added.out.contains("nine boats"));
    let twice = add("Grace", "nine boats on a lake\n");
    assert!(twice.code == 1 && twice.err.contains("already"), "{}", twice.err);
    assert_eq!(add("weak", "password\n").code, 1);
    let asked = home.run(&["user", "add", "ada"]);
    assert!(
        asked.code == 2 && asked.err.contains("--password-stdin"),
        "{}",
        asked.err
    );

    assert_eq!(home.run(&["user", "role", "grace", "viewer"]).code, 0);
    let changed = home.run_with(
        &["user", "passwd", "grace", "--password-stdin"],
        "eleven swans at dusk\n",
    );
    assert_eq!(changed.code, 0, "{}", changed.err);
    let list = home.json(&["user", "list"]);
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list[0]["role"], "viewer");
    assert!(home.run(&["user", "list"]).out.contains("grace"));
    let unknown = home.run(&["user", "role", "nobody", "viewer"]);
    assert!(
        unknown.code == 1 && unknown.err.starts_with("error: ") && unknown.err.contains("\nhint: "),
        "{}",
        unknown.err
    );
}

#[test]
fn routes_are_listed_without_any_database() {
    let home = Home::new().with("DATABASE_URL", "nonsense");
    let routes = home.json(&["routes"]);
    let routes = routes.as_array().unwrap();
    let find = |path: &str| {
        routes
            .iter()
            .find(|route| route["path"] == path)
            .unwrap_or_else(|| panic!("no {path}"))
    };
    let log_in = find("/rpc/log_in");
    assert_eq!(
        (log_in["method"].as_str(), log_in["public"].as_bool()),
        (Some("POST"), Some(true))
    );
    assert_eq!(find("/rpc/list_users")["permission"], "manage_users");
    assert_eq!(find("/events")["public"], false);
    let mut keys: Vec<&String> = log_in.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["method", "path", "permission", "public"]);
}

#[test]
fn wrong_settings_end_every_command_with_their_name() {
    for (name, value) in [
        ("DB_POOL_SIZE", "many"),
        ("DATABASE_URL", "mysql://me:hush@h/d"),
        ("PGSTEWARD_ADDR", "here"),
    ] {
        for command in [&["serve"][..], &["stats"], &["config", "check"]] {
            let done = Home::new().with(name, value).run(command);
            assert_eq!(done.code, 2, "{command:?}: {}", done.err);
            assert!(done.err.starts_with(&format!("error: {name}: ")), "{}", done.err);
            assert!(
                done.err.contains(&format!("\nhint: for example: {name}=")),
                "{}",
                done.err
            );
            assert!(!done.err.contains("hush") && done.out.is_empty(), "{}", done.err);
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_one_error_with_a_hint() {
    let home = Home::new().with("DATABASE_URL", "postgres://me:hush@127.0.0.1:1/ai_pal");
    let done = home.run(&["stats"]);
    assert_eq!(done.code, 1);
    let errors: Vec<&str> = done
        .err
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert!(
        errors.len() == 1 && errors[0].contains("Connection refused"),
        "{}",
        done.err
    );
    assert!(
        done.err.contains("\nhint: ") && !done.err.contains("hush"),
        "{}",
        done.err
    );
}

#[tokio::test]
async fn config_check_tells_which_database_does_not_answer() {
    let cluster = testkit::shared().await;
    let (store, up) = (cluster.database("store").await, cluster.database("up").await);
    let home = Home::new().with("PGSTEWARD_STORE_URL", &store.url());
    let file = format!(
        "[[target]]\nname = \"up\"\nurl = \"{}\"\n[[target]]\nname = \"down\"\nurl = \"postgres://me:hush@127.0.0.1:1/x\"\n",
        up.url()
    );
    std::fs::write(home.path().join("pgsteward.toml"), file).unwrap();
    let done = home.run(&["config", "check", "--json"]);
    assert_eq!(done.code, 1, "{}", done.err);
    let parts: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    let ok: Vec<(&str, bool)> = parts
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["name"].as_str().unwrap(), part["ok"].as_bool().unwrap()))
        .collect();
    assert_eq!(ok, [("store", true), ("up", true), ("down", false)], "{parts}");
    assert!(!done.out.contains("hush") && !done.err.contains("hush"));
    let keys: Vec<&str> = parts[1]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["key"].as_str().unwrap())
        .collect();
    assert!(keys.contains(&"backup.none"), "{keys:?}");
    let words = home.run(&["config", "check"]);
    assert!(
        words.out.contains("urgent: There is no backup.") && words.out.contains("Back up now."),
        "{}",
        words.out
    );
    assert!(
        words.out.contains("ok     up") && words.out.contains("fault  down"),
        "{}",
        words.out
    );

    let several = home.run(&["stats"]);
    assert!(
        several.code == 2 && several.err.contains("--target: up, down"),
        "{}",
        several.err
    );
    assert_eq!(home.run(&["stats", "--target", "up"]).code, 0);
    let unknown = home.run(&["stats", "--target", "elsewhere"]);
    assert!(
        unknown.code == 1 && unknown.err.contains("elsewhere"),
        "{}",
        unknown.err
    );
}

#[tokio::test]
async fn config_check_refuses_what_is_no_replica_of_the_database() {
    let cluster = testkit::Cluster::start().await;
    let (store, managed) = (cluster.database("store").await, cluster.database("managed").await);
    let standby = cluster.standby().await;
    cluster.wait_for_standby(&standby).await;
    let check = |replicas: &str| {
        let home = Home::new()
            .with("PGSTEWARD_STORE_URL", &store.url())
            .with("DATABASE_URL", &managed.url())
            .with("DATABASE_REPLICA_URLS", replicas);
        let done = home.run(&["config", "check"]);
        assert!(!done.out.contains(cluster.password()) && !done.err.contains(cluster.password()));
        (done.code, done.out, done.err)
    };
    let name = managed.name();
    let right = standby.url(name);
    let (code, out, err) = check(&right);
    assert!(
        code == 0 && out.contains(&format!("ok     replica of {name}")),
        "{out}{err}"
    );
    let wrong = [managed.url(), standby.url(store.name())];
    let words = ["is no standby", "another database of that server"];
    for (wrong, words) in wrong.iter().zip(words) {
        let (code, out, err) = check(&format!("{right}, {wrong}"));
        assert_eq!(code, 1, "{out}{err}");
        assert!(
            out.contains(&format!("ok     replica of {name}")) && out.contains(words),
            "{out}"
        );
        assert!(err.contains("a replica cannot be asked"), "{err}");
    }
    let (code, _, err) = check("mysql://elsewhere");
    assert!(code == 2 && err.contains("DATABASE_REPLICA_URLS"), "{err}");
}

#[tokio::test]
async fn config_check_tells_whether_the_folder_for_imports_can_be_read() {
    let (home, _target) = home("folder").await;
    let folder = home.path().join("imports");
    let home = home.with("PGSTEWARD_IMPORT_DIR", "imports");
    let missing = home.run(&["config", "check"]);
    assert_eq!(missing.code, 2, "{}", missing.err);
    assert!(missing.err.contains("PGSTEWARD_IMPORT_DIR"), "{}", missing.err);
    std::fs::create_dir(&folder).unwrap();
    let readable = home.run(&["config", "check"]);
    assert_eq!(readable.code, 0, "{}", readable.err);
    assert!(readable.out.contains("ok     import folder"), "{}", readable.out);
    // Whether root or not, the console's user is another one than the test's, or the owner who took its own right away.
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let closed = home.run(&["config", "check"]);
    assert_eq!(closed.code, 1, "{} {}", closed.out, closed.err);
    assert!(
        closed.out.contains("fault  import folder") && closed.out.contains("permission denied"),
        "{}",
        closed.out
    );
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn the_store_is_made_beside_the_managed_database() {
    let cluster = testkit::Cluster::start().await;
    let target = cluster.database("main").await;
    let home = Home::new().with("DATABASE_URL", &target.url());
    assert_eq!(home.run(&["config", "check"]).code, 0);
    let there: bool = can_be_reached(&cluster, "pgsteward").await;
    assert!(there);
}

/// Whether a database can be connected to, as psql sees it.
async fn can_be_reached(cluster: &testkit::Cluster, database: &str) -> bool {
    let asked = std::process::Command::new(cluster.bin_dir().join("psql"))
        .args(["--no-psqlrc", "--command", "select 1", &cluster.url(database)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    asked.success()
}

#[tokio::test]
async fn ctrl_c_cancels_the_job_and_waits_for_its_clean_up() {
    let (home, target) = home("held").await;
    home.json(&["migrate", "up"]);
    let cluster = testkit::shared().await;
    // Whoever wants to read this table waits.
    let mut holder = std::process::Command::new(cluster.bin_dir().join("psql"))
        .args(["--no-psqlrc", "--quiet", "--command", "begin"])
        .args(["--command", "lock table ari_snapshots in access exclusive mode"])
        .args(["--command", "\\echo held"])
        .args(["--command", "select pg_sleep(300)"])
        .arg(target.url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(holder.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    let command = home.command(&["backup", "create", "--json"]).spawn().unwrap();
    let pid = Pid::from_raw(command.id().cast_signed());
    wait_until("the backup runs", || {
        let list = home.json(&["backup", "list"]);
        let state = list["attempts"]
            .get(0)
            .map_or("queued", |job| job["state"].as_str().unwrap());
        assert!(["queued", "running"].contains(&state), "{list}");
        state == "running"
    });
    let begun = Instant::now();
    kill(pid, Signal::SIGINT).unwrap();
    let output = command.wait_with_output().unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(begun.elapsed() < PATIENCE / 4, "it took {:?}", begun.elapsed());
    let job: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(job["state"], "cancelled", "{job}");
    let partial: Vec<_> = std::fs::read_dir(home.data().join("backups").join(".partial"))
        .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
        .unwrap_or_default();
    assert!(partial.is_empty(), "{partial:?}");
}

#[tokio::test]
async fn a_sqlite_file_is_inspected_on_the_command_line() {
    let (home, _target) = home("inspected").await;
    let trap = testkit::sqlite::traps()
        .find(|trap| trap.name == "text_in_the_last_row")
        .unwrap();
    trap.write(home.path());

    let json = home.json(&["import", "sqlite", "text_in_the_last_row.db", "--inspect"]);
    let proposal = &json["tables"][0]["columns"][0]["proposal"];
    assert_eq!(proposal["type"], "text", "{json}");
    assert_eq!(proposal["others"][0]["against"]["first"][0], 5000, "{json}");

    let shown = home.run(&[
        "import",
        "sqlite",
        "text_in_the_last_row.db",
        "--inspect",
        "--report",
        "report.json",
    ]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(
        shown.out.contains("t: 5,000 rows") && shown.out.contains("rowid 5000 against it"),
        "{}",
        shown.out
    );
    let report = std::fs::read_to_string(home.path().join("report.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&report).unwrap(), json);

    let bare = home.run(&["import", "sqlite", "text_in_the_last_row.db"]);
    assert!(
        bare.code == 0 && bare.out.contains("Identical: all 5,000 rows"),
        "{}{}",
        bare.out,
        bare.err
    );
    let gone = home.run(&["import", "sqlite", "gone.db", "--inspect"]);
    assert!(
        gone.code == 1 && gone.err.contains("error: There is no file") && gone.err.contains("hint: "),
        "{}",
        gone.err
    );
}

/// A folder whose program applies the migrations of its folder `own` to a fresh database.
async fn own_migrations(files: &[(&str, &str)]) -> (Home, Database) {
    let cluster = testkit::shared().await;
    let (store, target) = (cluster.database("store").await, cluster.database("own").await);
    let home = Home::new()
        .with("DATABASE_URL", &target.url())
        .with("PGSTEWARD_STORE_URL", &store.url())
        .with("PGSTEWARD_MIGRATIONS", "own");
    std::fs::create_dir(home.path().join("own")).unwrap();
    for (name, text) in files {
        std::fs::write(home.path().join("own").join(name), text).unwrap();
    }
    (home, target)
}

#[tokio::test]
async fn a_second_migrator_waits_and_finds_nothing_to_do() {
    let slow = "create table one (); do $$begin while not exists (select from gate) loop perform pg_sleep(0.02); end loop; end$$";
    let (home, target) = own_migrations(&[("1_slow.sql", slow)]).await;
    let pool = target.pool().await;
    sqlx::raw_sql("create table gate (open bool)")
        .execute(&pool)
        .await
        .unwrap();
    let first = home.command(&["migrate", "up", "--yes"]).spawn().unwrap();
    wait_until("the first one is at work", || {
        home.json(&["migrate", "status"])["under_way"].is_string()
    });
    let waits = || {
        let mut command = home.command(&["migrate", "up", "--yes"]).spawn().unwrap();
        let mut said = std::io::BufReader::new(command.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(
            line.starts_with("Waiting for \"Migrate ") && line.contains("under way"),
            "{line}"
        );
        (command, said)
    };
    let (second, _said) = waits();
    let (third, _also) = waits();
    kill(Pid::from_raw(third.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(third.wait_with_output().unwrap().status.code(), Some(130));
    sqlx::raw_sql("insert into gate values (true)")
        .execute(&pool)
        .await
        .unwrap();
    let first = first.wait_with_output().unwrap();
    assert_eq!(
        first.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    let second = second.wait_with_output().unwrap();
    assert_eq!(second.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&second.stdout).contains("Nothing to do"));
    pool.close().await;
}

#[tokio::test]
async fn a_plan_that_cannot_be_carried_out_fails_with_the_reason() {
    let (home, _target) = own_migrations(&[
        ("1_one.sql", "create table one ();"),
        (
            "2_steps.sql",
            "-- no-transaction\ncreate table two ();\ncreate table one ();\n",
        ),
    ])
    .await;
    assert_eq!(home.run(&["migrate", "up", "--yes"]).code, 1);
    for command in ["plan", "up"] {
        let done = home.run(&["migrate", command, "--yes"]);
        assert_eq!(done.code, 1, "{command}: {} {}", done.out, done.err);
        assert!(
            done.err.contains("was begun and not ended"),
            "{command}: {}",
            done.err
        );
        assert!(!done.out.contains("up to date"), "{command}: {}", done.out);
    }
    let status = home.run(&["migrate", "status"]);
    assert!(
        status.code == 0 && status.out.contains("unfinished"),
        "{}",
        status.out
    );
}

#[tokio::test]
async fn late_files_are_a_choice_of_the_command() {
    let (home, _target) = own_migrations(&[("2_two.sql", "create table two ();")]).await;
    home.json(&["migrate", "up"]);
    std::fs::write(home.path().join("own/1_one.sql"), "create table one ();").unwrap();
    let refused = home.run(&["migrate", "up", "--yes"]);
    assert!(
        refused.code == 1 && refused.err.contains("--allow-late"),
        "{}",
        refused.err
    );
    let plan = home.run(&["migrate", "plan", "--allow-late"]);
    assert!(
        plan.code == 0 && plan.out.contains(", late\ncreate table one"),
        "{}",
        plan.out
    );
    assert_eq!(
        home.json(&["migrate", "up", "--allow-late"])["state"],
        "succeeded"
    );
    assert_eq!(home.json(&["migrate", "status"])["pending"], 0);
}

#[tokio::test]
async fn a_database_of_ones_own_needs_a_choice_to_be_migrated() {
    let cluster = testkit::shared().await;
    let (store, target) = (cluster.database("store").await, cluster.database("own").await);
    let home = Home::new()
        .with("DATABASE_URL", &target.url())
        .with("PGSTEWARD_STORE_URL", &store.url());
    let status = home.json(&["migrate", "status"]);
    assert_eq!(
        (&status["pending"], &status["has_source"]),
        (&0.into(), &false.into()),
        "{status}"
    );
    let up = home.run(&["migrate", "up", "--yes"]);
    assert!(
        up.code == 0 && up.out.contains("PGSTEWARD_MIGRATIONS"),
        "{}",
        up.out
    );
}

#[tokio::test]
async fn schedules_retention_and_marks_are_commands() {
    let (home, target) = home("planned").await;
    let none = home.run(&["schedule", "list"]);
    assert!(
        none.code == 0 && none.out.contains("No schedule yet"),
        "{}",
        none.out
    );
    let set = home.json(&[
        "schedule",
        "set",
        "--every",
        "week",
        "--on",
        "thu,mon",
        "--at",
        "02:30",
        "--zone",
        "Europe/Berlin",
    ]);
    assert_eq!(
        (set["spec"]["cron"].as_str(), set["next"]["words"].as_str()),
        (Some("30 2 * * 1,4"), Some("every Monday and Thursday at 02:30")),
        "{set}"
    );
    assert_eq!(set["next"]["runs"].as_array().map(Vec::len), Some(5));
    let wrong = home.run(&["schedule", "set", "--cron", "0 2 30 2 *"]);
    assert!(
        wrong.code == 1 && wrong.err.contains("there is no such day"),
        "{}",
        wrong.err
    );
    assert!(home.json(&["schedule", "pause"])["paused"].is_object());
    assert!(home.json(&["schedule", "resume"])["paused"].is_null());

    let job = home.json(&["schedule", "run"]);
    assert_eq!(
        (job["state"].as_str(), job["kind"].as_str()),
        (Some("succeeded"), Some("backup")),
        "{job}"
    );
    let newest = home.json(&["backup", "create"])["id"]
        .as_str()
        .map(str::to_owned)
        .unwrap();
    let old = job["id"].as_str().unwrap();
    let plan = home.json(&["backup", "retention", "--last", "1", "--yes"]);
    assert_eq!(plan["plan"]["verdicts"][1]["goes"], true, "{plan}");
    let dry = home.run(&["backup", "prune", "--dry-run"]);
    assert!(
        dry.code == 0 && dry.out.contains("1 of 2 backups would be removed"),
        "{}",
        dry.out
    );
    assert_eq!(home.json(&["backup", "pin", old])["pinned"], true);
    assert_eq!(
        home.json(&["backup", "label", old, "before the move"])["label"],
        "before the move"
    );
    let list = home.run(&["backup", "list"]);
    assert!(list.out.contains("pinned, \"before the move\""), "{}", list.out);
    let dry = home.run(&["backup", "prune", "--dry-run"]);
    assert!(
        dry.out.contains("Nothing is to be removed now.") && dry.out.contains("pinned"),
        "{}",
        dry.out
    );
    assert_eq!(home.json(&["backup", "unpin", old])["pinned"], false);
    let job = home.json(&["backup", "prune", "--yes"]);
    assert_eq!(job["state"], "succeeded", "{job}");
    let left = home.json(&["backup", "list"]);
    let left: Vec<&str> = left["backups"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["id"].as_str())
        .collect();
    assert_eq!(left, [newest.as_str()]);
    let gone = home.run(&["schedule", "remove"]);
    assert!(
        gone.code == 0 && gone.out.contains("has no schedule any more"),
        "{}",
        gone.out
    );
    drop(target);
}
