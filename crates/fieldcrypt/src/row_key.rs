//! The row a field is bound to: its declared primary key, encoded so that no two keys share bytes.

/// A primary key, known before the `INSERT`. Never the implicit rowid: `VACUUM` renumbers it.
#[derive(Clone, Copy, Debug)]
pub enum RowKey<'a> {
    /// An integer key.
    Integer(i64),
    /// A text key.
    Text(&'a str),
    /// A blob key.
    Blob(&'a [u8]),
    /// A key of several columns, in the order they are declared.
    Composite(&'a [RowKey<'a>]),
}

impl RowKey<'_> {
    /// Appends the encoding: a type byte; then 8 bytes, or a 4-byte big-endian length and the bytes, or a 4-byte count and
    /// the parts. Each encoding says where it ends, so no two keys, and no two lists of keys, encode alike.
    pub(crate) fn encode_onto(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(value) => {
                out.push(0x01);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Text(text) => {
                out.push(0x02);
                lp_onto(out, text.as_bytes());
            }
            Self::Blob(bytes) => {
                out.push(0x03);
                lp_onto(out, bytes);
            }
            Self::Composite(parts) => {
                out.push(0x04);
                out.extend_from_slice(&len32(parts.len()));
                for part in *parts {
                    part.encode_onto(out);
                }
            }
        }
    }

    /// How many bytes the encoding takes.
    pub(crate) fn encoded_len(&self) -> usize {
        match self {
            Self::Integer(_) => 9,
            Self::Text(text) => 5 + text.len(),
            Self::Blob(bytes) => 5 + bytes.len(),
            Self::Composite(parts) => 5 + parts.iter().map(RowKey::encoded_len).sum::<usize>(),
        }
    }
}

/// Appends the 4-byte big-endian length, then the bytes.
pub(crate) fn lp_onto(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&len32(bytes.len()));
    out.extend_from_slice(bytes);
}

/// SQLite's largest value is below 2^31 bytes, so a length always fits.
fn len32(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq)]
    enum Owned {
        Integer(i64),
        Text(String),
        Blob(Vec<u8>),
        Pair(Box<Owned>, Box<Owned>),
    }

    fn encode(key: &Owned) -> Vec<u8> {
        fn with<R>(key: &Owned, then: &mut dyn FnMut(RowKey<'_>) -> R) -> R {
            match key {
                Owned::Integer(i) => then(RowKey::Integer(*i)),
                Owned::Text(t) => then(RowKey::Text(t)),
                Owned::Blob(b) => then(RowKey::Blob(b)),
                Owned::Pair(a, b) => with(a, &mut |a| with(b, &mut |b| then(RowKey::Composite(&[a, b])))),
            }
        }
        let mut out = Vec::new();
        with(key, &mut |key| {
            key.encode_onto(&mut out);
            assert_eq!(out.len(), key.encoded_len());
        });
        out
    }

    fn any_key() -> impl Strategy<Value = Owned> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Owned::Integer),
            "[a-b\\x00]{0,3}".prop_map(Owned::Text),
            proptest::collection::vec(0_u8..3, 0..10).prop_map(Owned::Blob),
        ];
        leaf.prop_recursive(2, 8, 2, |inner| {
            (inner.clone(), inner).prop_map(|(a, b)| Owned::Pair(Box::new(a), Box::new(b)))
        })
    }

    proptest! {
        #[test]
        fn two_keys_encode_alike_only_if_they_are_the_same(a in any_key(), b in any_key()) {
            prop_assert_eq!(encode(&a) == encode(&b), a == b);
        }

        #[test]
        fn no_encoding_is_the_start_of_another(a in any_key(), b in any_key()) {
            prop_assume!(a != b);
            prop_assert!(!encode(&b).starts_with(&encode(&a)));
        }
    }
}
