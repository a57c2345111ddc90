//! The command line; see [`messkette::cli`].

/// Rows, attributes and tiles are made by the hundred thousand on all threads: of the processor time of a cadastre, a fifth was spent in
/// the system's allocator, most of it in waiting for other threads and in giving memory back too early.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    messkette::cli::main()
}
