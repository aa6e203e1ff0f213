//! The first lines of a text log, which name the fields of the others.
//!
//! Two forms are known:
//! - Amazon VPC flow logs: one line of names between blanks, `version account-id interface-id …`;
//! - W3C extended logs, as CloudFront writes them: `#Version: 1.0` and `#Fields: date time …`; values between
//!   tabs.
//!
//! Such a line is syntax around records and no record. It counts for the lines below it that have as many values
//! as it has names, up to the next such line. The names of the default format of VPC flow logs are left out: its
//! lines are known by themselves, and the names would double what is stored.

/// The longest header, in bytes; all fields that VPC flow logs can have take 1 KiB.
const MAX_BYTES: usize = 8 << 10;

const FIELDS: &[u8] = b"#Fields:";
const VERSION: &[u8] = b"#Version:";

/// The default format of VPC flow logs.
const DEFAULT: &[u8] = b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";

/// Names of which every format has some; "Flow log records", Amazon VPC User Guide.
const KNOWN: [&[u8]; 24] = [
    b"version",
    b"account-id",
    b"interface-id",
    b"srcaddr",
    b"dstaddr",
    b"srcport",
    b"dstport",
    b"protocol",
    b"packets",
    b"bytes",
    b"start",
    b"end",
    b"action",
    b"log-status",
    b"vpc-id",
    b"subnet-id",
    b"instance-id",
    b"tcp-flags",
    b"pkt-srcaddr",
    b"pkt-dstaddr",
    b"az-id",
    b"flow-direction",
    b"tgw-id",
    b"resource-type",
];

/// What was read of a header; empty where there is none.
#[derive(Debug, Default)]
pub(super) struct Header {
    text: Vec<u8>,
    separator: u8,
    /// How many names there are.
    fields: usize,
}

impl Header {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Takes `line` as a header, if it is one.
    pub(super) fn reads(&mut self, line: &[u8]) -> bool {
        if line.len() > MAX_BYTES {
            return false;
        }
        match line.first() {
            Some(b'#') if line.starts_with(VERSION) => *self = Self::default(),
            Some(b'#') if line.starts_with(FIELDS) => {
                let fields = words(line).count() - 1;
                *self = Self { text: line.to_vec(), separator: b'\t', fields };
            }
            Some(b'a'..=b'z') if names_flow(line) => {
                *self = match line {
                    DEFAULT => Self::default(),
                    _ => Self { text: line.to_vec(), separator: b' ', fields: words(line).count() },
                };
            }
            _ => return false,
        }
        true
    }

    /// Writes the header and `line` into `out`, if the header counts for it.
    pub(super) fn put_above(&self, line: &[u8], out: &mut Vec<u8>) -> bool {
        if self.text.is_empty() {
            return false;
        }
        let values = line.iter().filter(|byte| **byte == self.separator).count() + 1;
        if values != self.fields {
            return false;
        }
        out.clear();
        out.extend_from_slice(&self.text);
        out.push(b'\n');
        out.extend_from_slice(line);
        true
    }
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Whether a line is one of names of flow logs: nothing but small letters, digits, hyphens and blanks, and with
/// `start` at least three that are known. Others may be newer than this.
fn names_flow(line: &[u8]) -> bool {
    let is_name = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b' ');
    line.iter().all(is_name)
        && words(line).any(|word| word == b"start")
        && words(line).filter(|word| KNOWN.contains(word)).count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn above(header: &str, line: &str) -> Option<String> {
        let mut read = Header::default();
        assert!(read.reads(header.as_bytes()), "{header}");
        let mut out = Vec::new();
        read.put_above(line.as_bytes(), &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn headers_and_the_lines_that_they_count_for() {
        assert_eq!(
            above("srcaddr dstaddr start", "192.0.2.1 192.0.2.2 1700000000").unwrap(),
            "srcaddr dstaddr start\n192.0.2.1 192.0.2.2 1700000000"
        );
        assert_eq!(above("srcaddr dstaddr start", "192.0.2.1 192.0.2.2"), None);
        assert_eq!(
            above("#Fields: date time", "2026-01-01\t00:00:00").unwrap(),
            "#Fields: date time\n2026-01-01\t00:00:00"
        );
        assert_eq!(above("#Version: 1.0", "x"), None);
        let default = std::str::from_utf8(DEFAULT).unwrap();
        assert_eq!(above(default, &default.replace('-', "x")), None, "its lines are known by themselves");
    }

    #[test]
    fn other_lines_are_records() {
        for line in [
            "start of something",
            "start end of this",
            "srcaddr dstaddr srcport",
            "Start srcaddr dstaddr",
            "#comment",
            "",
            "2 111122223333 eni-0a1b2c3d",
        ] {
            assert!(!Header::default().reads(line.as_bytes()), "{line}");
        }
    }
}
