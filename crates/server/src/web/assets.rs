//! The files of the page, each on one line, with a digest of all of them that stands in their addresses.

use std::io::Write as _;
use std::sync::{LazyLock, OnceLock};

use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// RFC 9239.
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// One file.
pub(crate) struct Asset {
    name: &'static str,
    bytes: &'static [u8],
    gzip: OnceLock<Vec<u8>>,
}

impl Asset {
    /// As it is in the source.
    pub(crate) const fn bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// The same, compressed (RFC 1952), once per process. There is no secret in it that its length could tell of.
    pub(crate) fn gzip(&'static self) -> &'static [u8] {
        self.gzip.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            let written = encoder.write_all(self.bytes).and_then(|()| encoder.finish());
            // Writing to memory does not fail.
            written.unwrap_or_default()
        })
    }

    /// Its media type.
    pub(crate) fn kind(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "js")) => SCRIPT,
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            Some(_) | None => "text/plain; charset=utf-8",
        }
    }
}

/// All styles in one, in this order: the door is not drawn before the last of them is there.
const STYLE: &str = concat!(
    include_str!("assets/css/base.css"),
    include_str!("assets/css/layout.css"),
    include_str!("assets/css/parts.css"),
    include_str!("assets/css/pages.css"),
);

macro_rules! files {
    ($($name:literal,)*) => {
        static FILES: [Asset; 1 + [$($name),*].len()] = [Asset {
            name: "page.css",
            bytes: STYLE.as_bytes(),
            gzip: OnceLock::new(),
        }, $(Asset {
            name: $name,
            bytes: include_bytes!(concat!("assets/", $name)),
            gzip: OnceLock::new(),
        }),*];
    };
}

files! {
    "icon.svg",
    "icons.svg",
    "js/auth/api.js",
    "js/auth/changes.js",
    "js/auth/connection.js",
    "js/auth/nonce.js",
    "js/auth/one_time_code.js",
    "js/auth/session.js",
    "js/auth/tabs.js",
    "js/auth/wire.js",
    "js/backups.js",
    "js/early.js",
    "js/house.js",
    "js/link.js",
    "js/main.js",
    "js/pages/access_keys.js",
    "js/pages/activity.js",
    "js/pages/applications.js",
    "js/pages/backups.js",
    "js/pages/keys.js",
    "js/pages/overview.js",
    "js/pages/password.js",
    "js/pages/second_factor.js",
    "js/pages/sessions.js",
    "js/pages/settings.js",
    "js/pages/signin.js",
    "js/pages/signin_link.js",
    "js/parts/appearance.js",
    "js/parts/banner.js",
    "js/parts/basics.js",
    "js/parts/copy.js",
    "js/parts/dialog.js",
    "js/parts/doorstep.js",
    "js/parts/field.js",
    "js/parts/icon.js",
    "js/parts/load.js",
    "js/parts/one_time_code.js",
    "js/parts/save.js",
    "js/parts/security_notices.js",
    "js/parts/time.js",
    "js/parts/toast.js",
    "js/view.js",
    "js/words.js",
    "vendor/LICENSE-htm",
    "vendor/LICENSE-preact",
    "vendor/hooks.js",
    "vendor/htm.js",
    "vendor/preact.js",
}

/// What is no file of the page though it lies beside them.
#[cfg(test)]
const NOT_SERVED: [&str; 6] = [
    "css/base.css",
    "css/layout.css",
    "css/pages.css",
    "css/parts.css",
    "index.html",
    "vendor/README.md",
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for file in &FILES {
        digest.update(file.name.len().to_be_bytes());
        digest.update(file.name);
        digest.update(file.bytes.len().to_be_bytes());
        digest.update(file.bytes);
    }
    let mut text = HEXLOWER.encode(&digest.finalize());
    text.truncate(16);
    text
});

/// 16 digits that change when any file does.
pub(crate) fn version() -> &'static str {
    &VERSION
}

