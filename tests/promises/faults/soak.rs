//! Hours in little: verifications, refreshes and sign-ins at the pace of a busy house, for half an hour in `./test --hard` (F-22).
//! Nothing fails, and nothing grows.

use std::thread;
use std::time::{Duration, Instant};

use e2e_support::killed::is_thorough;
use e2e_support::{Held, Postern};
use serde_json::{Value, json};

use crate::owner::{PASSWORD, signed_in};

/// What is asked for each second.
const VERIFY: usize = 500;
const REFRESH: usize = 5;

/// Sessions at most: each sign-in begins one and ends the one unused for longest, so that their number is not what grows.
const SESSIONS: &str = "100";

/// Memory that may come on top from one ten minutes to the next, in KiB.
const GROWTH: u64 = 1024;

/// How long: the seconds in the environment, else half an hour in `./test --hard`, and a few seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the test command says it in the environment"
)]
fn how_long() -> Duration {
    let asked = std::env::var("POSTERN_TEST_SOAK_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(asked.unwrap_or(if is_thorough() { 1800 } else { 5 }))
}

/// One client whose connection stays.
struct Client<'a> {
    agent: ureq::Agent,
    base: &'a str,
}

impl Client<'_> {
    #[track_caller]
    fn verifies(&self, held: &Held) {
        let url = format!("{}/api/v1/second-factor", self.base);
        let answer = self.agent.get(url).header("authorization", held.bearer()).call();
        let mut answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200);
        let _ = answer.body_mut().read_to_vec().expect("a body");
    }

    #[track_caller]
    fn posts(&self, path: &str, cookie: &str, body: &Value) -> Held {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request
            .header("cookie", cookie)
            .header("content-type", "application/json");
        let mut answer = request.send(body.to_string()).expect("an answer");
        let cookie = answer.headers()["set-cookie"].to_str().expect("text");
        let cookie = cookie.split(';').next().expect("a cookie").to_owned();
        assert_eq!(answer.status(), 200, "{path}");
        let body: Value = serde_json::from_reader(answer.body_mut().as_reader()).expect("JSON");
        let text = |name: &str| body.get(name).and_then(Value::as_str).expect("text").to_owned();
        Held {
            cookie,
            nonce: text("RefreshNonce"),
            access_token: text("AccessToken"),
        }
    }
}

/// Resident KiB, descriptors, bytes of the database and its log.
#[derive(Clone, Copy, Debug)]
struct Size {
    memory: u64,
    descriptors: usize,
    database: u64,
}

fn size(postern: &Postern) -> Size {
    let of_process = |name: &str| format!("/proc/{}/{name}", postern.pid());
    let status = std::fs::read_to_string(of_process("status")).expect("it runs");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|text| text.split_whitespace().next()?.parse().ok());
    let length = |name: &str| std::fs::metadata(postern.data_dir().join(name)).map_or(0, |file| file.len());
    Size {
        memory: resident.expect("a number"),
        descriptors: std::fs::read_dir(of_process("fd")).expect("lists").count(),
        database: length("postern.sqlite") + length("postern.sqlite-wal"),
    }
}

/// Verifies at that pace until it is over. The pace is no promise: on a machine that is busy with other things it is slower.
#[expect(clippy::disallowed_methods, reason = "keeps a pace")]
fn verify_for(client: &Client<'_>, held: &Held, until: Instant) -> u64 {
    let (begun, mut done) = (Instant::now(), 0_u64);
    while Instant::now() < until {
        client.verifies(held);
        done += 1;
        let due = begun
            + Duration::from_secs(1) * u32::try_from(done).expect("fits")
                / u32::try_from(VERIFY).expect("fits");
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    done
}

#[test]
#[expect(clippy::disallowed_methods, reason = "keeps a pace")]
fn for_as_long_as_it_runs_nothing_fails_and_nothing_grows() {
    let (postern, first) = signed_in();
    let bounded = postern.run(&["settings", "set", "max_sessions", SESSIONS]);
    assert!(
        bounded.status.success(),
        "{}",
        String::from_utf8_lossy(&bounded.stderr)
    );
    let agent = || -> ureq::Agent {
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into()
    };
    let until = Instant::now() + how_long();
    let mut held = first;
    let (mut verified, mut refreshed, mut signed_in) = (0, 0, 0);
    let mut sizes = Vec::new();
    let client = Client {
        agent: agent(),
        base: &postern.base,
    };
    let mut visitor = String::new();
    while Instant::now() < until {
        // One second: a sign-in from a browser that was here before, five refreshes, and verifications all the while.
        let second = Instant::now() + Duration::from_secs(1);
        let verifying = held.clone();
        thread::scope(|scope| {
            let verifications = scope.spawn(|| {
                let client = Client {
                    agent: agent(),
                    base: &postern.base,
                };
                verify_for(&client, &verifying, second)
            });
            let body = json!({ "Password": PASSWORD, "RememberMe": true });
            let new = client.posts("/api/v1/auth/login", &visitor, &body);
            visitor.clone_from(&new.cookie);
            signed_in += 1;
            for _ in 0..REFRESH {
                held = client.posts(
                    "/api/v1/auth/refresh",
                    &held.cookie,
                    &json!({ "Nonce": held.nonce }),
                );
                refreshed += 1;
            }
            verified += verifications.join().expect("no request fails");
        });
        sizes.push(size(&postern));
    }
    let (first, last) = (sizes[0], sizes[sizes.len() - 1]);
    println!(
        "{} s: {verified} verifications, {refreshed} refreshes, {signed_in} sign-ins, 0 failed; {first:?} at first, {last:?} at last",
        sizes.len()
    );
    for ten_minutes in sizes.chunks(600) {
        println!("{:?}", ten_minutes[ten_minutes.len() - 1]);
    }
    assert!(verified > 0 && refreshed > 0 && signed_in > 0, "control");
    // The first minutes fill the caches and the table of sessions.
    for pair in sizes.chunks(600).collect::<Vec<_>>().windows(2) {
        let [before, after] = [pair[0], pair[1]]
            .map(|part| part.iter().map(|size| size.memory).sum::<u64>() / part.len() as u64);
        assert!(
            after <= before + GROWTH,
            "memory grows: {before} KiB, then {after} KiB"
        );
    }
    assert!(last.descriptors <= first.descriptors + 4, "{first:?}, {last:?}");
    assert!(last.database <= 16 << 20, "{last:?}");
}
