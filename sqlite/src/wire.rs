//! Rows as they travel in binary COPY, and the hash that proves them.
//!
//! A row is hashed by XXH3 of 128 bits over its fields with their lengths; a table's hash is the sum of its rows' hashes,
//! modulo 2^128, so that the order of rows does not matter and a row twice is not a row once. It proves against faults,
//! not against forgers.

use contract::import::ColumnType;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use super::json;

/// What binary COPY begins with: a signature, flags, and the length of an empty extension.
pub const SIGNATURE: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with instead of a row's number of fields.
pub const END: [u8; 2] = (-1_i16).to_be_bytes();

/// The hash of a set of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Rows.
    pub rows: i64,
    /// Bytes of their fields.
    pub bytes: i64,
    /// The sum of their hashes.
    #[serde(with = "hex_u128")]
    pub hash: u128,
}

impl Sum {
    /// Adds one row.
    #[inline]
    pub fn add(&mut self, hash: u128, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes as i64;
        self.hash = self.hash.wrapping_add(hash);
    }

    /// Adds other rows.
    pub fn join(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.hash = self.hash.wrapping_add(other.hash);
    }

    /// The hash in hexadecimal.
    pub fn hex(&self) -> String {
        format!("{:032x}", self.hash)
    }
}

mod hex_u128 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{value:032x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

/// Hashes rows of one table.
pub struct RowHasher {
    /// Columns whose bytes may differ although their values are the same; none when there are none.
    canonical: Option<Vec<ColumnType>>,
    scratch: Vec<u8>,
}

impl RowHasher {
    /// For rows with columns of these types.
    pub fn new(types: &[ColumnType]) -> Self {
        let respelled = |it: &ColumnType| matches!(it, ColumnType::Jsonb | ColumnType::Numeric);
        Self {
            canonical: types.iter().any(respelled).then(|| types.to_vec()),
            scratch: Vec::new(),
        }
    }

    /// The hash of the fields of one row: each its length and its bytes.
    #[inline]
    pub fn hash(&mut self, fields: &[u8]) -> u128 {
        let Some(types) = &self.canonical else {
            return XxHash3_128::oneshot(fields);
        };
        self.scratch.clear();
        for (field, column_type) in Fields(fields).zip(types) {
            match (field, column_type) {
                (Some([1, text @ ..]), ColumnType::Jsonb) => {
                    if json::canonical(text, &mut self.scratch).is_none() {
                        self.scratch.extend_from_slice(text);
                    }
                    self.scratch.push(0);
                }
                (Some(number), ColumnType::Numeric) if number.len() >= 8 => {
                    // The scale is a matter of spelling.
                    self.scratch.extend_from_slice(&number[..6]);
                    self.scratch.extend_from_slice(&number[8..]);
                    self.scratch.push(1);
                }
                (Some(bytes), _) => {
                    self.scratch.extend_from_slice(&bytes.len().to_be_bytes());
                    self.scratch.extend_from_slice(bytes);
                }
                (None, _) => self.scratch.extend_from_slice(&[0xff; 8]),
            }
        }
        XxHash3_128::oneshot(&self.scratch)
    }
}

/// The fields of a row, none for NULL.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<&'a [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => {
                self.0 = rest;
                Some(None)
            }
            Ok(length) => {
                let (field, rest) = rest.split_at_checked(length)?;
                self.0 = rest;
                Some(Some(field))
            }
        }
    }
}

/// Cuts the stream of a binary COPY into rows.
#[derive(Default)]
pub struct Rows {
    begun: bool,
    ended: bool,
    /// What came of a row that is not whole yet.
    pending: Vec<u8>,
}

/// The stream is no binary COPY.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's COPY stream is not as it should be")]
pub struct Garbled;

impl Rows {
    /// Takes the next bytes and hands over each row that is whole: its fields.
    ///
    /// # Errors
    /// `Garbled`.
    pub fn take(&mut self, chunk: &[u8], mut row: impl FnMut(&[u8])) -> Result<(), Garbled> {
        if self.pending.is_empty() {
            let used = self.cut(chunk, &mut row)?;
            self.pending.extend_from_slice(&chunk[used..]);
        } else {
            let mut bytes = std::mem::take(&mut self.pending);
            bytes.extend_from_slice(chunk);
            let used = self.cut(&bytes, &mut row)?;
            bytes.drain(..used);
            self.pending = bytes;
        }
        Ok(())
    }

    /// Asks whether the stream ended where it should.
    ///
    /// # Errors
    /// `Garbled`.
    pub fn finish(&self) -> Result<(), Garbled> {
        match self.ended && self.pending.is_empty() {
            true => Ok(()),
            false => Err(Garbled),
        }
    }

