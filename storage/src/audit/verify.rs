//! Checks a log against its own hashes, the signatures of its checkpoints, and checkpoints from beside it and
//! elsewhere.
//!
//! Needs nothing but the log and the public key: a data folder that nobody has opened, or an export.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::chain::{self, Digest};
use super::checkpoint::Checkpoint;
use super::key::PublicKey;
use super::page::bytes;
use super::start::Start;
use crate::{Error, Result};

/// How much longer than it should an entry may be without a signature: a busy machine is late.
const LATE_US: i64 = 60_000_000;
/// How many entries may be without a signature. One is due after half of them; a group may be written meanwhile.
const UNSIGNED: u64 = 2 * super::SIGN_AFTER;
/// The longest line of an export.
const LINE_BYTES: u64 = 4 << 20;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakKind {
    /// Entries were removed.
    Missing,
    /// An entry is there that has no place: put in, or moved.
    OutOfOrder,
    /// An entry or its hash is not what it was.
    Edited,
    /// The hashes fit each other, but not what was signed: entries were written anew.
    Rewritten,
    /// A checkpoint is not signed by a key that was given, or is unreadable.
    Checkpoint,
    /// The beginning, before which entries were dropped, is not proved.
    Start,
    /// Entries are not signed that should be by now.
    Unsigned,
    /// The end was cut off.
    Cut,
    /// It is another log than the one that the checkpoint is of.
    OtherChain,
    /// A line of an export is none of ours.
    Unreadable,
}

impl BreakKind {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::OutOfOrder => "out of order",
            Self::Edited => "edited",
            Self::Rewritten => "rewritten",
            Self::Checkpoint => "bad checkpoint",
            Self::Start => "bad beginning",
            Self::Unsigned => "unsigned",
            Self::Cut => "cut off",
            Self::OtherChain => "another chain",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The first place where a log is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// What is wrong.
    pub kind: BreakKind,
    /// The first entry that may be concerned.
    pub from: u64,
    /// The last entry that may be concerned; that of `from` where it is known exactly.
    pub seq: u64,
    /// In words.
    pub detail: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, from, seq, detail) = (self.kind.as_str(), self.from, self.seq, &self.detail);
        match from == seq {
            true => write!(f, "{kind} at entry {seq}: {detail}"),
            false => write!(f, "{kind} at entries {from} to {seq}: {detail}"),
        }
    }
}

/// A log in which nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The chain's id.
    pub chain: String,
    /// The last entry that was dropped; 0 where none was.
    pub dropped: u64,
    /// When it was dropped, microseconds since 1970.
    pub dropped_us: Option<i64>,
    /// The number of the last entry.
    pub entries: u64,
    /// The hash of the last.
    pub head: Digest,
    /// How many checkpoints of the log were verified.
    pub checkpoints: u64,
    /// The last entry that a checkpoint signs; those after it are chained only.
    pub signed: u64,
    /// How many checkpoints from elsewhere were verified.
    pub anchors: u64,
    /// The keys that signed.
    pub keys: Vec<PublicKey>,
}

/// Checks a log as its entries and checkpoints come by, in their order.
#[derive(Debug)]
pub struct Verifier {
    /// Empty: those that the log itself names.
    keys: Vec<PublicKey>,
    takes_own_keys: bool,
    anchors: BTreeMap<u64, Vec<Checkpoint>>,
    /// The checkpoint beside the key, until the log has come to it.
    head: Option<Checkpoint>,
    /// How long an entry may be without a signature, microseconds.
    sign_every_us: Option<i64>,
    /// What time it is, microseconds since 1970; the time of the last entry where that is not known.
    now_us: Option<i64>,
    /// The time of the first entry after those that are signed.
    unsigned_us: Option<i64>,
    /// The last entry.
    last: Vec<u8>,
    /// The last checkpoint of the log itself, or where it begins.
    checkpoint_seq: u64,
    report: Report,
}

