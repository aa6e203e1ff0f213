//! A rule's condition over tests.

use super::test::Predicate;

/// When a rule matches.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// Every part.
    All(Vec<Self>),
    /// At least one part.
    Any(Vec<Self>),
    Not(Box<Self>),
    Test(Predicate),
}

impl Expr {
    /// Every part, without needless nesting.
    pub(crate) fn all(parts: Vec<Self>) -> Self {
        flatten(parts, Self::All, |part| match part {
            Self::All(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// At least one part, without needless nesting.
    pub(crate) fn any(parts: Vec<Self>) -> Self {
        flatten(parts, Self::Any, |part| match part {
            Self::Any(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// The opposite.
    pub(crate) fn negate(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// The number of predicates in it.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::size).sum(),
            Self::Not(inner) => inner.size(),
            Self::Test(_) => 1,
        }
    }
}

fn flatten(
    parts: Vec<Expr>,
    join: fn(Vec<Expr>) -> Expr,
    open: impl Fn(Expr) -> Result<Vec<Expr>, Expr>,
) -> Expr {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match open(part) {
            Ok(inner) => flat.extend(inner),
            Err(other) => flat.push(other),
        }
    }
    if flat.len() == 1
        && let Some(only) = flat.pop()
    {
        return only;
    }
    join(flat)
}
