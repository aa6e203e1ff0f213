//! Asking a receiver of CloudEvents whether it wants them: OPTIONS before the first delivery and again every hour.
//!
//! Source: "HTTP 1.1 Web Hooks for Event Delivery" 1.0.2 of CloudEvents, section 4. The status says nothing; only
//! the receiver's header does. Callbacks are not asked for. An allowed rate is kept by waiting before a delivery.

use std::time::Duration;

use egress::{Answer, Client};
use parking_lot::Mutex;

use crate::channel::{Outcome, http};

/// How long a permission is used before it is asked for again.
const LASTS_US: i64 = 3_600 * 1_000_000;

/// The longest wait within a delivery; a longer one puts it off.
const MAX_WAIT_US: i64 = 5_000_000;

/// What a receiver allows one sender.
#[derive(Debug)]
pub(super) struct Handshake {
    /// The DNS name of the sender.
    origin: String,
    given: Mutex<Option<Permission>>,
}

#[derive(Debug, Clone, Copy)]
struct Permission {
    until_us: i64,
    /// Between two deliveries.
    apart_us: i64,
    /// The next delivery is not before.
    next_us: i64,
}

/// Whether a text is a DNS name.
pub(super) fn is_dns_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

impl Handshake {
    pub(super) fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), given: Mutex::default() }
    }

    /// The header of a delivery, once it is allowed and its turn has come.
    ///
    /// # Errors
    /// It is not allowed, or not yet.
    pub(super) async fn admit(
        &self,
        client: &Client,
        url: &str,
        headers: &[(String, String)],
        now_us: i64,
    ) -> Result<(String, String), Outcome> {
        let known = self.given.lock().filter(|given| given.until_us > now_us);
        if known.is_none() {
            let mut asking = headers.to_vec();
            asking.push(("webhook-request-origin".into(), self.origin.clone()));
            let answer = http::send(client, "OPTIONS", url, asking, Vec::new()).await?;
            *self.given.lock() = Some(self.permission(&answer, now_us)?);
        }
        let wait_us = self.take_turn(now_us)?;
        tokio::time::sleep(Duration::from_micros(wait_us)).await;
        Ok(("origin".into(), self.origin.clone()))
    }

    fn permission(&self, answer: &Answer, now_us: i64) -> Result<Permission, Outcome> {
        // What is broken or busy has not refused.
        if matches!(answer.status, 408 | 425 | 429) || answer.status >= 500 {
            return Err(http::outcome(answer));
        }
        let allowed = answer.header("webhook-allowed-origin").map(str::trim).unwrap_or_default();
        if allowed != "*" && !allowed.eq_ignore_ascii_case(&self.origin) {
            let reason = format!(
                "the receiver does not allow `{}` to send: it answers OPTIONS with {} and no such \
                 `WebHook-Allowed-Origin`; allow it there, or leave out `origin`",
                self.origin, answer.status
            );
            return Err(Outcome::Disabled { reason });
        }
        let rate = answer.header("webhook-allowed-rate").and_then(|rate| rate.trim().parse::<u32>().ok());
        let apart_us = rate.map_or(0, |rate| 60_000_000 / i64::from(rate.max(1)));
        Ok(Permission { until_us: now_us.saturating_add(LASTS_US), apart_us, next_us: now_us })
    }

    /// How many microseconds are left until the next delivery is allowed.
    fn take_turn(&self, now_us: i64) -> Result<u64, Outcome> {
        let mut given = self.given.lock();
        let Some(given) = given.as_mut() else { return Ok(0) };
        let wait_us = given.next_us.saturating_sub(now_us).max(0);
        if wait_us > MAX_WAIT_US {
            let after = Some(Duration::from_micros(wait_us.unsigned_abs()));
            return Err(Outcome::Retry { after, reason: "the receiver's allowed rate is used up".into() });
        }
        given.next_us = given.next_us.max(now_us).saturating_add(given.apart_us);
        Ok(wait_us.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { status, headers, body: Vec::new().into(), whole: true }
    }

    #[test]
    fn only_the_header_allows() {
        let handshake = Handshake::new("siem.example.com");
        let allows = |status, headers: &[_]| handshake.permission(&answer(status, headers), 0).is_ok();
        assert!(allows(200, &[("webhook-allowed-origin", "*")]));
        assert!(allows(405, &[("webhook-allowed-origin", "SIEM.example.com")]));
        assert!(!allows(200, &[]));
        assert!(!allows(200, &[("webhook-allowed-origin", "other.example.com")]));
        let busy = handshake.permission(&answer(503, &[]), 0).unwrap_err();
        assert!(matches!(busy, Outcome::Retry { .. }), "{busy:?}");
    }

    #[test]
    fn the_rate_is_kept() {
        let handshake = Handshake::new("siem.example.com");
        let allowed = [("webhook-allowed-origin", "*"), ("webhook-allowed-rate", "30")];
        *handshake.given.lock() = Some(handshake.permission(&answer(200, &allowed), 0).unwrap());
        let waits: Vec<_> = (0..4).map(|_| handshake.take_turn(0).ok()).collect();
        assert_eq!(waits, [Some(0), Some(2_000_000), Some(4_000_000), None]);
        assert_eq!(handshake.take_turn(60_000_000).ok(), Some(0));
    }

    #[test]
    fn names_are_names() {
        for (name, good) in
            [("siem.example.com", true), ("a", true), ("", false), ("a..b", false), ("a b", false)]
        {
            assert_eq!(is_dns_name(name), good, "{name}");
        }
    }
}
