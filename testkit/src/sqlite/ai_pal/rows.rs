//! One row of each table.

use rusqlite::{Statement, ToSql, types::Null};

use super::super::must;
use super::values::{self, Values};

/// Bytes of AI-PAL's longer texts, on average.
const CLAIM: u64 = 110;
const CODE: u64 = 1500;
const HOUR: u64 = 3_600_000_000;

const LEVELS: [&str; 4] = ["low", "medium", "high", "critical"];
const STRENGTHS: [&str; 4] = [
    r#"["curiosity"]"#,
    r#"["curiosity", "persistence"]"#,
    r#"["kindness", "humour", "fairness"]"#,
    r#"["love of learning", "judgement"]"#,
];

/// A row that is being written, column by column.
pub(super) struct Row<'s, 'c> {
    statement: &'s mut Statement<'c>,
    column: usize,
    text: String,
}

impl<'s, 'c> Row<'s, 'c> {
    pub(super) const fn new(statement: &'s mut Statement<'c>) -> Self {
        Self {
            statement,
            column: 0,
            text: String::new(),
        }
    }

    /// Writes the row.
    pub(super) fn insert(self) {
        must("a row cannot be written", self.statement.raw_execute());
    }

    fn put(&mut self, value: impl ToSql) -> &mut Self {
        self.column += 1;
        must(
            "a value cannot be bound",
            self.statement.raw_bind_parameter(self.column, value),
        );
        self
    }

    fn null(&mut self) -> &mut Self {
        self.put(Null)
    }

    /// The text that a function writes.
    fn made(&mut self, make: impl FnOnce(&mut String)) -> &mut Self {
        let mut text = std::mem::take(&mut self.text);
        make(&mut text);
        self.put(text.as_str());
        self.text = text;
        self
    }

    fn time(&mut self, moment: u64) -> &mut Self {
        self.made(|text| values::time(moment, text))
    }

    fn time_or_null(&mut self, moment: Option<u64>) -> &mut Self {
        match moment {
            Some(moment) => self.time(moment),
            None => self.null(),
        }
    }

    /// The columns that most tables begin with: the number, the id, the user and the time.
    fn head(&mut self, values: &mut Values, table: &str, number: u64) -> u64 {
        let moment = values.moment(number);
        self.put(signed(number))
            .made(|text| values::uuid(table, number, text));
        self.made(|text| values.user(text)).time(moment);
        moment
    }

