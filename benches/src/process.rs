//! What Linux knows of processes: memory and processor time.

use std::{fs, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle, time};

use crate::Result;

/// /proc counts processor time in hundredths of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);
/// Between two looks at a process whose peak is wanted.
const LOOK: Duration = Duration::from_millis(20);
/// Every so many looks the children are added up too, which costs a walk through /proc.
const WITH_CHILDREN: u32 = 5;

/// The memory of one process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All that is in memory now (VmRSS).
    pub resident: u64,
    /// Of that, the process's own.
    pub own: u64,
    /// Of that, pages of the program and its libraries, which the system can drop and read again.
    pub files: u64,
}

/// The memory of a process now.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(|error| format!("reading {path}: {error}"))?;
    of_status(&text).ok_or_else(|| format!("{path} does not say how much memory the process has"))
}

fn of_status(text: &str) -> Option<Memory> {
    let line = |name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
            .map(|kilobytes| kilobytes * 1024)
    };
    Some(Memory {
        resident: line("VmRSS:")?,
        own: line("RssAnon:")?,
        files: line("RssFile:")?,
    })
}

/// Processor time that a process has had.
pub fn processor_time(pid: u32) -> Duration {
    stat(pid).map(|stat| stat.time).unwrap_or_default()
}

/// Processor time of a process and its children.
pub fn family_time(pid: u32) -> Duration {
    processor_time(pid) + children(pid).map(|(_, stat)| stat.time).sum::<Duration>()
}

/// Whether a process is there and not only waits to be collected.
pub fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.state != 'Z')
}

struct Stat {
    state: char,
    parent: u32,
    time: Duration,
}

/// `/proc/<pid>/stat` is `pid (name) state parent …`, and the name may hold spaces and brackets.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u32>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        time: TICK * (ticks(11)? + ticks(12)?),
    })
}

fn children(parent: u32) -> impl Iterator<Item = (u32, Stat)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, stat(pid)?))
        })
        .filter(move |(_, stat)| stat.parent == parent)
}

/// A process's largest memory over a time, looked at 50 times a second.
pub struct Peak {
    stop: oneshot::Sender<()>,
    seen: JoinHandle<Peaks>,
}

/// What [`Peak`] saw, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peaks {
    /// The process alone.
    pub alone: u64,
    /// With the programs that it started.
    pub with_children: u64,
}

impl Peak {
    /// Begins to look.
    pub fn watch(pid: u32) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let seen = tokio::spawn(async move {
            let mut peaks = Peaks::default();
            let mut looks = 0_u32;
            while let Ok(memory) = memory(pid) {
                peaks.alone = peaks.alone.max(memory.resident);
                if looks.is_multiple_of(WITH_CHILDREN) {
                    let others: u64 = children(pid)
                        .filter_map(|(pid, _)| self::memory(pid).ok())
                        .map(|it| it.resident)
                        .sum();
                    peaks.with_children = peaks.with_children.max(memory.resident + others);
                }
                looks += 1;
                // A value, or the end of whoever held the other side.
                if time::timeout(LOOK, &mut stopped).await.is_ok() {
                    break;
                }
            }
            peaks
        });
        Self { stop, seen }
    }

    /// Stops looking.
    pub async fn end(self) -> Result<Peaks> {
        drop(self.stop);
        self.seen
            .await
            .map_err(|error| format!("watching a process's memory: {error}"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let text =
            "Name:\tx\nVmHWM:\t  900 kB\nVmRSS:\t     300 kB\nRssAnon:\t     100 kB\nRssFile:\t     200 kB\n";
        let memory = of_status(text).unwrap();
        assert_eq!(
            (memory.resident, memory.own, memory.files),
            (300 << 10, 100 << 10, 200 << 10)
        );
        assert_eq!(of_status("Name:\tkthread\n"), None);
    }

    #[test]
    fn this_process_is_alive_and_has_memory() {
        let own = std::process::id();
        assert!(is_alive(own) && memory(own).unwrap().resident > 1 << 20);
        assert!(!is_alive(4_194_305), "above the largest process number there is");
    }
}
