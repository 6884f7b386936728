//! Database URLs: each is read as psql on this machine reads it, or refused by name.

use std::{fs, path::Path, process::Command, time::Duration};

use engine::target::url;
use sqlx::{ConnectOptions, Row};
use testkit::{Cluster, ClusterOptions, tls::Authority};

/// Where a session came to.
const WHERE: &str =
    "select current_database() || ' ' || current_user || ' ' || current_setting('search_path') || ' '
    || coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)::text";

/// What shall come of a URL.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    /// Both connect, to the same place and in the same way.
    Both,
    /// Both connect to the same place, one of them encrypted.
    BothSomehow,
    /// Neither does.
    Neither,
    /// psql connects, and we refuse with this word.
    PsqlAlone(&'static str),
    /// We connect; it is SQLAlchemy's form, which psql does not know.
    ConsoleAlone,
}

use Verdict::{Both, BothSomehow, ConsoleAlone, Neither, PsqlAlone};

const CASES: &[(&str, Verdict)] = &[
    // A server without encryption.
    ("postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}", Both),
    ("postgres://postgres:{pw}@127.0.0.1:{plain}/{db}", Both),
    ("postgresql://postgres:{pw}@localhost:{plain}/{db}", Both),
    ("postgresql://postgres:{pw}@[127.0.0.1]:{plain}/{db}", Both),
    ("postgresql://postgres:{pw}@[::1]:{plain}/{db}", Neither),
    ("postgresql://postgres:{pw}@[::1:{plain}/{db}", Neither),
    ("postgresql://postgres:{pw}@[]:{plain}/{db}", Neither),
    ("postgresql://postgres:{pw}@127.0.0.1:{plain}", Both),
    ("postgresql://postgres:{pw}@127.0.0.1:{plain}/", Both),
    ("postgresql://postgres:{pw}@127.0.0.1:{plain}?dbname={db}", Both),
    ("postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?", Both),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?connect_timeout=9&",
        Both,
    ),
    ("postgresql://postgres:{pw}@127.0.0.1:{plain}/nowhere", Neither),
    ("postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}#frag", Neither),
    ("postgresql://postgres:wrong@127.0.0.1:{plain}/{db}", Neither),
    ("postgresql://postgres:@127.0.0.1:{plain}/{db}", Neither),
    ("postgresql://postgres@127.0.0.1:{plain}/{db}", Neither),
    ("postgresql://postgres@127.0.0.1:{plain}/{db}?password={pw}", Both),
    (
        "postgresql:///{db}?host=127.0.0.1&port={plain}&user=postgres&password={pw}",
        Both,
    ),
    (
        "postgresql://?host=127.0.0.1&port={plain}&user=postgres&password={pw}&dbname={db}",
        Both,
    ),
    ("postgresql://postgres:{pw}@nowhere.invalid:{plain}/{db}", Neither),
    (
        "postgresql://postgres:{pw}@/{db}?hostaddr=127.0.0.1&port={plain}",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@nowhere.invalid:{plain}/{db}?hostaddr=127.0.0.1",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?hostaddr=nonsense",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain},127.0.0.1:{plain}/{db}",
        PsqlAlone("several hosts"),
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1,localhost:{plain}/{db}?port={plain}",
        PsqlAlone("several hosts"),
    ),
    (
        "postgresql://postgres:{pw}@/{db}?host=127.0.0.1,localhost&port={plain}",
        PsqlAlone("several hosts"),
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1/{db}?port={plain},{plain}",
        Neither,
    ),
    ("postgresql://postgres:{pw}@127.0.0.1:0/{db}", Neither),
    ("postgresql://postgres:{pw}@127.0.0.1:99999/{db}", Neither),
    ("postgresql://postgres:{pw}@127.0.0.1:abc/{db}", Neither),
    ("postgresql://postgres:{pw}@127.0.0.1/{db}?port=-1", Neither),
    ("postgresql://odd:a#b:c?d@127.0.0.1:{plain}/{db}", Both),
    ("postgresql://odd:a%23b%3Ac%3Fd@127.0.0.1:{plain}/{db}", Both),
    ("postgresql://slash:p/q@127.0.0.1:{plain}/{db}", Neither),
    ("postgresql://slash:p%2Fq@127.0.0.1:{plain}/{db}", Both),
    ("postgresql://at:p@q@127.0.0.1:{plain}/{db}", Neither),
    ("postgresql://at:p%40q@127.0.0.1:{plain}/{db}", Both),
    ("postgresql://percent:50%@127.0.0.1:{plain}/{db}", Neither),
    ("postgresql://percent:50%25@127.0.0.1:{plain}/{db}", Both),
    ("postgresql://percent:50%zz@127.0.0.1:{plain}/{db}", Neither),
    ("postgresql://plus:a+b@127.0.0.1:{plain}/{db}", Both),
    ("postgresql://plus:a%20b@127.0.0.1:{plain}/{db}", Neither),
    ("postgresql://blank:a%20b@127.0.0.1:{plain}/{db}", Both),
    ("postgresql://umlaut:grün@127.0.0.1:{plain}/{db}", Both),
    ("postgresql://umlaut:gr%C3%BCn@127.0.0.1:{plain}/{db}", Both),
    ("postgresql://me%40x:{pw}@127.0.0.1:{plain}/{db}", Both),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/Odd%20%2F%20%C3%A4",
        Both,
    ),
    ("postgresql://postgres:{pw}@127.0.0.1:{plain}/%00", Neither),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?sslmode=disable",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?sslmode=allow",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?sslmode=prefer",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?sslmode=require",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?sslmode=verify-ca&sslrootcert={root}",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?sslmode=verify-full&sslrootcert={root}",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?sslmode=maybe",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?sslmode=",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?sslmode",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?ssl_mode=verify-full",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?requiressl=1",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?requiressl=0",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?ssl=true",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?ssl=false",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?schema=tenant_a",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?currentSchema=tenant_a",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?pgbouncer=true",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?sslmode=prefer=x",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?connect_timeout=0",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?connect_timeout=-1",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?connect_timeout=soon",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?application_name=mine",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?fallback_application_name=mine",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?options=-c%20search_path%3Dpg_catalog",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?options=--search-path%3Da,b%20-cgeqo%3Doff",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?options=-c%20search_path%3Da%5C%20b",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?options=-c%20nonsense%3D1",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?options=-c%20geqo=off",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?keepalives_idle=soon",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?tcp_user_timeout=9000",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?client_encoding=utf8",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?client_encoding=latin1",
        PsqlAlone("client_encoding"),
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?channel_binding=require",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?channel_binding=prefer",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?channel_binding=disable",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?target_session_attrs=any",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?target_session_attrs=read-write",
        PsqlAlone("target_session_attrs"),
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?target_session_attrs=standby",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?target_session_attrs=nonsense",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?gssencmode=disable",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?gssencmode=require",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?passfile=/nowhere",
        PsqlAlone("passfile"),
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{plain}/{db}?service=nowhere",
        Neither,
    ),
    ("POSTGRESQL://postgres:{pw}@127.0.0.1:{plain}/{db}", Neither),
    ("mysql://postgres:{pw}@127.0.0.1:{plain}/{db}", Neither),
    (
        "postgresql+asyncpg://postgres:{pw}@127.0.0.1:{plain}/{db}",
        ConsoleAlone,
    ),
    (
        "postgresql+asyncpg://postgres:{pw}@127.0.0.1:{plain}/{db}?ssl=prefer&prepared_statement_cache_size=0",
        ConsoleAlone,
    ),
    (
        "postgresql+asyncpg://postgres:{pw}@127.0.0.1:{plain}/{db}?ssl=require",
        Neither,
    ),
    (
        "postgresql+psycopg://postgres:{pw}@/{db}?host={socket}&port={plain}",
        ConsoleAlone,
    ),
    // Its socket.
    ("postgresql://postgres@/{db}?host={socket}&port={plain}", Both),
    ("postgresql://postgres@{encoded_socket}:{plain}/{db}", Both),
    (
        "postgresql:///{db}?host={socket}&port={plain}&user=postgres",
        Both,
    ),
    (
        "postgresql://postgres@/{db}?host={socket}&port={plain}&sslmode=require",
        Both,
    ),
    ("postgresql://postgres@/{db}?host=/nowhere&port={plain}", Neither),
    // A server that offers encryption, with a certificate of an authority of its own.
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=disable",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=allow",
        BothSomehow,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=prefer",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=prefer&sslrootcert={other}",
        BothSomehow,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=require",
        Both,
    ),
    ("postgresql://postgres:{pw}@localhost:{tls}/{db}?ssl=true", Both),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?requiressl=1",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=require&sslrootcert={root}",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=require&sslrootcert={other}",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=require&sslrootcert=/nowhere",
        PsqlAlone("is not there"),
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=verify-ca&sslrootcert={root}",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=verify-ca&sslrootcert={other}",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=verify-ca",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=verify-full&sslrootcert={root}",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=verify-full&sslrootcert={other}",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=verify-full&sslrootcert=/nowhere",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?sslmode=verify-full",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?channel_binding=require",
        PsqlAlone("channel_binding"),
    ),
    (
        "postgresql://postgres:{pw}@localhost:{tls}/{db}?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={root}",
        PsqlAlone("hostaddr"),
    ),
    (
        "postgresql+asyncpg://postgres:{pw}@localhost:{tls}/{db}?ssl=verify-full&sslrootcert={root}",
        ConsoleAlone,
    ),
    (
        "postgresql+asyncpg://postgres:{pw}@localhost:{tls}/{db}?ssl=True",
        ConsoleAlone,
    ),
    // One whose certificate is for another host.
    (
        "postgresql://postgres:{pw}@localhost:{elsewhere}/{db}?sslmode=verify-ca&sslrootcert={root}",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@localhost:{elsewhere}/{db}?sslmode=verify-full&sslrootcert={root}",
        Neither,
    ),
    // One that knows its clients by their certificates, and takes nobody without encryption.
    (
        "postgresql://postgres@localhost:{clients}/{db}?sslmode=verify-full&sslrootcert={root}&sslcert={cert}&sslkey={key}",
        Both,
    ),
    (
        "postgresql://postgres@localhost:{clients}/{db}?sslmode=allow&sslcert={cert}&sslkey={key}",
        Both,
    ),
    (
        "postgresql://postgres@localhost:{clients}/{db}?sslmode=disable",
        Neither,
    ),
    (
        "postgresql://postgres@localhost:{clients}/{db}?sslmode=require",
        Neither,
    ),
    (
        "postgresql://postgres@localhost:{clients}/{db}?sslmode=require&sslcert={cert}",
        Neither,
    ),
    (
        "postgresql://postgres@localhost:{clients}/{db}?sslmode=require&sslcert=/nowhere&sslkey={key}",
        Neither,
    ),
    (
        "postgresql://postgres@localhost:{clients}/{db}?sslmode=require&sslcert={cert}&sslkey={open_key}",
        Neither,
    ),
    // One whose pg_hba.conf rejects everybody on TCP, and one that rejects who comes encrypted.
    ("postgresql://postgres:{pw}@127.0.0.1:{reject}/{db}", Neither),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{reject}/{db}?sslmode=require",
        Neither,
    ),
    (
        "postgresql://postgres@/{db}?host={reject_socket}&port={reject}",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{unencrypted}/{db}?sslmode=disable",
        Both,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{unencrypted}/{db}?sslmode=require",
        Neither,
    ),
    (
        "postgresql://postgres:{pw}@127.0.0.1:{unencrypted}/{db}",
        PsqlAlone("encryption"),
    ),
];

