//! What is kept of a file or object between runs, as the text of a position.

use super::growing::{Mark, Within};

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
        let Mark { offset, number, crc, within } = self.mark;
        let within = match within {
            Within::Nothing => 0,
            Within::List => 2,
            Within::EndedList => 4,
        };
        let done = u8::from(self.is_done) + within;
        format!("{offset} {number} {crc:08x} {} {done} {} {}", self.size, self.modified_us, self.label)
    }

    /// From its saved text; `None` if that is of another version.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(7, ' ');
        let mut next = || parts.next();
        let offset = next()?.parse().ok()?;
        let number = next()?.parse().ok()?;
        let crc = u32::from_str_radix(next()?, 16).ok()?;
        let size = next()?.parse().ok()?;
        let done: u8 = next()?.parse().ok()?;
        let within = match done & !1 {
            0 => Within::Nothing,
            2 => Within::List,
            4 => Within::EndedList,
            _ => return None,
        };
        Some(Self {
            mark: Mark { offset, number, crc, within },
            size,
            is_done: done & 1 == 1,
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
        for (label, is_done, within) in [
            ("/var/log/an app.log#0f", false, Within::Nothing),
            ("", true, Within::Nothing),
            ("\"0x8D\"", false, Within::List),
            ("\"0x8D\"", false, Within::EndedList),
        ] {
            let mark = Mark { offset: u64::MAX, number: 7, crc: 0xff, within };
            let kept = Kept { mark, size: 12, is_done, modified_us: -5, label: label.into() };
            assert_eq!(Kept::from_text(&kept.to_text()), Some(kept));
        }
        assert_eq!(Kept::from_text("1 2 3"), None);
        assert_eq!(Kept::from_text(""), None);
    }
}
