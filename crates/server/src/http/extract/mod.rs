//! From bytes to values, once: after these there are no raw headers, names or tokens.

pub(crate) mod json;
pub(crate) mod same_origin;
