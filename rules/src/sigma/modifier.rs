//! The modifiers of Sigma 2.1, by name.

/// What may follow a field's name behind `|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Modifier {
    All,
    Base64,
    Base64Offset,
    Cased,
    Cidr,
    Contains,
    EndsWith,
    Exists,
    Expand,
    FieldRef,
    Compare(Comparison),
    Neq,
    Re,
    RegexFlag(RegexFlag),
    StartsWith,
    TimePart(TimePart),
    Utf16,
    Utf16Be,
    Utf16Le,
    Windash,
}

/// The order that a number is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How a regular expression is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RegexFlag {
    IgnoreCase,
    MultiLine,
    DotAll,
}

/// A part of a time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TimePart {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// Day of the month, 1 to 31.
    Day,
    /// ISO 8601 week, 1 to 53.
    Week,
    /// 1 to 12.
    Month,
    /// Such as 2026.
    Year,
}

/// Every name that a rule may use.
pub(crate) const NAMES: &[(&str, Modifier)] = &[
    ("all", Modifier::All),
    ("base64", Modifier::Base64),
    ("base64offset", Modifier::Base64Offset),
    ("cased", Modifier::Cased),
    ("cidr", Modifier::Cidr),
    ("contains", Modifier::Contains),
    ("day", Modifier::TimePart(TimePart::Day)),
    ("dotall", Modifier::RegexFlag(RegexFlag::DotAll)),
    ("endswith", Modifier::EndsWith),
    ("exists", Modifier::Exists),
    ("expand", Modifier::Expand),
    ("fieldref", Modifier::FieldRef),
    ("gt", Modifier::Compare(Comparison::Greater)),
    ("gte", Modifier::Compare(Comparison::GreaterOrEqual)),
    ("hour", Modifier::TimePart(TimePart::Hour)),
    ("i", Modifier::RegexFlag(RegexFlag::IgnoreCase)),
    ("ignorecase", Modifier::RegexFlag(RegexFlag::IgnoreCase)),
    ("lt", Modifier::Compare(Comparison::Less)),
    ("lte", Modifier::Compare(Comparison::LessOrEqual)),
    ("m", Modifier::RegexFlag(RegexFlag::MultiLine)),
    ("minute", Modifier::TimePart(TimePart::Minute)),
    ("month", Modifier::TimePart(TimePart::Month)),
    ("multiline", Modifier::RegexFlag(RegexFlag::MultiLine)),
    ("neq", Modifier::Neq),
    ("re", Modifier::Re),
    ("s", Modifier::RegexFlag(RegexFlag::DotAll)),
    ("startswith", Modifier::StartsWith),
    ("utf16", Modifier::Utf16),
    ("utf16be", Modifier::Utf16Be),
    ("utf16le", Modifier::Utf16Le),
    ("week", Modifier::TimePart(TimePart::Week)),
    ("wide", Modifier::Utf16Le),
    ("windash", Modifier::Windash),
    ("year", Modifier::TimePart(TimePart::Year)),
];

impl Modifier {
    /// The modifier of that name.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, modifier)| *modifier)
    }

    /// Its (first) name.
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, modifier)| *modifier == self).map_or("", |(name, _)| name)
    }
}

impl Comparison {
    /// Whether two values that compare like this satisfy it.
    pub(crate) fn admits(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_read_back() {
        assert!(NAMES.is_sorted_by_key(|(name, _)| *name));
        for (name, modifier) in NAMES {
            assert_eq!(Modifier::by_name(name), Some(*modifier));
            assert_eq!(Modifier::by_name(modifier.name()), Some(*modifier));
        }
        assert_eq!(Modifier::by_name("Contains"), None);
    }
}
