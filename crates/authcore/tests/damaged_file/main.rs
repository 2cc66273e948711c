//! The file of a database is damaged: a bit, a page, its length. It is refused, or what was damaged is read by nobody
//! (cases F-07, F-08 and F-10).
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whoever damages a file knows no rules"
)]

mod bits;
mod genuine;
mod pages;
mod rollback;