/// A cluster with a `pg_hba.conf` of its own.
async fn with_access(folder: &Path, name: &str, lines: &str, options: ClusterOptions) -> Cluster {
    let path = folder.join(name);
    fs::write(&path, lines).unwrap();
    Cluster::start_with(options.setting("hba_file", &path.to_string_lossy())).await
}

/// A folder that the server's user can enter as well.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), mode).unwrap();
    folder
}

#[tokio::test]
async fn every_url_comes_to_where_psql_comes_or_is_refused_by_name() {
    let (authority, other, clients_of) = (Authority::new(), Authority::new(), Authority::new());
    let folder = open_folder();
    let plain = Cluster::start().await;
    let tls =
        Cluster::start_with(ClusterOptions::new().tls(&authority.issue(&["localhost", "127.0.0.1"]))).await;
    let elsewhere =
        Cluster::start_with(ClusterOptions::new().tls(&authority.issue(&["elsewhere.example"]))).await;
    let clients = ClusterOptions::new()
        .tls_only(&authority.issue(&["localhost"]))
        .client_certificates(&clients_of);
    let clients = Cluster::start_with(clients).await;
    let lines = "local all all trust\nhost all all 127.0.0.1/32 reject\n";
    let reject = with_access(folder.path(), "reject", lines, ClusterOptions::new()).await;
    let lines =
        "local all all trust\nhostssl all all 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let encrypting = ClusterOptions::new().tls(&authority.issue(&["localhost"]));
    let unencrypted = with_access(folder.path(), "unencrypted", lines, encrypting).await;

    let database = "table of urls";
    for cluster in [&plain, &tls, &elsewhere, &clients, &reject, &unencrypted] {
        cluster.execute(&format!("create database \"{database}\"")).await;
    }
    let password = plain.password();
    plain.execute("create database \"Odd / ä\"").await;
    plain
        .execute(&format!(
            "create role odd login password 'a#b:c?d';
             create role slash login password 'p/q';
             create role at login password 'p@q';
             create role percent login password '50%';
             create role plus login password 'a+b';
             create role blank login password 'a b';
             create role umlaut login password 'grün';
             create role \"me@x\" login password '{password}'"
        ))
        .await;
    let keep = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let (certificate, key) = clients_of.issue(&["postgres"]).write_into(folder.path());
    let open_key = keep("open.key", &fs::read_to_string(&key).unwrap());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&open_key, mode).unwrap();
    let socket = plain.socket_dir().to_string_lossy().into_owned();
    let values = [
        ("{pw}", password.to_owned()),
        ("{db}", database.replace(' ', "%20")),
        ("{plain}", plain.port().to_string()),
        ("{tls}", tls.port().to_string()),
        ("{elsewhere}", elsewhere.port().to_string()),
        ("{clients}", clients.port().to_string()),
        ("{reject}", reject.port().to_string()),
        ("{unencrypted}", unencrypted.port().to_string()),
        ("{root}", keep("root.pem", authority.certificate())),
        ("{other}", keep("other.pem", other.certificate())),
        ("{cert}", certificate.to_string_lossy().into_owned()),
        ("{key}", key.to_string_lossy().into_owned()),
        ("{open_key}", open_key),
        ("{encoded_socket}", socket.replace('/', "%2F")),
        ("{socket}", socket),
        (
            "{reject_socket}",
            reject.socket_dir().to_string_lossy().into_owned(),
        ),
    ];
    let home = tempfile::tempdir().unwrap();
    let psql = plain.bin_dir().join("psql");
    let mut wrong = Vec::new();
    assert!(CASES.len() >= 80);
    for (template, verdict) in CASES {
        let text = values.iter().fold((*template).to_owned(), |text, (name, value)| {
            text.replace(name, value)
        });
        let asked = Command::new(&psql)
            .env_clear()
            .env("HOME", home.path())
            .env("PGCONNECT_TIMEOUT", "20")
            .args(["-X", "-w", "-At", "-c", WHERE, &text])
            .output()
            .unwrap();
        let theirs = match asked.status.success() {
            true => Ok(String::from_utf8(asked.stdout).unwrap().trim().to_owned()),
            false => Err(String::from_utf8_lossy(&asked.stderr).trim().to_owned()),
        };
        let ours = connect(&text).await;
        let place = |found: &str| found.rsplit_once(' ').map(|(place, _)| place.to_owned());
        let holds = match (verdict, &theirs, &ours) {
            (Both, Ok(theirs), Ok(ours)) => theirs == ours,
            (BothSomehow, Ok(theirs), Ok(ours)) => place(theirs) == place(ours),
            (Neither, Err(_), Err(_)) | (ConsoleAlone, Err(_), Ok(_)) => true,
            (PsqlAlone(word), Ok(_), Err(ours)) => ours.contains(word),
            _ => false,
        };
        if !holds {
            wrong.push(format!(
                "{template}: {verdict:?}\n  psql: {theirs:?}\n  ours: {ours:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n")
    );
}

/// Where the console comes to by this URL, or why not.
async fn connect(text: &str) -> Result<String, String> {
    let url = url::parse(text)?;
    url.link.check()?;
    let options = url.options.extra_float_digits(None);
    let connecting = tokio::time::timeout(Duration::from_secs(60), options.connect());
    let mut connection = connecting
        .await
        .map_err(|_| "no answer".to_owned())?
        .map_err(|error| error.to_string())?;
    let row = sqlx::raw_sql(WHERE)
        .fetch_one(&mut connection)
        .await
        .map_err(|error| error.to_string())?;
    Ok(row.get(0))
}
