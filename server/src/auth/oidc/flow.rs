//! A sign-in that is under way.
//!
//! Nothing is kept here of those that were begun, so that nobody who begins many takes the room of others: a
//! browser keeps a time and a random number in a cookie, and all that belongs to its sign-in follows from
//! them by a key of this process. Kept is which were ended, as each is good once. Whoever was at the provider
//! during a restart begins again.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use storage::accounts::SecretHash;

use crate::auth::token::{hex, random_hex, secret_hash};

/// How long a sign-in may take, in seconds.
pub(crate) const FLOW_TIME_S: i64 = 600;
/// The most that are remembered to have ended; the oldest are forgotten, and are too old soon.
const MOST: usize = 100_000;
/// A longer cookie is none of ours.
const MAX_COOKIE: usize = 128;

/// What belongs to a sign-in.
pub(super) struct Flow {
    /// Comes back with the browser.
    pub(super) state: String,
    /// Comes back in the token.
    pub(super) nonce: String,
    /// Redeems the code (RFC 7636).
    pub(super) verifier: String,
}

/// Begins and ends sign-ins.
pub(super) struct Flows {
    key: String,
    /// When each was begun, and the hash of its cookie.
    ended: Mutex<BTreeSet<(i64, SecretHash)>>,
}

impl std::fmt::Debug for Flows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Flows({} ended)", self.ended.lock().len())
    }
}

impl Flows {
    /// # Errors
    /// The system gives no randomness.
    pub(super) fn open() -> Result<Self, getrandom::Error> {
        Ok(Self { key: random_hex()?, ended: Mutex::default() })
    }

    /// A new sign-in, and the cookie from which it follows.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(super) fn begin(&self, now_s: i64) -> Result<(Flow, String), getrandom::Error> {
        let cookie = format!("{now_s}.{}", random_hex()?);
        Ok((self.of(&cookie), cookie))
    }

    /// The sign-in of this `state`, if it is the cookie's own, not too old, and not over; it is over with this.
    pub(super) fn end(&self, state: &str, cookie: &str, now_s: i64) -> Option<Flow> {
        if cookie.len() > MAX_COOKIE {
            return None;
        }
        let flow = self.of(cookie);
        if secret_hash(state) != secret_hash(&flow.state) {
            return None;
        }
        // The state is ours for this cookie alone, so the time in it is ours as well.
        let (began_s, _) = cookie.split_once('.')?;
        let began_s: i64 = began_s.parse().ok()?;
        if !(0..FLOW_TIME_S).contains(&now_s.saturating_sub(began_s)) {
            return None;
        }
        let mut ended = self.ended.lock();
        while ended.first().is_some_and(|(began_s, _)| now_s.saturating_sub(*began_s) >= FLOW_TIME_S)
            || ended.len() >= MOST
        {
            ended.pop_first();
        }
        ended.insert((began_s, secret_hash(cookie))).then_some(flow)
    }

    fn of(&self, cookie: &str) -> Flow {
        Flow {
            state: self.derive("state", cookie),
            nonce: self.derive("nonce", cookie),
            verifier: self.derive("verifier", cookie),
        }
    }

    fn derive(&self, what: &str, cookie: &str) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()) else { return String::new() };
        mac.update(format!("stormglass sign-in {what} {cookie}").as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_good_once_and_for_its_cookie() {
        let (flows, others) = (Flows::open().unwrap(), Flows::open().unwrap());
        let (flow, cookie) = flows.begin(1_000).unwrap();
        let (other, other_cookie) = flows.begin(1_000).unwrap();
        assert!(flow.state != other.state && flow.nonce != other.nonce && flow.verifier != other.verifier);
        assert!(flow.state != flow.nonce && flow.nonce != flow.verifier && flow.verifier.len() == 64);
        assert!(flows.end(&flow.state, &other_cookie, 1_000).is_none());
        assert!(flows.end(&other.state, &cookie, 1_000).is_none());
        assert!(others.end(&flow.state, &cookie, 1_000).is_none());
        for bad in [String::new(), cookie.replace("1000.", "1001."), format!("{cookie}0"), "x".repeat(10_000)]
        {
            assert!(flows.end(&flow.state, &bad, 1_000).is_none(), "{bad}");
        }
        assert_eq!(flows.end(&flow.state, &cookie, 1_599).unwrap().nonce, flow.nonce);
        assert!(flows.end(&flow.state, &cookie, 1_599).is_none());
        assert!(flows.end(&other.state, &other_cookie, 1_600).is_none());
        assert!(flows.end(&other.state, &other_cookie, 999).is_none());
    }

    #[test]
    fn what_has_ended_is_forgotten_when_it_is_too_old() {
        let flows = Flows::open().unwrap();
        for at in 0..10 {
            let (flow, cookie) = flows.begin(at).unwrap();
            assert!(flows.end(&flow.state, &cookie, at).is_some());
        }
        assert_eq!(flows.ended.lock().len(), 10);
        let (flow, cookie) = flows.begin(FLOW_TIME_S + 5).unwrap();
        assert!(flows.end(&flow.state, &cookie, FLOW_TIME_S + 5).is_some());
        assert_eq!(flows.ended.lock().len(), 5);
    }
}
