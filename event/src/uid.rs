//! Ids that are functions of content, so that a replay changes nothing.

use std::fmt;

use crate::LogType;

/// The 128-bit identity of an event: a hash over its log type and the source's own id.
///
/// BLAKE3 rather than a faster unkeyed hash, because whoever can choose ids in a log must not be
/// able to make an event look like a duplicate of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey(pub u128);

/// The text of an [`EventKey`] as it stands in the column `event_uid`: 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventUid([u8; 32]);

const HEX: &[u8; 16] = b"0123456789abcdef";

impl EventKey {
    /// Identity from the source's own id. `parts` together must be unique within the log type:
    /// one part for CloudTrail (`eventID`), several for GCP (`logName`, `timestamp`, `insertId`).
    pub fn from_parts(log_type: LogType, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(log_type.as_str().as_bytes());
        for part in parts {
            // The length keeps ("ab","c") apart from ("a","bc").
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self::from_hash(&hasher.finalize())
    }

    /// Identity of a record that carries no id of its own: its bytes.
    pub fn from_content(log_type: LogType, record: &[u8]) -> Self {
        Self::from_parts(log_type, &[b"content", record])
    }

    /// Identity of something else than an event, such as a value that is to be told from others; `kind` keeps
    /// kinds apart.
    pub fn of(kind: &str, parts: &[&[u8]]) -> Self {
        Self::of_pieces(kind, parts.iter().map(std::slice::from_ref))
    }

    /// As [`of`](Self::of), of parts whose bytes do not lie together.
    pub fn of_pieces<'p>(kind: &str, parts: impl IntoIterator<Item = &'p [&'p [u8]]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"\0");
        hasher.update(kind.as_bytes());
        for pieces in parts {
            let length: usize = pieces.iter().map(|piece| piece.len()).sum();
            hasher.update(&(length as u64).to_le_bytes());
            for piece in pieces {
                hasher.update(piece);
            }
        }
        Self::from_hash(&hasher.finalize())
    }

    fn from_hash(hash: &blake3::Hash) -> Self {
        let mut first = [0u8; 16];
        for (to, from) in first.iter_mut().zip(hash.as_bytes()) {
            *to = *from;
        }
        Self(u128::from_be_bytes(first))
    }

    /// The text for the column `event_uid`.
    pub fn uid(self) -> EventUid {
        let mut text = [b'0'; 32];
        for (index, digit) in text.iter_mut().enumerate() {
            let nibble = (self.0 >> (124 - 4 * index)) as usize & 0xf;
            *digit = HEX.get(nibble).copied().unwrap_or(b'0');
        }
        EventUid(text)
    }

    /// Reads a value of the column `event_uid` back; `None` for anything but 32 hexadecimal digits.
    pub fn parse(uid: &str) -> Option<Self> {
        if uid.len() != 32 || !uid.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(uid, 16).ok().map(Self)
    }
}

impl EventUid {
    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for EventUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back() {
        let key = EventKey::from_parts(LogType::AwsCloudtrail, &[b"0f9c"]);
        assert_eq!(EventKey::parse(key.uid().as_str()), Some(key));
        assert_eq!(EventKey::parse("xyz"), None);
        assert_eq!(EventKey(0xab).uid().as_str(), "000000000000000000000000000000ab");
    }

    #[test]
    fn pieces_are_the_part_that_they_make() {
        let pieces: [&[&[u8]]; 2] = [&[b"a", b"", b"b"], &[b"c"]];
        assert_eq!(EventKey::of_pieces("k", pieces), EventKey::of("k", &[b"ab", b"c"]));
        assert_ne!(EventKey::of_pieces("k", pieces), EventKey::of("k", &[b"a", b"bc"]));
    }

    #[test]
    fn parts_do_not_run_together() {
        let one = EventKey::from_parts(LogType::GcpAudit, &[b"ab", b"c"]);
        let two = EventKey::from_parts(LogType::GcpAudit, &[b"a", b"bc"]);
        assert_ne!(one, two);
        assert_ne!(one, EventKey::from_parts(LogType::EntraAudit, &[b"ab", b"c"]));
    }
}