impl Verifier {
    /// Against `keys`; without any, against the keys that the log names itself, which proves less. `anchors`
    /// are checkpoints that were kept elsewhere.
    pub fn new(keys: Vec<PublicKey>, anchors: Vec<Checkpoint>) -> Self {
        let mut by_seq: BTreeMap<u64, Vec<Checkpoint>> = BTreeMap::new();
        for anchor in anchors {
            by_seq.entry(anchor.seq).or_default().push(anchor);
        }
        let report = Report {
            chain: String::new(),
            dropped: 0,
            dropped_us: None,
            entries: 0,
            head: Digest::ZERO,
            checkpoints: 0,
            signed: 0,
            anchors: 0,
            keys: Vec::new(),
        };
        Self {
            takes_own_keys: keys.is_empty(),
            keys,
            anchors: by_seq,
            head: None,
            sign_every_us: None,
            now_us: None,
            unsigned_us: None,
            last: Vec::new(),
            checkpoint_seq: 0,
            report,
        }
    }

    /// Entries must be signed within `sign_every_us` microseconds, by the time `now_us` or where that is not given,
    /// as of an export, by that of the last entry.
    #[must_use]
    pub fn signed_every(mut self, sign_every_us: i64, now_us: Option<i64>) -> Self {
        (self.sign_every_us, self.now_us) = (Some(sign_every_us), now_us);
        self
    }

    /// The checkpoint that lies beside the log's key ([`kept_head`](super::kept_head)) must be in the log.
    #[must_use]
    pub fn head(mut self, head: Option<Checkpoint>) -> Self {
        self.head = head;
        self
    }

    /// Where the log begins, before its first entry; where it goes on from an archive, after that one's last.
    ///
    /// # Errors
    /// It is not signed by a key that is trusted, or does not fit what is kept elsewhere or came before.
    pub fn start(&mut self, line: &[u8]) -> std::result::Result<(), Break> {
        match Start::parse(line) {
            Some(start) => self.begin(&start),
            None => Err(at(BreakKind::Start, self.report.entries + 1, "the beginning is unreadable".into())),
        }
    }

    fn begin(&mut self, start: &Start) -> std::result::Result<(), Break> {
        let seq = start.seq;
        let bad = |detail: String| Err(Break { kind: BreakKind::Start, from: 1, seq, detail });
        if self.takes_own_keys {
            let named = start.keys.iter().chain([&start.key]);
            self.keys.extend(named.filter_map(|key| PublicKey::parse(key)));
        }
        let Some(key) = self.keys.iter().copied().find(|key| start.is_by(key)) else {
            return bad(format!("it is not signed by a key that is trusted (it names `{}`)", start.key));
        };
        if self.report.entries > 0 {
            // What came before is still there.
            let Report { chain, entries, head, .. } = &self.report;
            if (chain, *entries, head.to_string()) != (&start.chain, seq, start.hash.clone()) {
                return bad(format!("it follows entry {seq}, and does not fit entry {entries} before it"));
            }
            return Ok(());
        }
        let Some(head) = Digest::parse(&start.hash) else { return bad("its hash is none".into()) };
        let report = &mut self.report;
        (report.chain, report.head, report.entries) = (start.chain.clone(), head, seq);
        (report.dropped, report.dropped_us, report.signed) = (seq, Some(start.at_us), seq);
        self.checkpoint_seq = seq;
        if !report.keys.contains(&key) {
            report.keys.push(key);
        }
        // Whoever has the key can sign any beginning; what was kept elsewhere of the entries before it must
        // reach up to it, or they were written anew or dropped early.
        let newer = self.anchors.split_off(&seq);
        let older = std::mem::replace(&mut self.anchors, newer);
        let at_it = self.anchors.remove(&seq).unwrap_or_default();
        if let Some((last, _)) = older.last_key_value().filter(|_| at_it.is_empty()) {
            return bad(format!(
                "the log begins after entry {seq}, of which no checkpoint was kept elsewhere; the last before it \
                 is of entry {last}"
            ));
        }
        for anchor in at_it {
            self.signed(&anchor, "a checkpoint kept elsewhere")?;
            self.report.anchors += 1;
        }
        Ok(())
    }

