//! When something was received, and the ids of events that have none.

use std::collections::HashMap;

use event::EventKey;

/// The reception of one request, connection or datagram.
#[derive(Debug, Clone)]
pub struct Reception {
    /// When, as RFC 3339 in UTC.
    received: String,
    /// What tells it from every other reception: 128 random bits and a count, or the like.
    unique: String,
    /// The number of the next event known by its reception.
    number: u64,
    /// How often each content came in this reception.
    seen: HashMap<u128, u64>,
}

impl Reception {
    /// One at `received_us`, microseconds since 1970; `unique`, of letters, digits and hyphens, is told apart
    /// from all others for ever.
    pub fn new(received_us: i64, unique: String) -> Self {
        Self { received: rfc3339(received_us), unique, number: 0, seen: HashMap::new() }
    }

    /// When, as RFC 3339 in UTC.
    pub fn received(&self) -> &str {
        &self.received
    }

    /// The id of an event that is known by its reception alone.
    pub fn next_id(&mut self) -> String {
        self.number += 1;
        format!("{}-{}", self.unique, self.number - 1)
    }

    /// The id of an event that says when it happened: by its content, which `pieces` make together, and how
    /// many equal ones came before it in the same reception.
    pub fn id_of(&mut self, kind: &str, pieces: &[&[u8]]) -> String {
        let key = |occurrence: u64| EventKey::of_pieces(kind, [pieces, &[&occurrence.to_le_bytes()]]);
        // Hashing is the dearest part of the whole way, so what most events are known by is what they are
        // counted by.
        let first = key(0);
        let before = self.seen.entry(first.0).or_default();
        *before += 1;
        let own = if *before == 1 { first } else { key(*before - 1) };
        own.uid().as_str().to_owned()
    }
}

/// Microseconds since 1970 as RFC 3339 in UTC, to the microsecond.
pub fn rfc3339(us: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(us).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_contents_of_a_reception_are_told_apart_and_come_back_the_same() {
        let ids = |unique: &str| {
            let mut reception = Reception::new(0, unique.into());
            [[&b"a"[..], b"c"], [b"ac", b""], [b"b", b"c"]].map(|pieces| reception.id_of("hec", &pieces))
        };
        assert_eq!(ids("x"), ids("y"));
        let [a, again, b] = ids("x");
        assert!(a != again && a != b && again != b);
    }

    #[test]
    fn receptions_are_told_apart() {
        let mut one = Reception::new(1_767_225_600_000_000, "f0".into());
        assert_eq!(one.received(), "2026-01-01T00:00:00.000000Z");
        assert_eq!([one.next_id(), one.next_id()], ["f0-0", "f0-1"]);
    }
}
