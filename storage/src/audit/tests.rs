//! What the chain shows, and that it shows it.

use proptest::prelude::*;

use super::verify::{self, Break, BreakKind, Verifier};
use super::*;

const ENTRIES: u64 = 60;
const SIGNED_EVERY: u64 = 10;
const BEGIN_US: i64 = 1_700_000_000_000_000;
/// Ten entries are more than may be without a signature.
const SECOND_US: i64 = 10_000_000;

fn fact(number: u64) -> Fact {
    Fact::new("alerts.close", "ana").with("verdict", "benign").with("number", number)
}

/// A log as rows, which can be changed at will.
#[derive(Clone)]
struct Rows {
    entries: Vec<(u64, Vec<u8>, Vec<u8>)>,
    checkpoints: Vec<Checkpoint>,
}

struct Sound {
    rows: Rows,
    key: SigningKey,
    anchor: Checkpoint,
}

fn sound(folder: &Path) -> Sound {
    let key = SigningKey::open(folder).unwrap();
    let (mut entries, mut checkpoints, mut hash) = (Vec::new(), Vec::new(), Digest::ZERO);
    for seq in 1..=ENTRIES {
        let fact = match seq {
            1 => Fact::of_stormglass("audit.begin").with("chain", "c").with("key", key.public().to_string()),
            _ => fact(seq),
        };
        let entry = fact.canonical(seq, BEGIN_US + seq as i64 * SECOND_US);
        hash = hash.next(entry.as_bytes());
        entries.push((seq, entry.into_bytes(), hash.as_bytes().to_vec()));
        if seq % SIGNED_EVERY == 0 {
            checkpoints.push(Checkpoint::sign(&key, "c", seq, hash, 0, seq - SIGNED_EVERY));
        }
    }
    let anchor = checkpoints.last().unwrap().clone();
    Sound { rows: Rows { entries, checkpoints }, key, anchor }
}

impl Rows {
    fn verify(
        &self,
        keys: Vec<PublicKey>,
        anchors: Vec<Checkpoint>,
    ) -> std::result::Result<verify::Report, Break> {
        let mut verifier = Verifier::new(keys, anchors).signed_every(20_000_000, None);
        for (seq, entry, hash) in &self.entries {
            verifier.entry(*seq, entry, hash)?;
            for checkpoint in self.checkpoints.iter().filter(|checkpoint| checkpoint.seq == *seq) {
                verifier.checkpoint(checkpoint.to_line().as_bytes())?;
            }
        }
        verifier.finish()
    }

    /// As a forger without the key would: every hash from entry `from` on is made anew.
    fn rehash(&mut self, from: usize) {
        let before = from.checked_sub(1).map(|at| Digest::read(&self.entries[at].2).unwrap());
        let mut hash = before.unwrap_or(Digest::ZERO);
        for (_, entry, stored) in &mut self.entries[from..] {
            hash = hash.next(entry);
            *stored = hash.as_bytes().to_vec();
        }
    }

