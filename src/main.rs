//! The command line; see [`messkette::cli`].

fn main() -> std::process::ExitCode {
    messkette::cli::main()
}
