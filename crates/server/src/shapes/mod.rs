//! What lists look like as JSON: the same over HTTP and from `--json` at the command line.

pub(crate) mod access_keys;
pub(crate) mod audit;
pub(crate) mod keys;
pub(crate) mod sessions;
pub(crate) mod settings;
