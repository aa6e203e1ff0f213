//! How many requests a caller may make in a second.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::Mutex;

/// A token bucket a caller: `per_second` requests flow in, and as many as `burst` may be saved up.
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_second: f64,
    burst: f64,
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
    /// A limit of `per_second` requests for each caller; a second's worth may be saved up.
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, burst: per_second, buckets: Mutex::new(HashMap::new()) }
    }

    /// This limit, with `burst` requests saved up by whoever was quiet for long enough.
    pub(crate) fn saving(self, burst: u32) -> Self {
        Self { burst: f64::from(burst), ..self }
    }

    /// Whether `caller` may make a request at `now`; if not, after how many seconds.
    pub(crate) fn admit(&self, caller: &str, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= CALLERS && !buckets.contains_key(caller) {
            buckets.retain(|_, bucket| self.refilled(bucket, now) < self.burst);
        }
        let bucket = buckets.entry(caller.to_owned()).or_insert(Bucket { left: self.burst, at: now });
        bucket.left = self.refilled(bucket, now);
        bucket.at = now;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(());
        }
        Err(((1.0 - bucket.left) / self.per_second).ceil().max(1.0) as u64)
    }

    fn refilled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + passed * self.per_second).min(self.burst)
    }
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

    #[test]
    fn what_is_saved_up_is_as_much_as_is_said() {
        let limit = RateLimit::new(2).saving(5);
        let start = Instant::now();
        for later in [0, 60] {
            let now = start + Duration::from_secs(later);
            assert_eq!([0; 5].map(|_| limit.admit("a", now)), [Ok(()); 5]);
            assert_eq!(limit.admit("a", now), Err(1));
            assert_eq!(limit.admit("a", now + Duration::from_millis(500)), Ok(()));
            assert_eq!(limit.admit("a", now + Duration::from_millis(500)), Err(1));
        }
    }
}
