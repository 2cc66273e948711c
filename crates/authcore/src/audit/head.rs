//! The head of the audit log: what an operator keeps elsewhere.

use std::fmt;

use data_encoding::HEXLOWER;
use fieldcrypt::ChainLink;

use crate::ids::AuditEventId;

/// An event's number and its link of the chain. Whoever keeps it can tell later whether anything up to that event was
/// changed, by whomever. No secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The event.
    pub event: AuditEventId,
    /// Its link.
    pub link: ChainLink,
}

impl AuditHead {
    /// Reads the text form, `<number>-<64 hexadecimal digits>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (event, link) = text.split_once('-')?;
        let head = Self {
            event: AuditEventId(event.parse().ok().filter(|id| *id > 0)?),
            link: ChainLink(HEXLOWER.decode(link.as_bytes()).ok()?.try_into().ok()?),
        };
        // One spelling: a number may come with a sign or with zeros before it.
        (head.to_string() == text).then_some(head)
    }
}

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.event.0, HEXLOWER.encode(&self.link.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_reads_back_and_nothing_else_does() {
        let head = AuditHead {
            event: AuditEventId(41),
            link: ChainLink([0xab; 32]),
        };
        let text = head.to_string();
        assert_eq!(AuditHead::parse(&text), Some(head));
        let longer = format!("{text}0");
        let upper = text.to_uppercase();
        let (zero, sign) = (format!("0{text}"), format!("+{text}"));
        for wrong in [
            "",
            "41",
            "41-",
            "-41-00",
            &text[..text.len() - 1],
            &longer,
            &upper,
            &zero,
            &sign,
            &text[1..2],
        ] {
            assert_eq!(AuditHead::parse(wrong), None, "{wrong}");
        }
    }
}