    fn renumber(&mut self) {
        for (row, seq) in self.entries.iter_mut().zip(1..) {
            row.0 = seq;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_can_be_changed_unseen(
        what in 0..12u8, a in 1..=ENTRIES, b in 1..=ENTRIES, byte in any::<prop::sample::Index>(), flip in 1..=255u8,
    ) {
        use std::sync::OnceLock;
        static SOUND: OnceLock<Sound> = OnceLock::new();
        let sound = SOUND.get_or_init(|| self::sound(tempfile::tempdir().unwrap().path()));
        let mut rows = sound.rows.clone();
        let (first, last) = (a.min(b), a.max(b));
        let (i, j) = (first as usize - 1, last as usize - 1);
        // What is done, and the entry that must be named.
        let expected = match what {
            0 => { let entry = &mut rows.entries[i].1; let at = byte.index(entry.len()); entry[at] ^= flip; first }
            1 => { let hash = &mut rows.entries[i].2; let at = byte.index(hash.len()); hash[at] ^= flip; first }
            // The whole rest is made to fit.
            2 => { let entry = &mut rows.entries[i].1; let at = byte.index(entry.len()); entry[at] ^= flip; rows.rehash(i); first }
            // Removed, as it is, or with the others moved up, or with the hashes made to fit as well.
            3 => { rows.entries.drain(i..=j); first }
            4 => { rows.entries.drain(i..=j); rows.renumber(); first }
            5 => { rows.entries.drain(i..=j); rows.renumber(); rows.rehash(i); first }
            // Put in.
            6 => { let copy = rows.entries[j].clone(); rows.entries.insert(i, copy); rows.renumber(); if i == j { first + 1 } else { first } }
            7 => { let mut copy = rows.entries[j].clone(); copy.1.push(flip); rows.entries.insert(i, copy); rows.renumber(); rows.rehash(i); first }
            8 => { if i == j { return Ok(()) } rows.entries.swap(i, j); if flip % 2 == 0 { rows.renumber(); } first }
            // The end is cut off, its checkpoints as well: only the one elsewhere tells.
            9 => { rows.entries.truncate(i); rows.checkpoints.retain(|signed| signed.seq < first); first }
            // The whole rest is made to fit, and checkpoints are removed up to the last.
            11 => {
                rows.entries[i].1.push(flip);
                rows.rehash(i);
                rows.checkpoints.retain(|signed| signed.seq < first);
                let found = rows.verify(vec![sound.key.public()], Vec::new()).expect_err("it was not found");
                prop_assert_eq!(found.kind, BreakKind::Unsigned);
                first
            }
            // A checkpoint.
            _ => {
                let place = byte.index(rows.checkpoints.len());
                let checkpoint = &mut rows.checkpoints[place];
                match flip % 4 {
                    0 => checkpoint.hash = Digest::ZERO.to_string(),
                    1 => checkpoint.at_us += 1,
                    2 => checkpoint.signature.replace_range(0..1, if checkpoint.signature.starts_with('0') { "1" } else { "0" }),
                    _ => checkpoint.key = "00".repeat(32),
                }
                checkpoint.seq
            }
        };
        let found = rows.verify(vec![sound.key.public()], vec![sound.anchor.clone()]);
        let found = found.expect_err("it was not found");
        prop_assert!(found.from <= expected && expected <= found.seq, "{found} does not name {expected}");
        let is_exact = matches!(what, 0 | 1 | 4 | 6 | 8 | 10) && found.kind != BreakKind::Missing && found.kind != BreakKind::Cut;
        prop_assert!(!is_exact || found.from == found.seq, "{found}");
        // With the checkpoints gone, only the one elsewhere bounds it.
        let is_bounded = found.seq - found.from < SIGNED_EVERY;
        prop_assert!(what == 11 || found.kind != BreakKind::Rewritten || is_bounded, "{found}");
    }
}

#[test]
fn a_sound_log_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let sound = sound(folder.path());
    let report = sound.rows.verify(vec![sound.key.public()], vec![sound.anchor.clone()]).unwrap();
    assert_eq!((report.entries, report.checkpoints, report.signed, report.anchors), (60, 6, 60, 1));
    // Without a key, the log is believed which one it is.
    assert_eq!(sound.rows.verify(Vec::new(), Vec::new()).unwrap().keys, vec![sound.key.public()]);
    let other = SigningKey::open(tempfile::tempdir().unwrap().path()).unwrap();
    let found = sound.rows.verify(vec![other.public()], Vec::new()).unwrap_err();
    assert_eq!((found.kind, found.seq), (BreakKind::Checkpoint, 10));
}

#[test]
fn entries_are_canonical_json() {
    let mut fact = Fact::new("sql.query", "ana\n\"\u{1}\u{202e}é");
    fact.object = "x".repeat(2000);
    fact.of = Some(7);
    let fact = fact.with("b", i64::MAX).with("a", "ü".repeat(5000));
    let text = fact.canonical(1, 2);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["actor"], "ana\n\"\u{1}\u{202e}é");
    assert_eq!(value["detail"]["b"], (1_i64 << 53) - 1);
    assert!(text.len() < 10_000 && value["detail"]["a"].as_str().unwrap().ends_with('…'));
    // Sorted keys and no spaces: what another writer of canonical JSON makes of it is the same.
    let sorted: std::collections::BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&sorted).unwrap(), text);
}

fn open(folder: &Path) -> (State, AuditLog) {
    let state = State::open(&folder.join("state.db")).unwrap();
    let log = AuditLog::open(state.clone(), folder, 1).unwrap();
    (state, log)
}

fn check(
    folder: &Path,
    log: &AuditLog,
    anchors: Vec<Checkpoint>,
) -> std::result::Result<verify::Report, Break> {
    verify::database(&folder.join("state.db"), Verifier::new(vec![log.public_key()], anchors)).unwrap()
}

