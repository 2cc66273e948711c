//! Whole pages are lost, filled with anything, exchanged; the file is cut anywhere, or is another one.

use e2e_support::killed::is_thorough;
use e2e_support::power_loss::Chance;

use crate::genuine::{Copy, Genuine, Outcome};

const PAGE: usize = 4096;
/// The header of a database file (SQLite, "Database File Format", section 1.3).
const HEADER: usize = 100;

#[derive(Default)]
struct Count {
    refused: usize,
    harmless: usize,
}

impl Count {
    #[track_caller]
    fn add(&mut self, copy: &Copy<'_>, what: &str) {
        match copy.outcome() {
            Outcome::Refused(reason) => {
                assert!(!reason.is_empty(), "{what}");
                self.refused += 1;
            }
            Outcome::Harmless => {
                copy.is_served_right(what);
                self.harmless += 1;
            }
            Outcome::Altered => panic!("{what} is served altered"),
        }
    }
}

#[test]
fn a_page_that_is_lost_or_exchanged_is_refused_or_read_by_nobody() {
    let genuine = Genuine::new();
    let copy = genuine.copy("pages");
    let pages = genuine.bytes.len() / PAGE;
    assert!(pages > 20, "control: there are pages, {pages}");
    let page = |at: usize| &genuine.bytes[at * PAGE..(at + 1) * PAGE];
    let seed = u64::from(std::process::id());
    let mut chance = Chance::of(seed);
    let mut count = Count::default();
    for at in 0..pages {
        copy.put(&[0; PAGE], at * PAGE);
        count.add(&copy, &format!("page {at} of zeros"));
        let anything: Vec<u8> = (0..PAGE / 8).flat_map(|_| chance.next().to_le_bytes()).collect();
        copy.put(&anything, at * PAGE);
        count.add(&copy, &format!("page {at} of chance, seed {seed}"));
        copy.mend(PAGE, at * PAGE);
    }
    assert_eq!(count.harmless, 0, "control: each page is read");
    for a in 0..pages {
        let others = if is_thorough() {
            1..pages - a
        } else {
            1..2.min(pages - a)
        };
        for b in others.map(|further| a + further) {
            copy.put(page(b), a * PAGE);
            copy.put(page(a), b * PAGE);
            count.add(&copy, &format!("pages {a} and {b} exchanged"));
            copy.mend(PAGE, a * PAGE);
            copy.mend(PAGE, b * PAGE);
        }
    }
    eprintln!(
        "{pages} pages: {} refused, {} harmless",
        count.refused, count.harmless
    );
    assert_eq!(copy.outcome(), Outcome::Harmless, "control: mended, it is whole");
}

#[test]
fn a_file_that_is_cut_or_is_another_is_refused() {
    let genuine = Genuine::new();
    let copy = genuine.copy("cut");
    let all = genuine.bytes.len();
    let mut count = Count::default();
    let borders = (0..all / PAGE).flat_map(|page| [page * PAGE, page * PAGE + 1, (page + 1) * PAGE - 1]);
    for cut in borders.chain([2, 15, 16, 99, 100, 511, 512]) {
        copy.become_all(&genuine.bytes[..cut]);
        // The last byte of a page may be one that is read by nobody.
        if cut == all - 1 {
            count.add(&copy, &format!("cut at {cut}"));
        } else {
            assert!(matches!(copy.outcome(), Outcome::Refused(_)), "cut at {cut}");
            count.refused += 1;
        }
    }
    // Of the same program, with a key file of the same bytes even: its keys are others.
    let other = Genuine::new();
    let mut mixed = genuine.bytes.clone();
    for page in 0..all.min(other.bytes.len()) / PAGE {
        let place = page * PAGE..(page + 1) * PAGE;
        mixed[place.clone()].copy_from_slice(&other.bytes[place.clone()]);
        copy.become_all(&mixed);
        count.add(&copy, &format!("page {page} of another install"));
        mixed[place.clone()].copy_from_slice(&genuine.bytes[place]);
    }
    for (what, bytes) in [
        ("text", &b"this is no database, and never was one\n"[..]),
        ("SQLite's name and no more", b"SQLite format 3\0"),
        ("zeros", &[0; 2 * PAGE]),
    ] {
        copy.become_all(bytes);
        assert!(matches!(copy.outcome(), Outcome::Refused(_)), "{what}");
    }
    copy.become_all(&genuine.bytes);
    for width in [2, 4] {
        for at in (16..HEADER).step_by(width) {
            // As another machine's order of bytes would have it.
            let mut field = genuine.bytes[at..at + width].to_vec();
            field.reverse();
            copy.put(&field, at);
            count.add(
                &copy,
                &format!("{width} bytes of the header at {at}, turned round"),
            );
            copy.mend(width, at);
        }
    }
    eprintln!(
        "cut, mixed, header: {} refused, {} harmless",
        count.refused, count.harmless
    );
    assert_eq!(copy.outcome(), Outcome::Harmless, "control: mended, it is whole");
}
