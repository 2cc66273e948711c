//! The kinds of token, and where each is good.
//!
//! | kind | form | life | stored | accepted |
//! |---|---|---|---|---|
//! | refresh token | `<session>.<secret>.<turn>` + nonce | 2 h or 30 days, one use | keyed hashes, in the session | the two refresh paths |
//! | access token | JWT `at+jwt` | 15 min | nothing; `ses` must match its session | `Authorization: Bearer` |
//! | signin token | `pst_si_…` | at most 5 min, one use | keyed hash | the signin path |
//! | operation token | JWT `op+jwt` | 1 min, one use | its id, once spent | the operation it names |
//! | access key | `pst_ak_…` | until it expires | keyed hash | `Authorization: Bearer`, within its scopes; at the gate |
//! | gate cookie | `<session>.<secret>` | as its session | keyed hash, in the session | `GET /gate/verify`, for one host |
//! | handoff code | `pst_hc_…` | 1 min, one use | nothing; its hash in memory | `/.postern/accept` of one host, in one browser |
//! | assertion | JWT `gate+jwt` | 1 min | nothing | by the application it names, nowhere here |
//!
//! Each kind is refused everywhere else: JWTs by `typ` (RFC 8725 section 3.11), the others by their prefix and by
//! the domain separation of [`hashed::TokenHasher`].

pub(crate) mod access;
pub(crate) mod access_key;
pub(crate) mod assertion;
pub(crate) mod hashed;
pub(crate) mod jwt;
pub(crate) mod operation;
pub(crate) mod signin;