#[test]
fn a_database_is_verified_while_it_is_open_and_refuses_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log) = open(folder.path());
    assert_eq!(log.append(&[(5, fact(2)), (6, fact(3))]).unwrap(), 3);
    let signed = log.checkpoint(7).unwrap().unwrap();
    assert_eq!(log.checkpoint(8).unwrap(), None);
    log.append(&[(9, fact(4))]).unwrap();
    let report = check(folder.path(), &log, vec![signed.clone()]).unwrap();
    assert_eq!((report.entries, report.signed, report.anchors), (4, 3, 1));
    for change in ["UPDATE audit SET entry = '{}' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2"] {
        let refused = state.write(|txn| Ok::<_, Error>(txn.execute(change, [])?)).unwrap_err();
        assert!(refused.to_string().contains("only appended to"), "{refused}");
    }
    // Opened again, the chain goes on with the same key.
    drop((state, log));
    let (state, log) = open(folder.path());
    log.append(&[(10, fact(5))]).unwrap();
    assert_eq!(check(folder.path(), &log, Vec::new()).unwrap().entries, 5);
    // Whoever takes the guard away is found out.
    let forge = |sql: &str| state.write(|txn| Ok::<_, Error>(txn.execute_batch(sql)?)).unwrap();
    forge(
        "DROP TRIGGER audit_is_not_deleted; DROP TRIGGER audit_is_not_changed; DELETE FROM audit WHERE seq > 2",
    );
    let found = check(folder.path(), &log, Vec::new()).unwrap_err();
    assert_eq!((found.kind, found.from, found.seq), (BreakKind::Cut, 2, 3));
    forge("DELETE FROM audit_checkpoints WHERE seq > 1");
    assert!(check(folder.path(), &log, Vec::new()).is_ok(), "nothing here shows that the end is gone");
    // The folder shows it.
    let head = kept_head(folder.path()).unwrap();
    let verifier = Verifier::new(vec![log.public_key()], Vec::new()).head(head);
    let found = verify::database(&folder.path().join("state.db"), verifier).unwrap().unwrap_err();
    assert_eq!((found.kind, found.from, found.seq), (BreakKind::Cut, 2, 3));
    forge("DELETE FROM audit_checkpoints");
    assert_eq!(check(folder.path(), &log, Vec::new()).unwrap_err().kind, BreakKind::Unsigned);
    let found = check(folder.path(), &log, vec![signed]).unwrap_err();
    assert_eq!((found.kind, found.from, found.seq), (BreakKind::Cut, 1, 3));
}

#[test]
fn a_change_and_its_entry_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log) = open(folder.path());
    let undone: Result<u64> = state.write(|txn| {
        append(txn, &fact(2), 5)?;
        Err(Error::LogClosed)
    });
    assert!(undone.is_err());
    state.write(|txn| append(txn, &fact(3), 6)).unwrap();
    let report = check(folder.path(), &log, Vec::new()).unwrap();
    assert_eq!(report.entries, 2);
}

#[test]
fn a_new_key_is_told_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log) = open(folder.path());
    log.checkpoint(2).unwrap();
    let old = log.public_key();
    drop((state, log));
    std::fs::remove_file(folder.path().join(SIGNING_KEY_FILE)).unwrap();
    let (_state, log) = open(folder.path());
    log.checkpoint(3).unwrap();
    let path = folder.path().join("state.db");
    let check = |keys| verify::database(&path, Verifier::new(keys, Vec::new())).unwrap();
    assert_eq!(check(vec![old, log.public_key()]).unwrap().keys.len(), 2);
    assert_eq!(check(Vec::new()).unwrap().entries, 2);
    assert_eq!(check(vec![old]).unwrap_err().kind, BreakKind::Checkpoint);
}

#[test]
fn the_key_is_its_owners_alone_and_never_shown() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::open(folder.path()).unwrap();
    let path = folder.path().join(SIGNING_KEY_FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(SigningKey::open(folder.path()).unwrap().public(), key.public());
    let public = std::fs::read_to_string(folder.path().join(PUBLIC_KEY_FILE)).unwrap();
    assert_eq!(PublicKey::parse(&public), Some(key.public()));
    std::fs::write(&path, b"no key").unwrap();
    assert!(matches!(SigningKey::open(folder.path()), Err(Error::AuditKey { .. })));
}

