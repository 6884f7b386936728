//! What a declared type means to SQLite, and what its words promise to people.

use contract::import::Affinity;

/// What the words of a declared type promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// True or false.
    Boolean,
    /// A date, or a date and time.
    Time,
    /// A time of day.
    Clock,
    /// A UUID.
    Uuid,
    /// JSON.
    Json,
    /// A decimal number.
    Decimal,
    /// An integer.
    Integer,
    /// A floating-point number.
    Real,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// Nothing that is known.
    Nothing,
}

/// SQLite's rules, in their order: by parts of the name, wherever they stand. A strict table has its own few names.
pub(super) fn affinity(declared: &str, strict: bool) -> Affinity {
    let name = declared.to_ascii_uppercase();
    let has = |part: &str| name.contains(part);
    if strict && name == "ANY" {
        Affinity::Blob
    } else if has("INT") {
        Affinity::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if has("BLOB") || name.is_empty() {
        Affinity::Blob
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

/// What the first word of a declared type promises.
pub(super) fn promise(declared: &str) -> Promise {
    let name = declared.to_ascii_uppercase();
    let words: Vec<&str> = name
        .split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'))
        .filter(|word| !word.is_empty())
        .collect();
    let Some(&first) = words.first() else {
        return Promise::Nothing;
    };
    match first {
        "BOOL" | "BOOLEAN" | "LOGICAL" => Promise::Boolean,
        "DATE" | "DATETIME" | "DATETIME2" | "SMALLDATETIME" | "DATETIMEOFFSET" | "TIMESTAMP"
        | "TIMESTAMPTZ" | "TIMESTAMP_S" | "TIMESTAMP_MS" => Promise::Time,
        "TIME" if !name.contains("TIME ZONE") || name.contains("WITHOUT") => Promise::Clock,
        "UUID" | "GUID" | "UNIQUEIDENTIFIER" => Promise::Uuid,
        "JSON" | "JSONB" => Promise::Json,
        "DECIMAL" | "NUMERIC" | "NUMBER" | "DEC" | "MONEY" | "SMALLMONEY" => Promise::Decimal,
        "INT" | "INTEGER" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "BIGINT" | "INT2" | "INT4" | "INT8"
        | "UNSIGNED" | "SERIAL" | "BIGSERIAL" => Promise::Integer,
        "REAL" | "FLOAT" | "FLOAT4" | "FLOAT8" | "DOUBLE" => Promise::Real,
        "TEXT" | "CHAR" | "VARCHAR" | "NCHAR" | "NVARCHAR" | "CHARACTER" | "NATIVE" | "VARYING" | "CLOB"
        | "STRING" | "TINYTEXT" | "MEDIUMTEXT" | "LONGTEXT" => Promise::Text,
        "BLOB" | "BYTEA" | "BINARY" | "VARBINARY" | "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" => Promise::Bytes,
        _ => Promise::Nothing,
    }
}

/// Whether SQLite treats a declared type otherwise than its words say, as it does with POINT, CHARINT or STRING.
pub(super) fn surprises(declared: &str, affinity: Affinity) -> bool {
    match promise(declared) {
        Promise::Text => affinity != Affinity::Text,
        Promise::Nothing => !declared.is_empty() && affinity == Affinity::Integer,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinity_goes_by_parts_of_the_name() {
        for (declared, expected) in [
            ("INTEGER", Affinity::Integer),
            ("POINT", Affinity::Integer),
            ("CHARINT", Affinity::Integer),
            ("VARCHAR(255)", Affinity::Text),
            ("STRING", Affinity::Numeric),
            ("", Affinity::Blob),
            ("blob", Affinity::Blob),
            ("double precision", Affinity::Real),
            ("DECIMAL(10,2)", Affinity::Numeric),
            ("BOOLEAN", Affinity::Numeric),
            ("ANY", Affinity::Numeric),
        ] {
            assert_eq!(affinity(declared, false), expected, "{declared}");
        }
        assert_eq!(affinity("ANY", true), Affinity::Blob);
    }

    #[test]
    fn the_first_word_is_the_promise() {
        assert_eq!(promise("datetime not null"), Promise::Time);
        assert_eq!(promise("Boolean"), Promise::Boolean);
        assert_eq!(promise("CHAR(36)"), Promise::Text);
        assert_eq!(promise("TIME(6)"), Promise::Clock);
        assert_eq!(promise("time without time zone"), Promise::Clock);
        assert_eq!(promise("time with time zone"), Promise::Nothing);
        assert!(surprises("POINT", affinity("POINT", false)));
        assert!(surprises("STRING", affinity("STRING", false)));
        assert!(!surprises("BIGINT", affinity("BIGINT", false)));
    }
}
