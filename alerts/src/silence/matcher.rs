//! What a field of an alert must be like.

use std::fmt;
use std::str::FromStr;

use super::Pattern;
use crate::alert::severity_name;
use crate::{Alert, EntityKind, Evidence, raw_field};

/// A field, and what it must be like: any one of the patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// The field.
    pub target: Target,
    /// The patterns.
    pub patterns: Vec<Pattern>,
}

/// A field of an alert that a silence can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `rule`: the rule's id.
    Rule,
    /// `title`: the rule's title.
    Title,
    /// `severity`, by name.
    Severity,
    /// `provider`: every one that the alert names.
    Provider,
    /// `operation`: every one that the alert's evidence names.
    Operation,
    /// `tag`: any one of the rule's.
    Tag,
    /// `entity`: any one, of whatever kind.
    Entity,
    /// `actor`, `credential`, `user`, `account`, `address`, `resource`: every one of this kind. An alert about
    /// the backup's user and somebody else is not about the backup.
    Kind(EntityKind),
    /// `by.NAME`: what the events of a correlation or group have in common under this name.
    By(String),
    /// `fields.PATH`: what each of the records behind the alert has at this path.
    Field(String),
}

/// The kinds of entities by their names.
const KINDS: [(&str, EntityKind); 6] = [
    ("actor", EntityKind::Actor),
    ("credential", EntityKind::Credential),
    ("user", EntityKind::User),
    ("account", EntityKind::Account),
    ("address", EntityKind::Address),
    ("resource", EntityKind::Resource),
];

impl FromStr for Target {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let kind = KINDS.iter().find(|(kind, _)| *kind == name);
        Ok(match (name, kind) {
            ("rule", _) => Self::Rule,
            ("title", _) => Self::Title,
            ("severity", _) => Self::Severity,
            ("provider", _) => Self::Provider,
            ("operation", _) => Self::Operation,
            ("tag", _) => Self::Tag,
            ("entity", _) => Self::Entity,
            (_, Some((_, kind))) => Self::Kind(*kind),
            _ => {
                let by = name.strip_prefix("by.").filter(|field| !field.is_empty() && field.len() <= 200);
                match (by, raw_field::path(name)) {
                    (Some(field), _) => Self::By(field.to_owned()),
                    (None, Some(path)) => Self::Field(path.to_owned()),
                    (None, None) => {
                        return Err(format!(
                            "unknown field `{name}`; choose rule, title, severity, provider, operation, tag, entity, \
                             actor, credential, user, account, address, resource, by.NAME or fields.PATH"
                        ));
                    }
                }
            }
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Rule => "rule",
            Self::Title => "title",
            Self::Severity => "severity",
            Self::Provider => "provider",
            Self::Operation => "operation",
            Self::Tag => "tag",
            Self::Entity => "entity",
            Self::Kind(kind) => KINDS.iter().find(|(_, own)| own == kind).map_or("", |(name, _)| name),
            Self::By(name) => return write!(f, "by.{name}"),
            Self::Field(path) => return write!(f, "{}{path}", raw_field::PREFIX),
        };
        f.write_str(name)
    }
}

impl Matcher {
    /// Reads `field` and its patterns as somebody wrote them.
    ///
    /// # Errors
    /// What is wrong, and the mend.
    pub fn read(field: &str, patterns: &[String]) -> Result<Self, String> {
        let target: Target = field.parse()?;
        let patterns = patterns.iter().map(|text| text.parse()).collect::<Result<Vec<Pattern>, _>>();
        let patterns = patterns.map_err(|problem| format!("`{field}`: {problem}"))?;
        if target == Target::Severity
            && let Some(bad) =
                patterns.iter().find(|pattern| !(1..=5).any(|id| pattern.matches(severity_name(id))))
        {
            return Err(format!(
                "`{bad}` is no severity; choose informational, low, medium, high or critical"
            ));
        }
        Ok(Self { target, patterns })
    }

    /// Whether an alert is so. Where the field is not filled, it is not.
    pub fn matches(&self, alert: &Alert) -> bool {
        let fits = |text: &str| self.patterns.iter().any(|pattern| pattern.matches(text));
        let named = |value: &str, name: &Option<String>| fits(value) || name.as_deref().is_some_and(fits);
        match &self.target {
            Target::Rule => fits(&alert.rule.id),
            Target::Title => fits(&alert.rule.title),
            Target::Severity => fits(severity_name(alert.severity_id)),
            Target::Provider => every(alert.provider.split(", "), fits),
            Target::Operation => every(alert.evidence.iter().map(|event| event.operation.as_str()), fits),
            Target::Tag => alert.rule.tags.iter().any(|tag| fits(tag)),
            Target::Entity => alert.entities.iter().any(|entity| named(&entity.value, &entity.name)),
            Target::Kind(kind) => {
                let mut of_kind = alert.entities.iter().filter(|entity| entity.kind == *kind).peekable();
                of_kind.peek().is_some() && of_kind.all(|entity| named(&entity.value, &entity.name))
            }
            Target::By(name) => alert
                .joined
                .as_ref()
                .and_then(|joined| joined.by.iter().find(|(by, _)| by == name))
                .is_some_and(|(_, value)| fits(value)),
            // Of an event whose record is not kept nobody can say that it fits.
            Target::Field(path) => {
                let fits_all =
                    |event: &Evidence| raw_field::values(&event.raw, path).iter().any(|text| fits(text));
                !alert.evidence.is_empty() && alert.evidence.iter().all(fits_all)
            }
        }
    }
}

/// Whether there are texts, and each of them fits; empty ones do not count.
fn every<'t>(texts: impl Iterator<Item = &'t str>, fits: impl Fn(&str) -> bool) -> bool {
    let mut texts = texts.filter(|text| !text.is_empty()).peekable();
    texts.peek().is_some() && texts.all(fits)
}
