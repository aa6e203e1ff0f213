//! What is asked of a value.

use std::hash::{Hash, Hasher};

use ipnet::IpNet;
use regex::Regex;

use crate::mapping::Field;
use crate::sigma::modifier::{Comparison, TimePart};
use crate::sigma::pattern::Pattern;
use crate::sigma::yaml::{Number, Numeric};

/// A question about one event: does any value of the subject pass any of the tests?
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Predicate {
    pub(crate) subject: Subject,
    pub(crate) any: Vec<Test>,
}

/// Whose values are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Field(Field),
    /// Every text in the record.
    Keywords,
}

/// A test of one value; of several values of a field one must pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// There is no value, or it is null.
    Null,
    /// There is a value that is not null.
    Exists,
    Text {
        pattern: Pattern,
        cased: bool,
    },
    Number(Number),
    Bool(bool),
    Regex(RegexTest),
    Cidr(IpNet),
    Compare {
        by: Comparison,
        with: Numeric,
    },
    /// A part of a time; without a comparison it must be equal.
    Time {
        part: TimePart,
        by: Option<Comparison>,
        with: Numeric,
    },
    /// The value of another field of the same event.
    FieldRef {
        field: Field,
        shape: Shape,
        cased: bool,
    },
}

/// How much of a value another one must cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Shape {
    /// Anything may come before.
    pub(crate) open_start: bool,
    /// Anything may come after.
    pub(crate) open_end: bool,
}

/// A compiled regular expression; the same source with the same flags is the same test.
#[derive(Debug, Clone)]
pub(crate) struct RegexTest {
    /// With its flags in front.
    pub(crate) source: String,
    pub(crate) regex: Regex,
    /// Texts of which what it matches contains one, where these are known.
    pub(crate) required: Option<Vec<String>>,
}

impl PartialEq for RegexTest {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for RegexTest {}

impl Hash for RegexTest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

// Numbers of a rule are finite, so equality is total.
impl Eq for Numeric {}

impl Hash for Numeric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Int(value) => value.hash(state),
            // 0.0 and -0.0 are equal and must hash alike: their sum with 0.0 is 0.0.
            Self::Float(value) => (value + 0.0).to_bits().hash(state),
        }
    }
}
