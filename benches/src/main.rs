//! `cargo run --release --manifest-path benches/Cargo.toml -- <postern binary>`: every goal, measured beside what it is
//! measured against, in one run; prints a table in Markdown.

mod client;
mod field;
mod server;

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
    let binary = std::env::args().nth(1).expect("the path of the postern binary");
    let mut rows = vec![field::seal_and_open()];
    if binary == "field" { println!("{}", rows[0].measured); return; }
    rows.extend(server::all(&binary, std::env::args().nth(2)));
    println!("| what | goal | measured | |\n|---|---|---|---|");
    for row in &rows {
        let met = if row.met { "met" } else { "**missed**" };
        println!("| {} | {} | {} | {met} |", row.what, row.goal, row.measured);
    }
}
