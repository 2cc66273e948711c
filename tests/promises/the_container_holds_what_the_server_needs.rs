//! The file system of the container, read-only as it is run, with nothing but a data directory that can be written to. No
//! container is built here: the root folder that `deploy/Containerfile` copies is, and the server runs in it.

use std::path::Path;
use std::process::Command;

use e2e_support::{Postern, send};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_postern");

/// The container's root read-only, its data another file system, as a container's engine mounts them; in a name space of its own.
const CONTAINED: &str = r#"
    mount --bind "$ROOT" "$ROOT"
    mount -t tmpfs -o mode=0700 tmpfs "$ROOT/data"
    mount -o remount,bind,ro "$ROOT"
    if touch "$ROOT/tmp/file" 2>/dev/null; then exit 9; fi
    export POSTERN_DATA_DIR=/data POSTERN_FIELD_PASSWORD_FILE=/run/secrets/field-password POSTERN_TLS_SELF_SIGNED=true
    exec chroot "$ROOT" /usr/bin/postern serve
"#;

#[test]
fn in_the_containers_file_system_the_server_starts_and_answers() {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path().join("root");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/container-root");
    let made = Command::new(script).arg(BINARY).arg(&root).status();
    assert!(made.expect("it starts").success());
    for nothing in ["bin/sh", "usr/bin/env", "etc/shadow"] {
        assert!(!root.join(nothing).exists(), "{nothing}");
    }
    let secret = root.join("run/secrets/field-password");
    std::fs::write(&secret, "fifteen characters and more\n").expect("written");
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
    let variable = format!("ROOT={}", root.display());
    let wrapper = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "env",
        &variable,
    ];
    let mut postern = Postern::start_from(BINARY, &wrapper, CONTAINED);
    assert!(postern.base.starts_with("https://"), "{}", postern.base);
    let plain = format!("http://{}", postern.address());
    let told = send(&plain, "GET", "/health", &[], &Value::Null).expect("an answer");
    assert!(told.status >= 300, "told to use https: {}", told.status);
    assert!(!postern.logged().contains("ERROR"), "{}", postern.logged());
    assert_eq!(postern.stop(), Some(0));
}
