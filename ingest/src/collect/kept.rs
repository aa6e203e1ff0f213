//! What is kept of a file or object between runs, as the text of a position.

use super::growing::Mark;

/// The state of one file or object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// How far it was read.
    pub(super) mark: Mark,
    /// Of a file, how many bytes its fingerprint covers; of an object, its size when it was last read.
    pub(super) size: u64,
    /// Of a file: it was compressed and read to its end, nothing will follow. Of an object: it is compressed.
    pub(super) is_done: bool,
    /// Of an object, when it was last modified, in microseconds since 1970.
    pub(super) modified_us: i64,
    /// Of a file, the origin of its records; of an object, the tag of the version that was read.
    pub(super) label: String,
}

impl Kept {
    /// As it is saved.
    pub(super) fn to_text(&self) -> String {
        let Mark { offset, number, crc } = self.mark;
        let done = u8::from(self.is_done);
        format!("{offset} {number} {crc:08x} {} {done} {} {}", self.size, self.modified_us, self.label)
    }

    /// From its saved text; `None` if that is of another version.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(7, ' ');
        let mut next = || parts.next();
        Some(Self {
            mark: Mark {
                offset: next()?.parse().ok()?,
                number: next()?.parse().ok()?,
                crc: u32::from_str_radix(next()?, 16).ok()?,
            },
            size: next()?.parse().ok()?,
            is_done: next()? == "1",
            modified_us: next()?.parse().ok()?,
            label: next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_reads_back() {
        for (label, is_done) in [("/var/log/an app.log#0f", false), ("", true)] {
            let mark = Mark { offset: u64::MAX, number: 7, crc: 0xff };
            let kept = Kept { mark, size: 12, is_done, modified_us: -5, label: label.into() };
            assert_eq!(Kept::from_text(&kept.to_text()), Some(kept));
        }
        assert_eq!(Kept::from_text("1 2 3"), None);
        assert_eq!(Kept::from_text(""), None);
    }
}
