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
    bytes: [u8; BLOCK],
    used: usize,
}

thread_local! {
    static NONCES: RefCell<Block> =
        const { RefCell::new(Block { bytes: [0; BLOCK], used: BLOCK }) };
}

/// Fills a nonce from this thread's block.
///
/// A child that `fork` made without `exec` would hand out its parent's bytes again. Only `unsafe` code can make one, and
/// asking for the process number at each nonce costs a third of a seal (measured: 160 of 720 ns), so this is said
/// on [`crate::Vault`] and not looked for.
pub(crate) fn fill_nonce(nonce: &mut [u8]) -> Result<(), RandomError> {
    NONCES.with_borrow_mut(|block| {
        if block.used + nonce.len() > BLOCK {
            fill(block.bytes.as_mut_slice())?;
            block.used = 0;
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
