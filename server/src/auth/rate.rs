//! How many requests a caller may make in a second.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::Mutex;

/// A token bucket a caller: `per_second` requests flow in, a second's worth may be saved up.
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_second: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// More callers than this are not remembered apart; the fullest buckets, which remember nothing, go.
const CALLERS: usize = 10_000;

impl RateLimit {
    /// A limit of `per_second` requests for each caller.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second.max(1)), buckets: Mutex::new(HashMap::new()) }
    }

    /// Whether `caller` may make a request at `now`; if not, after how many seconds.
    pub(crate) fn admit(&self, caller: &str, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= CALLERS && !buckets.contains_key(caller) {
            let full = self.per_second;
            buckets.retain(|_, bucket| refilled(bucket, full, now) < full);
        }
        let bucket = buckets.entry(caller.to_owned()).or_insert(Bucket { left: self.per_second, at: now });
        bucket.left = refilled(bucket, self.per_second, now);
        bucket.at = now;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(());
        }
        Err(((1.0 - bucket.left) / self.per_second).ceil().max(1.0) as u64)
    }
}

fn refilled(bucket: &Bucket, per_second: f64, now: Instant) -> f64 {
    let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
    (bucket.left + passed * per_second).min(per_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_caller_gets_its_rate_and_no_other_ones() {
        let limit = RateLimit::new(2);
        let start = Instant::now();
        assert_eq!(limit.admit("a", start), Ok(()));
        assert_eq!(limit.admit("a", start), Ok(()));
        assert_eq!(limit.admit("a", start), Err(1));
        assert_eq!(limit.admit("b", start), Ok(()));
        assert_eq!(limit.admit("a", start + Duration::from_millis(500)), Ok(()));
        assert_eq!(limit.admit("a", start + Duration::from_millis(500)), Err(1));
        assert_eq!(limit.admit("a", start + Duration::from_secs(60)), Ok(()));
    }
}
