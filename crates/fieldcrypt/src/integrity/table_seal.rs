//! The one sealed row: for each protected table the sum of its row tags and the number of its rows; the counter; the schema.

use crate::kdf;
use crate::labels;
use crate::row_key::lp_onto;
use crate::secret::SecretKey;

use super::IntegrityError;
use super::row_tag::RowTag;

/// First byte of a stored seal.
const VERSION: u8 = 0x01;

/// Sum of the tags of a table's rows modulo 2^256, and how many rows there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableSum {
    /// Little-endian limbs.
    sum: [u64; 4],
    rows: u64,
}

impl TableSum {
    pub(crate) fn add(&mut self, tag: &RowTag) {
        self.add_limbs(limbs(tag));
        self.rows = self.rows.wrapping_add(1);
    }

    pub(crate) fn subtract(&mut self, tag: &RowTag) {
        let mut borrow = false;
        for (limb, term) in self.sum.iter_mut().zip(limbs(tag)) {
            let (partial, first) = limb.overflowing_sub(term);
            let (total, second) = partial.overflowing_sub(u64::from(borrow));
            *limb = total;
            borrow = first || second;
        }
        self.rows = self.rows.wrapping_sub(1);
    }

    /// Adds what changes elsewhere came to: a sum that began at nothing.
    pub(crate) fn merge(&mut self, change: &Self) {
        self.add_limbs(change.sum);
        self.rows = self.rows.wrapping_add(change.rows);
    }

    fn add_limbs(&mut self, terms: [u64; 4]) {
        let mut carry = false;
        for (limb, term) in self.sum.iter_mut().zip(terms) {
            let (partial, first) = limb.overflowing_add(term);
            let (total, second) = partial.overflowing_add(u64::from(carry));
            *limb = total;
            carry = first || second;
        }
    }
}

fn limbs(tag: &RowTag) -> [u64; 4] {
    let mut limbs = [0; 4];
    for (limb, bytes) in limbs.iter_mut().zip(tag.bytes().chunks_exact(8)) {
        *limb = bytes
            .iter()
            .rev()
            .fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    limbs
}

/// What the seal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealState {
    /// Grows with every changed row; never falls but by a rollback of the whole file.
    pub(crate) counter: u64,
    /// Digest of the schema; `None` while the schema is being changed.
    pub(crate) schema: Option<[u8; 32]>,
    /// By table name, in the order of the program's list.
    pub(crate) tables: Vec<(String, TableSum)>,
}

impl SealState {
    /// One change more.
    pub(crate) fn advance(&mut self) -> Result<(), IntegrityError> {
        self.counter = self
            .counter
            .checked_add(1)
            .ok_or(IntegrityError::CounterExhausted)?;
        Ok(())
    }

    pub(crate) fn table_mut(&mut self, name: &str) -> Option<&mut TableSum> {
        self.tables
            .iter_mut()
            .find(|(table, _)| table == name)
            .map(|(_, sum)| sum)
    }

    /// `0x01` ‖ counter ‖ nonce ‖ ciphertext ‖ tag. Each counter value has a key of its own, so that the limit on random
    /// nonces under one key (NIST SP 800-38D section 8.3) is never near, however many rows change.
    pub(crate) fn seal(&self, key: &SecretKey, install_id: &[u8; 16]) -> Result<Vec<u8>, IntegrityError> {
        let mut plain = Vec::with_capacity(64 + self.tables.len() * 64);
        plain.push(u8::from(self.schema.is_some()));
        plain.extend_from_slice(&self.schema.unwrap_or_default());
        for (name, table) in &self.tables {
            lp_onto(&mut plain, name.as_bytes());
            for limb in table.sum {
                plain.extend_from_slice(&limb.to_be_bytes());
            }
            plain.extend_from_slice(&table.rows.to_be_bytes());
        }
        let counter = self.counter.to_be_bytes();
        let body = key_of(key, counter)
            .seal_bytes(&aad(install_id, counter), &plain)
            .map_err(IntegrityError::Seal)?;
        Ok([&[VERSION], counter.as_slice(), &body].concat())
    }

    pub(crate) fn open(
        stored: &[u8],
        key: &SecretKey,
        install_id: &[u8; 16],
    ) -> Result<Self, IntegrityError> {
        Self::try_open(stored, key, install_id).ok_or(IntegrityError::SealDamaged)
    }

