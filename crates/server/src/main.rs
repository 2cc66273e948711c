//! The binary: everything is in the library beside it.

use zeroizing_alloc::ZeroAlloc;

/// Whatever is given back is wiped first. Secrets of our own are types that wipe themselves; this is for the copies that others make
/// of what passes through: the HTTP and TLS libraries' buffers, texts that grew. `SQLite` and the assembly within ring have heaps
/// of their own, and what stands on a stack or in a register is not reached.
#[global_allocator]
static HEAP: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> std::process::ExitCode {
    postern::run()
}
