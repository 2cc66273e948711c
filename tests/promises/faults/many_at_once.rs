//! Many clients at once, keys that turn and backups beside them (F-12); and one pair that many tabs refresh at once (F-13).

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use e2e_support::killed::is_thorough;
use e2e_support::{Held, Known, Postern};

use crate::owner::{PASSWORD, signed_in};
use crate::traffic::Traffic;

/// Clients, and of a short storm.
const CLIENTS: usize = 16;
const FEW: usize = 8;

/// The length of one storm in `./test --hard`; otherwise three commands long.
const LONG: Duration = Duration::from_secs(60);

/// What is run beside the clients, in an order that the seed gives.
const COMMANDS: [&[&str]; 5] = [
    &["keys", "rotate", "signing"],
    &["backup", "create", "beside.age"],
    &["keys", "rotate", "data"],
    &["keys", "verify"],
    &["keys", "rotate", "all", "--drop-other-slots"],
];

/// A step of Marsaglia's xorshift: the same seed, the same storm.
fn next(seed: &mut u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    usize::try_from(*seed >> 33).expect("31 bits")
}

/// Two that ask with the same pair get the same next one, and that is the one that lives.
fn has_one_live_successor(postern: &Postern, held: &Held) -> Held {
    let (one, other) = (Held::of(&held.refresh(postern)), Held::of(&held.refresh(postern)));
    assert_eq!((&one.cookie, &one.nonce), (&other.cookie, &other.nonce));
    one
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "says how long a storm lasts, and asserts nothing of it"
)]
fn in_a_storm_of_clients_turning_keys_and_backups_no_request_fails_and_nobody_is_stranded() {
    let (seeds, clients, enough) = if is_thorough() {
        (20, CLIENTS, LONG)
    } else {
        (5, FEW, Duration::ZERO)
    };
    for seed in 1..=seeds {
        let (postern, held) = signed_in();
        let traffic = Traffic::of(&postern, clients);
        let (begun, mut random, mut commands) =
            (Instant::now(), u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15), 0);
        while commands < 3 || begun.elapsed() < enough {
            let command = COMMANDS[next(&mut random) % COMMANDS.len()];
            if command[0] == "backup" {
                // A backup goes over no other.
                let _ = std::fs::remove_file(postern.data_dir().join("../../beside.age"));
            }
            let output = postern.run(command);
            assert!(
                output.status.success(),
                "seed {seed}: {command:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            commands += 1;
            traffic.has_gone_on(20);
        }
        let tally = traffic.end();
        println!(
            "seed {seed}: {commands} commands; {} verified, {} refreshed, {} signed in, {} put off (429)",
            tally.verified, tally.refreshed, tally.signed_in, tally.told_to_wait
        );
        let mut known = Known {
            password: PASSWORD.to_owned(),
            signed_in: tally
                .held
                .iter()
                .map(|held| has_one_live_successor(&postern, held))
                .collect(),
            ended: tally.ended,
            secrets: vec![PASSWORD.to_owned()],
        };
        known.signed_in.push(held);
        known.holds_when_served(&postern, "after the storm");
        let postern = postern.killed().serve();
        known.holds_when_served(&postern, "after a restart");
        let verified = postern.says(&["keys", "verify"]);
        assert!(verified.contains("the integrity seal holds"), "{verified}");
    }
}

#[test]
fn eight_tabs_with_one_pair_get_one_successor_each_round_and_a_replay_ends_the_session() {
    let (postern, mut held) = signed_in();
    let rounds = if is_thorough() { 1000 } else { 50 };
    let mut before = Vec::new();
    for round in 0..rounds {
        let tabs: Vec<_> = (0..8)
            .map(|_| {
                let (base, held) = (postern.base.clone(), held.clone());
                thread::spawn(move || Held::of(&held.try_refresh(&base).expect("an answer")))
            })
            .collect();
        let pairs: HashSet<_> = tabs
            .into_iter()
            .map(|tab| tab.join().expect("no panic"))
            .map(|held| (held.cookie, held.nonce))
            .collect();
        assert_eq!(pairs.len(), 1, "round {round}");
        before.push(held.clone());
        held = Held::of(&held.refresh(&postern));
        assert!(held.is_good(&postern), "round {round}");
    }
    // Two generations old: nobody who is honest holds it any more. (The grace of thirty seconds for the last one is a table in
    // `authcore`, with a clock that is moved.)
    let stolen = &before[before.len() - 2];
    assert_eq!(stolen.refresh(&postern).status, 401);
    assert_eq!(held.refresh(&postern).status, 401, "the session is ended");
    assert!(!held.is_good(&postern));
}
