//! The rows of each table in an archive, counted in the script that pg_restore makes of its data. pg_dump's exit code proves
//! that it ended well, not that it was asked for everything: a wrapper with `--schema-only` or `--exclude-table` ends well, too.

use std::collections::HashMap;

use contract::format;

use super::manifest::Table;

/// What begins the rows of a table, and what ends that statement.
const COPY: &[u8] = b"COPY ";
/// See `COPY`.
const FROM_STDIN: &[u8] = b"FROM stdin;";
/// What `--verbose` puts before each entry: its class is 0 for rows, its number the table's own.
const ENTRY: &str = "-- TOC entry ";
/// The longest beginning of a comment that is looked at.
const COMMENT: usize = 100;

/// Rows by the object id of their table.
pub(super) type Rows = HashMap<i64, i64>;

/// Counts while the script comes by, in memory that does not grow with it.
#[derive(Default)]
pub(super) struct Counter {
    at: At,
    /// The table whose entry was named last.
    table: Option<i64>,
    rows: Rows,
}

enum At {
    /// SQL outside quotes: the first and the last bytes of its line.
    Code { head: Vec<u8>, tail: Vec<u8> },
    /// Inside quotes of this kind, which may hold line breaks; the line's bytes before are kept.
    Quoted { quote: u8, head: Vec<u8>, tail: Vec<u8> },
    /// A comment, or a command of psql's, to the end of its line.
    Comment(Vec<u8>),
    /// Rows, a line each: how many, and what came of the line at hand (three bytes stand for more).
    Rows { count: i64, line: Vec<u8> },
}

impl Default for At {
    fn default() -> Self {
        Self::Code {
            head: Vec::new(),
            tail: Vec::new(),
        }
    }
}

impl Counter {
    /// Takes in the next bytes of the script.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match std::mem::take(&mut self.at) {
                At::Rows { count, line } => self.rows(count, line, bytes),
                At::Quoted { quote, head, tail } => self.quoted(quote, head, tail, bytes),
                At::Comment(text) => self.comment(text, bytes),
                At::Code { head, tail } => self.code(head, tail, bytes),
            };
        }
    }

    /// The rows of every table that has an entry, also of an empty one.
    pub(super) fn finish(self) -> Rows {
        self.rows
    }

    fn rows<'a>(&mut self, mut count: i64, mut line: Vec<u8>, bytes: &'a [u8]) -> &'a [u8] {
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let part = &bytes[begin..end];
            begin = end + 1;
            // A row's own backslash is doubled and its line breaks are escaped, so no row is this line.
            if line.len() + part.len() == 2 && [line.as_slice(), part].concat() == b"\\." {
                if let Some(table) = self.table.take() {
                    *self.rows.entry(table).or_default() += count;
                }
                return &bytes[begin..];
            }
            line.clear();
            count += 1;
        }
        let rest = &bytes[begin..];
        line.extend_from_slice(&rest[..rest.len().min(3_usize.saturating_sub(line.len()))]);
        self.at = At::Rows { count, line };
        &[]
    }

    fn quoted<'a>(&mut self, quote: u8, head: Vec<u8>, tail: Vec<u8>, bytes: &'a [u8]) -> &'a [u8] {
        // A doubled quote ends and begins again, which comes to the same.
        match memchr::memchr(quote, bytes) {
            Some(end) => {
                self.at = At::Code { head, tail };
                &bytes[end + 1..]
            }
            None => {
                self.at = At::Quoted { quote, head, tail };
                &[]
            }
        }
    }

    fn comment<'a>(&mut self, mut text: Vec<u8>, bytes: &'a [u8]) -> &'a [u8] {
        let end = memchr::memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        text.extend_from_slice(&part[..part.len().min(COMMENT.saturating_sub(text.len()))]);
        match end {
            Some(end) => {
                if let Some(table) = entry(&String::from_utf8_lossy(&text)) {
                    self.table = table;
                }
                &bytes[end + 1..]
            }
            None => {
                self.at = At::Comment(text);
                &[]
            }
        }
    }

    fn code<'a>(&mut self, mut head: Vec<u8>, mut tail: Vec<u8>, bytes: &'a [u8]) -> &'a [u8] {
        for (place, &byte) in bytes.iter().enumerate() {
            let rest = &bytes[place + 1..];
            match byte {
                b'\n' => {
                    if head == COPY && tail == FROM_STDIN {
                        self.at = At::Rows {
                            count: 0,
                            line: Vec::new(),
                        };
                    }
                    return rest;
                }
                // A command of psql's, such as `\restrict`, is a line in which quotes mean nothing.
                b'\\' if head.is_empty() => {
                    self.at = At::Comment(vec![byte]);
                    return rest;
                }
                b'\'' | b'"' => {
                    self.at = At::Quoted {
                        quote: byte,
                        head,
                        tail,
                    };
                    return rest;
                }
                _ => {
                    if head.len() < COPY.len() {
                        head.push(byte);
                    }
                    if tail.len() == FROM_STDIN.len() {
                        tail.remove(0);
                    }
                    tail.push(byte);
                    if head == b"--" {
                        self.at = At::Comment(head);
                        return rest;
                    }
                }
            }
        }
        self.at = At::Code { head, tail };
        &[]
    }
}

