//! Reports of a validation: for a CI server, for a person in a browser, for a summary. Pure: a validation goes
//! in, text comes out.

pub mod html;
pub mod junit;
pub mod markdown;
pub mod markup;
pub mod page;
pub mod picture;
pub mod timeline;
pub mod times;
