//! Who may reach the master key, and for how long.

use crate::kdf;
use crate::labels;
use crate::secret::SecretKey;
use crate::slot::SlotId;

/// The master key, in memory while this value lives: made by showing a slot's secret again, and demanded by whatever
/// changes slots or the master key. A running program does not keep one, so a call that it makes by mistake, or is
/// tricked into, cannot add a way in.
pub struct MasterAccess {
    pub(crate) install_id: [u8; 16],
    /// The slot whose secret was shown.
    pub(crate) opened: OpenSlot,
    pub(crate) master: SecretKey,
}

impl MasterAccess {
    /// The slot whose secret was shown.
    #[must_use]
    pub const fn slot(&self) -> SlotId {
        self.opened.id
    }

    pub(crate) fn keyring_wrap(&self) -> SecretKey {
        keyring_wrap(&self.master)
    }
}

/// A slot and the key that it opens with.
pub(crate) struct OpenSlot {
    pub(crate) id: SlotId,
    pub(crate) key: SecretKey,
}

/// What an unlocked vault keeps so that it can read the keyring again: the key that wraps its rows and, to follow when
/// another process gives the file a new master key, the key of the slot it was unlocked with. Not the master key, which
/// is needed for the moment of following only.
pub(crate) struct Access {
    pub(crate) slot: OpenSlot,
    pub(crate) keyring_wrap: SecretKey,
}

pub(crate) fn keyring_wrap(master: &SecretKey) -> SecretKey {
    kdf::expand(master, labels::KEYRING_WRAP)
}

#[cfg(test)]
mod tests {
    use super::*;
    static_assertions::assert_not_impl_any!(MasterAccess: std::fmt::Debug, Clone, Default, PartialEq);
}
