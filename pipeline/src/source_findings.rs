//! Alerts about what a source found to be missing or changed. Nothing closes them by itself: people look.

use alerts::{Alert, AlertId, Entity, EntityKind, Joined, RuleRef};
use event::SourceId;
use ingest::{FindingKind, SourceFinding};

use crate::redact::redact;

/// What is told of a subject, in bytes.
const SUBJECT_BYTES: usize = 1 << 10;
/// What is told of its detail, in bytes.
const DETAIL_BYTES: usize = 8 << 10;

/// The alert of a finding. The same finding gives the same alert, whenever it is found.
pub(crate) fn alert_of(source: &SourceId, finding: &SourceFinding, now_us: i64) -> Alert {
    let (rule, title, level, severity_id, meaning) = match finding.kind {
        FindingKind::Gap => (
            "stormglass-source-gap",
            "Events Are Missing",
            "high",
            4,
            "Rules and searches do not see what is missing, and it will not come by itself.",
        ),
        FindingKind::Tampered => (
            "stormglass-source-tampered",
            "Logs Were Changed",
            "critical",
            5,
            "What is stored is not what the service wrote: somebody may hide something.",
        ),
    };
    let (subject, detail) = (told(&finding.subject, SUBJECT_BYTES), told(&finding.detail, DETAIL_BYTES));
    let entity = |value: String| Entity { kind: EntityKind::Resource, value, name: None };
    Alert {
        id: AlertId::new(rule, [source.as_str(), finding.subject.as_str()]),
        rule: RuleRef {
            id: rule.to_owned(),
            title: format!("{title}: {source}"),
            level: level.to_owned(),
            tags: Vec::new(),
            description: format!("The source `{source}` found `{subject}`: {detail}. {meaning}"),
            response: Vec::new(),
        },
        severity_id,
        time_us: now_us,
        provider: String::new(),
        entities: vec![entity(source.to_string()), entity(subject)],
        evidence: Vec::new(),
        joined: Some(Joined {
            by: vec![("source".into(), source.to_string())],
            why: detail,
            begin_us: finding.span_us.as_ref().map_or(now_us, |span_us| span_us.start),
            events: 0,
        }),
    }
}

/// Without secrets, and not longer than `limit`.
fn told(text: &str, limit: usize) -> String {
    let mut text = redact(text);
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_one_alert_and_long_words_are_cut() {
        let source = SourceId::new("trail");
        let finding = |subject: &str, detail: &str| SourceFinding {
            kind: FindingKind::Gap,
            subject: subject.into(),
            detail: detail.into(),
            span_us: None,
        };
        let first = alert_of(&source, &finding("partition 3", "offsets 5 to 9 are gone"), 7);
        let again = alert_of(&source, &finding("partition 3", "said otherwise"), 8);
        assert_eq!(first.id, again.id);
        assert_ne!(first.id, alert_of(&source, &finding("partition 4", "x"), 7).id);
        let tampered = SourceFinding { kind: FindingKind::Tampered, ..finding("partition 3", "x") };
        assert_ne!(first.id, alert_of(&source, &tampered, 7).id);
        assert!(first.rule.description.contains("`partition 3`: offsets 5 to 9 are gone. Rules"));
        let long = alert_of(&source, &finding(&"ä".repeat(2_000), &"ö".repeat(9_000)), 7);
        assert!(long.rule.description.len() < 10_000 && long.entities[1].value.len() <= 1_027);
    }
}
