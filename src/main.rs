//! The command line; see [`messkette`].

fn main() {}