    /// The next entry.
    ///
    /// # Errors
    /// The first break.
    pub fn entry(&mut self, seq: u64, entry: &[u8], hash: &[u8]) -> std::result::Result<(), Break> {
        let expected = self.report.entries + 1;
        if seq > expected {
            let detail = format!("entry {seq} comes after entry {}", self.report.entries);
            return Err(Break { kind: BreakKind::Missing, from: expected, seq: seq - 1, detail });
        }
        if seq < expected {
            let detail = format!("an entry numbered {seq} comes after entry {}", self.report.entries);
            return Err(at(BreakKind::OutOfOrder, expected, detail));
        }
        let computed = self.report.head.next(entry);
        if computed.as_bytes() != hash {
            return Err(at(
                BreakKind::Edited,
                seq,
                "the entry does not fit its hash and the one before".into(),
            ));
        }
        if seq == 1 {
            self.report.chain = chain::named(entry).unwrap_or_default();
        }
        if self.takes_own_keys {
            self.keys.extend(chain::named_key(entry));
        }
        (self.report.entries, self.report.head) = (seq, computed);
        if seq == self.report.signed + 1 {
            self.unsigned_us = chain::at_us(entry);
        }
        self.last.clear();
        self.last.extend_from_slice(entry);
        for anchor in self.anchors.remove(&seq).unwrap_or_default() {
            self.signed(&anchor, "a checkpoint kept elsewhere")?;
            self.report.anchors += 1;
        }
        Ok(())
    }

    /// A checkpoint of the log itself, after the entry that it signs.
    ///
    /// # Errors
    /// The first break.
    pub fn checkpoint(&mut self, line: &[u8]) -> std::result::Result<(), Break> {
        let Some(checkpoint) = Checkpoint::parse(line) else {
            let detail = "a checkpoint is unreadable".into();
            return Err(at(BreakKind::Checkpoint, self.report.entries, detail));
        };
        self.own(&checkpoint)
    }

    fn own(&mut self, checkpoint: &Checkpoint) -> std::result::Result<(), Break> {
        if checkpoint.seq != self.report.entries {
            let detail =
                format!("a checkpoint of entry {} lies at entry {}", checkpoint.seq, self.report.entries);
            return Err(at(BreakKind::Checkpoint, self.report.entries.max(1), detail));
        }
        let before = self.checkpoint_seq;
        if let Some(after) = checkpoint.after.filter(|after| *after != before) {
            let detail = format!(
                "the checkpoint of entry {} comes after that of entry {after}, and there is one of entry {before} before it",
                checkpoint.seq
            );
            let (from, seq) = (after.min(before) + 1, checkpoint.seq);
            return Err(Break { kind: BreakKind::Checkpoint, from, seq, detail });
        }
        self.signed(checkpoint, "a checkpoint")?;
        self.checkpoint_seq = checkpoint.seq;
        self.report.checkpoints += 1;
        if self.head.as_ref().is_some_and(|head| head.seq == checkpoint.seq) {
            // A signature is a function of what is signed.
            self.head.take_if(|head| head == checkpoint);
        }
        Ok(())
    }

    /// A checkpoint of the entry that was read last.
    fn signed(&mut self, checkpoint: &Checkpoint, what: &str) -> std::result::Result<(), Break> {
        let seq = checkpoint.seq;
        let Some(key) = self.keys.iter().copied().find(|key| checkpoint.is_by(key)) else {
            let detail =
                format!("{what} is not signed by a key that is trusted (it names `{}`)", checkpoint.key);
            return Err(at(BreakKind::Checkpoint, seq, detail));
        };
        if checkpoint.chain != self.report.chain {
            let detail =
                format!("{what} is of the chain `{}`, this is `{}`", checkpoint.chain, self.report.chain);
            // Its first entry names it, so that may be the one that was changed.
            return Err(Break { kind: BreakKind::OtherChain, from: 1, seq, detail });
        }
        if checkpoint.hash != self.report.head.to_string() {
            let detail = format!("the hashes fit each other, but not {what} of entry {seq}");
            return Err(Break { kind: BreakKind::Rewritten, from: self.report.signed + 1, seq, detail });
        }
        if !self.report.keys.contains(&key) {
            self.report.keys.push(key);
        }
        self.report.signed = self.report.signed.max(seq);
        Ok(())
    }

