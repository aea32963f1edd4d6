//! Whether clients reach every node: what the nodes told, and where that led, judged for each family of clients.

mod clients;
mod judge;
mod told;

pub(crate) use clients::left_out;
pub use clients::{ClientVerdict, Family};
pub use judge::{AddressSeen, Evidence, Outcome, Seen, Unasked, Verification, judge_reach};
pub use told::{Dialled, Member, Place, Source, Told};
