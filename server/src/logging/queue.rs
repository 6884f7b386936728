//! Lines on their way to a writer that may be slow, full or gone.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The most bytes that wait. More than a second of a busy console's log, and little beside its memory.
const ROOM: usize = 4 << 20;

/// A bounded queue with a thread that writes what comes into it. Cheap to clone. The thread ends with the process.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines that are lost and of which nobody was told.
    lost: u64,
    /// Whether the last line could not be written: the next one tries again.
    broken: bool,
    writing: bool,
}

impl Queue {
    /// Starts the thread. `told` gives the line that says how many lines were lost.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        to: impl Write + Send + 'static,
        told: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || of_thread.write_for_ever(to, &told))?;
        Ok(Self(shared))
    }

    /// Adds a line, or counts it as lost when there is no room. Never waits for the writer.
    pub fn push(&self, line: Vec<u8>) {
        let mut state = self.0.lock();
        // A single line is taken whatever its size, so that the largest are not always the lost ones.
        if state.bytes > 0 && state.bytes + line.len() > ROOM {
            state.lost += 1;
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        drop(state);
        self.0.changed.notify_all();
    }

    /// Waits until everything is written or lost, at most so long.
    pub fn drain(&self, most: Duration) {
        let end = Instant::now() + most;
        let mut state = self.0.lock();
        while state.writing || state.has_work() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self
                .0
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Write for Queue {
    /// Takes one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_for_ever(&self, mut to: impl Write, told: &impl Fn(u64) -> String) {
        // Whether the last line was written in part: then the next one begins on a line of its own.
        let mut torn = false;
        loop {
            let (line, lost) = {
                let mut state = self.lock();
                while !state.has_work() {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                state.writing = true;
                let line = state.lines.pop_front();
                state.bytes -= line.as_ref().map_or(0, Vec::len);
                (line, std::mem::take(&mut state.lost))
            };
            // Before the line: what is lost came before what had room again.
            let heard = lost == 0 || write_line(&mut to, told(lost).as_bytes(), &mut torn);
            let written = line.is_none_or(|line| write_line(&mut to, &line, &mut torn));
            let mut state = self.lock();
            state.lost += if heard { 0 } else { lost } + u64::from(!written);
            state.broken = !heard || !written;
            state.writing = false;
            drop(state);
            self.changed.notify_all();
        }
    }
}

impl State {
    /// Whether the thread has something to write, or to tell.
    fn has_work(&self) -> bool {
        !self.lines.is_empty() || (self.lost > 0 && !self.broken)
    }
}

/// Writes a line whole; whether that was done.
fn write_line(to: &mut impl Write, line: &[u8], torn: &mut bool) -> bool {
    let mut left = line;
    if *torn {
        match to.write(b"\n") {
            Ok(1) => *torn = false,
            _ => return false,
        }
    }
    while !left.is_empty() {
        match to.write(left) {
            Ok(0) => break,
            Ok(written) => left = &left[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    *torn = !left.is_empty() && left.len() < line.len();
    left.is_empty()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::mpsc;

    use super::*;

    /// Where bytes go, and how much room is left there.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Disk {
        fn give(&self, room: usize) {
            self.0.lock().unwrap().1 = room;
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut inner = self.0.lock().unwrap();
            let taken = bytes.len().min(inner.1);
            if taken == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            inner.1 -= taken;
            inner.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(90);

    #[test]
    fn what_a_full_disk_did_not_take_is_counted_and_told_once_there_is_room() {
        let disk = Disk::default();
        disk.give(10);
        let queue = Queue::start(disk.clone(), |lost| format!("lost {lost}\n")).unwrap();
        for line in ["one\n", "two two two\n", "three\n"] {
            queue.push(line.into());
            queue.drain(LONG);
        }
        assert_eq!(disk.text(), "one\ntwo tw");
        disk.give(1000);
        queue.push("four\n".into());
        queue.push("five\n".into());
        queue.drain(LONG);
        assert_eq!(disk.text(), "one\ntwo tw\nlost 2\nfour\nfive\n");
    }

    /// Takes nothing until it is let go, and then is gone.
    struct Still(mpsc::Receiver<()>);

    impl Write for Still {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_writer_that_stands_still_holds_nobody_up_and_the_queue_stays_small() {
        let (release, held) = mpsc::channel();
        let queue = Queue::start(Still(held), |lost| format!("lost {lost}\n")).unwrap();
        let line = vec![b'x'; 64 * 1024];
        for _ in 0..1000 {
            queue.push(line.clone());
        }
        assert!(queue.0.lock().bytes <= ROOM);
        drop(release);
        queue.drain(LONG);
        let state = queue.0.lock();
        assert_eq!((state.bytes, state.lines.len(), state.lost), (0, 0, 1000));
    }
}
