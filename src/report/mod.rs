//! Renders the report of a validation for CI servers, browsers and summaries. The functions have no side effects.

pub mod html;
pub mod junit;
pub mod markdown;
pub mod markup;
pub mod page;
pub mod picture;
pub mod timeline;
pub mod times;
