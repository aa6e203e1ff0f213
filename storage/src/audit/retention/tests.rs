//! That old entries go, that the rest is proved, and that nobody can use it to hide something.

use proptest::prelude::*;

use super::*;
use crate::audit::verify::{self, Break, BreakKind, Report, Verifier};
use crate::audit::{Archive, PublicKey, SIGNING_KEY_FILE, SigningKey};
use crate::state::State;
use std::path::Path;

const DAY_US: i64 = 86_400_000_000;

/// A log of 40 entries over 40 days, signed every ten days.
fn log(folder: &Path) -> (State, AuditLog, Vec<Checkpoint>) {
    let state = State::open(&folder.join("state.db")).unwrap();
    let log = AuditLog::open(state.clone(), folder, 0).unwrap();
    let mut signed = Vec::new();
    for day in 1..40 {
        log.append(&[(day * DAY_US, Fact::new("alerts.close", "ana").with("number", day))]).unwrap();
        if day % 10 == 9 {
            signed.extend(log.checkpoint(day * DAY_US).unwrap());
        }
    }
    (state, log, signed)
}

fn older(days: i64) -> Retention {
    Retention { age_us: Some(days * DAY_US), bytes: None }
}

fn checked(
    folder: &Path,
    keys: Vec<PublicKey>,
    anchors: &[Checkpoint],
) -> std::result::Result<Report, Break> {
    verify::database(&folder.join("state.db"), Verifier::new(keys, anchors.to_vec())).unwrap()
}

fn read(text: &[u8], log: &AuditLog, anchors: &[Checkpoint]) -> std::result::Result<Report, Break> {
    verify::export(text, Verifier::new(vec![log.public_key()], anchors.to_vec())).unwrap()
}

/// The rest of the log as an export has it.
fn exported(log: &AuditLog) -> Vec<u8> {
    let (start, rows) = log.part(0, 1000).unwrap();
    let start = start.map(|start| format!("{{\"start\":{}}}\n", start.to_line())).unwrap_or_default();
    (start + &rows.iter().map(AuditRow::to_lines).collect::<String>()).into_bytes()
}

fn trim(log: &AuditLog, through: u64, now_us: i64) -> Segment {
    let segment = log.segment(through).unwrap();
    log.forget(&segment, "elsewhere/a", "00", now_us).unwrap();
    segment
}

fn forge(state: &State, sql: &str) {
    let guards = "DROP TRIGGER IF EXISTS audit_is_not_deleted; DROP TRIGGER IF EXISTS audit_is_not_changed;";
    state.write(|txn| Ok::<_, Error>(txn.execute_batch(&format!("{guards}{sql}"))?)).unwrap();
}

#[test]
fn old_entries_go_and_the_rest_is_proved() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log, signed) = log(folder.path());
    let now_us = 40 * DAY_US;
    assert_eq!(log.expired(&older(100), now_us).unwrap(), None);
    assert_eq!(log.expired(&older(25), now_us).unwrap(), Some(10), "what is signed later stays whole");
    let first = trim(&log, 10, now_us);
    assert_eq!((first.from, first.checkpoint.seq), (1, 10));
    assert_eq!(log.expired(&older(25), now_us).unwrap(), None);
    assert_eq!(log.extent().unwrap(), Extent { dropped: 10, last: 41, signed: 40 });
    // Opened again, the chain and its key go on.
    drop((state, log));
    let state = State::open(&folder.path().join("state.db")).unwrap();
    let log = AuditLog::open(state, folder.path(), now_us).unwrap();
    assert_eq!(log.extent().unwrap().last, 41, "no other key, no other chain");
    let second = trim(&log, 29, now_us + 1);
    assert_eq!((second.from, second.checkpoint.seq), (11, 20), "up to a checkpoint");
    log.checkpoint(now_us + 2).unwrap();

    let own = vec![log.public_key()];
    for keys in [own.clone(), Vec::new()] {
        let report = checked(folder.path(), keys, &signed).unwrap();
        assert_eq!((report.dropped, report.entries, report.signed), (20, 42, 42));
        assert_eq!(report.anchors, 3, "of those that were dropped none can be seen");
    }
    // Archives are proved by themselves and all together, back to the first entry.
    let all = [&first.lines[..], &second.lines, &exported(&log)].concat();
    assert_eq!(read(&first.lines, &log, &signed[..1]).unwrap().entries, 10);
    assert_eq!(read(&second.lines, &log, &signed[..2]).unwrap().dropped, 10);
    let report = read(&all, &log, &signed).unwrap();
    assert_eq!((report.dropped, report.entries, report.anchors), (0, 42, 4));
    // One that is missing between is missed.
    let gap = [&first.lines[..], &exported(&log)].concat();
    assert_eq!(read(&gap, &log, &[]).unwrap_err().kind, BreakKind::Start);
    let told = String::from_utf8(exported(&log)).unwrap();
    assert_eq!(told.matches("\"action\":\"audit.trim\"").count(), 2, "{told}");
    assert!(told.contains("\"archive\":\"elsewhere/a\""), "{told}");
}

