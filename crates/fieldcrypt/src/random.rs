//! The one door to randomness: the operating system's source.

use std::cell::RefCell;

use zeroize::Zeroize as _;

/// The operating system gave no random bytes. Nothing is made without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct RandomError;

/// Fills `bytes` with random bytes.
///
/// # Errors
/// When the operating system gives none.
#[expect(clippy::disallowed_methods, reason = "this is the one door to randomness")]
pub fn fill(bytes: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(bytes).map_err(|_| RandomError)
}

/// `N` random bytes.
///
/// # Errors
/// As [`fill`].
pub fn array<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// Bytes drawn at once for nonces: a call per nonce costs more than the encryption it serves.
const BLOCK: usize = 4096;

/// A block of random bytes; each is handed out once and wiped.
struct Block {
    bytes: Box<[u8; BLOCK]>,
    used: usize,
    /// A process that was forked must not hand out its parent's bytes again.
    process: u32,
}

thread_local! {
    static NONCES: RefCell<Block> =
        RefCell::new(Block { bytes: Box::new([0; BLOCK]), used: BLOCK, process: std::process::id() });
}

/// Fills a nonce from this thread's block.
pub(crate) fn fill_nonce(nonce: &mut [u8]) -> Result<(), RandomError> {
    NONCES.with_borrow_mut(|block| {
        let process = std::process::id();
        if block.used + nonce.len() > BLOCK || block.process != process {
            fill(block.bytes.as_mut_slice())?;
            block.used = 0;
            block.process = process;
        }
        let fresh = block
            .bytes
            .get_mut(block.used..block.used + nonce.len())
            .ok_or(RandomError)?;
        nonce.copy_from_slice(fresh);
        fresh.zeroize();
        block.used += nonce.len();
        Ok(())
    })
}
