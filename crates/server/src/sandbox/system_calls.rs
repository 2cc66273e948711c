//! seccomp: system calls that a front door never makes, and that whoever breaks into one wants. Each is answered with EPERM, so
//! that a library which tries one goes on without.
//!
//! A list of what is refused, not of what is allowed: SQLite, the C library and the runtime change what they call from one version
//! to the next, and a call that is missing from a list of the allowed shows up as a fault at an owner's, not here.

use libc::{
    EPERM, SYS_acct, SYS_add_key, SYS_adjtimex, SYS_bpf, SYS_capset, SYS_chroot, SYS_clock_adjtime,
    SYS_clock_settime, SYS_delete_module, SYS_execve, SYS_execveat, SYS_fanotify_init, SYS_finit_module,
    SYS_fsconfig, SYS_fsmount, SYS_fsopen, SYS_fspick, SYS_init_module, SYS_io_uring_enter,
    SYS_io_uring_register, SYS_io_uring_setup, SYS_kcmp, SYS_kexec_file_load, SYS_kexec_load, SYS_keyctl,
    SYS_lookup_dcookie, SYS_migrate_pages, SYS_mknodat, SYS_mount, SYS_mount_setattr, SYS_move_mount,
    SYS_move_pages, SYS_name_to_handle_at, SYS_open_by_handle_at, SYS_open_tree, SYS_perf_event_open,
    SYS_personality, SYS_pidfd_getfd, SYS_pivot_root, SYS_process_madvise, SYS_process_vm_readv,
    SYS_process_vm_writev, SYS_ptrace, SYS_quotactl, SYS_reboot, SYS_request_key, SYS_setdomainname,
    SYS_setfsgid, SYS_setfsuid, SYS_setgid, SYS_setgroups, SYS_sethostname, SYS_setns, SYS_setregid,
    SYS_setresgid, SYS_setresuid, SYS_setreuid, SYS_settimeofday, SYS_setuid, SYS_swapoff, SYS_swapon,
    SYS_syslog, SYS_umount2, SYS_unshare, SYS_userfaultfd, SYS_vhangup,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};

/// Programs, other processes, kernel parts, file systems, name spaces, keys of the kernel, clocks, and becoming somebody else.
const REFUSED: &[i64] = &[
    // other programs
    SYS_execve,
    SYS_execveat,
    // other processes
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_move_pages,
    SYS_migrate_pages,
    // the kernel's less walked ways, where most of its holes were
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_fanotify_init,
    SYS_lookup_dcookie,
    SYS_personality,
    // the kernel itself
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_reboot,
    SYS_syslog,
    SYS_acct,
    SYS_swapon,
    SYS_swapoff,
    SYS_quotactl,
    SYS_vhangup,
    // its keys
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    // file systems and name spaces
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_unshare,
    SYS_setns,
    SYS_mknodat,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_sethostname,
    SYS_setdomainname,
    // clocks
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    // other users
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_setgroups,
    SYS_capset,
];

/// What only this processor has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_mknod,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];

/// The same calls once more as x32 programs number them: a filter for this processor sees them too (seccomp(2), Notes), and
/// those from 512 on are x32's own.
#[cfg(target_arch = "x86_64")]
fn other_numbers() -> impl Iterator<Item = i64> {
    const X32: i64 = 0x4000_0000;
    let same = REFUSED.iter().chain(REFUSED_HERE).map(|number| number | X32);
    same.chain((512..=547).map(|number| number | X32))
}
#[cfg(not(target_arch = "x86_64"))]
fn other_numbers() -> impl Iterator<Item = i64> {
    std::iter::empty()
}

/// Refuses them to every thread, for good. Gives how many there are.
pub(super) fn refuse() -> Result<usize, String> {
    let program = program()?;
    apply_filter_all_threads(&program).map_err(|error| error.to_string())?;
    Ok(count())
}

/// How many would be refused on this machine.
pub(super) fn available() -> Result<usize, String> {
    program()?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if status.contains("\nSeccomp:") {
        Ok(count())
    } else {
        Err("this kernel has no seccomp".to_owned())
    }
}

fn count() -> usize {
    REFUSED.len() + REFUSED_HERE.len()
}

fn program() -> Result<BpfProgram, String> {
    let processor = std::env::consts::ARCH
        .try_into()
        .map_err(|_| "no filter is known for this processor".to_owned())?;
    let numbers = REFUSED.iter().chain(REFUSED_HERE).copied();
    let rules = numbers
        .chain(other_numbers())
        .map(|number| (number, Vec::new()))
        .collect();
    let refused = SeccompAction::Errno(EPERM.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refused, processor)
        .and_then(BpfProgram::try_from)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_listed_once_and_the_filter_is_within_the_kernels_bounds() {
        let mut all: Vec<i64> = REFUSED.iter().chain(REFUSED_HERE).copied().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count());
        // BPF_MAXINSNS of the kernel.
        assert!(program().expect("a filter").len() <= 4096);
    }

    #[test]
    fn under_the_filter_no_program_starts_and_the_rest_goes_on() {
        let start = || std::process::Command::new("/bin/true").status();
        assert!(start().is_ok(), "control");
        // Of this thread alone, and it ends with it.
        let filtered = std::thread::spawn(move || {
            seccompiler::apply_filter(&program().expect("a filter")).expect("taken on");
            (
                start(),
                std::thread::spawn(|| std::fs::read("/proc/self/status")).join(),
            )
        });
        let (started, other) = filtered.join().expect("ends");
        assert_eq!(started.expect_err("refused").raw_os_error(), Some(EPERM));
        assert!(other.expect("a thread starts").is_ok());
    }
}
