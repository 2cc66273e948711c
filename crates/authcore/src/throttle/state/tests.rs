use super::*;
use proptest::prelude::*;

fn at(seconds: u64) -> WallTime {
    WallTime::from_unix_ms(1_800_000_000_000).plus(Duration::from_secs(seconds))
}

fn source(number: u32) -> Source {
    Source::of(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into())
}

fn device(number: u8) -> KnownDeviceId {
    KnownDeviceId::from_bytes([number; KnownDeviceId::BYTES])
}

/// Every second, from a new address each time: how many are let in.
fn let_in(state: &mut ThrottleState, from: u64, seconds: u64) -> u64 {
    let tries = (from..from + seconds).map(|second| {
        let number = u32::try_from(second).expect("small");
        state.admit(Some(source(number)), None, at(second))
    });
    tries.map(|admitted| u64::from(admitted.is_ok())).sum()
}

#[test]
fn from_everywhere_fifty_are_free_and_the_hundredth_takes_most_of_a_day() {
    let mut state = ThrottleState::default();
    assert_eq!(let_in(&mut state, 0, 60), 50, "in the first minute");
    let first_hour = 50 + let_in(&mut state, 60, 3540);
    assert!((62..=72).contains(&first_hour), "{first_hour} in the first hour");
    let first_day = first_hour + let_in(&mut state, 3600, 82_800);
    assert!((95..=105).contains(&first_day), "{first_day} in the first day");
    let second_day = let_in(&mut state, 86_400, 86_400);
    assert!(
        (23..=24).contains(&second_day),
        "{second_day} in the second day: one an hour"
    );
}

#[test]
fn from_one_address_ten_are_let_in_and_another_address_is_not_concerned() {
    let mut state = ThrottleState::default();
    let admitted = (0..1000)
        .filter(|_| state.admit(Some(source(1)), None, at(0)).is_ok())
        .count();
    assert_eq!(admitted, 10);
    let Err(slowed) = state.admit(Some(source(1)), None, at(0)) else {
        panic!("an eleventh")
    };
    assert_eq!(slowed.retry_after, bucket::REFILL);
    assert!(state.admit(Some(source(2)), None, at(0)).is_ok());
    assert_eq!(state.status(at(0)).sources, [("10.0.0.1".to_owned(), at(90))]);
    assert!(state.admit(Some(source(1)), None, at(90)).is_ok());
}

#[test]
fn a_known_device_is_never_shut_out_by_others_and_is_a_stranger_after_twenty() {
    let mut state = ThrottleState::default();
    let _guesses = let_in(&mut state, 0, 86_400);
    assert!(
        state.admit(Some(source(1)), None, at(86_400)).is_err(),
        "control: strangers wait"
    );
    for _ in 0..20 {
        let admitted = state.admit(Some(source(1)), Some(device(1)), at(86_400));
        assert_eq!(admitted, Ok(Asker::Device(device(1))));
    }
    assert!(state.admit(Some(source(1)), Some(device(1)), at(86_400)).is_err());
    assert_eq!(state.status(at(86_400)).devices, [device(1)]);
    assert!(
        state.admit(Some(source(1)), Some(device(2)), at(86_400)).is_ok(),
        "another device"
    );
    assert!(state.forgive(Asker::Device(device(2))));
    assert!(
        state.admit(Some(source(1)), None, at(86_400)).is_ok(),
        "the right password ends the wait"
    );
}

#[test]
fn the_right_password_forgets_and_only_what_is_news_is_kept() {
    let mut state = ThrottleState::default();
    let asker = state.admit(Some(source(1)), None, at(0)).expect("free");
    assert!(
        !state.forgive(asker),
        "nothing was kept before, and nothing is to be"
    );
    assert_eq!(state, ThrottleState::default());
    let _wrong = state.admit(Some(source(1)), None, at(0)).expect("free");
    let kept = state.revised();
    let asker = state.admit(Some(source(1)), None, at(1)).expect("free");
    assert!(state.forgive(asker), "a wrong one was kept");
    assert!(state.revised().is_later_than(&kept));
}

