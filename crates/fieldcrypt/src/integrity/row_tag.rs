//! What stands for one row: its tag, which is summed up, and its mark, which is stored beside it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::kdf;
use crate::labels;
use crate::row_key::lp_onto;
use crate::secret::SecretKey;
use crate::witness::hex;

/// Bytes of a row mark. A forged one is found out by the sum; 128 bits keep chance out.
const MARK_LEN: usize = 16;

/// A stored value, as SQLite gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

impl Value<'_> {
    /// A type byte, then the value: no two values encode alike, whatever their types.
    fn encode_onto(self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0x00),
            Self::Integer(value) => {
                out.push(0x01);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Text(bytes) => {
                out.push(0x02);
                out.extend_from_slice(bytes);
            }
            Self::Blob(bytes) => {
                out.push(0x03);
                out.extend_from_slice(bytes);
            }
            Self::Real(value) => {
                out.push(0x05);
                out.extend_from_slice(&value.to_bits().to_be_bytes());
            }
        }
    }

    /// The encoding of [`crate::RowKey`]. `None` for what cannot be a key.
    fn encode_key_onto(self, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Integer(_) => self.encode_onto(out),
            Self::Text(bytes) => {
                out.push(0x02);
                lp_onto(out, bytes);
            }
            Self::Blob(bytes) => {
                out.push(0x03);
                lp_onto(out, bytes);
            }
            Self::Null | Self::Real(_) => return None,
        }
        Some(())
    }
}

/// The row key of these key columns, encoded as [`crate::RowKey`] is. `None` when one is `NULL` or a real number.
pub(crate) fn encode_key<'a>(columns: impl ExactSizeIterator<Item = Value<'a>>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(32);
    if columns.len() != 1 {
        out.push(0x04);
        out.extend_from_slice(&u32::try_from(columns.len()).ok()?.to_be_bytes());
    }
    for column in columns {
        column.encode_key_onto(&mut out)?;
    }
    Some(out)
}

/// lp(table) ‖ lp(row key) ‖ lp of each stored column in order.
pub(crate) fn encode_row<'a>(table: &str, key: &[u8], columns: impl Iterator<Item = Value<'a>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    lp_onto(&mut out, table.as_bytes());
    lp_onto(&mut out, key);
    for column in columns {
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        column.encode_onto(&mut out);
        let len = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(at..at + 4) {
            place.copy_from_slice(&len.to_be_bytes());
        }
    }
    out
}

/// The key columns of an encoded row key in words, for reports: `7`, `'text'`, `x'00ff'`, `(7, 'text')`.
pub(crate) fn key_in_words(encoded: &[u8]) -> String {
    fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
        let (head, tail) = rest.split_at_checked(len)?;
        *rest = tail;
        Some(head)
    }
    fn len(rest: &mut &[u8]) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?)).ok()
    }
    fn one(rest: &mut &[u8]) -> Option<String> {
        match take(rest, 1)? {
            [0x01] => Some(i64::from_be_bytes(take(rest, 8)?.try_into().ok()?).to_string()),
            [0x02] => {
                let len = len(rest)?;
                // Escaped: a key may have been chosen by whoever altered the file, and the report goes to a terminal.
                Some(format!(
                    "'{}'",
                    String::from_utf8_lossy(take(rest, len)?).escape_debug()
                ))
            }
            [0x03] => {
                let len = len(rest)?;
                Some(format!("x'{}'", hex(take(rest, len)?)))
            }
            [0x04] => {
                let parts: Option<Vec<_>> = (0..len(rest)?).map(|_| one(rest)).collect();
                Some(format!("({})", parts?.join(", ")))
            }
            _ => None,
        }
    }
    let mut rest = encoded;
    match one(&mut rest) {
        Some(words) if rest.is_empty() => words,
        _ => "with a key that does not read".to_owned(),
    }
}

/// The tag of one row. Never stored: who knew the tags of old rows could look for some that add up to the sum.
pub(crate) struct RowTag([u8; 32]);

impl RowTag {
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The mark of one row, stored beside it. Says nothing about the tag: it is made under another key.
pub(crate) struct RowMark([u8; MARK_LEN]);

impl RowMark {
    pub(crate) const fn stored(&self) -> &[u8; MARK_LEN] {
        &self.0
    }

    pub(crate) fn fits(&self, stored: &[u8]) -> bool {
        self.0.as_slice().ct_eq(stored).into()
    }
}

/// The two keys of rows, made ready once. Wiped on drop.
pub(crate) struct RowKeys {
    tag: Hmac<Sha256>,
    mark: Hmac<Sha256>,
}

impl RowKeys {
    pub(crate) fn new(integrity: &SecretKey) -> Self {
        Self {
            tag: keyed(integrity, labels::ROW_TAG),
            mark: keyed(integrity, labels::ROW_MARK),
        }
    }

    /// HMAC-SHA256 of the encoded row under the tag key.
    pub(crate) fn tag(&self, encoded_row: &[u8]) -> RowTag {
        RowTag(
            self.tag
                .clone()
                .chain_update(encoded_row)
                .finalize()
                .into_bytes()
                .into(),
        )
    }

