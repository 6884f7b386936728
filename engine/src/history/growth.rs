//! How much a database grows, and when its disk is full, in words.

use chrono::TimeDelta;
use contract::{Instant, format};

use super::store::Growth;

/// A growth is told after so many seconds of sizes.
const TELLING: f64 = 86_400.0;
/// A day further away than this is not told: what grew for a week says nothing about it.
const FARTHEST_DAYS: f64 = 3650.0;

/// How much a subject grows, and when it alone would fill a disk of so many bytes. `asks` says whether the reader may name the disk
/// where nobody has. None where there is nothing to say.
pub(super) fn words(growth: Option<&Growth>, disk: Option<i64>, asks: bool, now: Instant) -> Option<String> {
    let told = growth.filter(|growth| growth.seconds >= TELLING);
    let Some(growth) = told else {
        return disk.map(|disk| {
            format!(
                "When the disk of {} is full is told after a day of measuring.",
                format::bytes(disk)
            )
        });
    };
    let over = format::duration((growth.seconds * 1000.0) as i64);
    let bytes = format::bytes(growth.a_day.abs() as i64);
    let grown = growth.a_day as i64;
    let pace = match grown {
        0 => format!("Did not grow over the last {over}."),
        grown if grown > 0 => format!("Grows by about {bytes} a day, by the last {over}."),
        _ => format!("Shrinks by about {bytes} a day, by the last {over}."),
    };
    let end = match disk {
        Some(disk) => Some(full(growth, disk, now)),
        None if asks && grown > 0 => Some(
            "How large its disk is, PostgreSQL does not tell: with PGSTEWARD_DISK_SIZE (disk_size in pgsteward.toml) the day when it \
             is full is told here."
                .to_owned(),
        ),
        None => None,
    };
    Some(match end {
        Some(end) => format!("{pace} {end}"),
        None => pace,
    })
}

/// When a disk is full. Of what else lies on it nothing is known, which is said.
fn full(growth: &Growth, disk: i64, now: Instant) -> String {
    let size = format::bytes(disk);
    let left = disk as f64 - growth.size;
    if left <= 0.0 {
        return format!("It is larger than its disk of {size}, so that the disk's size is set wrong.");
    }
    if growth.a_day < 1.0 {
        return format!("At this pace the disk of {size} does not become full.");
    }
    let days = left / growth.a_day;
    if days > FARTHEST_DAYS {
        return format!("At this pace it does not fill the disk of {size} within ten years.");
    }
    // Whole days, which is all that a line through a week gives.
    let day = now + TimeDelta::days(days as i64);
    format!(
        "At this pace it alone fills the disk of {size} on {} (in {}); WAL, temporary files and whatever else lies there make it earlier.",
        day.format("%-d %B %Y"),
        format::counted(days as usize, "day", "days")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: f64 = 1024.0 * 1024.0 * 1024.0;

    fn said(a_day: f64, days: f64, disk_gb: Option<i64>) -> String {
        let growth = Growth {
            a_day: a_day * GB,
            seconds: days * 86_400.0,
            size: 100.0 * GB,
        };
        let disk = disk_gb.map(|gb| gb << 30);
        words(
            Some(&growth),
            disk,
            true,
            "2026-05-20T13:37:42Z".parse().unwrap_or_default(),
        )
        .unwrap_or_default()
    }

    #[test]
    fn the_day_is_told_with_what_it_rests_on() {
        let told = said(2.0, 7.0, Some(150));
        assert!(
            told.starts_with("Grows by about 2.00 GB a day, by the last 7 d"),
            "{told}"
        );
        assert!(
            told.contains("disk of 150 GB on 14 June 2026 (in 25 days); WAL"),
            "{told}"
        );
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        for (a_day, days, disk, has, lacks) in [
            (2.0, 0.5, Some(150), "after a day of measuring", "Grows"),
            (0.0, 7.0, Some(150), "Did not grow", "full on"),
            (0.0, 7.0, Some(150), "does not become full", "fills"),
            (-1.0, 7.0, Some(150), "Shrinks by about 1.00 GB", "fills"),
            (0.001, 7.0, Some(1000), "within ten years", "20"),
            (2.0, 7.0, Some(90), "set wrong", "fills"),
            (2.0, 7.0, None, "PGSTEWARD_DISK_SIZE", "fills"),
            (0.0, 7.0, None, "Did not grow", "PGSTEWARD"),
        ] {
            let told = said(a_day, days, disk);
            assert!(
                told.contains(has) && !told.contains(lacks),
                "{a_day} {days} {disk:?}: {told}"
            );
        }
        assert_eq!(words(None, None, true, Instant::default()), None);
        assert_eq!(said(2.0, 0.5, None), "");
    }
}
