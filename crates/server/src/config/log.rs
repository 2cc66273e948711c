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

    #[test]
    fn the_value_of_a_field_is_no_regular_expression() {
        // As the fuzzer found it, which waited ten seconds for it; what comes of it does not matter.
        let _ = filter(
            "[tloshibaCk= %{k=na.........]............]..... 70000as. 7000..ck= %{..=k ...[.......1110 } s ...=k .......111000 s",
        );
        assert!(
            filter("[a{k=(}]=trace").is_ok(),
            "control: no regular expression at all"
        );
        assert!(filter("warn,postern=debug").is_ok());
        assert!(filter("postern=loud").is_err());
    }
}