#[test]
fn a_flood_does_not_push_out_the_last_day() {
    let folder = tempfile::tempdir().unwrap();
    let (_state, log, _) = log(folder.path());
    let small = Retention { age_us: None, bytes: Some(1) };
    assert_eq!(log.expired(&small, 40 * DAY_US).unwrap(), Some(40));
    assert_eq!(log.expired(&small, 39 * DAY_US + 1).unwrap(), Some(30));
    let half = Retention { age_us: None, bytes: Some(20 * 350) };
    let through = log.expired(&half, 40 * DAY_US).unwrap().unwrap();
    assert!((10..40).contains(&through), "{through}");
    assert_eq!(log.expired(&Retention { bytes: Some(1 << 20), ..small }, 40 * DAY_US).unwrap(), None);
}

#[test]
fn what_was_forged_is_not_dropped() {
    let change = "UPDATE audit SET entry = replace(entry, 'ana', 'eve') WHERE seq = 5";
    for (sql, what) in [
        (change, "entry 5"),
        ("DELETE FROM audit WHERE seq = 5", "entry 5"),
        ("DELETE FROM audit WHERE seq < 5", "entry 1"),
        ("DELETE FROM audit_checkpoints", "no checkpoint"),
        (
            "DELETE FROM audit_checkpoints WHERE seq = 1; UPDATE audit_checkpoints SET line = replace(line, '\"seq\":10', '\"seq\":11')",
            "no checkpoint",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (state, log, _) = log(folder.path());
        forge(&state, sql);
        let error = log.segment(10).unwrap_err();
        assert!(matches!(error, Error::AuditUnsound { .. }) && error.to_string().contains(what), "{error}");
    }
    // All hashes made to fit, and signed with a key of the forger's own, which the log names.
    let folder = tempfile::tempdir().unwrap();
    let (state, log, _) = log(folder.path());
    let own = SigningKey::open(tempfile::tempdir().unwrap().path()).unwrap();
    let mut head = Digest::ZERO;
    let mut forged = String::new();
    for row in log.oldest(0, 10).unwrap() {
        let entry =
            row.entry.replace("ana", "eve").replace(&log.public_key().to_string(), &own.public().to_string());
        head = head.next(entry.as_bytes());
        forged += &format!("UPDATE audit SET entry = '{entry}', hash = x'{head}' WHERE seq = {};", row.seq);
    }
    let line = Checkpoint::sign(&own, &log.chain, 10, head, 0, 1).to_line();
    forge(&state, &format!("{forged} UPDATE audit_checkpoints SET line = '{line}' WHERE seq = 10"));
    assert!(matches!(log.segment(10), Err(Error::AuditUnsound { .. })));
}

#[test]
fn nobody_without_the_key_makes_a_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log, signed) = log(folder.path());
    let own = vec![log.public_key()];
    let begin = |seq: u64, line: &str| {
        forge(
            &state,
            &format!(
                "DELETE FROM audit WHERE seq <= {seq}; DELETE FROM audit_checkpoints WHERE seq <= {seq}; \
                 INSERT OR REPLACE INTO audit_start VALUES (1, {seq}, '{line}')"
            ),
        );
    };
    // A checkpoint's signature is none of a beginning.
    let Checkpoint { chain, seq, hash, at_us, key, signature, .. } = signed[0].clone();
    let keys = vec![key.clone()];
    begin(10, &Start { chain: chain.clone(), seq, hash, at_us, keys, key, signature }.to_line());
    assert_eq!(checked(folder.path(), own.clone(), &[]).unwrap_err().kind, BreakKind::Start);
    // A key of one's own: found, and not made good by the next retention.
    let other = SigningKey::open(tempfile::tempdir().unwrap().path()).unwrap();
    let head = Digest::parse(&signed[0].hash).unwrap();
    begin(10, &Start::sign(&other, &chain, 10, head, 0, vec![other.public().to_string()]).to_line());
    assert_eq!(checked(folder.path(), own.clone(), &[]).unwrap_err().kind, BreakKind::Start);
    assert!(matches!(log.segment(20), Err(Error::AuditUnsound { .. })));
    // Nothing at all.
    forge(&state, "DELETE FROM audit_start");
    assert_eq!(checked(folder.path(), own, &[]).unwrap_err().kind, BreakKind::Missing);
}

#[test]
fn an_older_beginning_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log, signed) = log(folder.path());
    trim(&log, 10, 40 * DAY_US);
    let (first, _) = log.part(0, 1).unwrap();
    trim(&log, 20, 40 * DAY_US);
    let line = first.unwrap().to_line();
    forge(&state, &format!("UPDATE audit_start SET seq = 10, line = '{line}'"));
    let found = checked(folder.path(), vec![log.public_key()], &signed).unwrap_err();
    assert_eq!((found.kind, found.from, found.seq), (BreakKind::Missing, 11, 20));
}

