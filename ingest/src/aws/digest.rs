//! CloudTrail's digest files: proof that log files are whole, and the list of those that there are.
//!
//! One digest an hour, region and trail, also when nothing happened. It names every log file that was
//! delivered in its hour with the SHA-256 of its content, is signed, and names the digest before it
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html>).
//! [`ChainWalk`] follows that chain from the newest to the oldest and judges; it reads nothing itself.
//! [`TrailDigests`] reads for it, and [`DigestsCollector`] hour by hour. The verdicts are those of `aws cloudtrail validate-logs`, which the
//! tests run beside it.

mod document;
mod find;
mod findings;
mod follow;
mod keys;
mod trail;
mod walk;

use super::ObjectAddress;

pub use document::LogFile;
pub use find::{TrailArn, TrailPlace};
pub use follow::{DigestsCollector, FollowDigestsConfig};
pub use keys::PublicKeys;
pub use trail::{Trail, TrailDigests, TrailDigestsConfig};
pub use walk::{ChainWalk, StoredDigest};

/// What is found of a digest, a log file or a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DigestState {
    /// It is as CloudTrail wrote it.
    Valid,
    /// A log file is not what its digest says.
    LogModified,
    /// A log file that a digest names is gone.
    LogMissing,
    /// A digest that the one after it names is gone.
    DigestMissing,
    /// A digest says that it lies elsewhere.
    DigestMoved,
    /// A digest is no gzip, no JSON, or lacks a member.
    DigestUnreadable,
    /// A digest's signature is missing or not of this content and key.
    SignatureBad,
    /// No public key has the fingerprint that a digest names.
    KeyUnknown,
    /// A digest begins a chain although there are older ones: logging or validation was switched off.
    ChainGap,
    /// No valid digest speaks for a span of time. The newest hour has none yet.
    NotCovered,
}

impl DigestState {
    /// The name in tables and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::LogModified => "log_modified",
            Self::LogMissing => "log_missing",
            Self::DigestMissing => "digest_missing",
            Self::DigestMoved => "digest_moved",
            Self::DigestUnreadable => "digest_unreadable",
            Self::SignatureBad => "signature_bad",
            Self::KeyUnknown => "key_unknown",
            Self::ChainGap => "chain_gap",
            Self::NotCovered => "not_covered",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was found.
    pub state: DigestState,
    /// The digest or log file; `None` for a span of time.
    pub object: Option<ObjectAddress>,
    /// The span in seconds since 1970, from and to: of a gap, of what is not covered, of a valid digest.
    pub span: Option<(i64, i64)>,
    /// More, for people; may be empty.
    pub detail: String,
}

/// What a walk along a chain found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DigestReport {
    /// Everything, in the order in which it was found: newest first.
    pub findings: Vec<Finding>,
    /// The log files that valid digests name, whether they are good or not.
    pub logs: Vec<LogFile>,
}

impl DigestReport {
    /// Whether everything is as it should be; time that is not covered does not count against it.
    pub fn is_valid(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| matches!(finding.state, DigestState::Valid | DigestState::NotCovered))
    }

    /// Log files that there are and that were never ingested: what announced them was lost. They are to
    /// be fetched.
    pub fn not_ingested(&self, is_ingested: impl Fn(&ObjectAddress) -> bool) -> Vec<&ObjectAddress> {
        let gone = |object: &ObjectAddress| {
            self.findings
                .iter()
                .any(|found| found.state == DigestState::LogMissing && found.object.as_ref() == Some(object))
        };
        self.logs
            .iter()
            .map(|log| &log.object)
            .filter(|object| !is_ingested(object) && !gone(object))
            .collect()
    }
}

/// Walks a chain whose files are at hand. `digest` gives what is stored under an address, if anything is;
/// `log` the bytes of a log file as they are stored.
pub fn verify_chain(
    mut walk: ChainWalk,
    mut digest: impl FnMut(&ObjectAddress) -> Option<StoredDigest>,
    mut log: impl FnMut(&ObjectAddress) -> Option<Vec<u8>>,
) -> DigestReport {
    let mut report = DigestReport::default();
    while let Some(wanted) = walk.wanted().cloned() {
        let stored = digest(&wanted);
        for named in walk.give(stored, &mut report) {
            let stored = log(&named.object);
            report.findings.push(named.judge(stored.as_deref()));
            report.logs.push(named);
        }
    }
    walk.finish(&mut report);
    report
}
