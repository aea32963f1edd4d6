//! The command line of rcup.

fn main() {}