    /// Prose in so many of a hundred rows, else NULL.
    fn prose(&mut self, values: &mut Values, share: u64, length: u64) -> &mut Self {
        if values.percent(share) {
            self.made(|text| values.prose(length, text))
        } else {
            self.null()
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What makes the rows of a table.
pub(super) fn maker(table: &str) -> fn(&mut Values, &mut Row<'_, '_>, u64) {
    match table {
        "ari_snapshots" => snapshot,
        "edm_debts" => debt,
        "ffe_goals" => goal,
        "user_profiles" => profile,
        "progress_tapestry" => win,
        "momentum_history" => momentum,
        "patch_requests" => patch,
        "background_tasks" => task,
        _ => block,
    }
}

fn snapshot(values: &mut Values, row: &mut Row<'_, '_>, number: u64) {
    row.head(values, "ari_snapshots", number);
    for _dimension in 0..8 {
        row.put(values.unit());
    }
    row.put(values.unit().mul_add(2.0, -1.0)).prose(values, 80, 72);
    if values.percent(80) {
        row.put(values.one_of(&LEVELS));
    } else {
        row.null();
    }
}

fn debt(values: &mut Values, row: &mut Row<'_, '_>, number: u64) {
    let moment = row.head(values, "edm_debts", number);
    if values.percent(20) {
        // A claim of two lines, for what a line break does to other programs.
        row.made(|text| {
            values.prose(CLAIM, text);
            text.push_str("\n\t– as answered");
        });
    } else {
        row.prose(values, 100, CLAIM);
    }
    row.put(values.one_of(&["unverified", "outdated", "assumption", "missing_source"]))
        .put(values.one_of(&LEVELS[..3]))
        .put(values.unit())
        .prose(values, 60, 360)
        .prose(values, 40, 120);
    let resolved = values.percent(35);
    row.put(i64::from(resolved));
    if resolved {
        row.time(moment + values.below(72 * HOUR)).put(values.one_of(&[
            "verified",
            "corrected",
            "dismissed",
        ]));
    } else {
        row.null().null();
    }
}

fn goal(values: &mut Values, row: &mut Row<'_, '_>, number: u64) {
    let moment = row.head(values, "ffe_goals", number);
    row.prose(values, 100, 140)
        .put(signed(values.below(10) + 1))
        .put(values.one_of(&["simple", "moderate", "complex", "atomic"]));
    if values.percent(50) {
        row.put(values.unit() * 100.0);
    } else {
        row.null();
    }
    let done = values.percent(40);
    row.put(if done {
        "completed"
    } else {
        values.one_of(&["active", "paused", "abandoned"])
    });
    let end = values.below(400 * HOUR);
    row.time_or_null(done.then_some(moment + end));
    let deadline = values.percent(45);
    row.time_or_null(deadline.then_some(moment + 800 * HOUR));
}

fn profile(values: &mut Values, row: &mut Row<'_, '_>, number: u64) {
    let moment = values.moment(number);
    row.put(signed(number)).made(|text| values::user(number, text));
    row.time(moment).time(moment + values.below(9000 * HOUR));
    row.made(|text| {
        values::user(number, text);
        text.insert_str(0, "Person ");
        text.push_str(" – Zoë");
    });
    row.made(|text| {
        values::user(number, text);
        text.push_str("@example.org");
    });
    row.put(values.one_of(&STRENGTHS));
    if values.percent(60) {
        row.put(values.one_of(&["visual", "reading", "practice"]));
    } else {
        row.null();
    }
    row.put(values.one_of(&[
        r#"{"theme": "dark"}"#,
        r#"{"theme": "light", "reminders": true, "language": "de"}"#,
        r#"{"theme": "dark", "block_minutes": 15, "quiet_hours": ["22:00", "07:00"]}"#,
    ]))
    .put(signed(values.below(60)))
    .put(signed(values.below(900)));
    if values.percent(70) {
        row.put(values.unit());
    } else {
        row.null();
    }
}

fn win(values: &mut Values, row: &mut Row<'_, '_>, number: u64) {
    row.head(values, "progress_tapestry", number);
    row.prose(values, 100, 150).put(values.one_of(&[
        "goal_completed",
        "block_completed",
        "insight",
        "habit",
    ]));
    if values.percent(60) {
        row.made(|text| values.goal(text));
    } else {
        row.null();
    }
    row.put(values.unit())
        .put(values.one_of(&STRENGTHS))
        .prose(values, 30, 60);
}

fn momentum(values: &mut Values, row: &mut Row<'_, '_>, number: u64) {
    let moment = values.moment(number);
    row.put(signed(number))
        .made(|text| values.user(text))
        .time(moment);
    row.put(values.one_of(&["starting", "building", "flowing", "stalled", "resting"]));
    if values.percent(50) {
        row.made(|text| values.goal(text));
    } else {
        row.null();
    }
}

fn patch(values: &mut Values, row: &mut Row<'_, '_>, number: u64) {
    let moment = values.moment(number);
    row.put(signed(number))
        .made(|text| values::uuid("patch_requests", number, text));
    row.time(moment).put(values.one_of(&[
        "src/ai_pal/ffe/planner.py",
        "src/ai_pal/ari/monitor.py",
        "src/ai_pal/edm/engine.py",
    ]));
    row.prose(values, 100, 300)
        .prose(values, 100, CODE)
        .prose(values, 100, 2 * CODE);
    row.put(values.one_of(&["planner", "monitor", "engine"]))
        .put(values.one_of(&["performance", "accuracy", "refactoring"]))
        .put(values.unit());
    let reviewed = values.percent(60);
    let applied = reviewed && values.percent(70);
    row.put(match (reviewed, applied) {
        (_, true) => "APPLIED",
        (true, _) => "DENIED",
        _ => "PENDING_APPROVAL",
    });
    row.time_or_null(reviewed.then_some(moment + HOUR));
    if reviewed {
        row.put("reviewer@example.org").prose(values, 50, 80);
    } else {
        row.null().null();
    }
    row.time_or_null(applied.then_some(moment + 2 * HOUR))
        .null()
        .put(r#"["fb-1", "fb-2"]"#)
        .put(r#"{"latency_ms": 41.5, "accuracy": 0.93}"#);
}

fn task(values: &mut Values, row: &mut Row<'_, '_>, number: u64) {
    let moment = values.moment(number);
    let kind = values.one_of(&["ari_snapshot", "ffe_planning", "edm_batch", "cleanup"]);
    row.put(signed(number))
        .made(|text| values::uuid("background_tasks", number, text));
    row.made(|text| {
        text.clear();
        text.push_str("ai_pal.tasks.");
        text.push_str(kind);
    });
    if values.percent(85) {
        row.made(|text| values.user(text));
    } else {
        row.null();
    }
    let status = values.one_of(&[
        "completed",
        "completed",
        "completed",
        "failed",
        "pending",
        "running",
    ]);
    let (done, failed) = (status == "completed", status == "failed");
    row.put(kind)
        .put(status)
        .put(signed(values.below(9) + 1))
        .time(moment);
    let started = (status != "pending").then_some(moment + values.below(60_000_000));
    let took = values.unit() * 40.0;
    row.time_or_null(started).time_or_null(
        started
            .filter(|_| done || failed)
            .map(|it| it + (took * 1e6) as u64),
    );
    if done {
        row.made(|text| {
            values.prose(130, text);
            text.insert_str(0, r#"{"ok": true, "items": 12, "summary": ""#);
            text.push_str(r#""}"#);
        });
    } else {
        row.null();
    }
    if failed {
        row.prose(values, 100, 70).made(|text| {
            values.prose(200, text);
            text.insert_str(
                0,
                "Traceback (most recent call last):\n  File \"tasks.py\", line 88, in run\n    ",
            );
        });
    } else {
        row.null().null();
    }
    row.put(signed(values.below(3)))
        .put(3_i64)
        .put("[]")
        .made(|text| {
            values.user(text);
            text.insert_str(0, r#"{"user_id": ""#);
            text.push_str(r#"", "window_days": 7}"#);
        });
    if done || failed {
        row.put(took);
    } else {
        row.null();
    }
    if started.is_some() {
        row.made(|text| values::uuid("celery", number, text));
    } else {
        row.null();
    }
}

fn block(values: &mut Values, row: &mut Row<'_, '_>, number: u64) {
    row.put(signed(number))
        .made(|text| values::uuid("atomic_blocks", number, text));
    row.made(|text| values.goal(text)).made(|text| values.user(text));
    row.prose(values, 100, 90)
        .put(signed(values.below(8)))
        .put(values.one_of(&["tiny", "small", "medium"]))
        .put(15 * signed(values.below(4) + 1))
        .prose(values, 60, 110)
        .prose(values, 30, 90)
        .put(values.one_of(&STRENGTHS));
    let done = values.percent(55);
    let moment = values.moment(number);
    row.put(i64::from(done)).time_or_null(done.then_some(moment));
}
