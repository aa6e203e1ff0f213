//! Gzip streams (RFC 1952), members one after another.

use std::io;

use flate2::{Decompress, FlushDecompress, Status};

use super::source::Source;
use super::{Chunk, MAX_MEMBERS};

/// Inflates member after member.
///
/// It works on zlib's own calls, not on flate2's readers: those drop what was inflated before damage.
#[derive(Debug)]
pub(super) struct Gzip {
    /// The member that is being read; between members there is none.
    member: Option<Decompress>,
    members: u32,
    /// Damage that was come upon, to be told once the bytes before it are handed out.
    damage: Option<Chunk>,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { member: None, members: 0, damage: None }
    }

    /// Inflates into `out`.
    pub(super) fn read(&mut self, source: &mut Source, out: &mut [u8]) -> io::Result<Chunk> {
        if let Some(damage) = self.damage.take() {
            return Ok(damage);
        }
        loop {
            let mut member = match self.member.take() {
                Some(member) => member,
                None => match self.next_member(source)? {
                    Ok(member) => member,
                    Err(end) => return Ok(end),
                },
            };
            let input = source.look_ahead(1)?;
            let is_end = input.is_empty();
            let before = (member.total_in(), member.total_out());
            let result = member.decompress(input, out, FlushDecompress::None);
            let consumed = (member.total_in() - before.0) as usize;
            let inflated = (member.total_out() - before.1) as usize;
            source.consume(consumed);
            match result {
                Ok(Status::StreamEnd) => {}
                Ok(_) if consumed + inflated == 0 && is_end => {
                    return Ok(damaged("it breaks off", source));
                }
                Ok(_) => self.member = Some(member),
                Err(error) => {
                    let damage = damaged(error.message().unwrap_or("corrupt data"), source);
                    if inflated == 0 {
                        return Ok(damage);
                    }
                    self.damage = Some(damage);
                }
            }
            if inflated > 0 {
                return Ok(Chunk::Bytes(inflated));
            }
        }
    }

    /// The next member, or what to say if there is none.
    fn next_member(&mut self, source: &mut Source) -> io::Result<Result<Decompress, Chunk>> {
        let start = source.look_ahead(2)?;
        if start.is_empty() {
            return Ok(Err(Chunk::End));
        }
        if !start.starts_with(b"\x1f\x8b") {
            return after_last_member(source).map(Err);
        }
        if self.members == MAX_MEMBERS {
            return Ok(Err(Chunk::Damaged(format!(
                "too_large: more than {MAX_MEMBERS} gzip members, up to compressed byte {}",
                source.consumed()
            ))));
        }
        self.members += 1;
        Ok(Ok(Decompress::new_gzip(15)))
    }
}

/// Tapes and block devices pad with zeros, and gzip(1) ignores them.
fn after_last_member(source: &mut Source) -> io::Result<Chunk> {
    loop {
        let rest = source.look_ahead(1)?;
        if rest.is_empty() {
            return Ok(Chunk::End);
        }
        if rest.iter().any(|byte| *byte != 0) {
            return Ok(damaged("other bytes follow it", source));
        }
        let count = rest.len();
        source.consume(count);
    }
}

fn damaged(problem: &str, source: &Source) -> Chunk {
    Chunk::Damaged(format!(
        "torn_input: the gzip stream is damaged at compressed byte {}: {problem}; the records before it were delivered",
        source.consumed()
    ))
}
