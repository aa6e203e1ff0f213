//! As much of Thrift's compact protocol as shows whether what a file says of itself can be believed
//! (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>).

/// Structures deeper than this are none of Parquet's.
const MAX_DEPTH: usize = 32;

/// A reader over bytes of the protocol.
#[derive(Debug)]
pub(super) struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Thrift<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Passes over a structure, and gives `field` each whole number in it: 0, its field's number, the value;
    /// and those of the structures in it, with the number of the field that these are instead of 0.
    /// `None`: it breaks off, is too deep, or a list claims more elements than there are bytes left.
    pub(super) fn structure(&mut self, mut field: impl FnMut(i64, i64, i64)) -> Option<()> {
        self.fields(0, 0, &mut field)
    }

    fn fields(&mut self, depth: usize, within: i64, field: &mut dyn FnMut(i64, i64, i64)) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut number = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            let (delta, kind) = (head >> 4, head & 0x0f);
            number = match delta {
                0 => self.signed()?,
                delta => number + i64::from(delta),
            };
            match kind {
                // Truth values are in the head.
                1 | 2 => {}
                4..=6 => field(within, number, self.signed()?),
                12 if depth == 0 => self.fields(1, number, field)?,
                kind => self.value(kind, depth)?,
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            1..=3 => self.skip(1),
            4..=6 => self.signed().map(drop),
            7 => self.skip(8),
            8 => {
                let length = usize::try_from(self.unsigned()?).ok()?;
                self.skip(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let (short, kind) = (head >> 4, head & 0x0f);
                let count = if short == 15 { self.unsigned()? } else { u64::from(short) };
                self.elements(count, &[kind], depth)
            }
            11 => {
                let count = self.unsigned()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                self.elements(count, &[kinds >> 4, kinds & 0x0f], depth)
            }
            12 => self.fields(depth + 1, 0, &mut |_, _, _| ()),
            13 => self.skip(16),
            _ => None,
        }
    }

    fn elements(&mut self, count: u64, kinds: &[u8], depth: usize) -> Option<()> {
        // Each takes a byte at least.
        if count > (self.bytes.len() - self.at) as u64 {
            return None;
        }
        for _ in 0..count {
            for kind in kinds {
                self.value(*kind, depth + 1)?;
            }
        }
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len())?;
        self.at = end;
        Some(())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A zigzag number.
    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers with where they stand.
    type Numbers = Vec<(i64, i64, i64)>;

    fn numbers(bytes: &[u8]) -> Option<(Numbers, usize)> {
        let (mut found, mut thrift) = (Vec::new(), Thrift::new(bytes));
        thrift.structure(|within, number, value| found.push((within, number, value)))?;
        Some((found, thrift.at()))
    }

    #[test]
    fn numbers_are_found_and_the_rest_is_passed_over() {
        // 1: i32 0; 2: i32 300; 3: binary "ab"; 4: list of two i32; 5: struct { 1: i64 -1 }; 6: true.
        let bytes = [
            0x15, 0x00, 0x15, 0xd8, 0x04, 0x18, 0x02, b'a', b'b', 0x19, 0x25, 0x02, 0x04, 0x1c, 0x16, 0x01,
            0x00, 0x11, 0x00, 0xff,
        ];
        assert_eq!(numbers(&bytes), Some((vec![(0, 1, 0), (0, 2, 300), (5, 1, -1)], 19)));
        for end in 0..19 {
            assert_eq!(numbers(&bytes[..end]), None, "{end}");
        }
        // A list of 2^31 elements in six bytes, and structures without end.
        assert_eq!(numbers(&[0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00]), None);
        assert_eq!(numbers(&[0x1c; 1000]), None);
        assert_eq!(numbers(&[0x1b, 0x7f, 0x55, 0x00]), None);
    }
}
