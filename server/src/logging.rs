//! The log: one line an event on standard error, as text or JSON.
//!
//! A line may be lost, work never: no task waits for the log's reader or fails because of it. Lines go into a queue of
//! bounded size, and one thread writes them. What found no room there, or could not be written (a full disk, a reader that
//! is gone), is counted, and told as soon as a line can be written again.

mod queue;

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use self::queue::Queue;
use crate::config::ConfigError;

/// How long the program's end waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What a server says beside its answers. Its text is the server's own, with rows' values, and a loop makes millions of them:
/// none is written, whatever RUST_LOG says.
const NOTICES: &str = "sqlx::postgres::notice=off";
/// The most bytes of one event; what a server answers may be of any length.
const MOST: usize = 16 * 1024;

/// The log of this process. Dropping it writes what is still queued, unless nobody reads it.
pub(crate) struct Log(Queue);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.drain(LAST_LINES);
    }
}

/// Begins to log. `usual` holds when the settings name no filter. A panic becomes a line of the log, too: the standard
/// library would write it to standard error itself, and wait there.
///
/// # Errors
/// When the filter cannot be read, or the thread that writes does not start.
pub(crate) fn begin(filter: Option<&str>, usual: &str, json: bool) -> Result<Log, ConfigError> {
    let ansi = !json && io::stderr().is_terminal();
    let queue = Queue::start(io::stderr(), move |lost| told(lost, json)).map_err(|error| ConfigError {
        name: "RUST_LOG".to_owned(),
        problem: format!("the thread that writes the log does not start: {error}"),
        example: "a higher limit of processes for this user".to_owned(),
    })?;
    let to = queue.clone();
    let log = tracing_subscriber::fmt()
        .with_env_filter(read(filter.unwrap_or(usual))?)
        .with_writer(Lines {
            to: move || to.clone(),
            ansi,
        })
        // The writer never fails; were it to, the layer would write to standard error by itself.
        .log_internal_errors(false)
        .with_target(false);
    // A second call, in tests, changes nothing.
    if json {
        log.json().try_init().ok();
    } else {
        log.with_ansi(ansi).try_init().ok();
    }
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        tracing::error!(thread, "{panic}");
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            tracing::error!(thread, "{backtrace}");
        }
    }));
    Ok(Log(queue))
}

/// What is said of lines that are lost.
fn told(lost: u64, json: bool) -> String {
    let at = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let lines = if lost == 1 { "line" } else { "lines" };
    let message = format!("{lost} {lines} of this log could not be written and are lost");
    if json {
        let line = serde_json::json!({"timestamp": at, "level": "WARN", "fields": {"message": message, "lost": lost}});
        format!("{line}\n")
    } else {
        format!("{at}  WARN {message}\n")
    }
}

fn read(filter: &str) -> Result<EnvFilter, ConfigError> {
    let wrong = |error: String| ConfigError {
        name: "RUST_LOG".to_owned(),
        problem: format!("it cannot be read: {error}"),
        example: "RUST_LOG=info,engine=debug".to_owned(),
    };
    let notices = NOTICES
        .parse()
        .map_err(|error: tracing_subscriber::filter::ParseError| wrong(error.to_string()))?;
    EnvFilter::try_new(filter)
        .map(|filter| filter.add_directive(notices))
        .map_err(|error| wrong(error.to_string()))
}

/// Writes each event as one line, however many its texts have: a line that a server made up must not look like one of ours.
struct Lines<M> {
    to: M,
    /// Whether the format itself uses escape sequences; those of texts are escaped by it then.
    ansi: bool,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Lines<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line {
            to: self.to.make_writer(),
            ansi: self.ansi,
        }
    }
}

struct Line<W> {
    to: W,
    ansi: bool,
}

impl<W: Write> Write for Line<W> {
    /// Takes one whole event, as the subscriber gives it.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = event.strip_suffix(b"\n").unwrap_or(event);
        let mut line = String::with_capacity(text.len().min(MOST) + 1);
        for c in String::from_utf8_lossy(text).chars() {
            if line.len() >= MOST {
                line.push_str("… (cut)");
                break;
            }
            match c {
                '\u{1b}' if self.ansi => line.push(c),
                // Line and paragraph separators, and marks that turn the direction of writing.
                '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    line.extend(c.escape_unicode());
                }
                c if c.is_control() => line.extend(c.escape_default()),
                c => line.push(c),
            }
        }
        line.push('\n');
        self.to.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, act: impl FnOnce()) -> String {
        let kept = Kept::default();
        let to = kept.clone();
        let log = tracing_subscriber::fmt()
            .with_env_filter(read(filter).unwrap())
            .with_writer(Lines {
                to: move || to.clone(),
                ansi: false,
            })
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(log, act);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_a_server_says_cannot_forge_a_line() {
        let said = "no\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[2J\u{2028}x";
        let log = logged("info", || tracing::warn!(error = %said, "it failed: {said}"));
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(
            log.contains(r"no\n2026") && !log.contains('\u{1b}') && !log.contains('\u{2028}'),
            "{log}"
        );
        let long = "x".repeat(1 << 20);
        let log = logged("info", || tracing::warn!("{long}"));
        assert!(
            log.len() < MOST + 100 && log.ends_with("… (cut)\n"),
            "{}",
            log.len()
        );
    }

    #[test]
    fn a_name_in_a_field_or_a_span_makes_no_line_of_its_own() {
        for name in [
            "a\nb",
            "a\r\nb",
            "\u{1b}[31mred\u{1b}]0;title\u{7}",
            "\u{9b}2J",
            "\u{85}next",
            "\u{202e}gpj.exe",
            "\u{2028}x",
            "\u{2067}x",
            "x\ty",
            "\0",
        ] {
            let log = logged("info", || {
                let span = tracing::info_span!("job", target = name, table = %name, debug = ?name);
                span.in_scope(|| tracing::error!(table = %name, user = name, "{name} failed"));
            });
            let obeyed = |c: char| {
                (c.is_control() && c != '\n')
                    || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(
                log.lines().count() == 1 && !log.contains(obeyed),
                "{name:?}: {log:?}"
            );
            assert_eq!(log.matches('\n').count(), 1, "{log:?}");
        }
    }

    #[test]
    fn notices_of_a_server_are_never_written() {
        for filter in ["info", "trace", "sqlx=trace", "sqlx::postgres::notice=trace"] {
            let log = logged(filter, || {
                tracing::warn!(target: "sqlx::postgres::notice", "ann@example.org");
                tracing::warn!("ours");
            });
            assert!(!log.contains("ann@example.org"), "{filter}: {log}");
        }
        assert!(logged("info", || tracing::warn!("ours")).contains("ours"));
    }
}
