//! The engine from outside: files in, matches out.

mod corpus;
mod load;
mod truth;
