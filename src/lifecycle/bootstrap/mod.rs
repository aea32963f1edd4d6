//! Forms one cluster from nodes that answer, and waits until it is ready.

pub mod cron_rate;
pub mod form;
pub mod gossip;
pub mod readiness;
pub mod unfinished;