#[test]
fn whoever_has_the_key_is_found_by_what_is_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log, signed) = log(folder.path());
    let key = SigningKey::open(folder.path()).unwrap();
    // Everything up to an entry that was never anchored is said to be old.
    let head = Digest::parse(&log.oldest(34, 1).unwrap()[0].hash).unwrap();
    let keys = vec![key.public().to_string()];
    let line = Start::sign(&key, &log.chain, 35, head, 0, keys.clone()).to_line();
    let end = Digest::parse(&signed[3].hash).unwrap();
    let next = Checkpoint::sign(&key, &log.chain, 40, end, 0, 35).to_line();
    let sql = format!(
        "DELETE FROM audit WHERE seq <= 35; DELETE FROM audit_checkpoints WHERE seq <= 35; \
         UPDATE audit_checkpoints SET line = '{next}'; INSERT INTO audit_start VALUES (1, 35, '{line}')"
    );
    forge(&state, &sql);
    assert!(checked(folder.path(), vec![key.public()], &[]).is_ok(), "here it cannot be seen");
    let found = checked(folder.path(), vec![key.public()], &signed).unwrap_err();
    assert_eq!((found.kind, found.seq), (BreakKind::Start, 35), "{found}");
    // Or up to one that was, with another hash.
    let line = Start::sign(&key, &log.chain, 30, Digest::ZERO, 0, keys).to_line();
    forge(&state, &format!("UPDATE audit_start SET seq = 30, line = '{line}'"));
    let found = checked(folder.path(), vec![key.public()], &signed).unwrap_err();
    assert_eq!((found.kind, found.seq), (BreakKind::Rewritten, 30), "{found}");
}

#[test]
fn another_key_later_is_still_told() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log, signed) = log(folder.path());
    let old = log.public_key();
    drop(log);
    std::fs::remove_file(folder.path().join(SIGNING_KEY_FILE)).unwrap();
    let log = AuditLog::open(state, folder.path(), 40 * DAY_US).unwrap();
    let newest = log.newest_checkpoint().unwrap().unwrap();
    // Only what the own key has signed is dropped: here, all at once.
    assert!(matches!(log.segment(40), Err(Error::AuditUnsound { .. })));
    trim(&log, newest.seq, 80 * DAY_US);
    log.checkpoint(80 * DAY_US).unwrap();
    let anchors: Vec<_> = signed.into_iter().chain([newest]).collect();
    assert_eq!(checked(folder.path(), vec![log.public_key()], &anchors).unwrap().dropped, 41);
    assert_eq!(checked(folder.path(), vec![old], &[]).unwrap_err().kind, BreakKind::Start);
}

#[tokio::test]
async fn an_archive_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Archive::Objects(
        std::sync::Arc::new(object_store::memory::InMemory::new()),
        object_store::path::Path::from("audit"),
    );
    for archive in [Archive::Folder(folder.path().join("a/b")), objects] {
        archive.write("one", b"x".to_vec()).await.unwrap();
        archive.write("one", b"x".to_vec()).await.unwrap();
        let refused = archive.write("one", b"y".to_vec()).await.unwrap_err();
        assert!(matches!(refused, Error::AuditArchive { .. }), "{refused}");
    }
    let full = Archive::Folder("/dev/full/none".into());
    assert!(full.write("one", b"x".to_vec()).await.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever is changed in what stays, in its beginning too, is found.
    #[test]
    fn nothing_can_be_changed_after_a_beginning(
        what in 0..4_u8, at in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), flip in 1..=127_u8,
    ) {
        use std::sync::OnceLock;
        static SOUND: OnceLock<(Vec<String>, PublicKey, Vec<Checkpoint>)> = OnceLock::new();
        let (lines, key, anchors) = SOUND.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let (_state, log, signed) = log(folder.path());
            trim(&log, 20, 40 * DAY_US);
            let mut anchors = signed;
            anchors.extend(log.checkpoint(41 * DAY_US).unwrap());
            let text = String::from_utf8(exported(&log)).unwrap();
            (text.lines().map(str::to_owned).collect(), log.public_key(), anchors)
        });
        let mut lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        let place = at.index(lines.len());
        match what {
            0 => { lines.remove(place); }
            1 => { let copy = lines[place].clone(); lines.insert(place, copy); }
            2 => { let other = byte.index(lines.len()); if lines[other] == lines[place] { return Ok(()) } lines.swap(place, other); }
            _ => { let line = &mut lines[place]; let at = byte.index(line.len()); line[at] ^= flip; }
        }
        let changed = lines.join(&b'\n');
        let found = verify::export(&changed[..], Verifier::new(vec![*key], anchors.clone())).unwrap();
        // A checkpoint that is gone or there twice says nothing that the others and the anchors do not say, and
        // so does the beginning that is there twice.
        let is_harmless = what < 2 && !lines_are_entries(&lines, place, what);
        prop_assert!(found.is_err() || is_harmless, "{}", String::from_utf8_lossy(&changed));
    }
}

/// Whether the line that was removed or doubled was an entry, or the beginning that was removed.
fn lines_are_entries(lines: &[Vec<u8>], place: usize, what: u8) -> bool {
    let count = |start: &[u8]| lines.iter().filter(|line| line.starts_with(start)).count();
    match what {
        0 => count(b"{\"seq\"") < 21 || count(b"{\"start\"") == 0,
        _ => lines[place].starts_with(b"{\"seq\""),
    }
}