#[test]
fn an_export_is_verified_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (_state, log) = open(folder.path());
    log.append(&[(5, fact(2)), (6, fact(3))]).unwrap();
    log.checkpoint(7).unwrap();
    let lines: String = log.oldest(0, 100).unwrap().iter().map(AuditRow::to_lines).collect();
    assert_eq!(lines.lines().count(), 5);
    let check = |text: &str| {
        verify::export(text.as_bytes(), Verifier::new(vec![log.public_key()], Vec::new())).unwrap()
    };
    assert_eq!(check(&lines).unwrap().signed, 3);
    // A second `actor` would be shown by one reader and hidden by another.
    let doubled =
        lines.replacen("{\"action\":\"alerts.close\"", "{\"actor\":\"eve\",\"action\":\"alerts.close\"", 1);
    assert_eq!(check(&doubled).unwrap_err().seq, 2);
    assert_eq!(
        check(&lines.replacen("\"seq\":3,\"entry\"", "\"seq\":4,\"entry\"", 1)).unwrap_err().kind,
        BreakKind::Missing
    );
    assert_eq!(check(&format!("{lines}nonsense\n")).unwrap_err().kind, BreakKind::Unreadable);
    assert_eq!(check("").unwrap_err().kind, BreakKind::Unsigned);
    assert_eq!(verify::export(&b""[..], Verifier::new(Vec::new(), Vec::new())).unwrap().unwrap().entries, 0);
}

/// A log with 30 entries and seven checkpoints, the last entry signed.
fn signed_log(folder: &Path) -> (State, AuditLog) {
    let (state, log) = open(folder);
    for number in 2..=30_u64 {
        log.append(&[(number as i64, fact(number))]).unwrap();
        if number % 5 == 0 {
            log.checkpoint(number as i64).unwrap().unwrap();
        }
    }
    (state, log)
}

/// Every entry from `seq` on is another one, and all hashes fit; checkpoints from `unsigned` to `until` are gone.
fn rewrite(state: &State, seq: u64, unsigned: u64, until: u64) {
    let rows: Vec<(u64, Vec<u8>, Vec<u8>)> = state
        .read(|db| {
            let mut select = db.prepare("SELECT seq, entry, hash FROM audit ORDER BY seq")?;
            let rows = select
                .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?.into_bytes(), row.get(2)?)))?;
            Ok::<_, Error>(rows.collect::<std::result::Result<_, _>>()?)
        })
        .unwrap();
    let mut sql = String::from("DROP TRIGGER audit_is_not_changed;");
    let mut hash = Digest::ZERO;
    for (number, entry, stored) in rows {
        if number < seq {
            hash = Digest::read(&stored).unwrap();
            continue;
        }
        let entry = String::from_utf8(entry).unwrap().replace("ana", "eve");
        hash = hash.next(entry.as_bytes());
        sql += &format!("UPDATE audit SET entry = '{entry}', hash = x'{hash}' WHERE seq = {number};");
    }
    sql += &format!("DELETE FROM audit_checkpoints WHERE seq BETWEEN {unsigned} AND {until};");
    state.write(|txn| Ok::<_, Error>(txn.execute_batch(&sql)?)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whoever makes all hashes fit and removes checkpoints is found with the key alone or by what lies beside it,
    /// and gets no signature, neither from the process that runs nor from the next.
    #[test]
    fn what_was_rewritten_is_neither_believed_nor_signed(
        seq in 2..=30_u64, from in 1..=31_u64, to in 1..=31_u64, adds in 0..3_u64, restarts in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (state, log) = signed_log(folder.path());
        rewrite(&state, seq, from, to);
        let (_state, log) = if restarts { drop((state, log)); open(folder.path()) } else { (state, log) };
        for number in 0..adds {
            log.append(&[(40, fact(number))]).unwrap();
        }
        let refused = log.checkpoint(50);
        prop_assert!(matches!(refused, Err(Error::AuditUnsigned { .. })), "{refused:?}");
        let is_unsigned = matches!(log.proved(), Err(Error::AuditUnsigned { .. }));
        prop_assert!(is_unsigned);
        let head = kept_head(folder.path()).unwrap();
        prop_assert_eq!(head.as_ref().map(|head| head.seq), Some(30));
        let path = folder.path().join("state.db");
        let beside = Verifier::new(vec![log.public_key()], Vec::new()).head(head);
        prop_assert!(verify::database(&path, beside).unwrap().is_err());
        // With the key alone: all but the end of what is signed is seen.
        if from > to || to < 30 || from > seq.div_ceil(5) * 5 {
            prop_assert!(verify::database(&path, Verifier::new(vec![log.public_key()], Vec::new())).unwrap().is_err());
        }
    }
}

