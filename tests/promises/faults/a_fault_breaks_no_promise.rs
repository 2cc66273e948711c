//! Killed at any moment, on a full disk, with writes that fail: what was acknowledged holds, what was not is not half
//! done, and who holds a good access token stays in (I1 to I4 of the threat model).

use std::collections::HashSet;
use std::thread;

use e2e_support::{Postern, send};
use serde_json::{Value, json};

use crate::owner::{Held, PASSWORD, login, set_password, signed_in, start};

/// When the server is killed, each awaited as an event.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// As soon as the request is on its way: before anything of it is on disk.
    UnderWay,
    /// As soon as the log changes: while it is being committed, or just after, with the answer under way.
    Logged,
    /// Once the whole answer is there.
    Answered,
}

const MOMENTS: [Moment; 3] = [Moment::UnderWay, Moment::Logged, Moment::Answered];

/// Sends a request from another thread and kills the server at that moment of it.
fn killed_during<T: Send + 'static>(
    postern: &mut Postern,
    moment: Moment,
    request: impl FnOnce() -> T + Send + 'static,
) -> T {
    let log = postern.data_dir().join("postern.sqlite-wal");
    let read = || std::fs::read(&log).unwrap_or_default();
    let before = read();
    let (sending, sent) = std::sync::mpsc::channel();
    let asking = thread::spawn(move || {
        sending.send(()).expect("somebody waits");
        request()
    });
    sent.recv().expect("it is on its way");
    match moment {
        Moment::UnderWay => {}
        Moment::Logged => {
            while read() == before && !asking.is_finished() {
                thread::yield_now();
            }
        }
        Moment::Answered => {
            while !asking.is_finished() {
                thread::yield_now();
            }
        }
    }
    postern.kill();
    asking.join().expect("no panic")
}

#[test]
fn killed_while_it_refreshes_it_strands_nobody_and_forgets_no_sign_out() {
    let (mut postern, mut held) = signed_in();
    let (mut answered, mut cut_off) = (0, 0);
    for moment in MOMENTS.into_iter().cycle().take(42) {
        let gone = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
        let out = send(
            &postern.base,
            "POST",
            "/api/v1/auth/refresh/logout",
            &[("cookie", &gone.cookie)],
            &Value::Null,
        );
        assert_eq!(out.expect("an answer").status, 200);
        let (base, presented) = (postern.base.clone(), held.clone());
        match killed_during(&mut postern, moment, move || presented.try_refresh(&base)) {
            Some(answer) => {
                held = Held::of(&answer);
                answered += 1;
            }
            None => cut_off += 1,
        }
        postern = postern.killed_and_restarted();
        // Committed or not, the last pair that the browser holds refreshes; both halves of the race end with one pair.
        let next = Held::of(&held.refresh(&postern));
        let again = Held::of(&held.refresh(&postern));
        assert_eq!((&next.cookie, &next.nonce), (&again.cookie, &again.nonce));
        held = next;
        assert!(held.is_good(&postern));
        assert!(
            !gone.is_good(&postern) && gone.refresh(&postern).status == 401,
            "a sign-out was forgotten"
        );
    }
    assert!(
        answered > 0 && cut_off > 0,
        "control: {answered} answered, {cut_off} cut off"
    );
}

