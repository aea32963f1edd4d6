//! Forms one cluster from nodes that answer, and waits until it is ready.

pub mod form;
pub mod readiness;
pub mod unfinished;
