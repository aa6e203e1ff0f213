//! What a report says that somebody must know.

use super::trail::key_time;
use super::{DigestReport, DigestState, Finding};
use crate::{FindingKind, SourceFinding};

/// How many objects a finding names.
const NAMED: usize = 20;

/// One finding for each digest that is bad, and one for all log files of a state. `has_begun`: hours before
/// were judged, so that time for which nothing speaks is a hole.
pub(super) fn findings(report: &DigestReport, has_begun: bool) -> Vec<SourceFinding> {
    let mut found = Vec::new();
    let is_of_log = |state| matches!(state, DigestState::LogModified | DigestState::LogMissing);
    for finding in &report.findings {
        let Some((kind, what)) = meaning(finding.state) else { continue };
        if !is_of_log(finding.state) && finding.state != DigestState::NotCovered {
            found.push(told(kind, what, &[finding]));
        }
    }
    for state in [DigestState::LogModified, DigestState::LogMissing] {
        let of: Vec<_> = report.findings.iter().filter(|finding| finding.state == state).collect();
        if let (Some((kind, what)), false) = (meaning(state), of.is_empty()) {
            found.push(told(kind, what, &of));
        }
    }
    // Where a digest is bad, it has told why its hour is not covered.
    if has_begun && found.is_empty() {
        let holes = report.findings.iter().filter(|finding| finding.state == DigestState::NotCovered);
        found.extend(holes.map(|hole| {
            told(FindingKind::Gap, "no digest speaks for this time: logging or validation was off", &[hole])
        }));
    }
    found
}

/// What a state means to whom it is told; `None`: nothing.
fn meaning(state: DigestState) -> Option<(FindingKind, &'static str)> {
    let gap = |what| Some((FindingKind::Gap, what));
    let tampered = |what| Some((FindingKind::Tampered, what));
    match state {
        DigestState::Valid | DigestState::NotCovered => None,
        DigestState::LogModified => tampered("a log file is not what its digest says"),
        DigestState::LogMissing => gap("a log file that a digest names is gone"),
        DigestState::DigestMissing => gap("a digest that the next one names is gone"),
        DigestState::DigestMoved => tampered("a digest lies where it was not written to"),
        DigestState::DigestUnreadable => tampered("a digest is not as CloudTrail writes them"),
        DigestState::SignatureBad => tampered("a digest's signature is missing or not of it"),
        DigestState::KeyUnknown => tampered("CloudTrail has no key of the kind that a digest is signed with"),
        DigestState::ChainGap => {
            gap("a chain of digests begins although there are older ones: logging or validation was off")
        }
    }
}

fn told(kind: FindingKind, what: &str, of: &[&Finding]) -> SourceFinding {
    let span = of.first().and_then(|finding| finding.span);
    let times = span.map(|(from, to)| format!("{} to {}", key_time(from), key_time(to)));
    let address = |finding: &&Finding| finding.object.as_ref().map(ToString::to_string);
    let mut named: Vec<_> = of.iter().filter_map(address).collect();
    // A gap is known by its time: the digest after it is sound.
    let subject = named.first().cloned().or(times.clone()).unwrap_or_default();
    let more = named.len().saturating_sub(NAMED);
    named.truncate(NAMED);
    let mut detail = format!("{what} ({})", of.first().map_or("", |finding| finding.state.as_str()));
    if let Some(words) = of.first().map(|finding| &finding.detail).filter(|words| !words.is_empty()) {
        detail.push_str(&format!("; {words}"));
    }
    if let Some(times) = times {
        detail.push_str(&format!("; {times}"));
    }
    if named.len() > 1 {
        detail.push_str(&format!("; these: {}", named.join(", ")));
    }
    if more > 0 {
        detail.push_str(&format!(" and {more} more"));
    }
    let span_us = span.map(|(from, to)| from * 1_000_000..to * 1_000_000);
    SourceFinding { kind, subject, detail, span_us }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::ObjectAddress;

    fn finding(state: DigestState, key: &str) -> Finding {
        let object = Some(ObjectAddress { bucket: "b".into(), key: key.into() });
        Finding { state, object, span: None, detail: String::new() }
    }

    #[test]
    fn log_files_are_told_together_and_a_hole_only_where_nothing_else_is() {
        let hole = Finding {
            state: DigestState::NotCovered,
            object: None,
            span: Some((1_793_491_200, 1_793_494_800)),
            detail: String::new(),
        };
        let mut report = DigestReport::default();
        report.findings.push(finding(DigestState::Valid, "d"));
        assert!(findings(&report, true).is_empty());
        report.findings.push(hole);
        assert!(findings(&report, false).is_empty());
        let [only] = &findings(&report, true)[..] else { panic!("{report:?}") };
        assert_eq!(only.subject, "2026-11-01T00:00:00Z to 2026-11-01T01:00:00Z");
        assert_eq!(only.span_us, Some(1_793_491_200_000_000..1_793_494_800_000_000));
        let gone = (0..30).map(|n| finding(DigestState::LogMissing, &format!("l{n}")));
        report.findings.extend(gone);
        report.findings.push(finding(DigestState::SignatureBad, "e"));
        let found = findings(&report, true);
        let told: Vec<_> = found.iter().map(|one| (one.kind, one.subject.as_str())).collect();
        assert_eq!(told, [(FindingKind::Tampered, "s3://b/e"), (FindingKind::Gap, "s3://b/l0")]);
        assert!(found[1].detail.contains("s3://b/l19 and 10 more"), "{}", found[1].detail);
    }
}
