//! Every label of format version 1, in the order of the format page.

/// HKDF info: slot secret → slot key, which wraps the master key.
pub(crate) const SLOT_WRAP: &[u8] = b"fieldcrypt/v1/slot/wrap";
/// HKDF info: slot secret → commitment, which tells a wrong secret from a damaged slot.
pub(crate) const SLOT_COMMIT: &[u8] = b"fieldcrypt/v1/slot/commit";
/// AAD of the wrapped master key in a slot; slot id and install id follow.
pub(crate) const SLOT_AAD: &[u8] = b"fieldcrypt/v1/slot/master";
/// HKDF info: master key → the key that wraps the keyring.
pub(crate) const KEYRING_WRAP: &[u8] = b"fieldcrypt/v1/keyring/wrap";
/// AAD of a wrapped key of the keyring; number, purpose, algorithm and install id follow.
pub(crate) const KEYRING_AAD: &[u8] = b"fieldcrypt/v1/keyring/key";
/// HKDF info: data key → column key; lp(table) ‖ lp(column) follow.
pub(crate) const COLUMN: &[u8] = b"fieldcrypt/v1/column";
/// Start of the AAD of a sealed field.
pub(crate) const FIELD: &[u8] = b"fieldcrypt/v1/field";
/// Start of the AAD of a sealed field whose plaintext is padded.
pub(crate) const FIELD_PADDED: &[u8] = b"fieldcrypt/v1/field/padded";
/// HKDF info: integrity key → key of the row tags, which are summed up and never stored.
pub(crate) const ROW_TAG: &[u8] = b"fieldcrypt/v1/integrity/row-tag";
/// HKDF info: integrity key → key of the row marks, which are stored and name a damaged row.
pub(crate) const ROW_MARK: &[u8] = b"fieldcrypt/v1/integrity/row-mark";
/// HKDF info: integrity key → key of the integrity seal, from which each counter value's key is made. Start of its AAD, too.
pub(crate) const INTEGRITY_SEAL: &[u8] = b"fieldcrypt/v1/integrity/seal";
/// HKDF info: integrity key → key of the witness file.
pub(crate) const WITNESS: &[u8] = b"fieldcrypt/v1/integrity/witness";
/// HKDF info: integrity key → key of chains of rows.
pub(crate) const CHAIN: &[u8] = b"fieldcrypt/v1/integrity/chain";