#[test]
fn killed_while_the_password_changes_exactly_one_of_the_two_works() {
    let (mut postern, held) = signed_in();
    let change = |base: &str, bearer: &str, from: &str, to: &str| {
        let body = json!({ "CurrentPassword": from, "NewPassword": to });
        send(
            base,
            "PUT",
            "/api/v1/password",
            &[("authorization", bearer)],
            &body,
        )
        .map(|answer| answer.status)
    };
    let passwords = [PASSWORD, "another horse altogether"];
    let status = change(&postern.base, &held.bearer(), passwords[0], passwords[1]);
    assert_eq!(status, Some(200));
    let (mut now, mut kept, mut changed) = (1, 0, 0);
    let mut held = held;
    for moment in MOMENTS.into_iter().cycle().take(24) {
        let (base, bearer) = (postern.base.clone(), held.bearer());
        let (from, to) = (passwords[now], passwords[1 - now]);
        let answer = killed_during(&mut postern, moment, move || change(&base, &bearer, from, to));
        postern = postern.killed_and_restarted();
        let works =
            passwords.map(|password| login(&postern.base, password).expect("an answer").status == 200);
        assert!(works[0] != works[1], "after {moment:?}: {works:?}");
        if works[1 - now] {
            now = 1 - now;
            changed += 1;
        } else {
            assert_eq!(answer, None, "a change that was acknowledged is gone");
            kept += 1;
        }
        // A session other than the one that changes it may have ended; the owner signs in anew.
        held = Held::of(&login(&postern.base, passwords[now]).expect("an answer"));
    }
    assert!(kept > 0 && changed > 0, "control: {kept} kept, {changed} changed");
}

/// The data directory on a file system of its own, with little room; in a namespace of its own, so that no other process
/// sees it and it ends with the server.
const SMALL_DISK: &str =
    "mkdir -p data/postern; mount -t tmpfs -o size=1m,mode=0700 tmpfs data/postern; exec \"$0\" \"$@\"";

#[test]
fn on_a_full_disk_requests_fail_verification_goes_on_and_room_mends_it() {
    let wrapper = ["unshare", "--user", "--map-root-user", "--mount"];
    let mut postern = Postern::start_from(env!("CARGO_BIN_EXE_postern"), &wrapper, SMALL_DISK);
    let inside = format!("/proc/{}/root{}", postern.pid(), postern.data_dir().display());
    let link = std::fs::read_to_string(format!("{inside}/first-signin-link")).expect("the first link");
    let body = json!({ "SigninToken": Postern::token_in(&link), "RememberMe": true });
    let held = Held::of(&postern.send("POST", "/api/v1/auth/signin", &[], &body));

    let filler = format!("{inside}/filler");
    let full = std::fs::write(&filler, vec![0; 2 << 20]);
    assert!(full.is_err(), "control: the disk is small");
    let refused = held.refresh(&postern);
    assert!(refused.status >= 500, "{} {}", refused.status, refused.body);
    assert!(refused.cookie.is_none(), "nothing unacknowledged is handed out");
    assert!(held.is_good(&postern), "verification goes on");
    assert_eq!(postern.send("GET", "/health", &[], &Value::Null).status, 200);

    std::fs::remove_file(filler).expect("made room");
    let next = Held::of(&held.refresh(&postern));
    assert!(next.is_good(&postern) && next.cookie != held.cookie);
    assert_eq!(postern.stop(), Some(0));
}

/// Writes past this size fail with EFBIG, which is no full disk: what the file holds is not known then.
const SMALL_FILES: &str = "trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\"";

/// A server whose last write failed, and the last pair that it gave out.
fn stopped_by_its_disk() -> (Postern, Held) {
    let postern = Postern::start_from(env!("CARGO_BIN_EXE_postern"), &["env"], SMALL_FILES);
    set_password(&postern, PASSWORD);
    let first = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    let mut last = first;
    let refused = loop {
        let answer = last.refresh(&postern);
        if answer.status != 200 {
            break answer;
        }
        last = Held::of(&answer);
    };
    assert!(
        refused.status >= 500 && refused.cookie.is_none(),
        "{} {}",
        refused.status,
        refused.body
    );
    (postern, last)
}

/// The disk was full for the server alone: what others write is read, and counts.
#[test]
fn after_a_write_that_failed_what_another_process_revokes_is_revoked() {
    let (postern, last) = stopped_by_its_disk();
    assert!(last.is_good(&postern), "control: verification goes on");
    let _ = postern.says(&["sessions", "revoke-all"]);
    while last.is_good(&postern) {}
}