/// The table that an entry's comment announces rows of: `Some(None)` for an entry of another kind, `None` for a comment
/// that announces nothing.
fn entry(comment: &str) -> Option<Option<i64>> {
    let (_, of) = comment.strip_prefix(ENTRY)?.split_once(" (class ")?;
    let (class, id) = of.strip_suffix(')')?.split_once(" OID ")?;
    Some((class == "0").then(|| id.parse().ok()).flatten())
}

/// The number of a table whose definition is in an archive, from a line of `pg_restore --list`.
pub(super) fn defined(line: &str) -> Option<i64> {
    let (_, entry) = line.split_once("; ")?;
    // 1259 is pg_class.
    let (id, kind) = entry.strip_prefix("1259 ")?.split_once(' ')?;
    kind.starts_with("TABLE ").then(|| id.parse().ok()).flatten()
}

/// The tables of which an archive does not hold every row, in words.
pub(super) fn missing(tables: &[Table], rows: &Rows) -> Vec<String> {
    let lacks = |table: &Table| {
        let found = rows.get(&table.id?).copied();
        let name = format!("{}.{}", table.schema, table.name);
        match (table.rows, found) {
            (Some(expected), Some(found)) if expected == found => None,
            (None, Some(_)) => None,
            (Some(expected), Some(found)) => Some(format!(
                "{name} ({} of {} rows)",
                format::exact(found),
                format::exact(expected)
            )),
            (Some(expected), None) => Some(format!("{name} (none of {} rows)", format::exact(expected))),
            (None, None) => Some(format!("{name} (no rows)")),
        }
    };
    tables.iter().filter_map(lacks).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    const SCRIPT: &str = r#"--
-- PostgreSQL database dump
--

\restrict abc'def"
SET standard_conforming_strings = on;

--
-- TOC entry 3347 (class 0 OID 16385)
-- Dependencies: 215
-- Data for Name: it's "odd"; Type: TABLE DATA; Schema: public; Owner: x
--

COPY public."it's
COPY x FROM stdin;
" (id, "FROM stdin;
") FROM stdin;
1	COPY a FROM stdin;
2	-- TOC entry 9 (class 0 OID 9)
\\.
3	\N
\.


--
-- TOC entry 3348 (class 0 OID 16390)
-- Data for Name: empty; Type: TABLE DATA; Schema: public; Owner: x
--

COPY public.empty  FROM stdin;
\.


--
-- TOC entry 3349 (class 0 OID 16391)
--

COPY public.blank  FROM stdin;



\.


--
-- TOC entry 3360 (class 0 OID 0)
-- Data for Name: SEQUENCE SET
--

SELECT pg_catalog.setval('public."s
-- TOC entry 1 (class 0 OID 16390)
COPY public.forged (a) FROM stdin;
"', 5, true);

SELECT pg_catalog.lowrite(0, '\x2d2d');
"#;

    fn counted(script: &str, cut: usize) -> Vec<(i64, i64)> {
        let mut counter = Counter::default();
        for part in script.as_bytes().chunks(cut) {
            counter.take(part);
        }
        let mut rows: Vec<_> = counter.finish().into_iter().collect();
        rows.sort_unstable();
        rows
    }

    proptest! {
        #[test]
        fn rows_are_counted_wherever_the_script_is_cut_and_no_name_or_value_forges_any(cut in 1_usize..400) {
            // The escaped "\\." of the third line is a row.
            prop_assert_eq!(counted(SCRIPT, cut), [(16385, 4), (16390, 0), (16391, 3)]);
        }
    }

    #[test]
    fn a_table_that_lacks_rows_is_named_with_how_many() {
        let table = |name: &str, id, rows| Table {
            id,
            schema: "public".into(),
            name: name.into(),
            rows,
            bytes: 0,
            dump_ms: None,
        };
        let tables = [
            table("whole", Some(1), Some(3)),
            table("less", Some(2), Some(2000)),
            table("gone", Some(3), Some(5)),
            table("not_counted", Some(4), None),
            table("neither", Some(5), None),
            table("of_an_old_manifest", None, Some(7)),
        ];
        let rows = Rows::from([(1, 3), (2, 1200), (4, 9)]);
        assert_eq!(
            missing(&tables, &rows),
            [
                "public.less (1,200 of 2,000 rows)",
                "public.gone (none of 5 rows)",
                "public.neither (no rows)"
            ]
        );
    }

    #[test]
    fn definitions_are_told_from_other_entries_of_the_list() {
        let line = |text: &str| defined(text);
        assert_eq!(line("215; 1259 16385 TABLE public orders me"), Some(16385));
        assert_eq!(line("215; 1259 16385 TABLE public TABLE DATA me"), Some(16385));
        for other in [
            ";     TOC Entries: 12",
            "3347; 0 16385 TABLE DATA public orders me",
            "216; 1259 16390 VIEW public v me",
            "217; 1259 16391 FOREIGN TABLE public f me",
            "12; 0 0 ENCODING - ENCODING ",
        ] {
            assert_eq!(line(other), None, "{other}");
        }
        assert_eq!(format::exact(2000), "2,000");
        assert!(entry("-- TOC entry 1 (class 1259 OID 5)").unwrap().is_none());
    }
}
