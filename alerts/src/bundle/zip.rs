//! A package in one file: a ZIP archive (APPNOTE 6.3) whose files are stored as they are.
//!
//! Every field is a function of the files' names and bytes, so that the same files are the same archive, and an
//! archive that is not byte for byte what [`write_zip`] makes of its files was touched.

use std::collections::BTreeMap;

use crate::{Error, Result};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Version needed, flags, method, time and date: 2.0, names in UTF-8, stored, 1980-01-01.
const FIXED: [u16; 5] = [20, 0x0800, 0, 0, 0x0021];
/// The length of a local header without its name.
const HEADER: usize = 30;

/// The archive of some files.
///
/// # Errors
/// [`Error::PackageTooLarge`]: beyond 4 GiB or 65535 files the form is another.
pub fn write_zip(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let bytes: usize = files.iter().map(|(name, bytes)| bytes.len() + 2 * name.len() + 128).sum();
    if u32::try_from(bytes).is_err() || files.len() >= usize::from(u16::MAX) {
        let limit = u32::MAX as usize;
        return Err(Error::PackageTooLarge { id: "package".into(), bytes, limit });
    }
    let mut out = Vec::with_capacity(bytes);
    let mut central = Vec::new();
    for (name, bytes) in files {
        let offset = out.len() as u32;
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let mut shared = Vec::with_capacity(26);
        for field in FIXED {
            shared.extend(field.to_le_bytes());
        }
        for field in [crc.sum(), bytes.len() as u32, bytes.len() as u32] {
            shared.extend(field.to_le_bytes());
        }
        for field in [name.len() as u16, 0] {
            shared.extend(field.to_le_bytes());
        }
        out.extend(LOCAL.to_le_bytes());
        out.extend(&shared);
        out.extend(name.as_bytes());
        out.extend(bytes);
        central.extend(CENTRAL.to_le_bytes());
        // Made by 2.0 under MS-DOS: no rights of files.
        central.extend(20_u16.to_le_bytes());
        central.extend(&shared);
        // No comment, first disk, no attributes.
        central.extend([0; 10]);
        central.extend(offset.to_le_bytes());
        central.extend(name.as_bytes());
    }
    let (offset, count) = (out.len() as u32, files.len() as u16);
    out.extend(&central);
    out.extend(END.to_le_bytes());
    out.extend([0; 4]);
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend((central.len() as u32).to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend([0; 2]);
    Ok(out)
}

/// The files of an archive that [`write_zip`] made.
///
/// # Errors
/// [`Error::PackageDamaged`]: it is no such archive, or not a byte more or less or other than one.
pub fn read_zip(archive: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let damaged = |problem: &str| Error::PackageDamaged { problem: problem.to_owned() };
    let mut files = BTreeMap::new();
    let mut rest = archive;
    while let Some(header) = rest.get(..HEADER)
        && header.starts_with(&LOCAL.to_le_bytes())
    {
        let number = |at: usize, bytes: usize| -> usize {
            let digits = header.get(at..at + bytes).unwrap_or_default();
            digits.iter().rev().fold(0, |sum, digit| sum << 8 | usize::from(*digit))
        };
        let (size, name_length) = (number(18, 4), number(26, 2));
        let end = HEADER + name_length + size;
        let (Some(name), Some(bytes)) =
            (rest.get(HEADER..HEADER + name_length), rest.get(HEADER + name_length..end))
        else {
            return Err(damaged("the archive ends within a file"));
        };
        let name = std::str::from_utf8(name).map_err(|_| damaged("a file's name is no text"))?;
        files.insert(name.to_owned(), bytes.to_vec());
        rest = rest.get(end..).unwrap_or_default();
    }
    if write_zip(&files)? != archive {
        return Err(damaged(
            "the archive is not as it was written; if somebody packed it anew, unpack it and verify the folder",
        ));
    }
    Ok(files)
}