/// The file of that name; `None` under the digest of another build, whose files these are not.
pub(crate) fn asset(version: &str, name: &str) -> Option<&'static Asset> {
    FILES
        .iter()
        .find(|file| file.name == name)
        .filter(|_| version == *VERSION)
}

/// The names of all scripts that this one cannot run without: itself, and what it and they import by `from '…'`.
pub(super) fn imported_by(script: &str) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    let mut open = vec![script.to_owned()];
    while let Some(name) = open.pop() {
        let Some(file) = FILES.iter().find(|file| file.name == name) else {
            continue;
        };
        if found.contains(&file.name) {
            continue;
        }
        found.push(file.name);
        let text = std::str::from_utf8(file.bytes).unwrap_or_default();
        let imports = text.split(" from '").skip(1);
        open.extend(imports.filter_map(|rest| beside(file.name, rest.split_once('\'')?.0)));
    }
    found
}

/// The name that a relative address in that file means.
fn beside(name: &str, address: &str) -> Option<String> {
    let mut folders: Vec<&str> = name.split('/').collect();
    folders.pop();
    for part in address.split('/') {
        match part {
            "." => {}
            ".." => drop(folders.pop()?),
            part => folders.push(part),
        }
    }
    Some(folders.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read as _;
    use std::path::{Path, PathBuf};

    fn names(folder: &Path, below: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                names(&path, below, found);
            } else {
                let name = path.strip_prefix(below).expect("below");
                found.push(name.to_str().expect("UTF-8").to_owned());
            }
        }
    }

    #[test]
    fn every_file_in_the_folder_is_listed_and_in_order() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/assets");
        let mut found = Vec::new();
        names(&folder, &folder, &mut found);
        found.retain(|name| !NOT_SERVED.contains(&name.as_str()));
        found.sort_unstable();
        let listed: Vec<_> = FILES.iter().skip(1).map(|file| file.name).collect();
        assert_eq!(listed, found);
    }

    /// Issue 5: the first page is at most 100 KB over the wire; headers and the document are the rest.
    #[test]
    fn all_files_together_are_small_and_unpack_to_what_they_were() {
        let mut sum = 0;
        for file in FILES.iter().filter(|file| !file.name.contains("LICENSE")) {
            let mut unpacked = Vec::new();
            GzDecoder::new(file.gzip())
                .read_to_end(&mut unpacked)
                .expect("gzip");
            assert_eq!(unpacked, file.bytes, "{}", file.name);
            sum += file.gzip().len();
        }
        assert!(sum < 80_000, "{sum} bytes");
    }

    /// What a script cannot run without is told to the browser; what it loads later is not.
    #[test]
    fn what_a_script_imports_is_found_through_all_of_its_imports() {
        let door = imported_by("js/main.js");
        for name in [
            "js/main.js",
            "js/pages/signin.js",
            "js/auth/wire.js",
            "vendor/preact.js",
        ] {
            assert!(door.contains(&name), "{name}: {door:?}");
        }
        assert!(!door.contains(&"js/house.js"), "{door:?}");
        let house = imported_by("js/house.js");
        assert!(house.contains(&"js/pages/overview.js"), "{house:?}");
        for file in FILES
            .iter()
            .filter(|file| file.kind() == SCRIPT && file.name != "js/early.js")
        {
            assert!(
                door.contains(&file.name) || house.contains(&file.name),
                "nobody imports {}",
                file.name
            );
        }
        assert_eq!(
            beside("js/pages/a.js", "../view.js").as_deref(),
            Some("js/view.js")
        );
        assert_eq!(beside("a.js", "../../b.js"), None);
    }

    #[test]
    fn a_file_is_there_under_its_own_version_only() {
        assert!(asset(version(), "icon.svg").is_some());
        assert!(asset("0123456789abcdef", "icon.svg").is_none());
        assert!(asset(version(), "index.html").is_none());
        assert!(asset(version(), "../mod.rs").is_none());
    }
}
