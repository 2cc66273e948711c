//! What an age file shows without its key: the header (age-encryption.org/v1), which names the recipients' kinds.

use std::fmt::Write as _;

/// First line of every age file.
const VERSION_LINE: &[u8] = b"age-encryption.org/v1\n";

/// First line of an age file in text form.
const ARMOUR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// Longest header that is read.
pub(super) const HEADER_MAX: usize = 64 << 10;

/// To whom the file that begins so is encrypted, in words; `None` when it is no age file.
pub(super) fn recipients(beginning: &[u8]) -> Option<String> {
    if beginning.starts_with(ARMOUR) {
        let lines = beginning.split(|byte| *byte == b'\n').skip(1);
        let body: Vec<u8> = lines
            .take_while(|line| !line.starts_with(b"-----"))
            .flat_map(<[u8]>::trim_ascii)
            .copied()
            .collect();
        // What was cut off in the middle of four characters is not needed.
        let whole = body.get(..body.len() / 4 * 4).unwrap_or_default();
        return recipients(&data_encoding::BASE64.decode(whole).ok()?);
    }
    let header = beginning.strip_prefix(VERSION_LINE)?;
    let (mut kinds, mut ended): (Vec<(String, usize)>, bool) = (Vec::new(), false);
    for line in header.split(|byte| *byte == b'\n') {
        if line.starts_with(b"---") {
            ended = true;
            break;
        }
        let Some(stanza) = line.strip_prefix(b"-> ") else {
            continue;
        };
        let kind = kind_of(&String::from_utf8_lossy(stanza));
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    if !ended || kinds.is_empty() {
        return None;
    }
    let mut words = String::new();
    for (at, (kind, count)) in kinds.into_iter().enumerate() {
        words.push_str(if at == 0 { "encrypted to " } else { " and " });
        if count > 1 {
            // Writing to a string cannot fail.
            let _ = write!(words, "{count} times ");
        }
        words.push_str(&kind);
    }
    Some(words)
}

fn kind_of(stanza: &str) -> String {
    let mut words = stanza.split(' ');
    match words.next().unwrap_or("") {
        "scrypt" => {
            let factor = words.nth(1).unwrap_or("?");
            let factor: String = factor.chars().filter(char::is_ascii_digit).take(2).collect();
            format!("a passphrase (scrypt, 2^{factor})")
        }
        "X25519" => "an age recipient (X25519)".to_owned(),
        "mlkem768x25519" => "an age recipient (ML-KEM-768 and X25519)".to_owned(),
        "ssh-ed25519" | "ssh-rsa" => "an SSH key".to_owned(),
        kind if kind.ends_with("-grease") => "nobody (grease)".to_owned(),
        kind => {
            let kind: String = kind
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
                .take(32)
                .collect();
            format!("a recipient of kind {kind}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_its_recipients_and_nothing_else_is_one() {
        let of =
            |stanzas: &str| recipients(format!("age-encryption.org/v1\n{stanzas}--- mac\n\u{1}").as_bytes());
        assert_eq!(
            of("-> scrypt c2FsdA 18\nYm9keQ\n").as_deref(),
            Some("encrypted to a passphrase (scrypt, 2^18)")
        );
        assert_eq!(
            of("-> X25519 a\nb\n-> X25519 c\nd\n-> ssh-ed25519 e f\ng\n").as_deref(),
            Some("encrypted to 2 times an age recipient (X25519) and an SSH key")
        );
        assert_eq!(of(""), None, "to nobody");
        assert_eq!(
            recipients(b"age-encryption.org/v1\n-> scrypt c2FsdA 18\n"),
            None,
            "no end"
        );
        assert_eq!(recipients(b"SQLite format 3\0"), None);
        let text =
            data_encoding::BASE64.encode(b"age-encryption.org/v1\n-> scrypt c2FsdA 18\nYm9keQ\n--- mac\nx");
        let armoured =
            format!("-----BEGIN AGE ENCRYPTED FILE-----\n{text}\n-----END AGE ENCRYPTED FILE-----\n");
        assert!(recipients(armoured.as_bytes()).is_some());
    }
}
