//! What things and people are worth: criticality, owner, tags, by patterns of names.

use serde::{Deserialize, Serialize};

/// The most bytes of a pattern.
pub const MAX_PATTERN: usize = 512;
/// The most patterns of an asset.
pub const MAX_PATTERNS: usize = 100;
/// The most assets.
pub const MAX_ASSETS: usize = 10_000;

/// How much depends on something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// A sandbox.
    Low,
    /// What is not said to be anything else.
    #[default]
    Normal,
    /// Production.
    High,
    /// What must never be lost: the organisation's management account, its administrators.
    Critical,
}

impl Criticality {
    /// Every criticality, the least first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Critical];

    /// The name in files, in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The one of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|criticality| criticality.as_str() == name)
    }
}

/// Somebody or something, or many of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// What it is called.
    pub name: String,
    /// Names that it goes by: of accounts, resources, addresses, users, identities. `*` stands for any text.
    pub patterns: Vec<String>,
    /// How much depends on it.
    pub criticality: Criticality,
    /// Who answers for it; may be empty.
    #[serde(default)]
    pub owner: String,
    /// Anything that helps to find it.
    #[serde(default)]
    pub tags: Vec<String>,
}

impl Asset {
    /// What is wrong with it, as field, problem and mend; `None` if nothing is.
    pub fn fault(&self) -> Option<(&'static str, &'static str, &'static str)> {
        let has = |text: &str| text.chars().any(char::is_control);
        if self.name.trim().is_empty() || self.name.len() > 200 || has(&self.name) {
            return Some((
                "name",
                "it is empty, too long or has control characters",
                "use at most 200 characters",
            ));
        }
        if self.patterns.is_empty() || self.patterns.len() > MAX_PATTERNS {
            return Some((
                "patterns",
                "there are none or too many",
                "give 1 to 100 names, such as \"arn:aws:iam::111122223333:user/ana\"",
            ));
        }
        let is_wide = |pattern: &String| pattern.trim_matches('*').is_empty() || pattern.len() > MAX_PATTERN;
        if self.patterns.iter().any(is_wide) {
            return Some((
                "patterns",
                "a pattern is empty, matches everything or is too long",
                "write a part of the name, such as \"arn:aws:s3:::payments-*\"",
            ));
        }
        if self.owner.len() > 200 || self.tags.len() > 50 || self.tags.iter().any(|tag| tag.len() > 100) {
            return Some((
                "owner",
                "owner or tags are too long",
                "use at most 200 characters and 50 tags of 100",
            ));
        }
        None
    }

    /// Whether one of its patterns is `name`, in whatever case.
    pub fn is(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern, name))
    }
}

/// An address, name or hash that somebody knows to be bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indicator {
    /// What is bad, as events name it.
    pub value: String,
    /// How sure that is, 0 to 100.
    pub confidence: u8,
}

/// All that is known of things and people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assets {
    /// Assets; of several that match the most critical one counts.
    pub assets: Vec<Asset>,
    /// Indicators.
    pub indicators: Vec<Indicator>,
}

impl Assets {
    /// The most critical asset that goes by one of `names`.
    pub fn find<'a>(&'a self, names: &[&str]) -> Option<&'a Asset> {
        let hits = self.assets.iter().filter(|asset| names.iter().any(|name| asset.is(name)));
        // Backwards, as the last of equals is taken: the order of the file decides.
        hits.rev().max_by_key(|asset| asset.criticality)
    }

    /// The surest indicator among `names`.
    pub fn indicator<'a>(&'a self, names: &[&str]) -> Option<&'a Indicator> {
        let hits = self
            .indicators
            .iter()
            .filter(|indicator| names.iter().any(|name| name.eq_ignore_ascii_case(&indicator.value)));
        hits.max_by_key(|indicator| indicator.confidence)
    }
}

/// Whether `text` is what `pattern` says, where `*` stands for any text; case does not count. Takes time in
/// proportion to both lengths multiplied at worst.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            let Some((_, after)) = rest.split_once(part) else { return false };
            rest = after;
        }
    }
    match last {
        None => rest.is_empty(),
        Some(last) => rest.ends_with(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, expected) in [
            ("ana", "ANA", true),
            ("ana", "anaa", false),
            ("arn:*:user/ana", "arn:aws:iam::111122223333:user/ana", true),
            ("arn:*:user/ana", "arn:aws:iam::111122223333:user/anabel", false),
            ("*-prod", "a-prod", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("é*", "Éx", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_most_critical_asset_counts_and_of_equals_the_first() {
        let asset = |name: &str, pattern: &str, criticality| Asset {
            name: name.into(),
            patterns: vec![pattern.into()],
            criticality,
            owner: String::new(),
            tags: Vec::new(),
        };
        let assets = Assets {
            assets: vec![
                asset("a", "x*", Criticality::Low),
                asset("b", "xy", Criticality::High),
                asset("c", "*y", Criticality::High),
            ],
            indicators: Vec::new(),
        };
        assert_eq!(assets.find(&["z", "xy"]).unwrap().name, "b");
        assert_eq!(assets.find(&["xz"]).unwrap().name, "a");
        assert_eq!(assets.find(&["z"]), None);
    }

    #[test]
    fn what_matches_everything_is_refused() {
        let mut asset = Asset {
            name: "all".into(),
            patterns: vec!["**".into()],
            criticality: Criticality::Critical,
            owner: String::new(),
            tags: Vec::new(),
        };
        assert_eq!(asset.fault().unwrap().0, "patterns");
        asset.patterns = vec!["x*".into()];
        assert_eq!(asset.fault(), None);
    }
}
