//! How long and how much.

use std::time::Duration;

/// The sizes of one run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// From the start until the console counts as idle.
    pub idle: Duration,
    /// The longest wait for the demonstration data.
    pub demo: Duration,
    /// Requests before the measurement begins, in each page's run.
    pub warm_up: Duration,
    /// A run in which each user asks again at once.
    pub full_speed: Duration,
    /// A run in which users read what they asked for.
    pub paced: Duration,
    /// How long a user reads, on average; each time it is between half of this and one and a half.
    pub reading: Duration,
    /// Numbers of users at the same time.
    pub users: [usize; 2],
    /// Tables of the large database.
    pub tables: u32,
    /// Requests to its page, one after the other.
    pub table_requests: usize,
    /// Between two of them.
    pub table_pause: Duration,
    /// Databases that are watched at a time.
    pub watched: [usize; 3],
    /// From a console's start until its first looks are over.
    pub settle: Duration,
    /// How long the sampler is measured.
    pub watching: Duration,
    /// How long it is measured while a page is open.
    pub looking: Duration,
    /// Backups and bare dumps, taken in turn.
    pub rounds: usize,
    /// Bytes of the table that makes a database large.
    pub bulk: u64,
    /// Jobs of each kind that are cancelled.
    pub cancels: usize,
    /// Sessions of the live streams.
    pub sessions: usize,
    /// Streams of each session; the console allows no more than 20.
    pub streams: usize,
}

impl Plan {
    /// The real sizes, or with `quick` those of a smoke run.
    pub fn new(quick: bool) -> Self {
        let seconds = Duration::from_secs;
        let whole = Self {
            idle: seconds(20),
            demo: seconds(900),
            warm_up: seconds(2),
            full_speed: seconds(10),
            paced: seconds(20),
            reading: seconds(2),
            users: [100, 500],
            tables: 10_000,
            table_requests: 100,
            table_pause: Duration::from_millis(250),
            watched: [1, 10, 50],
            settle: seconds(60),
            watching: seconds(300),
            looking: seconds(30),
            rounds: 3,
            bulk: 2_000_000_000,
            cancels: 3,
            sessions: 10,
            streams: 20,
        };
        if !quick {
            return whole;
        }
        Self {
            idle: seconds(2),
            warm_up: Duration::from_millis(300),
            full_speed: seconds(1),
            paced: Duration::from_millis(1500),
            reading: seconds(1),
            tables: 1_000,
            table_requests: 10,
            watched: [1, 2, 3],
            settle: seconds(10),
            watching: seconds(65),
            looking: seconds(10),
            rounds: 1,
            bulk: 100_000_000,
            cancels: 1,
            ..whole
        }
    }
}
