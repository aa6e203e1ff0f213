//! What bytes are, by the first of them; names lie.

/// The longest start that [`Format::of`] looks at.
pub(super) const MAGIC_BYTES: usize = 8;

/// The format of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text, as far as one can see.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// Rows in columns (<https://parquet.apache.org/docs/file-format/>).
    Parquet,
    /// Something that holds no JSON text as it is.
    Foreign(&'static str),
}

/// Known starts. Zstandard's skippable frames (RFC 8878, 3.1.2) are told apart in [`is_zstd`].
const STARTS: [(&[u8], Format); 10] = [
    (b"\x1f\x8b", Format::Gzip),
    (b"PK\x03\x04", Format::Foreign("a zip archive")),
    (b"PAR1", Format::Parquet),
    (b"Obj\x01", Format::Foreign("an Avro file")),
    (b"ORC", Format::Foreign("an ORC file")),
    (b"BZh", Format::Foreign("bzip2")),
    (b"\xfd7zXZ\x00", Format::Foreign("xz")),
    (b"\x04\x22\x4d\x18", Format::Foreign("LZ4")),
    (b"\xff\xfe", Format::Foreign("UTF-16 text")),
    (b"\xfe\xff", Format::Foreign("UTF-16 text")),
];

impl Format {
    /// The format of an input that begins with `start`.
    pub(crate) fn of(start: &[u8]) -> Self {
        if is_zstd(start) {
            return Self::Zstd;
        }
        let known = STARTS.iter().find(|(magic, _)| start.starts_with(magic));
        known.map_or(Self::Plain, |(_, format)| *format)
    }

    /// The name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "text",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Parquet => "a Parquet file",
            Self::Foreign(name) => name,
        }
    }
}

/// Whether a Zstandard frame, or one of the frames that a reader skips, begins here.
pub(super) fn is_zstd(start: &[u8]) -> bool {
    match start.first_chunk::<4>().map(|magic| u32::from_le_bytes(*magic)) {
        Some(magic) => magic == 0xfd2f_b528 || magic & 0xffff_fff0 == 0x184d_2a50,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        for (start, format) in [
            (&b"{\"a\":1}"[..], Format::Plain),
            (b"", Format::Plain),
            (b"\x1f", Format::Plain),
            (b"\x1f\x8b\x08", Format::Gzip),
            (b"\x28\xb5\x2f\xfd\x00", Format::Zstd),
            (b"\x5a\x2a\x4d\x18\x00", Format::Zstd),
            (b"PK\x03\x04....", Format::Foreign("a zip archive")),
            (b"\xff\xfe{\x00", Format::Foreign("UTF-16 text")),
        ] {
            assert_eq!(Format::of(start), format, "{start:?}");
        }
        assert!(STARTS.iter().all(|(magic, _)| magic.len() <= MAGIC_BYTES));
    }
}
