//! Reports of a validation: for a CI server, for a person in a browser, for a summary. Pure: a validation goes
//! in, text comes out.

mod html;
mod junit;
mod markdown;
mod markup;
mod page;
mod picture;
mod timeline;
mod times;

pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use timeline::{timeline, told_apart};
pub use times::failover_table;
