//! Too little memory (F-18), too few descriptors (F-19), no threads and calls that the kernel has not got (F-20), no randomness
//! (F-21): a clear refusal or less service, never a weaker promise.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use e2e_support::killed::is_thorough;
use e2e_support::{Ended, Faulty, Held, Postern, send};
use serde_json::Value;

use super::scene::{holds_after, scene};
use crate::owner::{PASSWORD, login};

/// A start that failed in words, with a code and with what to do.
#[track_caller]
fn is_a_clear_refusal(ended: &Ended, when: &str) {
    let in_range = ended.code.is_some_and(|code| (64..=78).contains(&code));
    assert!(
        in_range && ended.said.contains("hint: "),
        "{when}: {:?} {}",
        ended.code,
        ended.said
    );
}

fn limited(install: e2e_support::Install, limit: &str) -> Result<Postern, Ended> {
    install.serve_from(&["env"], &format!("ulimit {limit}; exec \"$0\" \"$@\""))
}

/// Memory is what the system gives or does not: a process that gets none is ended by its allocator. What was acknowledged holds.
#[test]
fn with_too_little_memory_it_serves_or_ends_and_what_was_acknowledged_holds() {
    let (install, known) = scene();
    let (mut served, mut ended_early) = (0, 0);
    let step = if is_thorough() { 8 } else { 60 };
    // In MiB of address space: from what does not hold the program to what is plenty.
    for size in (20..=400).step_by(step) {
        let when = format!("{size} MiB");
        let mut known = known.clone();
        let mut left = Vec::new();
        let install = match limited(install.copy(), &format!("-v {}", size * 1024)) {
            Err(ended) => {
                assert_ne!(ended.code, Some(0), "{when}");
                ended_early += 1;
                ended.install
            }
            Ok(postern) => {
                served += 1;
                known.signed_in = known
                    .signed_in
                    .iter()
                    .map(|held| held.carried_to(&postern))
                    .collect();
                thread::scope(|scope| {
                    let tries = (0..30).map(|nth| {
                        let base = &postern.base;
                        scope.spawn(move || {
                            if nth < 24 {
                                login(base, "not the password at all")
                            } else {
                                login(base, PASSWORD)
                            }
                        })
                    });
                    for answer in tries.collect::<Vec<_>>() {
                        let answer = answer.join().expect("no panic");
                        let Some(answer) = answer else { continue };
                        assert!(
                            matches!(answer.status, 200 | 401 | 429 | 500 | 503),
                            "{when}: {}",
                            answer.status
                        );
                        if answer.status == 200 {
                            left.push(Held::of(&answer));
                        }
                    }
                });
                for held in &mut known.signed_in {
                    if let Some(answer) = held
                        .try_refresh(&postern.base)
                        .filter(|answer| answer.status == 200)
                    {
                        *held = Held::of(&answer);
                    }
                }
                postern.killed()
            }
        };
        known.signed_in.append(&mut left);
        let postern = holds_after_guesses(&mut known, install, &when);
        drop(postern);
    }
    println!("{served} served, {ended_early} ended at the start");
    assert!(served > 0 && ended_early > 0, "control: {served}, {ended_early}");
}

/// The guesses of the load are forgotten first, as the operator does it.
fn holds_after_guesses(known: &mut e2e_support::Known, install: e2e_support::Install, when: &str) -> Postern {
    install.does(&["throttle", "clear"]);
    holds_after(known, install, when)
}

/// Descriptors of the starved server, and connections to it.
const DESCRIPTORS: &str = "-n 128";
const CONNECTIONS: usize = 1000;

/// What the listener pauses for when there is no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

fn processor_ticks(postern: &Postern) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", postern.pid())).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    // utime and stime of proc(5), in hundredths of a second.
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

