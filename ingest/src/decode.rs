//! Compressed or plain: what a reader gives, inflated within bounds. Parquet counts as compressed lines of JSON.
//!
//! The format is told by the first bytes, not by a name. One layer is taken off. What stands before
//! damage, or before a limit, is always delivered.

mod format;
mod gzip;
mod parquet;
mod source;
#[cfg(test)]
mod tests;
mod zstd;

use std::io::{self, Read};

use crate::Limits;
pub(crate) use format::Format;
use format::MAGIC_BYTES;
use gzip::Gzip;
use parquet::Parquet;
use source::Source;
use zstd::Zstd;

/// More gzip members or zstd frames than this make an input suspect.
const MAX_MEMBERS: u32 = 10_000;

/// So much may be inflated whatever the ratio: a short run of zeros is no bomb.
const FREE_BYTES: u64 = 1 << 20;

/// What one read gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing more, and all is well.
    End,
    /// Nothing more: the input is damaged or too large. The reason is that of a reject.
    Damaged(String),
    /// The first bytes (so many) show that all of it is no text. The reason is that of a reject.
    Foreign(usize, String),
}

/// Reads an input of any format.
#[derive(Debug)]
pub(crate) struct Decoder {
    source: Source,
    /// Unknown before the first read.
    body: Option<Body>,
    inflated: u64,
    /// What ended the input while its first bytes were looked at.
    end: Option<Chunk>,
    limits: Limits,
}

#[derive(Debug)]
enum Body {
    Plain,
    Gzip(Gzip),
    Zstd(Zstd),
    Parquet(Box<Parquet>),
}

impl Decoder {
    pub(crate) fn new(read: Box<dyn Read + Send>, limits: Limits) -> Self {
        Self { source: Source::new(read), body: None, inflated: 0, end: None, limits }
    }

    /// Reads plain bytes from the middle of an input, where nothing tells its format.
    pub(crate) fn plain(read: Box<dyn Read + Send>, limits: Limits) -> Self {
        Self { body: Some(Body::Plain), ..Self::new(read, limits) }
    }

    /// Whether bytes are handed out as they are; known after the first read.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.body, Some(Body::Plain))
    }

    /// How many bytes were read from the input, compressed as they are.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.source.bytes_read()
    }

    /// Reads into `out`, which has room for some.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> io::Result<Chunk> {
        if self.body.is_none() {
            return self.first(out);
        }
        match self.end.take() {
            Some(end) => Ok(end),
            None => self.inflate(out),
        }
    }

    /// The first bytes tell the format of the input, and of what is inside.
    fn first(&mut self, out: &mut [u8]) -> io::Result<Chunk> {
        let outer = Format::of(self.source.look_ahead(MAGIC_BYTES)?);
        self.body = Some(match outer {
            Format::Gzip => Body::Gzip(Gzip::new()),
            Format::Zstd => Body::Zstd(Zstd::new()?),
            Format::Parquet => Body::Parquet(Box::new(Parquet::new(self.limits.inflated_bytes))),
            Format::Plain | Format::Foreign(_) => Body::Plain,
        });
        let mut count = 0;
        while count < MAGIC_BYTES.min(out.len()) {
            match self.inflate(out.get_mut(count..).unwrap_or_default())? {
                Chunk::Bytes(more) => count += more,
                end if count == 0 => return Ok(end),
                end => {
                    self.end = Some(end);
                    break;
                }
            }
        }
        let inner = Format::of(out.get(..count).unwrap_or_default());
        Ok(match (outer, inner) {
            (_, Format::Plain) => Chunk::Bytes(count),
            (Format::Gzip | Format::Zstd, _) => {
                let (outer, inner) = (outer.name(), inner.name());
                Chunk::Foreign(
                    count,
                    format!("not_json: {inner} inside {outer}; only one layer is taken off"),
                )
            }
            _ => {
                let inner = inner.name();
                Chunk::Foreign(
                    count,
                    format!(
                        "not_json: this is {inner}; give JSON text, plain or as gzip or zstd, or Parquet"
                    ),
                )
            }
        })
    }

    fn inflate(&mut self, out: &mut [u8]) -> io::Result<Chunk> {
        if let Some(reason) = self.bomb() {
            return Ok(Chunk::Damaged(reason));
        }
        let chunk = match &mut self.body {
            None | Some(Body::Plain) => {
                return Ok(match self.source.read(out)? {
                    0 => Chunk::End,
                    count => Chunk::Bytes(count),
                });
            }
            Some(Body::Gzip(gzip)) => gzip.read(&mut self.source, out)?,
            Some(Body::Zstd(zstd)) => zstd.read(&mut self.source, out)?,
            Some(Body::Parquet(parquet)) => parquet.read(&mut self.source, out)?,
        };
        if let Chunk::Bytes(count) = chunk {
            self.inflated += count as u64;
        }
        Ok(chunk)
    }

    /// Why no more is inflated, if so.
    fn bomb(&self) -> Option<String> {
        let (inflated, consumed) = (self.inflated, self.source.consumed());
        let Limits { inflated_bytes, inflate_ratio, .. } = self.limits;
        if inflated > inflated_bytes {
            return Some(format!(
                "too_large: inflates to more than {inflated_bytes} bytes, at compressed byte {consumed}"
            ));
        }
        let allowed = consumed.saturating_mul(u64::from(inflate_ratio)).max(FREE_BYTES);
        (inflated > allowed).then(|| {
            format!(
                "too_large: {consumed} compressed bytes inflate to {inflated}, more than {inflate_ratio} times as many"
            )
        })
    }
}