#[test]
fn what_was_cleared_wins_over_every_state_before() {
    let mut state = ThrottleState::default();
    let_in(&mut state, 0, 1000);
    let late = state.revised();
    let cleared = ThrottleState::default().cleared();
    assert!(
        cleared.is_of_a_later_era(&late) && cleared.is_later_than(&late) && !late.is_later_than(&cleared)
    );
    assert_eq!(cleared.status(at(1000)).strangers_until, None);
}

/// L-09: a million addresses, at a pace at which every one is let in, as far as their own counts go.
#[test]
fn a_million_addresses_take_the_room_of_a_thousand_and_shut_no_device_out() {
    let mut state = ThrottleState::default();
    for number in 0..1_000_000 {
        let now = at(u64::from(number) / 100_000);
        assert!(state.admit(Some(source(number)), None, now).is_ok());
        assert!(state.sources.len() <= SOURCES_MAX);
        state.in_a_row = 0;
    }
    assert_eq!(
        state.sources.len(),
        SOURCES_MAX,
        "control: there is something to bound"
    );
    assert_eq!(
        state.admit(Some(source(1)), Some(device(1)), at(10)),
        Ok(Asker::Device(device(1)))
    );
}

#[test]
fn what_is_remembered_is_bounded_and_reads_back() {
    let mut state = ThrottleState::default();
    // A right password from everywhere, so that the count in a row never stops anybody.
    for number in 0..20_000 {
        let _wrong = state.admit(Some(source(number)), None, at(0));
        let _wrong = state.admit(
            Some(source(number)),
            Some(device(u8::try_from(number % 250).expect("small"))),
            at(0),
        );
        state.in_a_row = 0;
    }
    assert!(state.sources.len() <= SOURCES_MAX && state.devices.len() <= DEVICES_MAX);
    let text = serde_json::to_vec(&state).expect("JSON");
    assert!(text.len() < 64 * 1024, "{}", text.len());
    assert_eq!(
        serde_json::from_slice::<ThrottleState>(&text).expect("reads back"),
        state
    );
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Try { from: u32, known: bool, right: bool },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step =
        prop_oneof![
            (0_u64..7200).prop_map(Step::Wait),
            (0_u32..40, any::<bool>()).prop_map(|(from, known)| Step::Try {
                from,
                known,
                right: false
            }),
            (0_u32..40, any::<bool>(), prop::bool::weighted(0.02))
                .prop_map(|(from, known, right)| Step::Try { from, known, right }),
            Just(Step::Restart),
        ];
    prop::collection::vec(step, 0..600)
}

proptest! {
    /// Whatever comes, in whatever order, over restarts: strangers are never wrong more than 100 times in a row faster than one
    /// an hour, and no source more than ten times in fifteen minutes.
    #[test]
    fn no_order_of_attempts_gets_around_the_limits(steps in steps()) {
        let mut state = ThrottleState::default();
        let mut now = 0;
        let mut in_a_row = 0_u32;
        let mut last = None;
        let mut by_source: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Wait(seconds) => now += seconds,
                Step::Restart => {
                    let text = serde_json::to_vec(&state).expect("JSON");
                    state = serde_json::from_slice(&text).expect("reads back");
                }
                Step::Try { from, known, right } => {
                    let known = known.then(|| device(u8::try_from(from).expect("small")));
                    let Ok(asker) = state.admit(Some(source(from)), known, at(now)) else { continue };
                    if matches!(asker, Asker::Stranger(_)) {
                        if in_a_row >= 100 {
                            let gap = last.map(|last| now - last);
                            prop_assert!(gap.is_none_or(|gap| gap >= 3600), "{gap:?}");
                        }
                        in_a_row += 1;
                        last = Some(now);
                        let of_source = by_source.entry(from).or_default();
                        of_source.push(now);
                        let recent = of_source.iter().filter(|when| now - **when < 900).count();
                        prop_assert!(recent <= 20, "{recent}: a burst of ten, and one every 90 seconds");
                        let at_once = of_source.iter().filter(|when| **when == now).count();
                        prop_assert!(at_once <= 10, "{at_once}");
                    }
                    if right {
                        state.forgive(asker);
                        in_a_row = 0;
                        by_source.remove(&from);
                    }
                }
            }
        }
    }
}
