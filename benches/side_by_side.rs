//! The side-by-side measurements.
fn main() {}
