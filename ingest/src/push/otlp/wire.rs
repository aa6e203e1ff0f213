//! Protobuf's wire format, as much as reading and answering OTLP needs.
//!
//! Thirty lines a message spare a code generator and a tree of structs that would be turned into JSON at once.

use super::BadRequest;

/// A field's value as it lies on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// Reads the fields of a message one after another.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field: its number and value.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, BadRequest> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| TORN)?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(BadRequest::new("a protobuf field has a wire type that is not in use")),
        };
        Ok(Some((tag >> 3, value)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], BadRequest> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(TORN)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadRequest> {
        self.take(N)?.try_into().map_err(|_| TORN)
    }

    fn varint(&mut self) -> Result<u64, BadRequest> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(BadRequest::new("a protobuf number has more than 64 bits"))
    }
}

const TORN: BadRequest = BadRequest::new("the protobuf message breaks off");

impl<'a> Field<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], BadRequest> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(BadRequest::new("a protobuf field of text or message has a number in it")),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, BadRequest> {
        simdutf8::basic::from_utf8(self.bytes()?).map_err(|_| BadRequest::new("a protobuf text is no UTF-8"))
    }

    pub(super) fn number(self) -> Result<u64, BadRequest> {
        match self {
            Self::Varint(number) | Self::Fixed64(number) => Ok(number),
            Self::Fixed32(number) => Ok(number.into()),
            Self::Bytes(_) => Err(BadRequest::new("a protobuf field of a number has bytes in it")),
        }
    }
}

/// Appends a field of a number to a message; 0 is the default and is left out.
pub(super) fn put_number(out: &mut Vec<u8>, field: u8, number: u64) {
    if number > 0 {
        out.push(field << 3);
        put_varint(out, number);
    }
}

/// Appends a field of bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_read_back() {
        let mut message = Vec::new();
        put_number(&mut message, 1, 0);
        put_number(&mut message, 2, u64::MAX);
        put_bytes(&mut message, 3, &[7; 200]);
        message.extend([4 << 3 | 5, 1, 0, 0, 0, 5 << 3 | 1, 2, 0, 0, 0, 0, 0, 0, 0]);
        let mut fields = Fields::of(&message);
        assert_eq!(fields.next(), Ok(Some((2, Field::Varint(u64::MAX)))));
        assert_eq!(fields.next(), Ok(Some((3, Field::Bytes(&[7; 200])))));
        assert_eq!(fields.next(), Ok(Some((4, Field::Fixed32(1)))));
        assert_eq!(fields.next(), Ok(Some((5, Field::Fixed64(2)))));
        assert_eq!(fields.next(), Ok(None));
    }

    #[test]
    fn broken_messages_are_refused() {
        for message in [&[0x0a][..], &[0x0a, 5, 1], &[0x08, 0x80], &[0x09, 1], &[0x0b], &[0xff; 11]] {
            assert!(Fields::of(message).next().is_err(), "{message:?}");
        }
    }
}
