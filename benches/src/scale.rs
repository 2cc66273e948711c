//! How cost grows: with sessions, sealed rows, connections, and the size of the database. One table each; a row is ten times
//! the one before.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use authcore::{Authority, Client};
use futures_util::future::join_all;

use crate::client;
use crate::cores::{self, Cores};
use crate::house::{House, options, secret, sign_in};
use crate::server::{Postern, command};
use crate::sides::{LOOKUPS, Ours};
use crate::{median, rotation, seconds, token};

/// Up to ten to the power of `most` sealed rows, a hundredth as many sessions, and as large a database.
pub fn all(postern: &str, most: u32) {
    sessions(most.saturating_sub(2));
    rows(most);
    connections(postern);
    sizes(postern, most);
}

fn head(columns: &[&str]) {
    println!("\n| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
}

fn sessions(most: u32) {
    head(&["sessions", "verify, ns", "refresh, µs", "open the database, ms"]);
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::new(folder.path());
    let settings = house.authority.settings();
    let many = vec![("max_sessions".to_owned(), 1_000_000.into())];
    house.runtime.block_on(settings.set(many, &Client::local())).expect("set");
    for power in 1..=most {
        let count = 10_usize.pow(power);
        // Together, so that many share a commit.
        while house.authority.sessions().list().len() < count {
            let missing = (count - house.authority.sessions().list().len()).min(512);
            house.runtime.block_on(join_all((0..missing).map(|_| sign_in(&house.authority))));
        }
        let token = house.tokens(1).remove(0);
        let verify = || (0..20_000).for_each(|_| drop(black_box(house.authority.authenticate(&token))));
        let refresh = || (0..100).for_each(|_| house.refresh());
        let of = |act: &dyn Fn()| median((0..9).map(|_| seconds(act)).collect());
        let open = seconds(|| drop(Authority::inspect(&options(folder.path()), &secret()).expect("opens")));
        println!("| {count} | {:.0} | {:.0} | {:.1} |", of(&verify) / 20_000.0 * 1e9, of(&refresh) / 100.0 * 1e6, open * 1e3);
    }
}

fn rows(most: u32) {
    head(&["sealed rows", "look up and open one, µs", "seal and store one, µs"]);
    for power in 3..=most {
        let rows = 10_i64.pow(power);
        let folder = tempfile::tempdir().expect("a folder");
        let mut ours = None;
        let fill = seconds(|| ours = Some(Ours::fill(&folder.path().join("rows.sqlite"), rows, true)));
        let look = ours.expect("filled").look_up(rows);
        println!("| {rows} | {:.2} | {:.2} |", look.wall / LOOKUPS as f64 * 1e6, fill / rows as f64 * 1e6);
    }
}

/// The server takes 512 at a time; more wait in the kernel's queue.
fn connections(binary: &str) {
    head(&["connections", "verifications a second", "p99, ms", "resident, MiB"]);
    let postern = Postern::start(binary, tempfile::tempdir().expect("a folder"), Cores::First);
    postern.set_password();
    let held = postern.sign_in();
    for count in [1, 10, 100, 500] {
        let wrk = cores::on_the_last(|| {
            Command::new("wrk")
                .args(["-t1", "-d4s", "--latency", "--timeout", "10s", "-c", &count.to_string()])
                .args(["-H", &format!("Authorization: Bearer {}", held.token)])
                .arg(format!("http://{}/api/v1/settings/max_sessions", postern.address))
                .output()
                .expect("wrk runs")
        });
        let said = String::from_utf8_lossy(&wrk.stdout);
        let word = |line: &str, at: usize| {
            let line = said.lines().find(|text| text.contains(line)).unwrap_or_else(|| panic!("{said}"));
            line.split_whitespace().nth(at).expect("a figure").to_owned()
        };
        let errors = said.lines().find(|line| line.contains("Socket errors") || line.contains("Non-2xx"));
        println!(
            "| {count} | {:.0} | {:.2} | {:.0} |",
            word("Requests/sec", 1).parse::<f64>().expect("a figure"),
            milliseconds(&word("99%", 1)),
            postern.resident_mib()
        );
        if let Some(errors) = errors {
            eprintln!("{count} connections: {errors}");
        }
    }
}

/// What wrk prints of a time: `812.00us`, `1.20ms`, `2.05s`.
fn milliseconds(text: &str) -> f64 {
    let (figure, unit) = text.split_at(text.find(char::is_alphabetic).expect("a unit"));
    figure.parse::<f64>().expect("a figure")
        * match unit {
            "us" => 0.001,
            "ms" => 1.0,
            _ => 1000.0,
        }
}

fn sizes(binary: &str, most: u32) {
    head(&["database, MiB", "start beyond the key derivation, ms", "backup, s", "resident, MiB"]);
    let folder = tempfile::tempdir().expect("a folder");
    let postern = Postern::start(binary, folder, Cores::All);
    postern.set_password();
    let mut folder = postern.stop();
    // About 12 MiB, 130 MiB, 1.3 GiB and 4 GiB of audit events.
    for (more, power) in [(40_000, 4), (360_000, 5), (3_600_000, 6), (8_400_000, 7)] {
        if power > most {
            break;
        }
        rotation::fill(folder.path(), more);
        let database = folder.path().join("data/postern/postern.sqlite");
        let mib = std::fs::metadata(&database).expect("it is there").len() >> 20;
        let derivation = token::derivation();
        let begun = Instant::now();
        let postern = Postern::start(binary, folder, Cores::All);
        let mut client = client::Client::new(&postern.address);
        assert_eq!(client.status(&client.request("GET", "/health", "", "")), Some(200));
        let start = begun.elapsed().as_secs_f64() - derivation;
        let resident = postern.resident_mib();
        folder = postern.stop();
        println!("| {mib} | {:.0} | {:.2} | {resident:.0} |", start * 1e3, backup(binary, folder.path()));
    }
}

fn backup(binary: &str, folder: &Path) -> f64 {
    let identity = folder.join("identity");
    if !identity.exists() {
        let made = Command::new("age-keygen").arg("-o").arg(&identity).output().expect("age-keygen runs");
        assert!(made.status.success());
    }
    let public = Command::new("age-keygen").arg("-y").arg(&identity).output().expect("age-keygen runs").stdout;
    let public = String::from_utf8(public).expect("text");
    let target = folder.join("backup.age");
    let target_text = target.to_str().expect("text");
    let arguments = ["backup", "create", target_text, "--recipient", public.trim(), "--quiet"];
    let took = seconds(|| {
        let done = command(binary, folder, Cores::All, &arguments).output().expect("starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    });
    std::fs::remove_file(target).expect("removed");
    took
}
