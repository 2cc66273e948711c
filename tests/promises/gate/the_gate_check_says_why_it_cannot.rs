//! `postern gate check` where nothing can be found out: that is no good news, and it says why.

use e2e_support::Postern;
use e2e_support::proxies::Kind;
use e2e_support::wire::{Upstream, free_port};

use super::gate_check::{application, checks};
use super::house::{House, ONE};
use crate::certificates::Ca;

#[test]
fn where_nothing_can_be_checked_it_says_why() {
    let house = House::start();
    let door = house.doors(Kind::Caddy).one;
    let nothing = format!("127.0.0.1:{}", free_port());
    let unguarded = Upstream::start().address;
    let closing = application(|_| None);
    let wrong = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(wrong.path(), "pst_ak_000000000000_AAAA").expect("written");
    let wrong = wrong.path().display().to_string();
    for (url, at, more, code, said) in [
        ("http://one.test/admin", &nothing, &[][..], 69, "nothing answers"),
        ("http://one.test/admin", &closing, &[], 69, "gave no answer"),
        (
            "http://one.test/admin",
            &unguarded,
            &[],
            1,
            "not guarded by Postern",
        ),
        (
            "http://one.test/public",
            &door.address,
            &[],
            65,
            "passes as anonymous",
        ),
        ("http://one.test/closed", &door.address, &[], 65, "closed"),
        ("http://evil.example/", &door.address, &[], 65, "no application"),
        ("one.test", &door.address, &[], 64, "not an address"),
        (
            "http://one.test/",
            &door.address,
            &["--access-key-file", &wrong],
            65,
            "does not open",
        ),
        ("http://one.test/", &door.address, &["--nonsense"], 64, ""),
    ] {
        let checked = checks(&house, url, at, more);
        assert_eq!(checked.code, code, "{url} {at}: {checked:#?}");
        assert!(checked.complaint.contains(said), "{url} {at}: {checked:#?}");
        assert!(!checked.complaint.contains("pst_ak_"));
        assert!(checked.report.is_null(), "{checked:#?}");
    }
    // Postern does not believe this proxy, or is gone: nobody is let in, and nothing is found out.
    let strict = House::start_trusting("\"192.0.2.1\"");
    let door = house.altered_door(Kind::Caddy, "one", |recipe| {
        recipe.replace(house.postern.address(), strict.postern.address())
    });
    let refused = checks(&strict, "http://one.test/", &door.address, &[]);
    assert_eq!(refused.code, 78, "{refused:#?}");
    assert!(refused.complaint.contains("listed proxies only"), "{refused:#?}");
    let mut house = house;
    let door = house.doors(Kind::Nginx).one;
    house.postern.kill();
    let dead = checks(&house, "http://one.test/", &door.address, &[]);
    assert_eq!(dead.code, 69, "{dead:#?}");
}

#[test]
fn over_tls_only_a_trusted_certificate_is_spoken_to() {
    let configuration = tempfile::NamedTempFile::new().expect("a file");
    let upstream = Upstream::start();
    let text = format!(
        "tls.self_signed = true\n[application.one]\nhosts = [\"{ONE}\"]\nupstream = \"http://{}\"\n",
        upstream.address
    );
    std::fs::write(configuration.path(), text).expect("written");
    let configuration = configuration.path().display().to_string();
    let postern = Postern::start_with(
        env!("CARGO_BIN_EXE_postern"),
        &[("POSTERN_CONFIG", &configuration)],
    );
    let environment = [
        ("POSTERN_CONFIG", configuration.as_str()),
        ("POSTERN_LISTEN", postern.address()),
    ];
    let address = postern.address().to_owned();
    let port = address.rsplit(':').next().expect("a port");
    let url = format!("https://{ONE}:{port}/");
    let checked = |url: &str, more: &[&str]| {
        let arguments = [&["gate", "check", url, "--connect", &address][..], more].concat();
        let output = postern.run_with(&arguments, &environment);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (code, said) = checked("https://one.test/", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing got through"), "{said}");
    assert_eq!(checked(&url, &[]).0, Some(65), "another port is another host");
    let other = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(other.path(), Ca::new().pem).expect("written");
    let (code, said) = checked(
        "https://one.test/",
        &["--ca", &other.path().display().to_string()],
    );
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("--ca"), "{said}");
    assert!(upstream.take().is_empty());
}