#[test]
fn removed_checkpoints_are_missed() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log) = signed_log(folder.path());
    assert_eq!(check(folder.path(), &log, Vec::new()).unwrap().checkpoints, 7);
    let delete = "DELETE FROM audit_checkpoints WHERE seq IN (10, 15)";
    state.write(|txn| Ok::<_, Error>(txn.execute(delete, [])?)).unwrap();
    let found = check(folder.path(), &log, Vec::new()).unwrap_err();
    assert_eq!((found.kind, found.from, found.seq), (BreakKind::Checkpoint, 6, 20), "{found}");
}

#[test]
fn an_emptied_log_is_not_begun_anew_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log) = signed_log(folder.path());
    let empty = "DROP TRIGGER audit_is_not_deleted; DELETE FROM audit; DELETE FROM audit_checkpoints";
    state.write(|txn| Ok::<_, Error>(txn.execute_batch(empty)?)).unwrap();
    assert_eq!(check(folder.path(), &log, Vec::new()).unwrap_err().kind, BreakKind::Unsigned);
    drop((state, log));
    let (_state, log) = open(folder.path());
    assert!(matches!(log.proved(), Err(Error::AuditUnsigned { .. })));
    assert_eq!(log.newest_checkpoint().unwrap(), None);
    assert_eq!(check(folder.path(), &log, Vec::new()).unwrap_err().kind, BreakKind::Unsigned);
}

#[test]
fn the_head_is_kept_and_missed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(HEAD_FILE);
    drop(signed_log(folder.path()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let newest = std::fs::read(&path).unwrap();
    // A kill between a checkpoint and its file.
    let (state, log) = open(folder.path());
    log.append(&[(60, fact(31))]).unwrap();
    log.checkpoint(61).unwrap().unwrap();
    drop((state, log));
    std::fs::write(&path, &newest).unwrap();
    let (state, log) = open(folder.path());
    log.append(&[(62, fact(32))]).unwrap();
    assert_eq!(log.checkpoint(63).unwrap().unwrap().after, Some(31));
    assert_eq!(check(folder.path(), &log, Vec::new()).unwrap().signed, 32);
    drop((state, log));
    // Gone, no checkpoint, or signed by nobody: what it said is not known.
    let mut signed_by_nobody = kept_head(folder.path()).unwrap().unwrap();
    signed_by_nobody.seq = 1;
    for text in [None, Some("nonsense".to_owned()), Some(signed_by_nobody.to_line())] {
        match &text {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let (_state, log) = open(folder.path());
        log.append(&[(70, fact(33))]).unwrap();
        assert!(matches!(log.checkpoint(71), Err(Error::AuditUnsigned { .. })), "{text:?}");
    }
    // With another key it goes on, and whoever trusts the old one sees that.
    std::fs::remove_file(&path).unwrap();
    let old = SigningKey::open(folder.path()).unwrap().public();
    std::fs::remove_file(folder.path().join(SIGNING_KEY_FILE)).unwrap();
    let (_state, log) = open(folder.path());
    assert!(log.proved().is_ok());
    let verify =
        |keys| verify::database(&folder.path().join("state.db"), Verifier::new(keys, Vec::new())).unwrap();
    assert_eq!(verify(vec![old]).unwrap_err().kind, BreakKind::Checkpoint);
    assert_eq!(verify(vec![old, log.public_key()]).unwrap().keys.len(), 2);
}

#[test]
fn a_log_of_an_older_version_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (state, log) = open(folder.path());
    log.append(&[(5, fact(2))]).unwrap();
    log.checkpoint(6).unwrap();
    // As it was signed before: no word of the one before it, and no file.
    let key = SigningKey::open(folder.path()).unwrap();
    let mut signed = log.newest_checkpoint().unwrap().unwrap();
    signed.after = None;
    signed.sign_again(&key);
    let line = signed.to_line();
    assert!(!line.contains("after"));
    let old = "DELETE FROM audit_checkpoints";
    state
        .write(|txn| {
            txn.execute(old, [])?;
            Ok::<_, Error>(txn.execute("INSERT INTO audit_checkpoints VALUES (2, ?1)", [line])?)
        })
        .unwrap();
    drop((state, log));
    std::fs::remove_file(folder.path().join(HEAD_FILE)).unwrap();
    let (_state, log) = open(folder.path());
    log.append(&[(7, fact(3))]).unwrap();
    assert_eq!(log.checkpoint(8).unwrap().unwrap().after, Some(2));
    let report = check(folder.path(), &log, Vec::new()).unwrap();
    assert_eq!((report.signed, report.checkpoints), (3, 2));
}

#[test]
fn what_is_unsigned_for_too_long_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (_state, log) = signed_log(folder.path());
    let path = folder.path().join("state.db");
    let minute_us = 60_000_000;
    let verify = |now_us| {
        let verifier =
            Verifier::new(vec![log.public_key()], Vec::new()).signed_every(minute_us, Some(now_us));
        verify::database(&path, verifier).unwrap().map_err(|found| (found.kind, found.from, found.seq))
    };
    assert!(verify(1_000 * minute_us).is_ok(), "all is signed");
    log.append(&[(minute_us, fact(31)), (5 * minute_us, fact(32))]).unwrap();
    assert!(verify(2 * minute_us).is_ok());
    assert_eq!(verify(4 * minute_us).unwrap_err(), (BreakKind::Unsigned, 31, 32));
    // An export is as old as its last entry.
    let lines: String = log.oldest(0, 100).unwrap().iter().map(AuditRow::to_lines).collect();
    let verifier = |every_us| Verifier::new(vec![log.public_key()], Vec::new()).signed_every(every_us, None);
    let found = verify::export(lines.as_bytes(), verifier(minute_us)).unwrap().unwrap_err();
    assert_eq!(found.kind, BreakKind::Unsigned);
    assert!(verify::export(lines.as_bytes(), verifier(5 * minute_us)).unwrap().is_ok());
    log.append(&(0..2_000).map(|number| (5 * minute_us, fact(number))).collect::<Vec<_>>()).unwrap();
    let found = check(folder.path(), &log, Vec::new()).unwrap_err();
    assert_eq!((found.kind, found.from), (BreakKind::Unsigned, 31));
    log.checkpoint(6 * minute_us).unwrap();
    assert_eq!(verify(1_000 * minute_us).unwrap().entries, 2_032);
}

