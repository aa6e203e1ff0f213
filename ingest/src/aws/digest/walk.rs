//! The chain of digests, from the newest to the oldest.

use super::document::Digest;
use super::keys::PublicKeys;
use super::trail::end_of_key;
use super::{DigestReport, DigestState, Finding, LogFile};
use crate::aws::ObjectAddress;

/// A digest as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredDigest {
    /// The object's bytes, compressed as they are.
    pub bytes: Vec<u8>,
    /// `x-amz-meta-signature`: hexadecimal.
    pub signature: Option<String>,
    /// `x-amz-meta-signature-algorithm`.
    pub algorithm: Option<String>,
}

/// A walk along a chain. Ask what it [wants](Self::wanted), [give](Self::give) it that, until it wants
/// nothing more; then [finish](Self::finish).
///
/// Where the chain breaks it goes on with the next older digest of the listing, as AWS's own tool does.
#[derive(Debug, Clone)]
pub struct ChainWalk {
    /// Digests that the bucket lists, oldest first, by their ends.
    listing: Vec<(i64, String)>,
    keys: PublicKeys,
    start_unix_s: i64,
    end_unix_s: i64,
    next: Option<ObjectAddress>,
    /// Where the last valid digest begins, or the first that is looked at ends.
    last_start_unix_s: i64,
    /// Spans of valid digests.
    covered: Vec<(i64, i64)>,
}

impl ChainWalk {
    /// A walk along the digests that `bucket` lists, for the time from `start_unix_s` to `end_unix_s`
    /// (seconds since 1970).
    pub fn new(
        bucket: &str,
        listing: impl IntoIterator<Item = String>,
        keys: PublicKeys,
        start_unix_s: i64,
        end_unix_s: i64,
    ) -> Self {
        let mut walk = Self {
            listing: Vec::new(),
            keys,
            start_unix_s,
            end_unix_s,
            next: None,
            last_start_unix_s: i64::MAX,
            covered: Vec::new(),
        };
        walk.relist(listing);
        if let Some((end, key)) = walk.listing.pop() {
            walk.last_start_unix_s = end;
            walk.next = Some(ObjectAddress { bucket: bucket.to_owned(), key });
        }
        walk
    }

    /// Takes another listing: the chain went on in another bucket.
    pub fn relist(&mut self, listing: impl IntoIterator<Item = String>) {
        self.listing = listing.into_iter().filter_map(|key| Some((end_of_key(&key)?, key))).collect();
        self.listing.sort_unstable();
    }

    /// The time that was asked for, from and to.
    pub(super) fn span(&self) -> (i64, i64) {
        (self.start_unix_s, self.end_unix_s)
    }

    /// The digest to give next; `None` at the end of the chain or of the time that was asked for.
    pub fn wanted(&self) -> Option<&ObjectAddress> {
        self.next.as_ref().filter(|_| self.start_unix_s <= self.last_start_unix_s)
    }

    /// Takes what is stored under the address that is wanted; `None`: nothing. The log files that it
    /// proves are to be judged next.
    pub fn give(&mut self, stored: Option<StoredDigest>, report: &mut DigestReport) -> Vec<LogFile> {
        let Some(object) = self.next.take() else { return Vec::new() };
        match self.judge(&object, stored) {
            Ok(digest) => self.follow(object, digest, report),
            Err((state, detail)) => {
                self.next = self.older(&object).map(|(_, key)| ObjectAddress { key, ..object.clone() });
                report.findings.push(Finding { state, object: Some(object), span: None, detail });
                Vec::new()
            }
        }
    }

    fn judge(
        &self,
        object: &ObjectAddress,
        stored: Option<StoredDigest>,
    ) -> Result<Digest, (DigestState, String)> {
        let Some(stored) = stored else { return Err((DigestState::DigestMissing, String::new())) };
        let digest =
            Digest::read(&stored.bytes).map_err(|problem| (DigestState::DigestUnreadable, problem))?;
        let (Some(signature), Some(algorithm)) = (stored.signature, stored.algorithm) else {
            let detail = "the object has no `signature` or `signature-algorithm` in its metadata";
            return Err((DigestState::SignatureBad, detail.into()));
        };
        if digest.object != *object {
            return Err((DigestState::DigestMoved, format!("it was written to `{}`", digest.object)));
        }
        if algorithm != "SHA256withRSA" {
            return Err((DigestState::SignatureBad, format!("`{algorithm}` is not known")));
        }
        let signature = unhex(&signature).ok_or_else(|| {
            (DigestState::SignatureBad, "the signature is not written in hexadecimal".to_owned())
        })?;
        match self.keys.verify(&digest.fingerprint, digest.signed_text().as_bytes(), &signature) {
            Some(true) => Ok(digest),
            Some(false) => Err((DigestState::SignatureBad, String::new())),
            None => Err((DigestState::KeyUnknown, format!("its fingerprint is `{}`", digest.fingerprint))),
        }
    }

    fn follow(&mut self, object: ObjectAddress, digest: Digest, report: &mut DigestReport) -> Vec<LogFile> {
        let span = (digest.start_unix_s, digest.end_unix_s);
        self.last_start_unix_s = span.0;
        self.covered.push(span);
        let found = |state, object, span| Finding { state, object, span: Some(span), detail: String::new() };
        report.findings.push(found(DigestState::Valid, Some(object.clone()), span));
        self.next = match digest.previous {
            // A digest that names itself or a newer one would be walked for ever.
            Some(previous) if end_of_key(&previous.key) < end_of_key(&object.key) => Some(previous),
            _ => {
                let older = self.older(&object);
                if let Some((end, _)) = &older {
                    report.findings.push(found(DigestState::ChainGap, Some(object.clone()), (*end, span.0)));
                }
                older.map(|(_, key)| ObjectAddress { key, ..object })
            }
        };
        digest.logs
    }

    /// The newest digest of the listing that is older than `object`.
    fn older(&mut self, object: &ObjectAddress) -> Option<(i64, String)> {
        let before = end_of_key(&object.key)?;
        while let Some((end, key)) = self.listing.pop() {
            if end < before {
                return Some((end, key));
            }
        }
        None
    }

    /// Adds the spans for which no valid digest speaks.
    pub fn finish(mut self, report: &mut DigestReport) {
        self.covered.sort_unstable();
        self.covered.push((self.end_unix_s, self.end_unix_s));
        let mut at = self.start_unix_s;
        for (start, end) in self.covered {
            let hole = (at, start.min(self.end_unix_s));
            if hole.0 < hole.1 {
                let state = DigestState::NotCovered;
                report.findings.push(Finding {
                    state,
                    object: None,
                    span: Some(hole),
                    detail: String::new(),
                });
            }
            at = at.max(end);
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}
