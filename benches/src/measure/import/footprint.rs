//! The memory of a running process at its largest.

use std::{fs, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle, time};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// The largest that was seen, each by itself, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// All that was ever in memory at once (VmHWM).
    pub whole: u64,
    /// The process's own: anonymous and shared memory, and no pages of files.
    pub own: u64,
    /// Pages of files, of which a mapped database is most.
    pub files: u64,
}

impl Footprint {
    fn of_status(text: &str) -> Self {
        let line = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = found.and_then(|rest| rest.trim_end_matches("kB").trim().parse::<u64>().ok());
            kilobytes.unwrap_or_default() * 1024
        };
        Self {
            whole: line("VmHWM:"),
            own: line("RssAnon:") + line("RssShmem:"),
            files: line("RssFile:"),
        }
    }

    /// The larger of each.
    pub fn max(self, other: Self) -> Self {
        Self {
            whole: self.whole.max(other.whole),
            own: self.own.max(other.own),
            files: self.files.max(other.files),
        }
    }
}

/// Looks at a process ten times a second until it ends or nobody asks any more.
pub struct Watch {
    stop: oneshot::Sender<()>,
    seen: JoinHandle<Footprint>,
}

impl Watch {
    /// Begins to look.
    pub fn begin(pid: u32) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let seen = tokio::spawn(async move {
            let mut largest = Footprint::default();
            while let Ok(text) = fs::read_to_string(format!("/proc/{pid}/status")) {
                largest = largest.max(Footprint::of_status(&text));
                if time::timeout(LOOK, &mut stopped).await.is_ok() {
                    break;
                }
            }
            largest
        });
        Self { stop, seen }
    }

    /// Stops looking.
    pub async fn end(self) -> Footprint {
        drop(self.stop);
        self.seen.await.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_file_is_not_the_processes_own_memory() {
        let text = "VmHWM:\t  900 kB\nRssAnon:\t 100 kB\nRssFile:\t 700 kB\nRssShmem:\t  20 kB\n";
        let found = Footprint::of_status(text);
        assert_eq!(
            (found.whole, found.own, found.files),
            (900 << 10, 120 << 10, 700 << 10)
        );
    }
}
