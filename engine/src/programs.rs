//! Finding PostgreSQL's programs: the folder that the configuration names, else `pg_config`, `PATH`, and the folders of
//! the usual packages, the newest version first.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use contract::{Code, Fault};
use tokio::sync::Mutex;

use crate::{Error, Result};

/// How long a search is remembered: pages ask for the version often, packages are upgraded rarely.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The last security minor of each major version (November 2026). Older client tools have holes that a hostile
/// database or archive can use (CVE-2025-8714, CVE-2025-8715 and their family).
const LAST_SECURITY_MINORS: [Version; 5] = [
    Version::new(14, 24),
    Version::new(15, 19),
    Version::new(16, 15),
    Version::new(17, 11),
    Version::new(18, 5),
];

/// The oldest major version whose client tools are used at all.
const OLDEST_MAJOR: u32 = 14;

/// A version of PostgreSQL, such as 15.20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The part that changes once a year.
    pub major: u32,
    /// The part that changes with each correction; 0 for development versions.
    pub minor: u32,
}

impl Version {
    /// A version by its parts.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Reads what a program answers to `--version`, such as `pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)`.
    pub fn of_answer(text: &str) -> Option<Self> {
        let number = text.split_once("(PostgreSQL)")?.1.split_whitespace().next()?;
        let mut parts = number.split('.');
        let major = parts.next()?;
        // A development version is called 19devel, 19beta1 or 19rc1.
        let digits = major.find(|c: char| !c.is_ascii_digit()).unwrap_or(major.len());
        let minor = parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0);
        Some(Self {
            major: major[..digits].parse().ok()?,
            minor,
        })
    }

    /// The oldest minor of this major version without a known hole, when this one is older.
    pub fn outdated(self) -> Option<Self> {
        LAST_SECURITY_MINORS
            .into_iter()
            .find(|last| last.major == self.major && self.minor < last.minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A folder that holds all programs that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    folder: PathBuf,
    version: Version,
}

impl Programs {
    /// The first folder that holds `needed`, all of them. A `given` folder is the only one looked at: a wrong setting
    /// is an error and no reason to take another version behind the user's back.
    ///
    /// # Errors
    /// `Conflict` when there is none, with what to install.
    pub async fn find(given: Option<&Path>, needed: &[&str]) -> Result<Self> {
        all(given, needed)
            .await?
            .into_iter()
            .next()
            .ok_or_else(|| missing(given, needed, None))
    }

    /// The first folder whose client tools can speak to a server of this major version, which an older one refuses.
    ///
    /// # Errors
    /// `Conflict` when there is none, with what to install.
    pub async fn for_server(given: Option<&Path>, needed: &[&str], server_major: u32) -> Result<Self> {
        let found = all(given, needed).await?;
        let newest = found.iter().map(|programs| programs.version).max();
        found
            .into_iter()
            .find(|programs| programs.version.major >= server_major.max(OLDEST_MAJOR))
            .ok_or_else(|| match newest {
                Some(version) => too_old(version, needed, server_major),
                None => missing(given, needed, Some(server_major)),
            })
    }

    /// The first folder whose programs are of this very major version.
    ///
    /// # Errors
    /// None today: a folder that cannot be looked at is passed over.
    pub async fn of_major(given: Option<&Path>, needed: &[&str], major: u32) -> Result<Option<Self>> {
        let found = all(given, needed).await?;
        Ok(found.into_iter().find(|programs| programs.version.major == major))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program's full path.
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// The version of the first program that was asked for.
    pub fn version(&self) -> Version {
        self.version
    }

    /// What the reader of a page that uses these programs must know, if they have known holes.
    pub fn warning(&self) -> Option<String> {
        let version = self.version;
        if version.major < OLDEST_MAJOR {
            return Some(format!(
                "The installed client tools are version {version}, which gets no corrections any more. \
                 Install PostgreSQL {OLDEST_MAJOR} or newer."
            ));
        }
        version.outdated().map(|last| {
            format!(
                "The installed client tools are version {version}; {last} is the oldest without a known hole. A hostile \
                 database can use the hole to run commands where a backup is restored. Upgrade the package \
                 postgresql-client-{major}, unless your distribution has closed it under this number.",
                major = version.major,
            )
        })
    }
}

type Remembered = Vec<(Option<PathBuf>, Vec<String>, Instant, Vec<Programs>)>;

/// Every folder that holds `needed`, best first.
async fn all(given: Option<&Path>, needed: &[&str]) -> Result<Vec<Programs>> {
    static REMEMBER: Mutex<Remembered> = Mutex::const_new(Vec::new());
    // Held while searching: a hundred pages that ask at once start the programs once.
    let mut remember = REMEMBER.lock().await;
    let known = remember
        .iter()
        .find(|(folder, programs, at, _)| {
            folder.as_deref() == given && programs == needed && at.elapsed() < REMEMBERED
        })
        .map(|(_, _, _, found)| found.clone());
    // What was found may have been removed since.
    if let Some(found) = known
        && !found.is_empty()
        && found.iter().all(|programs| holds(&programs.folder, needed))
    {
        return Ok(found);
    }
    let mut found: Vec<Programs> = Vec::new();
    for folder in candidates(given, needed).await {
        if found.iter().any(|programs| programs.folder == folder) || !holds(&folder, needed) {
            continue;
        }
        if let Some(version) = version_in(&folder, needed).await {
            found.push(Programs { folder, version });
        }
    }
    remember.retain(|(folder, programs, _, _)| folder.as_deref() != given || programs != needed);
    let names = needed.iter().map(|&name| name.to_owned()).collect();
    remember.push((given.map(Path::to_owned), names, Instant::now(), found.clone()));
    Ok(found)
}

async fn candidates(given: Option<&Path>, needed: &[&str]) -> Vec<PathBuf> {
    if let Some(folder) = given {
        return vec![folder.to_owned()];
    }
    let mut folders = Vec::new();
    if let Some(answer) = answer(OsStr::new("pg_config"), &["--bindir"]).await {
        folders.push(PathBuf::from(answer));
    }
    // Only the shell knows PATH without this crate reading the environment; the text is fixed but for a name of ours.
    if let Some(program) = needed.first()
        && let Some(path) = answer(OsStr::new("/bin/sh"), &["-c", "command -v \"$0\"", program]).await
        && let Some(folder) = Path::new(&path).parent()
        && folder.is_absolute()
        // Debian's /usr/bin holds a script that chooses a version; the versions themselves are looked at below.
        && !std::fs::canonicalize(&path).is_ok_and(|real| real.ends_with("pg_wrapper"))
    {
        folders.push(folder.to_owned());
    }
    folders.extend(versions_under(Path::new("/usr/lib/postgresql"), ""));
    folders.extend(versions_under(Path::new("/usr"), "pgsql-"));
    folders.extend(versions_under(Path::new("/opt/homebrew/opt"), "postgresql@"));
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    folders
}

/// `<top>/<prefix><version>/bin` for each version there, the newest first.
fn versions_under(top: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(top)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name.strip_prefix(prefix)?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

fn holds(folder: &Path, needed: &[&str]) -> bool {
    needed.iter().all(|program| folder.join(program).is_file())
}

async fn version_in(folder: &Path, needed: &[&str]) -> Option<Version> {
    let program = folder.join(needed.first()?);
    Version::of_answer(&answer(program.as_os_str(), &["--version"]).await?)
}

/// The first line of what a program answers; `None` when it cannot be asked or fails.
async fn answer(program: &OsStr, arguments: &[&str]) -> Option<String> {
    let asked = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(5), asked)
        .await
        .ok()?
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}

fn missing(given: Option<&Path>, needed: &[&str], server_major: Option<u32>) -> Error {
    let names = needed.join(", ");
    let fault = match given {
        Some(folder) => Fault::new(
            Code::Conflict,
            format!(
                "The folder {} does not hold PostgreSQL's programs {names}.",
                folder.display()
            ),
        )
        .hint("Set PG_BIN to the folder that does, for example /usr/lib/postgresql/15/bin, or unset it."),
        None => Fault::new(
            Code::Conflict,
            format!("PostgreSQL's programs {names} were not found."),
        )
        .hint(format!(
            "{}, or set PG_BIN to their folder.",
            install(needed, server_major)
        )),
    };
    Error::Refused(fault)
}

fn too_old(version: Version, needed: &[&str], server_major: u32) -> Error {
    let message = if version.major < OLDEST_MAJOR {
        format!(
            "The installed client tools are version {version}; versions before {OLDEST_MAJOR} are not used."
        )
    } else {
        format!("The installed client tools are version {version}, too old for PostgreSQL {server_major}.")
    };
    let hint = format!(
        "{}, or set PG_BIN to the folder of newer ones.",
        install(needed, Some(server_major))
    );
    Error::conflict(message, hint)
}

/// The command that installs what is missing, on Debian and its kin.
fn install(needed: &[&str], server_major: Option<u32>) -> String {
    let package = if needed.contains(&"initdb") || needed.contains(&"postgres") {
        "postgresql"
    } else {
        "postgresql-client"
    };
    match server_major {
        Some(major) => format!(
            "Install them (apt-get install {package}-{})",
            major.max(OLDEST_MAJOR)
        ),
        None => format!("Install them (apt-get install {package})"),
    }
}

#[cfg(test)]
mod tests;
