//! A flush that fails, a disk that is full, a file system that takes nothing any more (F-04, F-05, F-06): the request is told so,
//! verification goes on, and what was acknowledged holds.

use e2e_support::killed::is_thorough;
use e2e_support::{Answer, Ended, Faulty, Held, Install, Postern};
use serde_json::Value;

use super::scene::{holds_after, scene};
use crate::owner::{PASSWORD, login};

/// That many from the first on, or all of them.
fn up_to(sampled: usize, all: usize) -> std::ops::RangeInclusive<usize> {
    1..=if is_thorough() { all } else { sampled }
}

/// Told that it was not done, and when to come again; nothing is handed out.
#[track_caller]
fn is_put_off(answer: &Answer, when: &str) {
    assert_eq!(answer.status, 503, "{when}: {}", answer.body);
    assert!(
        answer.cookie.is_none(),
        "{when}: nothing unacknowledged is handed out"
    );
    let after = answer
        .headers
        .get("retry-after")
        .and_then(|value| value.to_str().ok());
    assert_eq!(after, Some("5"), "{when}");
}

/// Refreshes until that is refused; gives the last pair that was good, and the refusal if there was one.
fn until_refused(postern: &Postern, mut held: Held, most: usize) -> (Held, Option<Answer>) {
    for _ in 0..most {
        let answer = held.refresh(postern);
        if answer.status != 200 {
            return (held, Some(answer));
        }
        held = Held::of(&answer);
    }
    (held, None)
}

/// A start that was refused says so with a code of sysexits(3), and panics nowhere.
fn is_told_in_words(ended: &Ended, when: &str) {
    let said = &ended.said;
    assert!(
        ended.code.is_some_and(|code| (64..=78).contains(&code)),
        "{when}: {said}"
    );
    assert!(!said.contains("panicked"), "{when}: {said}");
}

#[test]
fn after_a_flush_that_failed_nothing_is_acknowledged_until_a_restart() {
    let (install, known) = scene();
    let (mut refused_to_start, mut refused_to_write, mut unnoticed) = (0, 0, 0);
    for nth in up_to(4, 16) {
        // Once, after which the next flush says all is well; and from there on.
        for how_often in ["", "+"] {
            let when = format!("flush {nth}{how_often} failed");
            let mut known = known.clone();
            let faulty = Faulty::injected("fdatasync,fsync", &format!("error=EIO:when={nth}{how_often}"));
            let postern = match install.copy().serve_faulty(&faulty) {
                Err(ended) => {
                    is_told_in_words(&ended, &when);
                    refused_to_start += 1;
                    holds_after(&mut known, ended.install, &when);
                    continue;
                }
                Ok(postern) => postern,
            };
            let held = known.signed_in.remove(0).carried_to(&postern);
            let (last, refused) = until_refused(&postern, held, 4 * nth + 8);
            let Some(refused) = refused else {
                // SQLite does not look at the result of one flush: the folder's, when the log is new.
                unnoticed += 1;
                known.signed_in.insert(0, last);
                holds_after(&mut known, postern.killed(), &when);
                continue;
            };
            refused_to_write += 1;
            is_put_off(&refused, &when);
            for again in 0..3 {
                is_put_off(&last.refresh(&postern), &when);
                is_put_off(&login(&postern.base, PASSWORD).expect("an answer"), &when);
                is_put_off(&last.try_sign_out(&postern.base).expect("an answer"), &when);
                assert!(last.is_good(&postern), "{when}, {again}: verification goes on");
            }
            let ready = postern.send("GET", "/ready", &[], &Value::Null);
            assert_eq!(ready.status, 503, "{when}: and it is told");
            known.signed_in.insert(0, last);
            holds_after(&mut known, postern.killed(), &when);
        }
    }
    println!("{refused_to_start} did not start, {refused_to_write} refused to write, {unnoticed} unnoticed");
    assert!(
        refused_to_write > 0 && unnoticed <= 1,
        "{refused_to_write}, {unnoticed} unnoticed"
    );
}

#[test]
fn a_write_for_which_there_is_no_room_is_put_off_and_the_next_one_is_made() {
    let (install, known) = scene();
    let (mut put_off, mut unnoticed) = (0, 0);
    for nth in up_to(10, 60) {
        let when = format!("no room for write {nth}");
        let mut known = known.clone();
        let faulty = Faulty::injected("pwrite64", &format!("error=ENOSPC:when={nth}"));
        let postern = match install.copy().serve_faulty(&faulty) {
            Err(ended) => {
                is_told_in_words(&ended, &when);
                holds_after(&mut known, ended.install, &when);
                continue;
            }
            Ok(postern) => postern,
        };
        let held = known.signed_in.remove(0).carried_to(&postern);
        let (last, refused) = until_refused(&postern, held, nth + 4);
        match refused {
            Some(refused) => {
                is_put_off(&refused, &when);
                put_off += 1;
            }
            // What the server writes by itself met the fault.
            None => unnoticed += 1,
        }
        assert!(last.is_good(&postern), "{when}: verification goes on");
        let next = last.refresh(&postern);
        assert_eq!(next.status, 200, "{when}: there is room again: {}", next.body);
        known.signed_in.insert(0, Held::of(&next));
        holds_after(&mut known, postern.killed(), &when);
    }
    println!("{put_off} put off, {unnoticed} unnoticed");
    assert!(put_off > 0, "control");
}