    /// HMAC-SHA256 of the row's tag under the mark key, cut to 16 bytes. Of the tag, not of the row: a tag is as good as the
    /// row for telling rows apart, and it is short, so that a mark costs a quarter of a tag. What the mark key makes of it
    /// says nothing about it.
    pub(crate) fn mark(&self, tag: &RowTag) -> RowMark {
        let full = self
            .mark
            .clone()
            .chain_update(tag.bytes())
            .finalize()
            .into_bytes();
        let mut mark = [0; MARK_LEN];
        mark.iter_mut().zip(full).for_each(|(to, from)| *to = from);
        RowMark(mark)
    }
}

/// HMAC-SHA256 under a key derived from the integrity key, its key schedule made ready.
#[expect(
    clippy::expect_used,
    reason = "HMAC takes a key of any length (RFC 2104 section 2)"
)]
pub(crate) fn keyed(integrity: &SecretKey, label: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(kdf::expand(integrity, label).expose_bytes()).expect("any length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row_key::RowKey;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Owned {
        Null,
        Integer(i64),
        Real(f64),
        Text(String),
        Blob(Vec<u8>),
    }

    impl Owned {
        fn value(&self) -> Value<'_> {
            match self {
                Self::Null => Value::Null,
                Self::Integer(value) => Value::Integer(*value),
                Self::Real(value) => Value::Real(*value),
                Self::Text(text) => Value::Text(text.as_bytes()),
                Self::Blob(bytes) => Value::Blob(bytes),
            }
        }

        fn same(&self, other: &Self) -> bool {
            match (self, other) {
                (Self::Null, Self::Null) => true,
                (Self::Integer(a), Self::Integer(b)) => a == b,
                (Self::Real(a), Self::Real(b)) => a.to_bits() == b.to_bits(),
                (Self::Text(a), Self::Text(b)) => a == b,
                (Self::Blob(a), Self::Blob(b)) => a == b,
                _ => false,
            }
        }
    }

    fn any_value() -> impl Strategy<Value = Owned> {
        prop_oneof![
            Just(Owned::Null),
            (-2_i64..3).prop_map(Owned::Integer),
            prop_oneof![Just(0.0), Just(-0.0), Just(1.0), any::<f64>()].prop_map(Owned::Real),
            "[a\\x00]{0,5}".prop_map(Owned::Text),
            proptest::collection::vec(0_u8..4, 0..10).prop_map(Owned::Blob),
        ]
    }

    proptest! {
        #[test]
        fn two_rows_encode_alike_only_if_they_are_the_same(
            a in proptest::collection::vec(any_value(), 0..4), b in proptest::collection::vec(any_value(), 0..4),
        ) {
            let encode = |row: &[Owned]| encode_row("t", b"k", row.iter().map(Owned::value));
            let same = a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.same(b));
            prop_assert_eq!(encode(&a) == encode(&b), same);
        }

        #[test]
        fn any_bytes_read_as_a_key_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(!key_in_words(&bytes).is_empty());
        }
    }

    #[test]
    fn keys_are_encoded_as_row_keys_are_and_read_back_in_words() {
        let cases: [(&[Value<'_>], RowKey<'_>, &str); 4] = [
            (&[Value::Integer(-7)], RowKey::Integer(-7), "-7"),
            (&[Value::Text(b"it\x1b")], RowKey::Text("it\x1b"), r"'it\u{1b}'"),
            (&[Value::Blob(&[0, 255])], RowKey::Blob(&[0, 255]), "x'00ff'"),
            (
                &[Value::Integer(1), Value::Text(b"a")],
                RowKey::Composite(&[RowKey::Integer(1), RowKey::Text("a")]),
                "(1, 'a')",
            ),
        ];
        for (columns, key, words) in cases {
            let mut expected = Vec::new();
            key.encode_onto(&mut expected);
            let encoded = encode_key(columns.iter().copied()).expect("a key");
            assert_eq!(encoded, expected);
            assert_eq!(key_in_words(&encoded), words);
        }
        assert!(encode_key([Value::Null].into_iter()).is_none());
        assert!(encode_key([Value::Real(1.0)].into_iter()).is_none());
    }

    #[test]
    fn tag_and_mark_are_bound_to_table_key_and_every_column() {
        let keys = RowKeys::new(&SecretKey::from_bytes(&[7; 32]));
        let tag = |table, key: &[u8], row: &[Value<'_>]| {
            *keys.tag(&encode_row(table, key, row.iter().copied())).bytes()
        };
        let base = tag("t", b"k", &[Value::Integer(1), Value::Null]);
        for other in [
            tag("u", b"k", &[Value::Integer(1), Value::Null]),
            tag("t", b"l", &[Value::Integer(1), Value::Null]),
            tag("t", b"k", &[Value::Null, Value::Integer(1)]),
            tag("t", b"k", &[Value::Real(1.0), Value::Null]),
            tag("t", b"k", &[Value::Integer(1)]),
        ] {
            assert_ne!(base, other);
        }
        let row = encode_row("t", b"k", [Value::Integer(1), Value::Null].into_iter());
        let mark = keys.mark(&keys.tag(&row));
        assert!(mark.fits(keys.mark(&keys.tag(&row)).stored()));
        assert_ne!(
            mark.stored()[..],
            base[..MARK_LEN],
            "the mark must say nothing about the tag"
        );
    }
}
