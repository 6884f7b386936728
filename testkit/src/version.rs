use std::fmt;
use std::path::{Path, PathBuf};

use crate::failure::or_fail;
use crate::{Failure, programs};

/// A major version of PostgreSQL that tests run against, each with its server and its client tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// PostgreSQL 14.
    V14,
    /// PostgreSQL 15.
    V15,
    /// PostgreSQL 16.
    V16,
    /// PostgreSQL 17.
    V17,
    /// PostgreSQL 18.
    V18,
}

impl Version {
    /// All of them, the oldest first.
    pub const ALL: [Self; 5] = [Self::V14, Self::V15, Self::V16, Self::V17, Self::V18];

    /// Its number, for example 17.
    #[must_use]
    pub const fn major(self) -> u32 {
        match self {
            Self::V14 => 14,
            Self::V15 => 15,
            Self::V16 => 16,
            Self::V17 => 17,
            Self::V18 => 18,
        }
    }

    /// The folder with its server programs and client tools, fit for `PG_BIN`.
    #[must_use]
    pub fn bin_dir(self) -> PathBuf {
        or_fail(self.try_bin_dir())
    }

    /// As [`Version::bin_dir`], with the reason instead of a panic. Looks where `xtask/setup.sh test` puts what the machine
    /// does not package, then where Debian's packages lie.
    ///
    /// # Errors
    /// When it is installed in neither place; the text says what to run.
    pub fn try_bin_dir(self) -> Result<PathBuf, Failure> {
        let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.toolchain/postgresql");
        let candidates = [fetched, PathBuf::from("/usr/lib/postgresql")]
            .into_iter()
            .map(|top| top.join(self.to_string()).join("bin"))
            // Whole paths, because the programs find their libraries and their extensions from them.
            .filter_map(|folder| folder.canonicalize().ok());
        programs::first_complete(candidates).ok_or_else(|| {
            Failure::new(format!(
                "PostgreSQL {self} is not installed. Run `xtask/setup.sh test`"
            ))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.major())
    }
}
