//! What `log` says: which events are written.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Reads a filter. Values of fields are texts and not regular expressions, which the library would turn into automata that take minutes
/// and gigabytes for thirty characters (found by `fuzz/`).
///
/// # Errors
/// When it is none.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().with_regex(false).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With regular expressions this one test takes ten seconds and more.
    #[test]
    fn the_value_of_a_field_is_no_regular_expression() {
        let text = "[a{k=na.........]............]..... 70000as. 7000..=k ...[.......1110}]=trace";
        assert!(filter(text).is_ok(), "{:?}", filter(text).err());
        assert!(
            filter("[a{k=(}]=trace").is_ok(),
            "control: no regular expression at all"
        );
        assert!(filter("warn,postern=debug").is_ok());
        assert!(filter("postern=loud").is_err());
    }
}