    /// Cuts off what is whole and says how many bytes that were.
    fn cut(&mut self, bytes: &[u8], row: &mut impl FnMut(&[u8])) -> Result<usize, Garbled> {
        let mut at = 0;
        if !self.begun {
            if bytes.len() < SIGNATURE.len() {
                return Ok(0);
            }
            if !bytes.starts_with(SIGNATURE) {
                return Err(Garbled);
            }
            self.begun = true;
            at = SIGNATURE.len();
        }
        while let Some((count, rest)) = bytes[at..].split_first_chunk::<2>() {
            if self.ended {
                return Err(Garbled);
            }
            if *count == END {
                self.ended = true;
                at += 2;
                continue;
            }
            let mut length = 0;
            let mut whole = true;
            for _ in 0..i16::from_be_bytes(*count) {
                let Some(head) = rest.get(length..).and_then(|rest| rest.first_chunk::<4>()) else {
                    whole = false;
                    break;
                };
                length += 4 + usize::try_from(i32::from_be_bytes(*head)).unwrap_or(0);
            }
            if !whole || length > rest.len() {
                break;
            }
            row(&rest[..length]);
            at += 2 + length;
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        for word in [b"one".as_slice(), b"", b"three"] {
            bytes.extend_from_slice(&2_i16.to_be_bytes());
            bytes.extend_from_slice(&(word.len() as i32).to_be_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        }
        bytes.extend_from_slice(&END);
        bytes
    }

    #[test]
    fn rows_are_the_same_however_the_stream_is_cut() {
        let stream = stream();
        for size in 1..=stream.len() {
            let mut rows = Rows::default();
            let mut found = Vec::new();
            for chunk in stream.chunks(size) {
                let taken = rows.take(chunk, |row| {
                    let first = Fields(row).next().flatten().unwrap_or_default();
                    found.push(String::from_utf8_lossy(first).into_owned());
                });
                assert_eq!(taken, Ok(()));
            }
            assert_eq!(rows.finish(), Ok(()));
            assert_eq!(found, ["one", "", "three"], "chunks of {size}");
        }
    }

    #[test]
    fn a_stream_that_ends_early_or_goes_on_is_garbled() {
        let mut rows = Rows::default();
        let mut stream = stream();
        assert_eq!(rows.take(&stream[..stream.len() - 2], |_| ()), Ok(()));
        assert_eq!(rows.finish(), Err(Garbled));
        stream.extend_from_slice(b"more");
        assert_eq!(Rows::default().take(&stream, |_| ()), Err(Garbled));
        assert_eq!(
            Rows::default().take(b"no copy at all, but words", |_| ()),
            Err(Garbled)
        );
    }

    #[test]
    fn spelling_of_json_and_scale_do_not_count_but_values_do() {
        let field = |bytes: &[u8]| {
            let mut out = (bytes.len() as i32).to_be_bytes().to_vec();
            out.extend_from_slice(bytes);
            out
        };
        let mut hasher = RowHasher::new(&[ColumnType::Jsonb]);
        let one = hasher.hash(&field(b"\x01{\"a\":[1,\"\\u0041\"]}"));
        assert_eq!(one, hasher.hash(&field(b"\x01{\"a\": [1, \"A\"]}")));
        assert_ne!(one, hasher.hash(&field(b"\x01{\"a\": [1, \"B\"]}")));
        assert_ne!(one, hasher.hash(&field(b"\x01{\"a\": [\"1\", \"A\"]}")));
        let number = |text: &str| {
            let mut out = Vec::new();
            crate::numeric::from_text(text, &mut out);
            field(&out)
        };
        let mut hasher = RowHasher::new(&[ColumnType::Numeric]);
        let half = hasher.hash(&number("12.5"));
        assert_eq!(half, hasher.hash(&number("12.50")));
        assert_ne!(half, hasher.hash(&number("12.51")));
    }

    #[test]
    fn a_row_twice_is_not_a_row_once_and_order_does_not_matter() {
        let mut hasher = RowHasher::new(&[ColumnType::Text]);
        let sums = |rows: &[&[u8]], hasher: &mut RowHasher| {
            let mut sum = Sum::default();
            rows.iter().for_each(|row| sum.add(hasher.hash(row), row.len()));
            sum
        };
        let [one, two] = [b"\0\0\0\x01a".as_slice(), b"\0\0\0\x01b"];
        assert_eq!(sums(&[one, two], &mut hasher), sums(&[two, one], &mut hasher));
        assert_ne!(
            sums(&[one, one, two], &mut hasher).hash,
            sums(&[one, two, two], &mut hasher).hash
        );
        assert_ne!(sums(&[one, one], &mut hasher).hash, 0);
    }
}
