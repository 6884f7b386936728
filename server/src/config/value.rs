//! Values as people write them, and errors that name the setting.

use std::{net::IpAddr, str::FromStr};

use super::setting::Setting;

/// A setting that cannot be used: its name, what is wrong, and what would be right. Never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable, or the place in a file.
    pub name: String,
    /// What is wrong, as a clause.
    pub problem: String,
    /// What would be right, as `NAME=value` or a sentence.
    pub example: String,
}

impl ConfigError {
    /// An error of one setting.
    pub fn of(setting: &Setting, problem: impl Into<String>) -> Self {
        Self {
            name: setting.name.to_owned(),
            problem: problem.into(),
            example: format!("{}={}", setting.name, setting.example),
        }
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// A whole number between two bounds.
pub(super) fn number<T>(text: &str, least: T, most: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    match text.trim().parse::<T>() {
        Ok(value) if value >= least && value <= most => Ok(value),
        _ => Err(format!("\"{text}\" is no whole number from {least} to {most}")),
    }
}

/// A number of bytes, with or without a unit. As everywhere in the console 1 kB is 1,024 bytes, by either spelling.
pub(super) fn bytes(text: &str) -> Result<i64, String> {
    let wrong = || format!("\"{text}\" is no size");
    let trimmed = text.trim();
    let digits = trimmed.trim_start_matches(|c: char| c.is_ascii_digit());
    let (number, unit) = trimmed.split_at(trimmed.len() - digits.len());
    let factor: i64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" | "kib" => 1 << 10,
        "mb" | "mib" => 1 << 20,
        "gb" | "gib" => 1 << 30,
        "tb" | "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    let number: i64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

/// The size of something that is there.
pub(super) fn size(text: &str) -> Result<i64, String> {
    bytes(text).and_then(|size| match size {
        0 => Err("it has no room at all".to_owned()),
        size => Ok(size),
    })
}

/// Yes or no in the usual spellings.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("\"{text}\" is neither true nor false")),
    }
}

/// Network addresses, parted by commas.
pub(super) fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().map_err(|_| format!("\"{part}\" is no IP address")))
        .collect()
}

/// A target's name: 1 to 63 of `a-z 0-9 _ -`.
pub(super) fn target_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    if (1..=63).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(format!("\"{name}\" is no name: use 1 to 63 of a-z, 0-9, _ and -"))
}

/// The target's name that a database's name gives: lower case, everything else becomes `_`.
pub(super) fn as_target_name(database: &str) -> String {
    let name: String = database
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
                c
            } else {
                '_'
            }
        })
        .take(63)
        .collect();
    if name.is_empty() {
        "database".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, size) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("4GiB", 4 << 30),
            ("500MB", 500 << 20),
            (" 20 gb ", 20 << 30),
            ("7kB", 7168),
            ("3TiB", 3 << 40),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "GiB", "-1", "1.5GB", "4 gigabytes", "9999999TB", "0x10"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_database_name_becomes_a_target_name() {
        for (database, name) in [
            ("ai_pal", "ai_pal"),
            ("Größe 2", "gr__e_2"),
            ("", "database"),
            ("A.B-c", "a_b-c"),
        ] {
            assert_eq!(as_target_name(database), name);
            assert_eq!(target_name(name), Ok(()));
        }
        assert_eq!(as_target_name(&"x".repeat(80)).len(), 63);
        assert!(target_name("A").is_err() && target_name("").is_err() && target_name("a/b").is_err());
    }
}
