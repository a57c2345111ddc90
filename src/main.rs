//! The command line; see [`messkette::cli`].

use std::ffi::{c_int, c_long};

/// Rows, attributes and tiles are made by the hundred thousand on all threads. Instead of the allocator of glibc 2.36: when it was
/// chosen, a cadastre of 120 MB (`convert --set only=gpkg`, two threads) needed 290 MiB at its peak instead of 345, and 5 % less
/// processor time. Without huge pages (`no_thp`), of which a few bytes in use hold two megabytes: all products of the same cadastre
/// then take a tenth less of processor time and 163 to 191 MiB instead of 197 to 211; with [`GIVE_BACK_MS`] 139 to 159.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds after which freed memory goes back to the system; mimalloc would keep it for a second, and a night changes what it
/// works on several times a second.
const GIVE_BACK_MS: c_long = 200;
/// `mi_option_purge_delay` of `mimalloc.h`; numbers of options stay what they are.
const PURGE_DELAY: c_int = 15;

#[allow(
    unsafe_code,
    reason = "the allocator's crate has no way to set an option; the function takes two numbers and is thread-safe"
)]
mod allocator {
    use std::ffi::{c_int, c_long};

    unsafe extern "C" {
        pub safe fn mi_option_set(option: c_int, value: c_long);
        #[cfg(test)]
        pub safe fn mi_option_get(option: c_int) -> c_long;
    }
}

fn main() -> std::process::ExitCode {
    // Who sets the allocator's own variable knows why.
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        allocator::mi_option_set(PURGE_DELAY, GIVE_BACK_MS);
    }
    messkette::cli::main()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number names the option that is meant: unset, it has the default that `mimalloc.h` tells.
    #[test]
    fn memory_goes_back_when_it_is_said_to() {
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            assert_eq!(allocator::mi_option_get(PURGE_DELAY), 1000);
        }
        allocator::mi_option_set(PURGE_DELAY, GIVE_BACK_MS);
        assert_eq!(allocator::mi_option_get(PURGE_DELAY), GIVE_BACK_MS);
    }
}
