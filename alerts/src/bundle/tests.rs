//! Packages: the same bytes for the same incident, and no byte changed unseen.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::incident::{Assessment, IncidentStatus};
use crate::{Alert, AlertId, Entity, EntityKind, Evidence, RuleRef, StoredAlert};

const EVIL: &str = "</script><img src=x onerror=alert(1)> | [x](javascript:1) `\u{202e}\u{0}\n# head";

fn dossier() -> Dossier {
    let event = |uid: &str, time_us: i64, raw: &str| Evidence {
        event_uid: uid.into(),
        time_us,
        operation: EVIL.into(),
        raw: raw.into(),
    };
    let alert = Alert {
        id: AlertId::new("r", ["e1", "e2"]),
        rule: RuleRef {
            id: "r".into(),
            title: EVIL.into(),
            level: "high".into(),
            tags: vec!["attack.impact".into()],
            description: EVIL.into(),
            response: vec![EVIL.into()],
        },
        severity_id: 4,
        time_us: 2_000_000,
        provider: "AWS".into(),
        entities: vec![Entity { kind: EntityKind::Actor, value: EVIL.into(), name: None }],
        evidence: vec![event("e1", 1_000_000, &format!("raw {EVIL}")), event("e2", 2_000_000, "")],
        joined: None,
    };
    let stored = StoredAlert::untouched(alert, 3_000_000);
    let incident = Incident {
        revision: 1,
        id: "0123456789abcdef0123456789abcdef".into(),
        status: IncidentStatus::Acknowledged,
        owner: Some(EVIL.into()),
        labels: vec!["exercise".into(), EVIL.into()],
        verdict: None,
        reason: None,
        assessment: Assessment {
            title: EVIL.into(),
            severity_id: 4,
            severity_why: vec![EVIL.into()],
            confidence: 90,
            risk: 70,
            first_us: 1_000_000,
            last_us: 2_000_000,
            progress: vec!["impact".into()],
            tactics: vec!["impact".into()],
            providers: vec!["AWS".into()],
            entities: vec![("identity".into(), EVIL.into())],
            rules: vec!["r".into()],
        },
        alerts: 1,
        created_us: 3_000_000,
        updated_us: 3_000_000,
        acknowledged_us: Some(4_000_000),
        closed_us: None,
        acknowledge_due_us: Some(5_000_000),
        close_due_us: Some(6_000_000),
        acknowledge_overdue: false,
        close_overdue: true,
    };
    let history = vec![IncidentChange {
        incident_id: incident.id.clone(),
        at_us: 3_000_000,
        by: EVIL.into(),
        change: "commented".into(),
        verdict: None,
        reason: EVIL.into(),
    }];
    Dossier {
        incident,
        merged: Vec::new(),
        alerts: vec![IncidentAlert { stored, why: "it is the first".into(), risk: None }],
        history,
        records: BTreeMap::from([("e2".to_owned(), "from the table".to_owned())]),
    }
}

fn stamp(at_us: i64) -> Stamp {
    Stamp { by: "dana".into(), at_us, version: "0.1.0".into(), previous: None }
}

fn package() -> Package {
    dossier().package(&stamp(7_000_000)).unwrap()
}

#[test]
fn the_same_incident_gives_the_same_bytes_but_for_the_stamp() {
    let (one, again, later) = (package(), package(), dossier().package(&stamp(8_000_000)).unwrap());
    assert_eq!(one, again);
    assert_eq!(write_zip(&one.files).unwrap(), write_zip(&again.files).unwrap());
    let differ: Vec<_> = one
        .files
        .iter()
        .filter(|(name, bytes)| later.files[*name] != **bytes)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(differ, [SUMS, MANIFEST]);
    assert_ne!(one.sha256, later.sha256);
}

