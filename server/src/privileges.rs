//! Started as root, the process becomes another user for good, before its first thread and before it listens.
//!
//! PostgreSQL refuses to run as root, and a console has no use for root either. The user is the owner of the data folder;
//! a folder that is new, or root's own, is given to `postgres`, else to `nobody`.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::Path,
};

use contract::{Code, Fault};
use engine::embedded;
use nix::unistd::{Gid, Uid, User, chown, setgid, setgroups, setuid};

use crate::config::Settings;

/// What else the console keeps in its data folder.
const OURS: [&str; 5] = ["jwt.key", "jwt.key.previous", "backups", "uploads", "lost+found"];

/// Makes sure that the process may use its folders, and is not root when it goes on.
///
/// # Errors
/// A fault that names the folder and the setting to change.
pub fn settle(settings: &Settings) -> Result<(), Fault> {
    let data = &settings.data_dir;
    let was_root = Uid::effective().is_root();
    if was_root {
        let user = user_for(data)?;
        give(data, &user)?;
        if !settings.backup_dir.starts_with(data) {
            give_new(&settings.backup_dir, &user)?;
        }
        become_user(&user)?;
    }
    make(data).map_err(|error| unusable(data, &error))?;
    let probe = data.join(".probe");
    fs::write(&probe, "")
        .and_then(|()| fs::remove_file(&probe))
        .map_err(|error| unusable(data, &error))?;
    if was_root {
        // The folder the command was typed in may be closed to this user; programs that it starts would complain.
        std::env::set_current_dir(data).map_err(|error| unusable(data, &error))?;
    }
    Ok(())
}

fn user_for(data: &Path) -> Result<User, Fault> {
    let failed = |error: nix::Error| {
        Fault::new(
            Code::Internal,
            format!("The list of users cannot be read: {error}."),
        )
    };
    if let Ok(found) = fs::metadata(data)
        && found.uid() != 0
    {
        let owner = User::from_uid(Uid::from_raw(found.uid())).map_err(failed)?;
        return owner.ok_or_else(|| {
            Fault::new(
                Code::Internal,
                format!(
                    "{} belongs to user {}, who does not exist.",
                    data.display(),
                    found.uid()
                ),
            )
            .hint("Give it to a user that does (chown), or set PGSTEWARD_DATA_DIR to another folder.")
        });
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name).map_err(failed)? {
            return Ok(user);
        }
    }
    Err(Fault::new(
        Code::Internal,
        "pgsteward does not run as root, and there is no user postgres or nobody to become.",
    )
    .hint("Add one (useradd --system postgres), or start pgsteward as an ordinary user."))
}

/// Gives the data folder to the user. Only a new or empty folder, or one with files of ours, changes hands: a mistyped
/// setting must not take a system folder away from root.
fn give(data: &Path, user: &User) -> Result<(), Fault> {
    let failed = |error: &dyn std::fmt::Display| {
        Fault::new(
            Code::Internal,
            format!(
                "{} cannot be given to user {}: {error}.",
                data.display(),
                user.name
            ),
        )
        .hint("Set PGSTEWARD_DATA_DIR to a folder of its own.")
    };
    make(data).map_err(|error| failed(&error))?;
    if fs::metadata(data).map_err(|error| failed(&error))?.uid() == user.uid.as_raw() {
        return Ok(());
    }
    let names: Vec<String> = fs::read_dir(data)
        .map_err(|error| failed(&error))?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let ours = |name: &String| OURS.contains(&name.as_str()) || embedded::FILES.contains(&name.as_str());
    if !names.is_empty() && !names.iter().any(ours) {
        return Err(Fault::new(
            Code::Internal,
            format!("{} holds other things than a console's data.", data.display()),
        )
        .hint("Set PGSTEWARD_DATA_DIR to a new folder, or to the one that pgsteward made."));
    }
    tracing::info!(folder = %data.display(), user = user.name, "giving the data folder to a user that is not root");
    for name in names.iter().filter(|name| ours(name) && *name != "lost+found") {
        give_whole(&data.join(name), user).map_err(|error| failed(&error))?;
    }
    chown(data, Some(user.uid), Some(user.gid)).map_err(|error| failed(&error))
}

/// Gives a folder with all that is in it, never through a link.
fn give_whole(path: &Path, user: &User) -> std::io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            give_whole(&entry?.path(), user)?;
        }
    }
    std::os::unix::fs::lchown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
}

/// Gives a folder outside the data folder only when it is new or empty; one that is in use has rights of its own.
fn give_new(folder: &Path, user: &User) -> Result<(), Fault> {
    let failed = |error: &dyn std::fmt::Display| {
        Fault::new(
            Code::Internal,
            format!(
                "{} cannot be given to user {}: {error}.",
                folder.display(),
                user.name
            ),
        )
        .hint("Set PGSTEWARD_BACKUP_URL to a folder of its own.")
    };
    make(folder).map_err(|error| failed(&error))?;
    let empty = fs::read_dir(folder)
        .map_err(|error| failed(&error))?
        .next()
        .is_none();
    let roots = fs::metadata(folder).map_err(|error| failed(&error))?.uid() == 0;
    if empty && roots {
        chown(folder, Some(user.uid), Some(user.gid)).map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn become_user(user: &User) -> Result<(), Fault> {
    let group = Gid::from_raw(user.gid.as_raw());
    // The order matters: whoever is no longer root cannot change groups.
    let became = setgroups(&[group])
        .and_then(|()| setgid(group))
        .and_then(|()| setuid(user.uid));
    became.map_err(|error| {
        Fault::new(
            Code::Internal,
            format!("The process cannot become user {}: {error}.", user.name),
        )
    })?;
    if setuid(Uid::from_raw(0)).is_ok() {
        return Err(Fault::new(
            Code::Internal,
            "The process could become root again; it refuses to go on.",
        ));
    }
    tracing::info!(user = user.name, "started as root; now another user");
    Ok(())
}

fn make(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn unusable(data: &Path, error: &std::io::Error) -> Fault {
    let user = User::from_uid(Uid::effective()).ok().flatten();
    let user = user.map_or_else(|| Uid::effective().to_string(), |user| user.name);
    // The nearest folder that lets this user in shows which one does not.
    let closed = data
        .ancestors()
        .skip(1)
        .take_while(|folder| fs::metadata(folder.join(".")).is_err())
        .last();
    let why = match closed {
        Some(folder) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            format!("{} is closed to that user", folder.display())
        }
        _ => error.to_string(),
    };
    Fault::new(Code::Internal, format!("The data folder {} cannot be used by user {user}: {why}.", data.display()))
        .hint("Set PGSTEWARD_DATA_DIR to a folder that this user can reach, for example PGSTEWARD_DATA_DIR=/var/lib/pgsteward.")
}