/// A request on a connection that stays, and the whole answer.
fn asks(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).expect("an answer");
        assert!(
            length > 0,
            "it hung up after {}",
            String::from_utf8_lossy(&answer)
        );
        answer.extend(piece.iter().take(length));
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let whole = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        });
        if body.len() >= whole.expect("a length") {
            return text.into_owned();
        }
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a pause takes no less than it should, on any machine"
)]
fn with_no_descriptor_left_it_neither_ends_nor_spins_and_serves_again_at_once() {
    let (install, mut known) = scene();
    let Ok(mut postern) = limited(install, DESCRIPTORS) else {
        panic!("it starts")
    };
    let held = known.signed_in.remove(0).carried_to(&postern);
    let address = postern.address().to_owned();
    let verify = format!(
        "GET /api/v1/sessions HTTP/1.1\r\nHost: {address}\r\nAuthorization: {}\r\n\r\n",
        held.bearer()
    );
    let body = format!("{{\"Nonce\":\"{}\"}}", held.nonce);
    let refresh = format!(
        "POST /api/v1/auth/refresh HTTP/1.1\r\nHost: {address}\r\nCookie: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        held.cookie,
        body.len()
    );
    let mut inside = TcpStream::connect(&address).expect("it listens");
    assert!(asks(&mut inside, &verify).starts_with("HTTP/1.1 200"));
    // Without waiting for the kernel's queue of connections, which is shorter than that.
    let others: Vec<_> = (0..CONNECTIONS)
        .filter_map(|_| {
            TcpStream::connect_timeout(&address.parse().expect("an address"), ACCEPT_PAUSE / 100).ok()
        })
        .collect();
    let refusals = || postern.logged().matches("cannot accept connections").count();
    while refusals() == 0 {}
    let (begun, before, ticks) = (Instant::now(), refusals(), processor_ticks(&postern));
    while refusals() < before + 6 {
        assert!(
            asks(&mut inside, &verify).starts_with("HTTP/1.1 200"),
            "who is in is served"
        );
        thread::yield_now();
    }
    let (took, ticks) = (begun.elapsed(), processor_ticks(&postern) - ticks);
    println!(
        "{} connections; 6 pauses took {took:?} and {ticks} hundredths of a second of processor",
        others.len()
    );
    assert!(took >= ACCEPT_PAUSE * 5, "it spins: {took:?}");
    // A change needs no descriptor that is not there already.
    let refreshed = asks(&mut inside, &refresh);
    assert!(refreshed.starts_with("HTTP/1.1 200"), "{refreshed}");
    drop(others);
    // Whoever comes now is served as soon as the others are gone.
    let answer = held.try_verify(&postern.base).expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(postern.stop(), Some(0));
    known.signed_in.insert(0, held);
    holds_after(&mut known, postern.killed(), "with descriptors again");
}

/// Every start of a thread fails, from that one on: the runtime's, which are asked for beforehand, and those after them.
#[test]
fn without_threads_it_does_not_start_and_says_so_or_serves() {
    let (install, known) = scene();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let after = if is_thorough() { 12 } else { 4 };
    let (mut refused, mut served) = (0, 0);
    for nth in (1..=workers).chain(2 * workers + 1..=2 * workers + after) {
        let when = format!("no thread from the start of number {nth} on");
        let faulty = Faulty::injected("clone3,clone", &format!("error=EAGAIN:when={nth}+"));
        let mut known = known.clone();
        let install = match install.copy().serve_faulty(&faulty) {
            Err(ended) => {
                if nth <= workers {
                    is_a_clear_refusal(&ended, &when);
                }
                // Later, the runtime's own threads for work that waits may be missing, and it can only panic.
                assert!(ended.code.is_some_and(|code| code != 0), "{when}: {}", ended.said);
                refused += 1;
                ended.install
            }
            Ok(mut postern) => {
                let held = known.signed_in[0].carried_to(&postern);
                let verified = held.try_verify(&postern.base);
                if let Some(verified) = &verified {
                    assert_eq!(verified.status, 200, "{when}");
                }
                // A change is the first that needs one more, in a build that is fast enough to come so far.
                if let Some(refreshed) = verified.and_then(|_| held.try_refresh(&postern.base)) {
                    served += 1;
                    known.signed_in[0] = Held::of(&refreshed);
                } else {
                    // It listened before it missed the thread.
                    refused += 1;
                    let code = postern.ended();
                    let said = postern.logged();
                    assert!(code.is_some_and(|code| code != 0), "{when}: {code:?} {said}");
                }
                postern.killed()
            }
        };
        holds_after(&mut known, install, &when);
    }
    println!("{refused} did not start, {served} served");
    assert!(refused >= workers, "control");
}