#[test]
fn after_a_write_that_failed_nothing_is_acknowledged_until_a_restart_and_verification_goes_on() {
    let (postern, last) = stopped_by_its_disk();
    assert!(last.is_good(&postern), "verification goes on");
    assert_eq!(
        postern.send("GET", "/ready", &[], &Value::Null).status,
        503,
        "and it is told"
    );
    let out = postern.send(
        "POST",
        "/api/v1/auth/refresh/logout",
        &[("cookie", &last.cookie)],
        &Value::Null,
    );
    assert!(
        out.status >= 500,
        "a sign-out that is not on disk is no success: {}",
        out.status
    );
    let postern = postern.killed_and_restarted();
    let next = Held::of(&last.refresh(&postern));
    assert!(
        next.is_good(&postern),
        "the last pair refreshes after the restart"
    );
}

#[test]
fn eight_tabs_across_a_restart_all_end_with_the_same_live_pair() {
    let (mut postern, mut held) = signed_in();
    for round in 0..12 {
        let together = |postern: &Postern, held: &[Held]| {
            let tabs: Vec<_> = held
                .iter()
                .map(|held| {
                    let (base, held) = (postern.base.clone(), held.clone());
                    thread::spawn(move || Held::of(&held.try_refresh(&base).expect("an answer")))
                })
                .collect();
            let pairs = tabs.into_iter().map(|tab| tab.join().expect("no panic"));
            pairs.map(|held| (held.cookie.clone(), held)).collect::<Vec<_>>()
        };
        let before = together(&postern, &vec![held.clone(); 8]);
        let distinct: HashSet<_> = before.iter().map(|(cookie, _)| cookie).collect();
        assert_eq!(distinct.len(), 1, "round {round}, before");
        postern = postern.killed_and_restarted();
        // Four tabs never got their answer and come with the old pair, four come with the new one.
        let mut mixed = vec![held.clone(); 4];
        mixed.extend(vec![before[0].1.clone(); 4]);
        let after = together(&postern, &mixed);
        let distinct: HashSet<_> = after.iter().map(|(cookie, _)| cookie).collect();
        assert_eq!(distinct.len(), 1, "round {round}, after");
        held = after[0].1.clone();
        assert!(held.is_good(&postern));
    }
}

#[test]
fn a_flood_of_sign_ins_is_told_to_wait_and_verification_goes_on() {
    let (postern, held) = signed_in();
    let guesses: Vec<_> = (0..64)
        .map(|_| {
            let base = postern.base.clone();
            thread::spawn(move || login(&base, "not the password at all").expect("an answer"))
        })
        .collect();
    let verified = (0..50).filter(|_| held.is_good(&postern)).count();
    assert_eq!(verified, 50);
    let answers: Vec<_> = guesses
        .into_iter()
        .map(|guess| guess.join().expect("no panic"))
        .collect();
    let (busy, checked): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 429);
    assert!(
        checked.iter().all(|answer| answer.status == 401),
        "control: the rest were checked"
    );
    assert!(
        !busy.is_empty() && !checked.is_empty(),
        "{} busy, {} checked",
        busy.len(),
        checked.len()
    );
    let wait = |header: &ureq::http::HeaderMap| {
        header
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse::<u32>().ok())
    };
    assert!(
        busy.iter()
            .all(|answer| wait(&answer.headers).is_some_and(|seconds| seconds >= 1))
    );
    assert_eq!(
        login(&postern.base, PASSWORD).expect("an answer").status,
        200,
        "and then the owner gets in"
    );
}

#[test]
fn a_stop_asked_for_is_a_stop_with_everything_on_disk() {
    let mut postern = start();
    set_password(&postern, PASSWORD);
    assert_eq!(postern.stop(), Some(0));
    assert!(
        !postern.data_dir().join("postern.sqlite-wal").exists(),
        "the log is written back"
    );
}
