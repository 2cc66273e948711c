//! What `log` says: which events are written.

use tracing_subscriber::filter::{ParseError, Targets};

/// Reads a filter: a level for everything, levels for single modules.
///
/// # Errors
/// When it is none.
pub(crate) fn filter(text: &str) -> Result<Targets, ParseError> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_level_counts_for_all_and_another_for_a_module() {
        let read = filter("warn,postern=debug").expect("a filter");
        assert!(read.would_enable("postern::gate", &Level::DEBUG));
        assert!(!read.would_enable("hyper", &Level::INFO) && read.would_enable("hyper", &Level::WARN));
        assert!(filter("postern=loud").is_err());
    }

    #[test]
    fn nothing_of_it_is_a_pattern() {
        // As the fuzzer found it when filters had patterns for the values of fields: it took ten seconds.
        let found = "[tloshibaCk= %{k=na.........]............]..... 70000as. 7000..ck= %{..=k ...[.......1110 } s ...=k .......111000 s";
        assert!(filter(found).is_err() && filter("[a{k=b}]=trace").is_err());
    }
}
