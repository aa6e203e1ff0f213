//! Generated audit logs of three clouds: any size, the same bytes for the same seed.
//!
//! The mix is that of an organisation that lives mostly in AWS: about 70 % CloudTrail (half of it data
//! events and reads by workloads), the rest Azure activity, Entra sign-ins and GCP audit. Records
//! have the fields, sizes and repetition of real ones: few principals make most calls, request ids
//! never repeat. All names, accounts and addresses are invented.

mod aws;
mod azure;
mod corpus;
mod gcp;
mod random;
mod server;

pub use corpus::{Written, write_corpus};
pub use random::Random;
pub use server::{Server, binary};

/// Makes records, one log type at a time, in order of time.
#[derive(Debug)]
pub struct Generator {
    random: Random,
    /// The time of the next record, in milliseconds since 1970.
    time_ms: i64,
}

/// The first record's time: 2026-03-01T00:00:00Z.
const START_MS: i64 = 1_772_323_200_000;

impl Generator {
    /// A generator whose records depend on `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), time_ms: START_MS }
    }

    /// Moves the clock on, so that records spread over days: about 4 million a day.
    fn tick(&mut self) -> i64 {
        self.time_ms += self.random.below(42) as i64;
        self.time_ms
    }

    /// A CloudTrail event.
    pub fn cloudtrail(&mut self) -> String {
        let time = self.tick();
        aws::cloudtrail(&mut self.random, time)
    }

    /// An Azure Activity record as event hubs deliver it.
    pub fn azure_activity(&mut self) -> String {
        let time = self.tick();
        azure::activity(&mut self.random, time)
    }

    /// An Entra sign-in record as event hubs deliver it.
    pub fn entra_signin(&mut self) -> String {
        let time = self.tick();
        azure::signin(&mut self.random, time)
    }

    /// A GCP audit log entry.
    pub fn gcp_audit(&mut self) -> String {
        let time = self.tick();
        gcp::audit(&mut self.random, time)
    }
}

/// Milliseconds since 1970 as RFC 3339, with or without the fraction.
fn rfc3339(time_ms: i64, fraction: bool) -> String {
    let time = chrono::DateTime::<chrono::Utc>::from_timestamp_millis(time_ms).unwrap_or_default();
    let digits = if fraction { chrono::SecondsFormat::Millis } else { chrono::SecondsFormat::Secs };
    time.to_rfc3339_opts(digits, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_records() {
        let records = |seed| {
            let mut generator = Generator::new(seed);
            (
                generator.cloudtrail(),
                generator.azure_activity(),
                generator.entra_signin(),
                generator.gcp_audit(),
            )
        };
        assert_eq!(records(1), records(1));
        assert_ne!(records(1), records(2));
    }

    #[test]
    fn every_record_normalises() {
        let mut generator = Generator::new(3);
        let mut builder = event::RawBatchBuilder::with_capacity(0);
        for number in 0..400 {
            let record = match number % 4 {
                0 => generator.cloudtrail(),
                1 => generator.azure_activity(),
                2 => generator.entra_signin(),
                _ => generator.gcp_audit(),
            };
            serde_json::from_str::<serde_json::Value>(&record).unwrap();
            assert!(builder.push(event::RawRecord { bytes: record.as_bytes(), number, reject: None }));
        }
        let raw = builder.finish(event::SourceId::new("bench"), None, "generated".into(), 0);
        let normalized = normalize::Normalizer::new().map(&raw, 0);
        assert!(normalized.rejects.is_empty(), "{:?}", normalized.rejects);
        assert_eq!(normalized.events.len(), 400);
    }

    #[test]
    fn cloudtrail_has_the_size_of_the_real_thing() {
        let mut generator = Generator::new(5);
        let bytes: usize = (0..1000).map(|_| generator.cloudtrail().len()).sum();
        assert!((1200..1700).contains(&(bytes / 1000)), "{} bytes an event", bytes / 1000);
    }
}
