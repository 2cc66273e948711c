//! Every bit of the file is flipped, one at a time.

use e2e_support::killed::is_thorough;

use crate::genuine::{Genuine, Outcome};

/// Each so manieth bit, unless every one is flipped: prime, so that every place of a byte has its turn.
const STRIDE: usize = 211;
/// Each so manieth harmless one is opened for good.
const OPENED: usize = 16;

#[derive(Default)]
struct Count {
    refused: usize,
    harmless: usize,
    /// Refused here, and read otherwise without any error by somebody who checks nothing.
    deceiving: usize,
}

fn flip(genuine: &Genuine, bits: impl Iterator<Item = usize>, name: &str) -> Count {
    let copy = genuine.copy(name);
    let mut count = Count::default();
    for bit in bits {
        let at = bit / 8;
        copy.put(&[genuine.bytes[at] ^ (1 << (bit % 8))], at);
        match copy.outcome() {
            Outcome::Refused(reason) => {
                assert!(!reason.is_empty(), "bit {bit}");
                count.refused += 1;
                count.deceiving += usize::from(copy.deceives_the_careless());
            }
            Outcome::Harmless => {
                if count.harmless.is_multiple_of(OPENED) {
                    copy.is_served_right(&format!("bit {bit}"));
                }
                count.harmless += 1;
            }
            Outcome::Altered => panic!("bit {bit} of byte {at} is served altered"),
        }
        copy.mend(1, at);
    }
    count
}

#[test]
fn a_flipped_bit_is_refused_or_read_by_nobody() {
    let genuine = Genuine::small();
    let bits = genuine.bytes.len() * 8;
    let stride = if is_thorough() { 1 } else { STRIDE };
    let first = usize::try_from(std::process::id()).expect("64 bits") % stride;
    let middle = first + (bits / 2).next_multiple_of(stride);
    let (low, high) = std::thread::scope(|scope| {
        let low = scope.spawn(|| flip(&genuine, (first..middle).step_by(stride), "low"));
        let high = scope.spawn(|| flip(&genuine, (middle..bits).step_by(stride), "high"));
        (low.join().expect("no panic"), high.join().expect("no panic"))
    });
    let (refused, harmless) = (low.refused + high.refused, low.harmless + high.harmless);
    let deceiving = low.deceiving + high.deceiving;
    eprintln!(
        "{} bytes, each {stride}th bit: {refused} flips refused, {harmless} harmless, 0 served altered; without the seal, \
         {deceiving} of the refused would have been",
        genuine.bytes.len()
    );
    // Half of so small a file is free space, where nothing is read.
    assert!(
        refused * 3 > refused + harmless,
        "control: {refused} refused, {harmless} harmless"
    );
    assert!(
        deceiving * 10 > refused,
        "control: without the seal flips are not noticed: {deceiving}"
    );
}