/// Secrets that were handed out: none twice, none of zeros.
struct Secrets(HashSet<String>);

impl Secrets {
    #[track_caller]
    fn takes(&mut self, held: &Held, when: &str) {
        for secret in [&held.cookie, &held.nonce] {
            let (_, value) = secret.split_once('=').unwrap_or(("", secret));
            let kinds: HashSet<_> = value.chars().collect();
            assert!(
                kinds.len() > 12,
                "{when}: no random text: {} kinds of character",
                kinds.len()
            );
            assert!(self.0.insert(value.to_owned()), "{when}: handed out before");
        }
    }
}

fn without_randomness(error: &str) -> (usize, usize, usize) {
    let (install, known) = scene();
    let mut secrets = Secrets(HashSet::new());
    let (mut refused, mut failed, mut served) = (0, 0, 0);
    for nth in 1..=if is_thorough() { 24 } else { 10 } {
        let when = format!("getrandom: {error} from call {nth} on");
        let faulty = Faulty::injected("getrandom", &format!("error={error}:when={nth}+"));
        let mut known = known.clone();
        let install = match install.copy().serve_faulty(&faulty) {
            Err(ended) => {
                // Later than the first of all, the standard library's maps may ask, and can only panic.
                assert_ne!(ended.code, Some(0), "{when}");
                if nth == 1 {
                    is_a_clear_refusal(&ended, &when);
                }
                refused += 1;
                ended.install
            }
            Ok(postern) => {
                for held in &mut known.signed_in {
                    *held = held.carried_to(&postern);
                    let refreshed = held.try_refresh(&postern.base);
                    if let Some(answer) = refreshed.filter(|answer| answer.status == 200) {
                        *held = Held::of(&answer);
                        secrets.takes(held, &when);
                    }
                }
                for _ in 0..4 {
                    match login(&postern.base, PASSWORD) {
                        Some(answer) if answer.status == 200 => {
                            served += 1;
                            let held = Held::of(&answer);
                            secrets.takes(&held, &when);
                            known.signed_in.push(held);
                        }
                        Some(answer) => {
                            failed += 1;
                            assert!(
                                answer.status >= 500 && answer.cookie.is_none(),
                                "{when}: {}",
                                answer.status
                            );
                        }
                        None => failed += 1,
                    }
                }
                let health = send(&postern.base, "GET", "/health", &[], &Value::Null);
                assert_eq!(health.map(|answer| answer.status), Some(200), "{when}");
                postern.killed()
            }
        };
        holds_after(&mut known, install, &when);
    }
    println!("{error}: {refused} did not start, {failed} sign-ins failed, {served} succeeded");
    (refused, failed, served)
}

#[test]
fn where_the_kernel_gives_no_randomness_nobody_signs_in() {
    let (refused, failed, _) = without_randomness("EIO");
    assert!(refused > 0 && failed > 0, "control: {refused}, {failed}");
}

/// An older kernel: then randomness comes from its device, or there is none.
#[test]
fn where_the_kernel_has_no_such_call_it_is_refused_or_as_random_as_ever() {
    let (refused, failed, served) = without_randomness("ENOSYS");
    assert!(refused + failed + served > 0, "control");
}