/// The data directory on a file system of its own with that much room, in a name space of its own.
fn on_a_disk_of(kibibytes: usize) -> Result<Postern, Ended> {
    let wrapper = ["unshare", "--user", "--map-root-user", "--mount"];
    let script = format!(
        "mkdir -p data/postern; mount -t tmpfs -o size={kibibytes}k,mode=0700 tmpfs data/postern; exec \"$0\" \"$@\""
    );
    Install::empty(env!("CARGO_BIN_EXE_postern")).serve_from(&wrapper, &script)
}

#[test]
fn on_disks_of_any_size_it_starts_or_says_that_there_is_no_room_and_room_mends_it() {
    // Between 64 and 320 KiB the first start comes a little further each time.
    let some = [64, 128, 160, 192, 256, 320, 768, 1536];
    let sizes = (64..=2048).step_by(16);
    let (mut started, mut refused) = (0, 0);
    for size in sizes.filter(|size| is_thorough() || some.contains(size)) {
        let when = format!("{size} KiB");
        let postern = match on_a_disk_of(size) {
            Err(ended) => {
                assert!(matches!(ended.code, Some(73 | 74)), "{when}: {}", ended.said);
                assert!(ended.said.contains("full"), "{when}: {}", ended.said);
                refused += 1;
                continue;
            }
            Ok(postern) => postern,
        };
        started += 1;
        let inside = format!("/proc/{}/root{}", postern.pid(), postern.data_dir().display());
        let link = std::fs::read_to_string(format!("{inside}/first-signin-link")).expect("the first link");
        let body = serde_json::json!({ "SigninToken": Postern::token_in(&link), "RememberMe": true });
        let signed_in = postern.send("POST", "/api/v1/auth/signin", &[], &body);
        let filler = format!("{inside}/filler");
        if signed_in.status != 200 {
            is_put_off(&signed_in, &when);
            continue;
        }
        let held = Held::of(&signed_in);
        assert!(
            std::fs::write(&filler, vec![0; 4 << 20]).is_err(),
            "control: it is full"
        );
        let (last, put_off) = until_refused(&postern, held, 3000);
        let put_off = put_off.expect("it is full");
        is_put_off(&put_off, &when);
        is_put_off(&last.try_sign_out(&postern.base).expect("an answer"), &when);
        assert!(
            last.is_good(&postern),
            "{when}: verification goes on, for one who could not be signed out too"
        );
        std::fs::remove_file(filler).expect("made room");
        let next = Held::of(&last.refresh(&postern));
        assert!(next.is_good(&postern), "{when}: room mends it");
        assert_eq!(
            next.try_sign_out(&postern.base).expect("an answer").status,
            200,
            "{when}"
        );
        assert!(!next.is_good(&postern), "{when}");
    }
    println!("{started} started, {refused} had no room");
    assert!(started > 0 && refused > 0, "control: {started}, {refused}");
}

#[test]
fn on_a_file_system_that_takes_nothing_it_does_not_start_and_says_why() {
    let (install, mut known) = scene();
    let wrapper = ["unshare", "--user", "--map-root-user", "--mount"];
    let script =
        "mount --bind data/postern data/postern; mount -o remount,bind,ro data/postern; exec \"$0\" \"$@\"";
    let Err(ended) = install.serve_from(&wrapper, script) else {
        panic!("it started")
    };
    assert!(matches!(ended.code, Some(73 | 74)), "{}", ended.said);
    assert!(
        ended.said.contains("ead-only file system") && ended.said.contains("hint: "),
        "{}",
        ended.said
    );
    holds_after(&mut known, ended.install, "read-only");
}

#[test]
fn a_file_system_that_takes_nothing_any_more_stops_changes_and_nothing_else() {
    let (install, known) = scene();
    for nth in [12, 20] {
        let mut known = known.clone();
        // As a kernel does that finds its file system broken (mount(8), errors=remount-ro).
        let faulty = Faulty::injected(
            "pwrite64,fdatasync,ftruncate",
            &format!("error=EROFS:when={nth}+"),
        );
        let Ok(postern) = install.copy().serve_faulty(&faulty) else {
            panic!("it starts")
        };
        let when = format!("read-only from write {nth} on");
        let held = known.signed_in.remove(0).carried_to(&postern);
        let (last, refused) = until_refused(&postern, held, 40);
        let refused = refused.unwrap_or_else(|| panic!("{when}: not noticed; {}", postern.logged()));
        is_put_off(&refused, &when);
        is_put_off(&last.try_sign_out(&postern.base).expect("an answer"), &when);
        assert!(last.is_good(&postern), "{when}: verification goes on");
        known.signed_in.insert(0, last);
        holds_after(&mut known, postern.killed(), &when);
    }
}
