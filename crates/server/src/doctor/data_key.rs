//! Whether the data key may go on sealing.

use fieldcrypt::{KeyInfo, KeyPurpose, KeyState};

use super::Finding;

/// Of the data key that seals; `None` when there is none, which another finding tells.
pub(crate) fn of(keys: &[KeyInfo]) -> Option<Finding> {
    const ABOUT: &str = "data key";
    let key = keys
        .iter()
        .find(|key| key.purpose == KeyPurpose::Data && key.state == KeyState::Active)?;
    let found = format!("key {} has sealed {} fields", key.number, key.fields_sealed);
    Some(if key.rotation_is_due() {
        Finding::warning(
            ABOUT,
            format!(
                "{found}, half of what one key may or more; at the whole of it nothing is written any more"
            ),
            "postern keys rotate data, while the server runs",
        )
    } else {
        Finding::good(ABOUT, found)
    })
}

#[cfg(test)]
mod tests {
    use fieldcrypt::{Algorithm, DataKeyNumber};

    use super::super::Severity;
    use super::*;

    fn severity(state: KeyState, fields_sealed: u64) -> Option<Severity> {
        let key = KeyInfo {
            number: DataKeyNumber(7),
            purpose: KeyPurpose::Data,
            algorithm: Algorithm::Aes256Gcm,
            state,
            created_unix: 0,
            fields_sealed,
        };
        of(&[key]).map(|finding| finding.severity)
    }

    #[test]
    fn a_key_of_half_its_uses_is_told() {
        assert_eq!(severity(KeyState::Active, (1 << 31) - 1), Some(Severity::Good));
        assert_eq!(severity(KeyState::Active, 1 << 31), Some(Severity::Warning));
        assert_eq!(severity(KeyState::Retiring, 1 << 31), None);
    }
}
