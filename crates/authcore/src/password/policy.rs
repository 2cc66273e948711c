//! Which passwords may be chosen (NIST SP 800-63B-4 section 3.1.1.2): length counts, composition does not, and what
//! everybody chooses is refused as a whole.

use secrecy::zeroize::Zeroizing;

use super::access_password::AccessPassword;

/// Longest password, in bytes of UTF-8.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// The 9,000 commonest passwords of 8 characters or more, lower case, sorted. From the list that Django ships for the
/// same purpose (BSD licence; compiled from public breach corpora by Royce Williams).
const COMMON: &str = include_str!("common_passwords.txt");

/// Rows of keys and runs that a long but worthless password is cut from.
const RUNS: [&str; 5] = [
    "01234567890123456789012345678901234567890123456789",
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
];

/// Why a password may not be chosen, in words for the person who chose it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyViolation {
    /// Fewer characters than asked for.
    #[error("the password is too short: at least {minimum} characters are needed")]
    TooShort {
        /// Characters (Unicode code points) needed.
        minimum: usize,
    },
    /// On the list of what everybody chooses.
    #[error("the password is one of the commonest, which are tried first")]
    Common,
    /// One short piece over and over, or a run along the keyboard.
    #[error("the password is a simple pattern, which is tried first")]
    Pattern,
    /// The product's or the server's own name.
    #[error("the password is made of this server's own name, which is tried first")]
    OwnName,
}

/// The rule, as configured.
pub(crate) struct PasswordPolicy {
    minimum: usize,
    own_names: Vec<String>,
}

impl PasswordPolicy {
    pub(crate) fn new(minimum: usize, own_names: &[String]) -> Self {
        let mut own_names: Vec<String> = own_names
            .iter()
            .map(|name| letters(&name.to_lowercase()))
            .filter(|name| name.len() >= 4)
            .collect();
        own_names.push("postern".to_owned());
        // The longest first, so that a name within a name is taken as a whole.
        own_names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Self { minimum, own_names }
    }

    pub(crate) const fn minimum(&self) -> usize {
        self.minimum
    }

    pub(crate) fn check(&self, password: &AccessPassword) -> Result<(), PolicyViolation> {
        let password = password.expose_str();
        if password.chars().count() < self.minimum {
            return Err(PolicyViolation::TooShort {
                minimum: self.minimum,
            });
        }
        let lower = Zeroizing::new(password.to_lowercase());
        if is_pattern(&lower) {
            return Err(PolicyViolation::Pattern);
        }
        if is_common(&lower) {
            return Err(PolicyViolation::Common);
        }
        if self.is_own_name(&lower) {
            return Err(PolicyViolation::OwnName);
        }
        Ok(())
    }

    /// Nothing is left of it once own names, digits and signs are taken away.
    fn is_own_name(&self, lower: &str) -> bool {
        let mut rest = Zeroizing::new(letters(lower));
        let before = rest.len();
        for name in &self.own_names {
            *rest = rest.replace(name.as_str(), "");
        }
        // "password" adds nothing to a name either.
        *rest = rest.replace("password", "");
        rest.is_empty() && before > 0
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphabetic()).collect()
}

fn is_common(lower: &str) -> bool {
    let mut lines = COMMON.lines();
    lines.any(|common| common == lower || is_repetition_of(lower, common))
}

/// `lower` is `unit` twice or more, and nothing else.
fn is_repetition_of(lower: &str, unit: &str) -> bool {
    lower.len() > unit.len() && lower.len().is_multiple_of(unit.len()) && lower.split(unit).all(str::is_empty)
}

fn is_pattern(lower: &str) -> bool {
    let chars = Zeroizing::new(lower.chars().collect::<Vec<char>>());
    let periodic = (1..=4).any(|period| chars.iter().zip(chars.iter().skip(period)).all(|(a, b)| a == b));
    let reversed = Zeroizing::new(chars.iter().rev().collect::<String>());
    periodic
        || RUNS
            .iter()
            .any(|run| run.contains(lower) || run.contains(reversed.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), PolicyViolation> {
        let names = ["door.example.org".to_owned()];
        PasswordPolicy::new(15, &names).check(&AccessPassword::parse(text.to_owned()).expect("short"))
    }

    #[test]
    fn fifteen_characters_count_whatever_script_they_are_in() {
        let refused = Err(PolicyViolation::TooShort { minimum: 15 });
        assert_eq!(check("correct horse "), refused);
        assert_eq!(check("correct horse b"), Ok(()));
        assert_eq!(
            check(
                "\u{6b63}\u{786e}\u{7684}\u{9a6c}\u{7535}\u{6c60}\u{8ba2}\u{4e66}\u{9489}\u{957f}\u{57ce}\u{5927}\u{96e8}\u{6ef4}"
            ),
            refused
        );
        assert_eq!(
            check(
                "\u{6b63}\u{786e}\u{7684}\u{9a6c}\u{7535}\u{6c60}\u{8ba2}\u{4e66}\u{9489}\u{957f}\u{57ce}\u{5927}\u{96e8}\u{6ef4}\u{58f0}"
            ),
            Ok(())
        );
        assert_eq!(
            check(&"\u{1f511}\u{1f40e}\u{1f50b}\u{1f4ce}\u{1f3e0}".repeat(3)),
            Ok(())
        );
        assert_eq!(check(&"x y".repeat(340)), Err(PolicyViolation::Pattern));
    }

    #[test]
    fn no_composition_is_asked_for() {
        assert_eq!(check("onlylowercaselettershere"), Ok(()));
    }

    #[test]
    fn what_everybody_chooses_is_refused_with_the_reason() {
        for common in ["passwordpassword", "PasswordPassword", "iloveyouiloveyou"] {
            assert_eq!(check(common), Err(PolicyViolation::Common), "{common}");
        }
        for pattern in [
            "aaaaaaaaaaaaaaaaaaaa",
            "abababababababab",
            "123456789012345",
            "543210987654321",
            "qwertyuiopasdfghjkl",
        ] {
            assert_eq!(check(pattern), Err(PolicyViolation::Pattern), "{pattern}");
        }
        for own in ["Postern-Postern-2026", "doorexampleorg1", "postern password 1!"] {
            assert_eq!(check(own), Err(PolicyViolation::OwnName), "{own}");
        }
    }

    #[test]
    fn a_shorter_minimum_still_refuses_the_list() {
        let policy = PasswordPolicy::new(8, &[]);
        let check = |text: &str| policy.check(&AccessPassword::parse(text.to_owned()).expect("short"));
        assert_eq!(check("sunshine"), Err(PolicyViolation::Common));
        assert_eq!(check("vfk3 8sn"), Ok(()));
    }
}
