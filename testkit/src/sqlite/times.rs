//! Dates and times.

use super::{Trap, write};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new("iso_times", "ISO times with space, T and fractions", |path| {
        write(
            path,
            "create table t (v datetime);
             insert into t values ('2024-05-01 10:00:00'), ('2024-05-01T10:00:00.123456'), ('2024-05-01 10:00'), (null);",
        );
    }),
    Trap::new("iso_offsets", "ISO times with offsets", |path| {
        write(
            path,
            "create table t (v timestamp); insert into t values ('2024-05-01T10:00:00Z'), ('2024-05-01 12:00:00+02:00');",
        );
    }),
    Trap::new(
        "iso_some_offsets",
        "ISO times, some with an offset and some without",
        |path| {
            write(
                path,
                "create table t (v datetime); insert into t values ('2024-05-01 10:00:00'), ('2024-05-01 12:00:00+02:00');",
            );
        },
    ),
    Trap::new("dates", "days in a DATE column", |path| {
        write(
            path,
            "create table t (v date); insert into t values ('2024-05-01'), ('2024-02-29');",
        );
    }),
    Trap::new("dates_and_times", "days and times in one column", |path| {
        write(
            path,
            "create table t (v datetime); insert into t values ('2024-05-01'), ('2024-05-01 10:00:00');",
        );
    }),
    Trap::new("unix_seconds", "a DATETIME of Unix seconds", |path| {
        write(
            path,
            "create table t (v datetime); insert into t values (1714557600), (1714557601);",
        );
    }),
    Trap::new("unix_millis", "a DATETIME of Unix milliseconds", |path| {
        write(
            path,
            "create table t (v datetime); insert into t values (1714557600123);",
        );
    }),
    Trap::new("unix_micros", "a DATETIME of Unix microseconds", |path| {
        write(
            path,
            "create table t (v datetime); insert into t values (1714557600123456);",
        );
    }),
    Trap::new("unix_real_seconds", "a TIMESTAMP of real Unix seconds", |path| {
        write(
            path,
            "create table t (v timestamp); insert into t values (1714557600.25), (1714557601.5);",
        );
    }),
    Trap::new("julian_days", "a DATETIME of Julian days", |path| {
        write(
            path,
            "create table t (v datetime); insert into t values (julianday('2024-05-01 10:00:00')), (julianday('2024-05-01 12:00:00'));",
        );
    }),
    Trap::new(
        "cocoa_seconds",
        "seconds since 2001, which could as well be Unix seconds of long ago",
        |path| {
            write(
                path,
                "create table t (v timestamp); insert into t values (736250400.5), (736250401.5);",
            );
        },
    ),
    Trap::new("webkit_micros", "microseconds since 1601", |path| {
        write(
            path,
            "create table t (v datetime); insert into t values (13359031200000000);",
        );
    }),
    Trap::new("zero_for_never", "Unix seconds with a 0 among them", |path| {
        write(
            path,
            "create table t (v datetime); insert into t values (1714557600), (0);",
        );
    }),
    Trap::new("time_empty", "an empty text among times", |path| odd(path, "")),
    Trap::new("time_zero_date", "0000-00-00 among times", |path| {
        odd(path, "0000-00-00")
    }),
    Trap::new("time_24_hours", "24:00:00 among times", |path| {
        odd(path, "2024-05-01 24:00:00")
    }),
    Trap::new("time_second_60", "a second 60 among times", |path| {
        odd(path, "2024-05-01 10:00:60")
    }),
    Trap::new(
        "time_nanoseconds",
        "a fraction of nine digits among times",
        |path| {
            odd(path, "2024-05-01 10:00:00.123456789");
        },
    ),
    Trap::new("time_year_10000", "the year 10000 among times", |path| {
        odd(path, "10000-01-01 00:00:00")
    }),
    Trap::new("undeclared_iso_times", "ISO times in a TEXT column", |path| {
        write(
            path,
            "create table t (v text); insert into t values ('2024-05-01 10:00:00');",
        );
    }),
    Trap::new("undeclared_epochs", "Unix seconds in an INTEGER column", |path| {
        write(
            path,
            "create table t (v integer); insert into t values (1714557600);",
        );
    }),
    Trap::new(
        "times_in_several_forms",
        "ISO text beside Unix seconds and milliseconds",
        |path| {
            write(
                path,
                "create table t (v datetime); insert into t values ('2024-05-01 10:00:00'), (1714557600), (1714557600123);",
            );
        },
    ),
    Trap::new(
        "unique_times",
        "one moment spelled in two ways under a unique key",
        |path| {
            write(
                path,
                "create table t (v datetime unique); insert into t values ('2024-05-01 10:00:00'), ('2024-05-01T10:00:00');",
            );
        },
    ),
];

fn odd(path: &std::path::Path, value: &str) {
    write(
        path,
        &format!("create table t (v datetime); insert into t values ('2024-05-01 10:00:00'), ('{value}');"),
    );
}
