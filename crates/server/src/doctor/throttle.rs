//! Whether sign-in is slowed after wrong passwords.

use authcore::ThrottleStatus;

use super::Finding;

pub(crate) fn of(status: &ThrottleStatus) -> Finding {
    const ABOUT: &str = "sign-in";
    match status.strangers_until {
        None => Finding::good(
            ABOUT,
            format!("not slowed; failed tries in a row: {}", status.in_a_row),
        ),
        Some(until) => Finding::warning(
            ABOUT,
            format!(
                "slowed after {} failed tries in a row, until {}",
                status.in_a_row,
                until.to_rfc3339()
            ),
            "sign in from a browser that signed in here before, or with postern signin-link; postern throttle clear forgets them, and \
             deploy/fail2ban keeps who guesses away",
        ),
    }
}
