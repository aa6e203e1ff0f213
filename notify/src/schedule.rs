//! When a delivery is tried again: the schedule of Standard Webhooks 1.0.0, over three days.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Seconds before each attempt. After the last the delivery is dead.
const DELAYS_S: [u64; 10] =
    [0, 5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// The longest that a service can put an attempt off.
const MAX_AFTER: Duration = Duration::from_secs(24 * HOUR);

/// How long is waited when `made` attempts have failed; `None`: there is no further attempt. Up to a tenth is
/// added, by the key, so that what failed together is not tried together.
pub(crate) fn delay(made: u32, key: &str, after: Option<Duration>) -> Option<Duration> {
    let seconds = DELAYS_S.get(usize::try_from(made).ok()?)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes()).update(&made.to_le_bytes());
    let part = u64::from(*hasher.finalize().as_bytes().first()?);
    let jittered = Duration::from_millis(seconds * 1000 + seconds * 1000 * part / 2560);
    Some(jittered.max(after.unwrap_or_default().min(MAX_AFTER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_over_three_days() {
        let mut total = Duration::ZERO;
        for made in 0..10 {
            let wait = delay(made, "k", None).unwrap();
            let least = Duration::from_secs(DELAYS_S[made as usize]);
            assert!(wait >= least && wait <= least.mul_f64(1.1), "{made}: {wait:?}");
            total += wait;
        }
        assert_eq!(delay(10, "k", None), None);
        assert!(total >= Duration::from_secs(75 * HOUR + 35 * MINUTE), "{total:?}");
        assert_ne!(delay(4, "k", None), delay(4, "l", None));
    }

    #[test]
    fn a_service_can_ask_for_more_and_not_for_less() {
        assert_eq!(delay(1, "k", Some(Duration::from_secs(60))), Some(Duration::from_secs(60)));
        assert!(delay(2, "k", Some(Duration::from_secs(1))).unwrap() >= Duration::from_secs(300));
        assert_eq!(delay(1, "k", Some(Duration::MAX)), Some(MAX_AFTER));
    }
}