#[test]
fn entries_are_found_by_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let (_state, log) = open(folder.path());
    let mut intent = fact(1);
    intent.outcome = Outcome::Intended;
    let seq = log.append(&[(5, intent.clone())]).unwrap();
    log.append(&[
        (6, Fact::new("alerts.reopen", "bob")),
        (7, intent),
        (8, Fact { of: Some(seq), ..fact(1) }),
    ])
    .unwrap();
    let seqs = |filter: &AuditFilter, before| -> Vec<u64> {
        log.newest(filter, before, 10).unwrap().iter().map(|row| row.seq).collect()
    };
    let filter = AuditFilter::default;
    assert_eq!(seqs(&filter(), None), [5, 4, 3, 2, 1]);
    assert_eq!(seqs(&filter(), Some(3)), [2, 1]);
    assert_eq!(seqs(&AuditFilter { actor: Some("bob".into()), ..filter() }, None), [3]);
    assert_eq!(seqs(&AuditFilter { action: Some("alerts.".into()), ..filter() }, None), [5, 4, 3, 2]);
    assert_eq!(seqs(&AuditFilter { action: Some("alerts".into()), ..filter() }, None), [0_u64; 0]);
    assert_eq!(seqs(&AuditFilter { outcome: Some("intended".into()), ..filter() }, None), [4, 2]);
    assert_eq!(seqs(&AuditFilter { since_us: Some(6), until_us: Some(8), ..filter() }, None), [4, 3]);
    let open: Vec<u64> = log.unfinished().unwrap().iter().map(|row| row.seq).collect();
    assert_eq!(open, [4]);
}