#[test]
fn every_record_is_there_as_it_was() {
    let package = package();
    let lines: Vec<serde_json::Value> = package.files["records.ndjson"]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["raw"], format!("raw {EVIL}"));
    assert_eq!((&lines[1]["event_uid"], &lines[1]["raw"]), (&"e2".into(), &"from the table".into()));
    assert_eq!(dossier().wanted_records(), ["e2"]);
    let document: serde_json::Value = serde_json::from_slice(&package.files["incident.json"]).unwrap();
    assert_eq!(document["alerts"][0]["rule"]["title"], EVIL);
    assert_eq!(document["timeline"].as_array().unwrap().len(), 2);
}

#[test]
fn reports_run_nothing_and_hold_every_text_as_text() {
    let package = package();
    let html = String::from_utf8(package.files["report.html"].clone()).unwrap();
    for evil in ["<img", "<script", "</script", "\u{202e}", "\u{0}", "javascript:1)\""] {
        assert!(!html.contains(evil), "{evil:?}");
    }
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;") && html.contains("class=\"overdue\""));
    let markdown = String::from_utf8(package.files["report.md"].clone()).unwrap();
    for evil in ["<img", "](javascript", "\u{202e}", "\u{0}", "\n# head"] {
        assert!(!markdown.contains(evil), "{evil:?}");
    }
    // No table has a row of another length than its head.
    let mut columns = None;
    for line in markdown.lines() {
        let bars = line.replace("\\|", "").matches('|').count();
        match (line.starts_with('|'), columns) {
            (false, _) => columns = None,
            (true, None) => columns = Some(bars),
            (true, Some(columns)) => assert_eq!(bars, columns, "{line}"),
        }
    }
}

#[test]
fn a_whole_package_is_verified_in_both_forms() {
    let package = package();
    let files = read_zip(&write_zip(&package.files).unwrap()).unwrap();
    assert_eq!(files, package.files);
    let verified = verify(&files);
    assert_eq!((verified.problems, verified.sha256), (Vec::<String>::new(), package.sha256));
    assert_eq!(verified.manifest.unwrap().exported_by, "dana");
}

#[test]
fn what_is_missing_or_added_is_named() {
    let mut files = package().files;
    files.remove("report.md");
    files.insert("extra.txt".into(), b"x".to_vec());
    let told = verify(&files).problems.join("\n");
    for part in ["`report.md` is missing", "`extra.txt` was added", "`SHA256SUMS` does not fit"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!verify(&BTreeMap::new()).problems.is_empty());
    let mut forged = package().files;
    forged.insert(MANIFEST.into(), b"[".to_vec());
    assert!(verify(&forged).problems[0].contains("cannot be read"));
}

proptest! {
    #[test]
    fn no_byte_of_a_file_changes_unseen(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut files = package().files;
        let name = file.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
        let bytes = files.get_mut(&name).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(!verify(&files).problems.is_empty(), "{} {}", name, at);
    }

    #[test]
    fn no_byte_of_an_archive_changes_unseen(at in any::<prop::sample::Index>(), bit in 0_u8..8, cut in any::<bool>()) {
        let mut archive = write_zip(&package().files).unwrap();
        let at = at.index(archive.len());
        if cut { archive.truncate(at) } else { archive[at] ^= 1 << bit }
        let is_seen = match read_zip(&archive) {
            Err(_) => true,
            Ok(files) => !verify(&files).problems.is_empty(),
        };
        prop_assert!(is_seen);
    }

    #[test]
    fn no_file_goes_or_comes_unseen(name in "[a-z]{1,8}", file in any::<prop::sample::Index>()) {
        let mut more = package().files;
        let known = more.insert(name.clone(), Vec::new());
        prop_assert!(known.is_some() || !verify(&more).problems.is_empty());
        let mut less = package().files;
        less.remove(&file.get(&less.keys().cloned().collect::<Vec<_>>()).clone());
        prop_assert!(!verify(&less).problems.is_empty());
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(read_zip(&bytes));
        let mut near = LOCAL_HEADER.to_vec();
        near.extend(bytes);
        drop(read_zip(&near));
    }
}

const LOCAL_HEADER: [u8; 4] = [0x50, 0x4b, 3, 4];
