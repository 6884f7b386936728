use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Gid, Uid, User, chown};

use crate::Failure;
use crate::failure::Doing;

/// The operating-system user that the server runs as. PostgreSQL refuses to run as root.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner {
    /// We are not root: the server runs as we do.
    Ourselves,
    /// We are root: the server runs as this user, and its folder belongs to them.
    Other { uid: Uid, gid: Gid },
}

impl Owner {
    /// Ourselves; as root the user `postgres`, else `nobody`.
    pub(crate) fn choose() -> Result<Self, Failure> {
        if !Uid::effective().is_root() {
            return Ok(Self::Ourselves);
        }
        for name in ["postgres", "nobody"] {
            let found = User::from_name(name).doing("reading the list of users")?;
            if let Some(user) = found {
                return Ok(Self::Other {
                    uid: user.uid,
                    gid: user.gid,
                });
            }
        }
        Err(Failure::new(
            "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`. Run `useradd --system postgres`",
        ))
    }

    /// Gives a file or folder (not what is in it) to this user.
    pub(crate) fn give(self, path: &Path) -> Result<(), Failure> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid))
                .doing(&format!("giving {} to PostgreSQL's user", path.display())),
        }
    }

    /// Writes a file of this user's with this mode.
    pub(crate) fn write(self, path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
        let what = format!("writing {}", path.display());
        fs::write(path, text).doing(&what)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).doing(&what)?;
        self.give(path)
    }

    /// Whether this user can get to the folder: others must be let through every folder above it.
    pub(crate) fn can_reach(self, folder: &Path) -> bool {
        let open = |path: &Path| {
            path.metadata()
                .is_ok_and(|found| found.permissions().mode() & 0o001 != 0)
        };
        match self {
            Self::Ourselves => true,
            Self::Other { .. } => folder.ancestors().all(open),
        }
    }

    /// Lets a program run as this user, in a folder that this user can enter, without our PG* variables.
    pub(crate) fn command(self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder);
        if let Self::Other { uid, gid } = self {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a test tool keeps the tester's own settings away from its servers"
        )]
        let inherited = std::env::vars_os();
        for (name, _) in inherited {
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C");
        command
    }
}
