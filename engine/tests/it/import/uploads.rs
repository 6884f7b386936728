//! Uploads: what comes is kept, goes on where it ended, and is refused for a reason that is said.

use std::{
    convert::Infallible,
    fs::{self, File, FileTimes},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use contract::{
    Code, Fault,
    audit::{AuditQuery, Outcome},
    import::{ImportFile, NewImport, NewUpload, UploadPart, UploadView},
    session::Role,
};
use engine::{Caller, Engine, EngineConfig};
use futures::{Stream, StreamExt, stream};
use testkit::sqlite::traps;
use tokio::sync::mpsc;
use tokio_util::bytes::Bytes;
use uuid::Uuid;

use super::{
    support::{Console, caller},
    world::World,
};

/// A SQLite database of some size, made by SQLite.
fn database(world: &World, rows: usize) -> Vec<u8> {
    let path = world.folder.path().join("made.db");
    fs::remove_file(&path).ok();
    let made = rusqlite::Connection::open(&path).unwrap();
    made.execute_batch(&format!(
        "create table t (v text);
         insert into t
         with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
         select hex(randomblob(50)) from n;"
    ))
    .unwrap();
    made.close().unwrap();
    fs::read(path).unwrap()
}

fn pieces(bytes: &[u8]) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + use<> {
    let pieces: Vec<_> = bytes.chunks(10_000).map(Bytes::copy_from_slice).map(Ok).collect();
    stream::iter(pieces)
}

fn new(name: &str, bytes: usize) -> NewUpload {
    NewUpload {
        kind: contract::import::UploadKind::Database,
        name: name.to_owned(),
        bytes: bytes as i64,
        wal_bytes: None,
        modified_ms: None,
        wal_modified_ms: None,
    }
}

impl World {
    async fn begin(&self, new: NewUpload) -> Result<UploadView, Fault> {
        let begun = self.console.import().begin_upload(&self.caller, new).await;
        begun.map_err(|error| error.fault())
    }

    async fn send(&self, id: Uuid, offset: usize, bytes: &[u8]) -> Result<UploadView, Fault> {
        self.send_part(id, UploadPart::Database, offset, bytes).await
    }

    async fn send_part(
        &self,
        id: Uuid,
        part: UploadPart,
        offset: usize,
        bytes: &[u8],
    ) -> Result<UploadView, Fault> {
        let import = self.console.import();
        let sent = import
            .upload(&self.caller, id, part, offset as i64, pieces(bytes))
            .await;
        sent.map_err(|error| error.fault())
    }

    async fn find(&self, id: Uuid) -> Result<UploadView, Fault> {
        let found = self.console.import().find_upload(&self.caller, id).await;
        found.map_err(|error| error.fault())
    }

    async fn delete(&self, id: Uuid) -> Result<(), Fault> {
        let deleted = self.console.import().delete_upload(&self.caller, id).await;
        deleted.map_err(|error| error.fault())
    }

    fn folder_of(&self, id: Uuid) -> PathBuf {
        self.console.config.data_dir.join("uploads").join(id.to_string())
    }

    /// What the log says of uploads, oldest first: event, outcome, object.
    async fn log(&self) -> Vec<(String, Outcome, String)> {
        let administrator = self.console.session().command_line("test");
        let log = self
            .console
            .audit()
            .list(&administrator, AuditQuery::default())
            .await
            .unwrap();
        let mut entries: Vec<_> = log
            .entries
            .into_iter()
            .filter(|entry| entry.event_type.starts_with("import."))
            .map(|entry| (entry.event_type, entry.outcome, entry.object.unwrap_or_default()))
            .collect();
        entries.reverse();
        entries
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_in_pieces_and_lies_where_sqlite_finds_it() {
    let world = World::new().await;
    let bytes = database(&world, 4000);
    let begun = world
        .begin(new("../my folder/app.db", bytes.len()))
        .await
        .unwrap();
    assert_eq!((begun.name.as_str(), begun.received), ("app.db", 0));
    assert!(!begun.is_whole());
    let (first, rest) = bytes.split_at(bytes.len() / 3);
    let half = world.send(begun.id, 0, first).await.unwrap();
    assert_eq!(half.received, first.len() as i64);
    let whole = world.send(begun.id, first.len(), rest).await.unwrap();
    assert!(whole.is_whole());
    assert_eq!(world.find(begun.id).await.unwrap(), whole);

    let folder = world.folder_of(begun.id);
    assert_eq!(fs::read(folder.join("database")).unwrap(), bytes);
    for (path, mode) in [(folder.clone(), 0o700), (folder.join("database"), 0o600)] {
        let seen = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(seen, mode, "{}", path.display());
    }
    let found = world.inspect(&folder.join("database")).await.unwrap();
    assert_eq!(found.tables[0].rows, 4000);

    let files = world.console.import().files(&world.caller).await.unwrap();
    assert_eq!(files.uploads, [whole]);
    assert_eq!(files.upload_limit, 1 << 30);
    world.delete(begun.id).await.unwrap();
    assert!(!folder.exists());
    assert_eq!(world.find(begun.id).await.unwrap_err().code, Code::NotFound);
    assert_eq!(world.delete(begun.id).await.unwrap_err().code, Code::NotFound);
    let entry = |event: &str, outcome| (event.to_owned(), outcome, "app.db".to_owned());
    assert_eq!(
        world.log().await,
        [
            entry("import.upload", Outcome::Success),
            entry("import.upload_delete", Outcome::Success),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_broken_stream_is_kept() {
    let world = World::new().await;
    let bytes = database(&world, 4000);
    let id = world.begin(new("a.db", bytes.len())).await.unwrap().id;
    let broken = pieces(&bytes[..100_000])
        .map(|piece| piece.map_err(|never| -> &str { match never {} }))
        .chain(stream::iter([Err("the cable was pulled")]));
    let import = world.console.import();
    let fault = import
        .upload(&world.caller, id, UploadPart::Database, 0, broken)
        .await
        .unwrap_err()
        .fault();
    assert_eq!(
        (fault.code, fault.field.as_deref()),
        (Code::Conflict, Some("offset"))
    );
    assert!(
        fault.message.contains("the cable was pulled") && fault.message.contains("100,000"),
        "{fault}"
    );

    // A client that does not know how far it came is told.
    for wrong in [0, 99_999, 100_001] {
        let fault = world.send(id, wrong, &bytes[wrong..]).await.unwrap_err();
        assert_eq!(
            (fault.code, fault.field.as_deref()),
            (Code::Conflict, Some("offset"))
        );
        assert!(fault.hint.unwrap().contains("offset=100000"));
    }
    let received = world.find(id).await.unwrap().received as usize;
    assert!(
        world
            .send(id, received, &bytes[received..])
            .await
            .unwrap()
            .is_whole()
    );
    assert_eq!(fs::read(world.folder_of(id).join("database")).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_the_request_was_dropped_is_kept() {
    let world = World::new().await;
    let bytes = database(&world, 2000);
    let id = world.begin(new("a.db", bytes.len())).await.unwrap().id;
    let endless = pieces(&bytes[..50_000]).chain(stream::pending());
    let import = world.console.import();
    tokio::select! {
        ended = import.upload(&world.caller, id, UploadPart::Database, 0, endless) => panic!("{ended:?}"),
        () = async {
            while world.find(id).await.unwrap().received < 50_000 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        } => {}
    }
    assert!(world.send(id, 50_000, &bytes[50_000..]).await.unwrap().is_whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_at_once_one_waits_in_vain() {
    let world = World::new().await;
    let bytes = database(&world, 2000);
    let id = world.begin(new("a.db", bytes.len())).await.unwrap().id;
    let (send, mut chunks) = mpsc::channel::<Bytes>(1);
    let (engine, writer): (Engine, Caller) = ((*world.console).clone(), world.caller.clone());
    let first = tokio::spawn(async move {
        let data = stream::poll_fn(move |context| chunks.poll_recv(context)).map(Ok::<_, Infallible>);
        engine
            .import()
            .upload(&writer, id, UploadPart::Database, 0, data)
            .await
            .map_err(|error| error.fault())
    });
    send.send(Bytes::copy_from_slice(&bytes[..20_000])).await.unwrap();
    while world.find(id).await.unwrap().received < 20_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = world.send(id, 20_000, &bytes[20_000..]).await.unwrap_err();
    assert_eq!(second.code, Code::Busy, "{second}");
    let deleted = world.delete(id).await.unwrap_err();
    assert_eq!(deleted.code, Code::Busy, "{deleted}");
    send.send(Bytes::copy_from_slice(&bytes[20_000..])).await.unwrap();
    drop(send);
    assert!(first.await.unwrap().unwrap().is_whole());
    assert_eq!(fs::read(world.folder_of(id).join("database")).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_comes_with_its_database() {
    let world = World::new().await;
    let trap = traps().find(|trap| trap.name == "wal_pending").unwrap();
    let file = trap.write(world.folder.path());
    let database = fs::read(&file).unwrap();
    let log = fs::read(format!("{}-wal", file.display())).unwrap();
    let announced = NewUpload {
        wal_bytes: Some(log.len() as i64),
        ..new("wal_pending.db", database.len())
    };
    let id = world.begin(announced).await.unwrap().id;
    let half = world.send(id, 0, &database).await.unwrap();
    assert!(!half.is_whole());

    // Another file of the same size would be overlooked by SQLite, and rows lost without a word.
    let wrong = vec![b'x'; log.len()];
    let fault = world.send_part(id, UploadPart::Wal, 0, &wrong).await.unwrap_err();
    assert!(
        fault.code == Code::Invalid && fault.message.contains("write-ahead log"),
        "{fault}"
    );
    assert_eq!(world.find(id).await.unwrap().wal, Some((log.len() as i64, 0)));

    let whole = world.send_part(id, UploadPart::Wal, 0, &log).await.unwrap();
    assert!(whole.is_whole());
    let found = world
        .inspect(&world.folder_of(id).join("database"))
        .await
        .unwrap();
    assert_eq!(
        (found.tables[0].rows, found.file.wal_bytes),
        (3, Some(log.len() as i64))
    );

    let alone = world.begin(new("alone.db", database.len())).await.unwrap().id;
    let fault = world
        .send_part(alone, UploadPart::Wal, 0, &log)
        .await
        .unwrap_err();
    assert_eq!(
        (fault.code, fault.field.as_deref()),
        (Code::Invalid, Some("part"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_database_is_refused_and_removed() {
    let world = World::new().await;
    let bytes = database(&world, 2000);
    let mut archive = vec![0x1f, 0x8b];
    archive.resize(2000, 7);
    for (name, content, words) in [
        ("a.gz", &archive[..], "a gzip archive"),
        ("short.db", &bytes[..50], "inside the header"),
        ("cut.db", &bytes[..bytes.len() - 1], "is cut off"),
        ("w.txt", b"only words", "no SQLite database"),
    ] {
        let id = world.begin(new(name, content.len())).await.unwrap().id;
        let fault = world.send(id, 0, content).await.unwrap_err();
        assert_eq!(fault.code, Code::Invalid);
        assert!(
            fault.message.contains(words) && fault.message.contains(name),
            "{fault}"
        );
        assert_eq!(world.find(id).await.unwrap_err().code, Code::NotFound, "{name}");
        assert!(!world.folder_of(id).exists(), "{name}");
        assert_eq!(
            world.log().await.pop(),
            Some(("import.upload".to_owned(), Outcome::Failure, name.to_owned()))
        );
    }
    // Long before its end: it is the first bytes that say it.
    let id = world.begin(new("long.gz", 500_000_000)).await.unwrap().id;
    archive.resize(20_000, 7);
    let fault = world.send(id, 0, &archive).await.unwrap_err();
    assert!(fault.message.contains("gzip"), "{fault}");
    assert!(!world.folder_of(id).exists());
    let left: Vec<_> = fs::read_dir(world.console.config.data_dir.join("uploads"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_was_announced_is_not_taken() {
    let world = World::new().await;
    let bytes = database(&world, 2000);
    let id = world.begin(new("a.db", bytes.len())).await.unwrap().id;
    world.send(id, 0, &bytes[..20_000]).await.unwrap();
    let longer = [&bytes[20_000..], b"x"].concat();
    let fault = world.send(id, 20_000, &longer).await.unwrap_err();
    assert!(
        fault.code == Code::Invalid && fault.message.contains("More came than"),
        "{fault}"
    );
    assert_eq!(world.find(id).await.unwrap().received, 20_000);
    assert!(world.send(id, 20_000, &bytes[20_000..]).await.unwrap().is_whole());
    let fault = world.send(id, bytes.len(), b"x").await.unwrap_err();
    assert!(fault.message.contains("More came than"), "{fault}");
    assert!(world.find(id).await.unwrap().is_whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_before_a_byte_comes() {
    let world = World::new().await;
    for (wrong, field, words) in [
        (new("", 10), Some("name"), "no name"),
        (new("a.db", 0), None, "is empty"),
        (new("a.db", (1 << 30) + 1), Some("bytes"), "an upload may have"),
        (
            NewUpload {
                wal_bytes: Some(1 << 29),
                ..new("a.db", 1 << 30)
            },
            Some("bytes"),
            "an upload may have",
        ),
        (
            NewUpload {
                wal_bytes: Some(-1),
                ..new("a.db", 10)
            },
            Some("bytes"),
            "less than no bytes",
        ),
    ] {
        let fault = world.begin(wrong).await.unwrap_err();
        assert_eq!(
            (fault.code, fault.field.as_deref()),
            (Code::Invalid, field),
            "{fault}"
        );
        assert!(fault.message.contains(words) && fault.hint.is_some(), "{fault}");
    }
    assert!(world.log().await.is_empty());
}

/// The same console with other limits.
async fn beside(console: &Console, upload_limit: i64) -> Engine {
    Engine::open(EngineConfig {
        upload_limit,
        ..console.config.clone()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_says_how_much_is_free() {
    let world = World::new().await;
    let engine = beside(&world.console, i64::MAX).await;
    let begin = |bytes| {
        let import = engine.import();
        let new = NewUpload {
            bytes,
            ..new("huge.db", 0)
        };
        let caller = world.caller.clone();
        async move { import.begin_upload(&caller, new).await }
    };
    let fault = begin(1 << 60).await.unwrap_err().fault();
    assert_eq!(fault.code, Code::Conflict);
    assert!(
        fault.message.contains("Not enough room for huge.db") && fault.hint.is_some(),
        "{fault}"
    );

    // Room that was promised to one is not promised to another.
    let seen = nix::sys::statvfs::statvfs(&world.console.config.data_dir).unwrap();
    let free = (seen.blocks_available() * seen.fragment_size()).cast_signed();
    begin(free / 2).await.unwrap();
    let fault = begin(free / 2).await.unwrap_err().fault();
    assert!(
        fault.message.contains("for other uploads that are not finished"),
        "{fault}"
    );
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_can_be_turned_off() {
    let world = World::new().await;
    let engine = beside(&world.console, 0).await;
    let refused = engine.import().begin_upload(&world.caller, new("a.db", 10)).await;
    let fault = refused.unwrap_err().fault();
    assert!(
        fault.hint.unwrap().contains("PGSTEWARD_UPLOAD_LIMIT"),
        "{}",
        fault.message
    );
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_nobody_wants_any_more_go_by_themselves() {
    let world = World::new().await;
    let bytes = database(&world, 100);
    let days = |days: u64| SystemTime::now() - Duration::from_secs(days * 24 * 3600 + 60);
    let mut left = Vec::new();
    for (whole, age, read, stays) in [
        (false, 6, 6, true),
        (false, 7, 7, false),
        (true, 29, 29, true),
        (true, 30, 30, false),
        (true, 90, 1, true),
    ] {
        let id = world.begin(new("a.db", bytes.len())).await.unwrap().id;
        let sent = if whole { bytes.len() } else { bytes.len() / 2 };
        world.send(id, 0, &bytes[..sent]).await.unwrap();
        left.push((id, age, read, stays));
    }
    let file = |id| {
        File::options()
            .read(true)
            .write(true)
            .open(world.folder_of(id).join("database"))
            .unwrap()
    };
    for (id, age, read, _) in &left {
        let times = FileTimes::new()
            .set_modified(days(*age))
            .set_accessed(days(*read));
        file(*id).set_times(times).unwrap();
    }
    // One that somebody reads stays, however old it is.
    let read = world.begin(new("read.db", bytes.len())).await.unwrap().id;
    world.send(read, 0, &bytes).await.unwrap();
    let reader = file(read);
    reader.try_lock_shared().unwrap();
    let times = FileTimes::new().set_modified(days(99)).set_accessed(days(99));
    reader.set_times(times).unwrap();

    let files = world.console.import().files(&world.caller).await.unwrap();
    let found: Vec<Uuid> = files.uploads.iter().map(|upload| upload.id).collect();
    let mut expected: Vec<Uuid> = left
        .iter()
        .filter(|(.., stays)| *stays)
        .map(|(id, ..)| *id)
        .chain([read])
        .collect();
    expected.reverse();
    assert_eq!(found, expected, "newest first");
    let deleted = world
        .log()
        .await
        .into_iter()
        .filter(|(event, ..)| event == "import.upload_delete");
    assert_eq!(deleted.count(), 2);
    drop(reader);
    let files = world.console.import().files(&world.caller).await.unwrap();
    assert_eq!(files.uploads.len(), expected.len() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_on_the_server_are_listed_by_their_path() {
    let world = World::new().await;
    let folder = world.console.config.import_dir.clone().unwrap();
    let bytes = database(&world, 10);
    fs::create_dir(folder.join("b")).unwrap();
    for name in ["z.db", "b/y.db"] {
        fs::write(folder.join(name), &bytes).unwrap();
    }
    fs::write(folder.join("notes.txt"), "words").unwrap();
    let files = world.console.import().files(&world.caller).await.unwrap();
    let found: Vec<(&str, i64)> = files
        .server
        .iter()
        .map(|file| (file.path.as_str(), file.bytes))
        .collect();
    assert_eq!(
        found,
        [("b/y.db", bytes.len() as i64), ("z.db", bytes.len() as i64)]
    );
    assert_eq!(files.folder, Some(folder.display().to_string()));
    assert_eq!((files.folder_fault, files.server_cut), (None, false));

    // A folder that is gone does not take the uploads with it.
    let upload = world.begin(new("a.db", bytes.len())).await.unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let files = world.console.import().files(&world.caller).await.unwrap();
    let fault = files.folder_fault.unwrap();
    assert!(
        fault.code == Code::NotFound && fault.hint.is_some(),
        "{}",
        fault.message
    );
    assert_eq!((files.server, files.uploads), (Vec::new(), vec![upload]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sender_says_of_its_file_is_kept() {
    let world = World::new().await;
    let bytes = database(&world, 100);
    let announced = NewUpload {
        wal_bytes: Some(40),
        modified_ms: Some(1_764_338_000_123),
        wal_modified_ms: Some(1_764_338_000_456),
        ..new("a.db", bytes.len())
    };
    let begun = world.begin(announced).await.unwrap();
    assert_eq!(
        (begun.modified_ms, begun.wal_modified_ms),
        (Some(1_764_338_000_123), Some(1_764_338_000_456))
    );
    assert_eq!(begun.created_by, world.caller.name());
    assert_eq!(begun.received_at, begun.created_at, "nothing came yet");
    let sent = world.send(begun.id, 0, &bytes).await.unwrap();
    assert!(sent.received_at > sent.created_at);
    let files = world.console.import().files(&world.caller).await.unwrap();
    assert_eq!(files.uploads, [sent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_stays_while_an_import_needs_it() {
    let world = World::new().await;
    let bytes = database(&world, 100);
    let id = world.begin(new("app.db", bytes.len())).await.unwrap().id;
    world.send(id, 0, &bytes).await.unwrap();
    let import = world.console.import();
    let made = import
        .create(
            &world.caller,
            NewImport {
                target: "main".to_owned(),
                file: ImportFile::Upload(id),
            },
        )
        .await
        .unwrap();

    let fault = world.delete(id).await.unwrap_err();
    assert_eq!(fault.code, Code::Conflict, "{fault}");
    assert!(
        fault.message.contains("app.db") && fault.message.contains("main"),
        "{fault}"
    );
    assert!(fault.hint.unwrap().contains(&made.id.to_string()));

    // Nor does it go by itself, however old it is.
    let old = SystemTime::now() - Duration::from_secs(99 * 24 * 3600);
    let age = || {
        let times = FileTimes::new().set_modified(old).set_accessed(old);
        let file = File::options()
            .write(true)
            .open(world.folder_of(id).join("database"))
            .unwrap();
        file.set_times(times).unwrap();
    };
    age();
    assert_eq!(import.files(&world.caller).await.unwrap().uploads.len(), 1);

    // One that is done needs it no more, unless it is followed.
    let store = world.console.store.pool().await;
    let done = async |follow: bool| {
        sqlx::query(
            "update imports
                set state = 'done',
                    inspected = '{}',
                    plan = jsonb_build_object('follow', $2::boolean),
                    report = '{}'
              where id = $1",
        )
        .bind(made.id.0)
        .bind(follow)
        .execute(&store)
        .await
        .unwrap();
    };
    done(true).await;
    let fault = world.delete(id).await.unwrap_err();
    assert!(
        fault.code == Code::Conflict && fault.message.contains("follows it"),
        "{fault}"
    );
    age();
    assert_eq!(import.files(&world.caller).await.unwrap().uploads.len(), 1);
    done(false).await;
    age();
    assert!(import.files(&world.caller).await.unwrap().uploads.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_its_senders_and_an_administrators_and_nobody_elses() {
    let world = World::new().await;
    let bytes = database(&world, 10);
    let root = world.console.session().command_line("test");
    let operator = async |name: &str| {
        let session = world.console.session();
        let new = contract::session::NewUser {
            name: name.to_owned(),
            role: Role::Operator,
            password: crate::support::PASSWORD.to_owned(),
            must_change_password: false,
        };
        session.add_user(&root, new).await.unwrap();
        let tokens = session
            .log_in(name, crate::support::PASSWORD, None)
            .await
            .unwrap();
        session
            .authenticate(secrecy::ExposeSecret::expose_secret(&tokens.access), None)
            .await
            .unwrap()
    };
    let (ada, bob) = (operator("ada").await, operator("bob").await);
    let import = world.console.import();
    let id = import
        .begin_upload(&ada, new("ada.db", bytes.len()))
        .await
        .unwrap()
        .id;
    let create = |caller| {
        let new = NewImport {
            target: "main".to_owned(),
            file: ImportFile::Upload(id),
        };
        import.create(caller, new)
    };
    let refused = [
        import.find_upload(&bob, id).await.err(),
        import
            .upload(&bob, id, UploadPart::Database, 0, pieces(&bytes))
            .await
            .err(),
        import.delete_upload(&bob, id).await.err(),
        create(&bob).await.err(),
    ];
    for error in refused {
        assert_eq!(
            error.unwrap().fault().code,
            Code::NotFound,
            "as if it were not there"
        );
    }
    assert!(import.files(&bob).await.unwrap().uploads.is_empty());
    assert_eq!(import.find_upload(&ada, id).await.unwrap().received, 0);
    assert_eq!(import.files(&ada).await.unwrap().uploads.len(), 1);
    assert_eq!(import.files(&root).await.unwrap().uploads.len(), 1);
    import
        .upload(&ada, id, UploadPart::Database, 0, pieces(&bytes))
        .await
        .unwrap();
    assert_eq!(create(&bob).await.unwrap_err().fault().code, Code::NotFound);
    import.delete_upload(&root, id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_may_not_upload() {
    let world = World::new().await;
    let bytes = database(&world, 10);
    let id = world.begin(new("a.db", bytes.len())).await.unwrap().id;
    let viewer = caller(&world.console, Role::Viewer).await;
    let import = world.console.import();
    let refused = [
        import.files(&viewer).await.err(),
        import.begin_upload(&viewer, new("b.db", 10)).await.err(),
        import
            .upload(&viewer, id, UploadPart::Database, 0, pieces(&bytes))
            .await
            .err(),
        import.find_upload(&viewer, id).await.err(),
        import.delete_upload(&viewer, id).await.err(),
    ];
    for error in refused {
        assert_eq!(error.unwrap().fault().code, Code::Forbidden);
    }
    assert_eq!(world.find(id).await.unwrap().received, 0);
}