    /// After the last entry.
    ///
    /// # Errors
    /// The end was cut off, or is not signed.
    pub fn finish(self) -> std::result::Result<Report, Break> {
        let entries = self.report.entries;
        let beyond = self.anchors.values().flatten();
        // One that nobody trusts proves nothing, and is worth a word all the same.
        let Some(anchor) =
            beyond.max_by_key(|anchor| (self.keys.iter().any(|key| anchor.is_by(key)), anchor.seq))
        else {
            self.is_signed()?;
            return Ok(self.report);
        };
        if !self.keys.iter().any(|key| anchor.is_by(key)) {
            let detail = "a checkpoint kept elsewhere is not signed by a key that is trusted";
            return Err(at(BreakKind::Checkpoint, anchor.seq, detail.into()));
        }
        if entries > 0 && anchor.chain != self.report.chain {
            let detail = "a checkpoint kept elsewhere is of another chain".into();
            return Err(Break { kind: BreakKind::OtherChain, from: 1, seq: anchor.seq, detail });
        }
        Err(self.cut(anchor.seq))
    }

    /// Whether enough is signed.
    fn is_signed(&self) -> std::result::Result<(), Break> {
        let Report { entries, signed, dropped, .. } = self.report;
        let unsigned = |detail: String| {
            Err(Break { kind: BreakKind::Unsigned, from: signed + 1, seq: entries.max(1), detail })
        };
        if let Some(head) = self.head.as_ref().filter(|head| head.seq > dropped) {
            if head.seq > entries {
                return Err(self.cut(head.seq));
            }
            let detail =
                format!("the checkpoint of entry {}, which lies beside the key, is not in the log", head.seq);
            return Err(Break { kind: BreakKind::Checkpoint, from: 1, seq: head.seq, detail });
        }
        // Whoever has no key has not asked for a proof.
        if self.takes_own_keys {
            return Ok(());
        }
        if entries == 0 {
            return unsigned("the log is empty, and not even its beginning is there".into());
        }
        if signed == 0 {
            return unsigned("no checkpoint signs any entry".into());
        }
        if entries - signed > UNSIGNED {
            return unsigned(format!("after {} entries there is a checkpoint", super::SIGN_AFTER));
        }
        let Some(every_us) = self.sign_every_us.filter(|_| signed < entries) else { return Ok(()) };
        let now_us = self.now_us.or_else(|| chain::at_us(&self.last));
        let (Some(since_us), Some(now_us)) = (self.unsigned_us, now_us) else {
            return unsigned("it cannot be read when they were written".into());
        };
        if now_us.saturating_sub(since_us) > every_us.saturating_add(LATE_US) {
            return unsigned(
                "they should be signed by now. After a kill they are not, and the next start signs them where they go on \
                 from what was signed"
                    .into(),
            );
        }
        Ok(())
    }

    /// The log ends before the entry `seq`, which was signed. What lies between it and the last entry that is
    /// signed here may have been written anew.
    fn cut(&self, seq: u64) -> Break {
        let Report { entries, signed, .. } = self.report;
        let detail = format!(
            "the log ends with entry {entries}, of which {signed} are signed, and entry {seq} was signed"
        );
        Break { kind: BreakKind::Cut, from: signed + 1, seq, detail }
    }
}

fn at(kind: BreakKind, seq: u64, detail: String) -> Break {
    Break { kind, from: seq, seq, detail }
}

