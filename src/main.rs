//! The command line; see [`messkette::cli`].

/// Rows, attributes and tiles are made by the hundred thousand on all threads. Instead of the allocator of glibc 2.36: when it was
/// chosen, a cadastre of 120 MB (`convert --set only=gpkg`, two threads) needed 290 MiB at its peak instead of 345, and 5 % less
/// processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    messkette::cli::main()
}
