//! What a statement may ask for.
//!
//! Three fences, one behind the other: the statement itself ([`statement`]), the plan made of it
//! ([`plan`]), and what the plan can reach when it runs, which is only our tables, one object store
//! ([`store`](crate::store)) and the functions of a list ([`functions`](crate::functions)). DataFusion's
//! own `SQLOptions` stand between the first two.

mod plan;
mod statement;

pub(crate) use plan::check as check_plan;
pub(crate) use statement::{Asked, parse};
