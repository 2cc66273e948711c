//! The power fails at any moment, and of what was not synced any part is on the disk, torn, reordered or lost: the database opens
//! whole, what was acknowledged holds, what was not is done or not done (I1 to I5 of the threat model, case F-03).
//!
//! The real binary's own writes and syncs are recorded, with its answers among them; disks are made of the recording and
//! opened in this process. Root runs it: nobody else sees what the binary writes, which keeps its memory to itself.

mod checked;
mod scenes;
mod told;

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

use e2e_support::killed::is_thorough;
use e2e_support::power_loss::{Crash, Images, Syncs};

use told::Scene;

/// Disks by chance between two syncs, besides the one with all and the one with nothing.
const BY_CHANCE: usize = 1;
/// The same of `./test --hard`, which comes to more than 10,000 over all scenes.
const BY_CHANCE_HARD: usize = 200;
/// So many disks of a recording are looked at unless it is to be thorough.
const SAMPLE: usize = 24;

/// Looks at the disks of a scene. Gives how many there were, and what did not hold.
fn looked_at(scene: &Scene, syncs: Syncs) -> (usize, Vec<String>) {
    let seed = u64::from(std::process::id());
    let by_chance = if is_thorough() { BY_CHANCE_HARD } else { BY_CHANCE };
    let images = Images::of(&scene.recording, seed, by_chance);
    // Three of each stretch: of a long recording, each so manieth.
    let step = if is_thorough() {
        1
    } else {
        (images.stretches() * (2 + by_chance)).div_ceil(SAMPLE)
    };
    let complaints = Mutex::new(Vec::new());
    let mut looked = 0;
    let (found, receive) = sync_channel::<Crash>(8);
    let receive = Mutex::new(receive);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| each(&receive, scene, &complaints));
        }
        let mut made = usize::try_from(seed).expect("64 bits") % step;
        images.each(scene.before(syncs), &mut |crash| {
            made += 1;
            if made % step == 0 {
                looked += 1;
                found.send(crash).expect("somebody looks");
            }
        });
        drop(found);
        // The workers end when the channel does.
    });
    let complaints = complaints.into_inner().expect("no panic");
    let broken = complaints.len();
    eprintln!(
        "{}: {looked} disks, seed {seed}, {syncs:?}: {broken} do not hold",
        scene.name
    );
    (looked, complaints)
}

fn each(disks: &Mutex<Receiver<Crash>>, scene: &Scene, complaints: &Mutex<Vec<String>>) {
    loop {
        let Ok(crash) = disks.lock().expect("no panic").recv() else {
            return;
        };
        if let Err(complaint) = scene.checker.check(&crash, &scene.facts_after(crash.after)) {
            let steps = scene.recording.steps.len();
            let complaint = format!(
                "{} after step {} of {steps}: {complaint}",
                scene.name, crash.after
            );
            complaints.lock().expect("no panic").push(complaint);
        }
    }
}

#[track_caller]
fn holds_in(scene: &Scene) {
    let (looked, complaints) = looked_at(scene, Syncs::Hold);
    assert!(looked > 0, "control: there are disks");
    let first = complaints.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        complaints.is_empty(),
        "{} of {looked} disks:\n{first}",
        complaints.len()
    );
}

#[test]
fn at_the_first_start() {
    holds_in(&scenes::first_start());
}

#[test]
fn while_people_sign_in_and_out() {
    holds_in(&scenes::served());
}

#[test]
fn of_a_disk_that_lies_it_is_noticed() {
    let (looked, complaints) = looked_at(&scenes::served(), Syncs::Lie);
    assert!(
        complaints.len() * 10 > looked,
        "control: with syncs that do not hold, promises are broken: {} of {looked}",
        complaints.len()
    );
}

#[test]
fn while_commands_change_keys_and_passwords() {
    for scene in scenes::commands() {
        holds_in(&scene);
    }
}
