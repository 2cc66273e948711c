//! Sealed fields as SQL values: a plain value in a sealed column is an error, never a value.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::blind_index::BlindIndex;
use crate::error::OpenError;
use crate::sealed::Sealed;

impl ToSql for Sealed {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.stored())))
    }
}

impl FromSql for Sealed {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let ValueRef::Blob(bytes) = value else {
            return Err(FromSqlError::other(OpenError::NotSealed));
        };
        Self::parse(bytes.to_vec()).map_err(FromSqlError::other)
    }
}

impl ToSql for BlindIndex {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.stored())))
    }
}