/// Checks the log in a state database, which is opened to be read only; a server may be using it.
///
/// # Errors
/// The database cannot be read, or has no audit log.
pub fn database(path: &Path, verifier: Verifier) -> Result<std::result::Result<Report, Break>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.pragma_update(None, "query_only", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    let view = db.unchecked_transaction()?;
    rows(&view, verifier)
}

fn rows(db: &Connection, mut verifier: Verifier) -> Result<std::result::Result<Report, Break>> {
    // A folder that only an older version has opened has no such table.
    let has_start: bool = db.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'audit_start')",
        [],
        |row| row.get(0),
    )?;
    if has_start {
        let mut select = db.prepare("SELECT line FROM audit_start ORDER BY one")?;
        let mut starts = select.query([])?;
        while let Some(row) = starts.next()? {
            if let Err(found) = verifier.start(bytes(row.get_ref(0)?)) {
                return Ok(Err(found));
            }
        }
    }
    let mut select = db.prepare("SELECT seq, entry, hash FROM audit ORDER BY seq")?;
    let mut checkpoints = db.prepare("SELECT seq, line FROM audit_checkpoints ORDER BY seq")?;
    let mut checkpoints = checkpoints.query([])?;
    let mut entries = select.query([])?;
    let mut signed: Option<(u64, Vec<u8>)> = None;
    loop {
        if signed.is_none()
            && let Some(row) = checkpoints.next()?
        {
            signed = Some((row.get(0)?, bytes(row.get_ref(1)?).to_vec()));
        }
        let Some(row) = entries.next()? else { break };
        let seq = row.get(0)?;
        if let Err(found) = verifier.entry(seq, bytes(row.get_ref(1)?), bytes(row.get_ref(2)?)) {
            return Ok(Err(found));
        }
        if let Some((at, line)) = signed.take_if(|(at, _)| *at <= seq) {
            let told = match at == seq {
                true => verifier.checkpoint(&line),
                false => Err(self::at(BreakKind::Checkpoint, at, "a checkpoint of no entry".into())),
            };
            if let Err(found) = told {
                return Ok(Err(found));
            }
        }
    }
    if let Some((seq, _)) = signed {
        return Ok(Err(verifier.cut(seq)));
    }
    Ok(verifier.finish())
}

/// A line of an export.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    seq: Option<u64>,
    #[serde(borrow)]
    entry: Option<&'a RawValue>,
    hash: Option<String>,
    checkpoint: Option<Checkpoint>,
    start: Option<Start>,
}

/// Checks an export: lines of JSON as `stormglass audit export` writes them.
///
/// # Errors
/// The text cannot be read.
pub fn export(mut text: impl BufRead, mut verifier: Verifier) -> Result<std::result::Result<Report, Break>> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let failed = |source| Error::Io { action: "read", path: "the export".into(), source };
        let read = std::io::Read::take(&mut text, LINE_BYTES).read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            return Ok(verifier.finish());
        }
        let trimmed = line.trim_ascii();
        if trimmed.is_empty() {
            continue;
        }
        let next = verifier.report.entries + 1;
        let told = match serde_json::from_slice::<Line<'_>>(trimmed) {
            Ok(Line {
                seq: Some(seq),
                entry: Some(entry),
                hash: Some(hash),
                checkpoint: None,
                start: None,
            }) => {
                let hash = Digest::parse(&hash).map(|hash| hash.as_bytes().to_vec()).unwrap_or_default();
                verifier.entry(seq, entry.get().as_bytes(), &hash)
            }
            Ok(Line { seq: None, entry: None, hash: None, checkpoint: Some(checkpoint), start: None }) => {
                verifier.own(&checkpoint)
            }
            Ok(Line { seq: None, entry: None, hash: None, checkpoint: None, start: Some(start) }) => {
                verifier.begin(&start)
            }
            _ => Err(at(
                BreakKind::Unreadable,
                next,
                "a line is neither an entry nor a checkpoint nor a beginning".into(),
            )),
        };
        if let Err(found) = told {
            return Ok(Err(found));
        }
    }
}