    fn try_open(stored: &[u8], key: &SecretKey, install_id: &[u8; 16]) -> Option<Self> {
        let (&[VERSION], rest) = stored.split_first_chunk()? else {
            return None;
        };
        let (counter, body) = rest.split_first_chunk::<8>()?;
        let plain = key_of(key, *counter)
            .open_bytes(&aad(install_id, *counter), body)
            .ok()?;
        let (&[stable], rest) = plain.expose_bytes().split_first_chunk()?;
        let (schema, mut rest) = rest.split_first_chunk::<32>()?;
        let mut tables = Vec::new();
        while !rest.is_empty() {
            let (len, after) = rest.split_first_chunk::<4>()?;
            let (name, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
            let mut sum = [0; 4];
            let mut after = after;
            for limb in &mut sum {
                let (bytes, next) = after.split_first_chunk::<8>()?;
                *limb = u64::from_be_bytes(*bytes);
                after = next;
            }
            let (rows, next) = after.split_first_chunk::<8>()?;
            rest = next;
            let name = String::from_utf8(name.to_vec()).ok()?;
            tables.push((
                name,
                TableSum {
                    sum,
                    rows: u64::from_be_bytes(*rows),
                },
            ));
        }
        Some(Self {
            counter: u64::from_be_bytes(*counter),
            schema: (stable == 1).then_some(*schema),
            tables,
        })
    }
}

fn key_of(key: &SecretKey, counter: [u8; 8]) -> SecretKey {
    kdf::expand(key, &counter)
}

fn aad(install_id: &[u8; 16], counter: [u8; 8]) -> Vec<u8> {
    [labels::INTEGRITY_SEAL, &[VERSION], install_id, &counter].concat()
}

#[cfg(test)]
mod tests {
    use super::super::row_tag::{RowKeys, Value, encode_row};
    use super::*;
    use proptest::prelude::*;

    fn tag(n: i64) -> RowTag {
        RowKeys::new(&SecretKey::from_bytes(&[3; 32])).tag(&encode_row(
            "t",
            &n.to_be_bytes(),
            [Value::Integer(n)].into_iter(),
        ))
    }

    #[test]
    fn the_sum_carries_and_borrows_over_all_limbs() {
        let mut most = TableSum {
            sum: [u64::MAX; 4],
            rows: 0,
        };
        let one = RowKeys::new(&SecretKey::from_bytes(&[3; 32])).tag(b"");
        let before = most.clone();
        most.add(&one);
        // -1 + tag
        let mut expected = TableSum::default();
        expected.add(&one);
        let wraps = expected.sum[0] == 0;
        expected.sum[0] = expected.sum[0].wrapping_sub(1);
        assert!(!wraps, "choose another tag");
        assert_eq!(most, expected);
        most.subtract(&one);
        assert_eq!(most, before);
    }

    proptest! {
        #[test]
        fn the_sum_knows_no_order_and_forgets_what_is_taken_out(
            mut rows in proptest::collection::vec(any::<i64>(), 1..20), extra in any::<i64>(),
        ) {
            let sum = |rows: &[i64]| rows.iter().fold(TableSum::default(), |mut sum, n| { sum.add(&tag(*n)); sum });
            let there = sum(&rows);
            rows.reverse();
            let mut back = sum(&rows);
            prop_assert_eq!(&there, &back);
            back.add(&tag(extra));
            prop_assert_ne!(&there, &back);
            back.subtract(&tag(extra));
            prop_assert_eq!(&there, &back);
        }
    }

    #[test]
    fn a_seal_opens_under_its_key_and_install_only_and_every_flipped_bit_is_noticed() {
        let key = SecretKey::from_bytes(&[1; 32]);
        let mut state = SealState {
            counter: 41,
            schema: Some([9; 32]),
            tables: vec![
                ("a".to_owned(), TableSum::default()),
                ("b".to_owned(), TableSum::default()),
            ],
        };
        state.table_mut("b").expect("there").add(&tag(1));
        let stored = state.seal(&key, &[5; 16]).expect("seals");
        assert_eq!(SealState::open(&stored, &key, &[5; 16]).expect("opens"), state);
        assert!(SealState::open(&stored, &key, &[6; 16]).is_err());
        assert!(SealState::open(&stored, &SecretKey::from_bytes(&[2; 32]), &[5; 16]).is_err());
        for bit in 0..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SealState::open(&flipped, &key, &[5; 16]).is_err(), "bit {bit}");
        }
        state.schema = None;
        let stored = state.seal(&key, &[5; 16]).expect("seals");
        assert_eq!(SealState::open(&stored, &key, &[5; 16]).expect("opens"), state);
    }
}
