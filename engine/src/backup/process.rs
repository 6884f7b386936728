//! Telling a process apart from a later one with the same number.

use std::fs;

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// Which machine, boot and container this process' numbers belong to; the same for every process that can see them.
pub(super) fn place() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let names = fs::read_link("/proc/self/ns/pid")
        .map(|link| link.display().to_string())
        .unwrap_or_default();
    // Elsewhere than on Linux both are empty; there no start time is known either, and nothing is ever killed.
    format!("{} {names}", boot.trim())
}

/// When a process began, in the kernel's ticks since boot; `None` when there is none, or the system does not tell.
pub(super) fn started(pid: i32) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything; the 22nd is the start.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Whether a child process has ended and was not waited for yet.
pub(super) fn has_ended(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
}

/// Kills a process group that was written down, if its leader is certainly still the same process.
pub(super) fn kill_group(written_place: &str, pid: i32, written_start: Option<i64>) -> bool {
    let same = written_place == place() && written_start.is_some() && started(pid) == written_start;
    same && killpg(Pid::from_raw(pid), Signal::SIGKILL).is_ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::{
        os::unix::process::{CommandExt, ExitStatusExt},
        process::Command,
    };

    use super::*;

    #[test]
    fn a_tool_that_a_dead_console_left_is_killed() {
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(kill_group(&place(), pid, started(pid)));
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!kill_group(&place(), pid, started(pid)), "twice is no mistake");
    }

    #[test]
    fn only_the_very_same_process_is_killed() {
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let start = started(own);
        assert!(start.is_some_and(|ticks| ticks > 0));
        // None of these may hit: otherwise this test would not live to say so.
        assert!(!kill_group("another machine", own, start));
        assert!(!kill_group(&place(), own, start.map(|ticks| ticks - 1)));
        assert!(!kill_group(&place(), own, None));
        assert_eq!(started(i32::MAX), None);
    }
}