#[tokio::test]
async fn anchors_outlive_torn_lines_and_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let (_state, log) = open(folder.path());
    let first = log.newest_checkpoint().unwrap().unwrap();
    log.append(&[(5, fact(2))]).unwrap();
    let second = log.checkpoint(3).unwrap().unwrap();
    let path = folder.path().join("anchor.ndjson");
    let file = Anchor::File(path.clone());
    file.write(&first).await.unwrap();
    let torn = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&torn[..], &torn[..20]].concat()).unwrap();
    file.write(&second).await.unwrap();
    assert_eq!(file.read().await.unwrap(), (vec![first.clone(), second.clone()], 1));
    let store = Arc::new(object_store::memory::InMemory::new());
    let objects = Anchor::Objects(store, object_store::path::Path::from("audit"));
    for checkpoint in [&first, &second, &first] {
        objects.write(checkpoint).await.unwrap();
    }
    assert_eq!(objects.read().await.unwrap(), (vec![first, second], 0));
}

#[test]
fn sql_shows_the_columns_that_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (state, _log) = open(folder.path());
    let table = state_table();
    let names: Vec<String> = state
        .read(|db| Ok::<_, Error>(db.prepare(table.sql)?.column_names().map(str::to_owned).collect()))
        .unwrap();
    assert_eq!(names, table.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

/// `/dev/full` takes nothing and says that the disk is full.
#[test]
fn a_head_that_the_disk_does_not_take_is_kept_later_and_the_log_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(&folder.path().join("state.db")).unwrap();
    let log = AuditLog::open(state.clone(), folder.path(), BEGIN_US).unwrap();
    let kept = || kept_head(folder.path()).unwrap().unwrap();
    let append = |log: &AuditLog, n: u64| log.append(&[(BEGIN_US + n as i64, fact(n))]).unwrap();
    append(&log, 1);
    let first = log.checkpoint(BEGIN_US + 10).unwrap().unwrap();
    assert_eq!(kept(), first);
    let full = folder.path().join("audit.head.part");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    append(&log, 2);
    for attempt in 0..2 {
        let error = log.checkpoint(BEGIN_US + 20).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{attempt}: {error}");
    }
    // The head is behind and whole, and what is signed goes on from it.
    assert_eq!(kept(), first);
    append(&log, 3);
    log.proved().unwrap();
    assert!(log.checkpoint(BEGIN_US + 30).is_err());
    let signed = log.newest_checkpoint().unwrap().unwrap();
    assert!(signed.seq > first.seq + 1, "it was signed all the same: {signed:?}");
    // A kill: the next start finds the newer signature in the log, and the disk is still full.
    drop(log);
    let log = AuditLog::open(state.clone(), folder.path(), BEGIN_US + 40).unwrap();
    log.proved().unwrap();
    append(&log, 4);
    assert!(log.checkpoint(BEGIN_US + 50).is_err());
    // What is written over a signed entry meanwhile is not signed, though the file knows less.
    let forge = |entry: &str| {
        state
            .write(|txn| {
                txn.execute_batch("DROP TRIGGER audit_is_not_changed")?;
                txn.execute(
                    "UPDATE audit SET entry = ?1 WHERE seq = ?2",
                    rusqlite::params![entry, signed.seq],
                )?;
                Ok::<_, Error>(())
            })
            .unwrap();
    };
    let whole: String = state
        .read(|db| {
            Ok::<_, Error>(
                db.query_row("SELECT entry FROM audit WHERE seq = ?1", [signed.seq], |row| row.get(0))?,
            )
        })
        .unwrap();
    // With room again the newest lies in the file.
    std::fs::remove_file(&full).unwrap();
    log.checkpoint(BEGIN_US + 60).unwrap();
    assert_eq!(Some(kept()), log.newest_checkpoint().unwrap());
    log.proved().unwrap();
    append(&log, 5);
    forge(&whole.replace("benign", "Benign"));
    let reopened = AuditLog::open(state.clone(), folder.path(), BEGIN_US + 70).unwrap();
    assert!(reopened.append(&[(BEGIN_US + 71, fact(6))]).is_ok(), "it is told, and not proved");
    assert!(verify_state(&state).is_err());
}

/// The whole log as it lies in the database, with the key that it names.
fn verify_state(state: &State) -> std::result::Result<(), String> {
    state
        .read(|db| {
            let mut hash = Digest::ZERO;
            let mut select = db.prepare("SELECT entry, hash FROM audit ORDER BY seq")?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let (entry, stored): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
                hash = hash.next(entry.as_bytes());
                if stored != hash.as_bytes() {
                    return Ok::<_, Error>(Err("an entry is not what it was".to_owned()));
                }
            }
            Ok(Ok(()))
        })
        .unwrap()
}
