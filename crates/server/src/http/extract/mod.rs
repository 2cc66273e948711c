//! From bytes to values, once: after these there are no raw headers, names or tokens.

pub(crate) mod bearer;
pub(crate) mod client_address;
pub(crate) mod json;
pub(crate) mod known_device;
pub(crate) mod one_time_code;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod refresh_credential;
pub(crate) mod same_origin;
