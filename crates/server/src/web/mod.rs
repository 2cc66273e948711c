//! The page, as the browser gets it: a document and the files it names, embedded in the binary. No build step makes them:
//! what is in `assets/` is what is served.

mod assets;

pub(crate) use assets::asset;

use std::sync::LazyLock;

/// Where the files are: a digest of all of them, then the name of one.
pub(crate) const ASSET_ROUTE: &str = "/assets/{version}/{*name}";

/// The script that the document runs.
const MAIN: &str = "js/main.js";

/// The document with the addresses of its files in place; the name of the install is still to come.
static TEMPLATE: LazyLock<String> = LazyLock::new(|| {
    let base = format!("/assets/{}", assets::version());
    // Told at once, the browser fetches the modules of the door together instead of one after the other's imports.
    let preloads: Vec<String> = assets::imported_by(MAIN)
        .into_iter()
        .map(|name| format!("<link rel=\"modulepreload\" href=\"{base}/{name}\">"))
        .collect();
    include_str!("assets/index.html")
        .replace("{preloads}", &preloads.join("\n"))
        .replace("{assets}", &base)
});

/// The document, with the name of this install as its title.
pub(crate) fn document(name: &str) -> String {
    TEMPLATE.replace("{name}", &escaped(name))
}

/// Text that means itself in HTML, between tags and inside quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_in_the_document_whatever_it_holds() {
        let document = document("</title><script>alert('1')</script> \"&");
        assert!(!document.contains("<script>alert"));
        assert!(
            document.contains("&lt;script&gt;alert(&#39;1&#39;)"),
            "{document}"
        );
        assert!(!document.contains('{'), "a place was left open: {document}");
    }

    #[test]
    fn every_file_that_the_document_names_is_there() {
        let document = document("Postern");
        let base = format!("/assets/{}/", assets::version());
        let mut named = 0;
        for rest in document.split(&base).skip(1) {
            let name = rest.split(['"', '#']).next().unwrap_or_default();
            assert!(asset(assets::version(), name).is_some(), "{name}");
            named += 1;
        }
        assert!(named > 10, "{document}");
    }

    /// The policy forbids both; a browser would only say so where nobody looks.
    #[test]
    fn the_document_has_no_script_and_no_style_of_its_own() {
        let document = document("Postern");
        assert!(!document.contains("<style") && !document.contains(" style="));
        let mut words = document.split_whitespace();
        assert!(!words.any(|word| word.starts_with("on") && word.contains('=')));
        for script in document.split("<script").skip(1) {
            assert!(
                script.contains("src=\"/assets/") && script.contains("></script>"),
                "{script}"
            );
        }
    }
}
