//! What a sealed field is bound to.

use crate::column::SealedColumn;
use crate::labels;
use crate::row_key::{RowKey, lp_onto};
use crate::sealed::HEADER_LEN;

/// The part that all fields of one column under one key share: `"fieldcrypt/v1/field"` ‖ the 6 header bytes ‖ install id ‖
/// lp(table) ‖ lp(column). It names the data key, never the slot or the password, or a password change would orphan every
/// field.
///
/// A padded column's has a label of its own: padding is never taken for a value, nor a value for padding.
pub(crate) fn of_column(header: [u8; HEADER_LEN], install_id: &[u8; 16], column: SealedColumn) -> Box<[u8]> {
    let label = if column.is_padded() {
        labels::FIELD_PADDED
    } else {
        labels::FIELD
    };
    let mut aad = Vec::with_capacity(96);
    aad.extend_from_slice(label);
    aad.extend_from_slice(&header);
    aad.extend_from_slice(install_id);
    lp_onto(&mut aad, column.table().as_bytes());
    lp_onto(&mut aad, column.column().as_bytes());
    aad.into_boxed_slice()
}

/// The whole of one field: its column's part ‖ lp(row key).
pub(crate) fn of_field(column: &[u8], row: &RowKey<'_>) -> Vec<u8> {
    let row_len = row.encoded_len();
    let mut aad = Vec::with_capacity(column.len() + 4 + row_len);
    aad.extend_from_slice(column);
    aad.extend_from_slice(&u32::try_from(row_len).unwrap_or(u32::MAX).to_be_bytes());
    row.encode_onto(&mut aad);
    aad
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of the format page, one by one: what is missing here is not bound.
    #[test]
    fn the_aad_is_that_of_the_format() {
        let header = [1, 1, 0, 0, 0, 9];
        let column = of_column(header, &[7; 16], SealedColumn::new("tab", "co"));
        let aad = of_field(&column, &RowKey::Integer(-1));
        let expected = [
            b"fieldcrypt/v1/field".as_slice(),
            &header,
            &[7; 16],
            b"\0\0\0\x03tab\0\0\0\x02co",
            b"\0\0\0\x09\x01\xff\xff\xff\xff\xff\xff\xff\xff",
        ]
        .concat();
        assert_eq!(aad, expected);
    }
}
