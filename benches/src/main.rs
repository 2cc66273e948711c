//! Every goal, measured beside what it is measured against, in one run; prints a table in Markdown. `./bench` says how each is
//! called; and there is `bench walk ROWS`, for a profiler.

mod aes_crypt;
mod client;
mod cores;
mod field;
#[path = "../../crates/authcore/examples/instructions/house.rs"]
mod house;
mod memory;
mod peer;
mod reseal;
mod rotation;
mod scale;
mod server;
mod sides;
mod token;

use std::time::{Duration, Instant};

/// One measured goal.
pub struct Row {
    pub what: &'static str,
    pub goal: &'static str,
    pub measured: String,
    pub met: bool,
}

/// The middle one.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// The one below which this part of them lies.
pub fn quantile(samples: &mut [f64], part: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[((samples.len() - 1) as f64 * part) as usize]
}

pub fn seconds(act: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    act();
    begun.elapsed().as_secs_f64()
}

/// Seconds on the clock, and of this thread's processor time (proc(5)): where the machine is shared, the second is the
/// steadier one, and leaves out the waiting for the disk.
#[derive(Clone, Copy, Default)]
pub struct Took {
    pub wall: f64,
    pub cpu: f64,
}

pub fn took(act: impl FnOnce()) -> Took {
    let spent = || {
        let line = std::fs::read_to_string("/proc/thread-self/schedstat").expect("ours");
        line.split(' ').next().expect("a field").parse::<f64>().expect("nanoseconds") / 1e9
    };
    let before = spent();
    let wall = seconds(act);
    Took { wall, cpu: spent() - before }
}

pub fn for_a_while(length: Duration, mut act: impl FnMut()) -> u64 {
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < length {
        act();
        count += 1;
    }
    count
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let rows = match arguments.as_slice() {
        ["field", peers, python] => field::all(peers, python),
        ["token"] => token::all(),
        ["server", postern] => server::all(postern),
        ["reseal", sqlcipher, rows, rounds] => reseal::all(&reseal::Sides {
            sqlcipher,
            rows: rows.parse().expect("a number of rows"),
            rounds: rounds.parse().expect("a number of rounds"),
        }),
        ["rotation", postern, rows] => rotation::beside_a_server(postern, rows.parse().expect("a number of rows")),
        ["scale", postern, most] => return scale::all(postern, most.parse().expect("a power of ten")),
        ["walk", rows] => return reseal::walk_alone(rows.parse().expect("a number of rows")),
        _ => panic!("see ./bench for how it is called"),
    };
    println!("| what | goal | measured | |\n|---|---|---|---|");
    for row in &rows {
        let met = match (row.goal, row.met) {
            ("–", _) => "",
            (_, true) => "met",
            (_, false) => "**missed**",
        };
        println!("| {} | {} | {} | {met} |", row.what, row.goal, row.measured);
    }
}
