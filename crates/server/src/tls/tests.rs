//! TLS, its rules.
