//! When certificates are made anew, and what an authority of ours may sign, with time moved by hand.

use super::*;
use crate::tls::keeper::Keeper;
use crate::tls::self_signed::{AuthorityFacts, Due, check_authority, due, identity, issue, make_authority};
use authcore::{Authority, AuthorityOptions, Clock, WallTime};
use fieldcrypt::SlotSecret;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};

const NOON: WallTime = WallTime::from_unix_ms(1_800_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn after_days(days: u32) -> WallTime {
    NOON.plus(DAY * days)
}

#[test]
fn what_is_made_anew_and_when() {
    let ours = names(&["nas.lan", "127.0.0.1", "::1", "door.example.org"]);
    let authority = make_authority(&ours, NOON).expect("made");
    let server = issue(&authority, &ours, NOON).expect("issued");
    let issuer = check_authority(&authority).expect("sound");
    let shown = identity(&server).expect("fits").facts;
    let other = make_authority(&ours, NOON).expect("made");
    let other = check_authority(&other).expect("sound");
    let with = |more: &str| [ours.clone(), names(&[more])].concat();
    let asked = |authority: Option<&AuthorityFacts>,
                 shown: Option<&CertificateFacts>,
                 names: &[String],
                 day| { due(authority, shown, names, after_days(day)) };
    for (day, expected) in [
        (0, Due::Nothing),
        (59, Due::Nothing),
        (60, Due::Certificate),
        (91, Due::Certificate),
    ] {
        assert_eq!(
            asked(Some(&issuer), Some(&shown), &ours, day),
            expected,
            "day {day}"
        );
    }
    assert_eq!(
        due(
            Some(&issuer),
            Some(&shown),
            &ours,
            after_days(60).plus(Duration::ZERO)
        ),
        Due::Certificate
    );
    assert_eq!(asked(None, Some(&shown), &ours, 0), Due::Authority);
    assert_eq!(asked(Some(&issuer), None, &ours, 0), Due::Certificate);
    assert_eq!(
        asked(Some(&other), Some(&shown), &ours, 0),
        Due::Certificate,
        "of another authority"
    );
    for (more, expected) in [
        ("media.lan", Due::Certificate),
        ("printer.home.arpa", Due::Certificate),
        ("192.168.7.7", Due::Certificate),
        ("fd00::7", Due::Certificate),
        ("www.door.example.org", Due::Certificate),
        ("example.org", Due::Authority),
        ("frontdoor.example.org", Due::Authority),
        ("lan.example.org", Due::Authority),
        ("notlan", Due::Authority),
        ("8.8.8.8", Due::Authority),
        ("2001:db8::7", Due::Authority),
    ] {
        assert_eq!(
            asked(Some(&issuer), Some(&shown), &with(more), 0),
            expected,
            "{more}"
        );
    }
    let fewer = names(&["nas.lan"]);
    assert_eq!(asked(Some(&issuer), Some(&shown), &fewer, 0), Due::Certificate);
    // A certificate of day 3558 would outlive the authority.
    assert_eq!(asked(Some(&issuer), Some(&shown), &ours, 3558), Due::Certificate);
    assert_eq!(asked(Some(&issuer), Some(&shown), &ours, 3560), Due::Authority);
}

#[test]
fn whoever_trusts_the_authority_takes_its_word_for_local_and_configured_names_only() {
    let ours = names(&["door.example.org"]);
    let authority = make_authority(&ours, NOON).expect("made");
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(authority.certificate.clone()))
        .expect("an authority");
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = verifier.build().expect("made");
    let taken = |name: &str| {
        let server = issue(&authority, &names(&[name]), NOON).expect("issued, as by a thief with its key");
        let seconds = u64::try_from(NOON.unix_seconds()).expect("after 1970");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let der = CertificateDer::from(server.certificate.clone());
        verifier.verify_server_cert(&der, &[], &name, &[], now).is_ok()
    };
    for local in [
        "door.example.org",
        "nas.lan",
        "nas.local",
        "localhost",
        "127.0.0.1",
        "192.168.1.9",
        "::1",
        "fd00::1",
    ] {
        assert!(taken(local), "{local}");
    }
    for public in ["bank.example.com", "example.org", "8.8.8.8", "2606:4700::1111"] {
        assert!(!taken(public), "{public}");
    }
}

#[test]
fn a_certificate_and_the_key_of_another_are_no_pair() {
    let ours = names(&["nas.lan"]);
    let (one, other) = (
        make_authority(&ours, NOON).expect("made"),
        make_authority(&ours, NOON).expect("made"),
    );
    let mixed = authcore::TlsKey::new(
        one.certificate.clone(),
        fieldcrypt::Secret::from(other.expose_private_key().to_vec()),
    );
    assert!(check_authority(&mixed).is_err() && identity(&mixed).is_err());
    assert!(check_authority(&one).is_ok(), "control");
}

fn authority(clock: &Clock, folder: &std::path::Path) -> Arc<Authority> {
    let options = AuthorityOptions {
        clock: clock.clone(),
        ..AuthorityOptions::new(folder.join("postern.sqlite"))
    };
    let secret = SlotSecret::password("the field password of the tests");
    Arc::new(Authority::create(&options, &secret).expect("made"))
}

#[tokio::test]
async fn a_running_server_renews_its_certificate_after_two_thirds_and_its_authority_before_it_ends() {
    let folder = tempfile::tempdir().expect("folder");
    let clock = Clock::manual(NOON);
    let authority = authority(&clock, folder.path());
    let issuer = |authority: &Authority| {
        authority
            .tls_keys()
            .load()
            .expect("reads")
            .authority
            .expect("made")
            .certificate
    };
    let names = names(&["nas.lan"]);
    let (mut keeper, mut shown) = Keeper::self_signed(Arc::clone(&authority), names)
        .await
        .expect("made");
    let (first, first_issuer) = (keeper.facts().clone(), issuer(&authority));
    clock.advance(DAY * 59);
    keeper.look(false).await;
    assert!(!shown.has_changed().expect("kept") && *keeper.facts() == first);
    clock.advance(DAY * 2);
    keeper.look(false).await;
    assert!(shown.has_changed().expect("kept"));
    shown.mark_unchanged();
    let second = keeper.facts().clone();
    assert!(second.not_after > first.not_after.plus(DAY * 60));
    assert_eq!(second.issuer, first.issuer);
    assert_eq!(
        issuer(&authority),
        first_issuer,
        "devices need not be told anything"
    );
    keeper.look(false).await;
    assert!(!shown.has_changed().expect("kept"), "once");
    clock.advance(DAY * 3600);
    keeper.look(false).await;
    assert!(shown.has_changed().expect("kept"));
    assert_ne!(issuer(&authority), first_issuer);
    assert!(
        keeper.facts().issuer != first.issuer,
        "the new authority has a name of its own"
    );
}
