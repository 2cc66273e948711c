//! Changing keys.

pub(crate) mod purge;
