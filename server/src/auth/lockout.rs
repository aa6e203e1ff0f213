//! How long a sign-in has to wait after failed ones.
//!
//! Three counts, each with a growing wait: of an address, of an account from one address, of an account from
//! everywhere. The last one stays short and does not hold whoever comes from where the account was signed in
//! before: a stranger who guesses for ever slows down strangers, and not the user at the usual desk. A
//! refused attempt is not counted, so that no wait grows by being met. Names that are nobody's are counted
//! as others are, and so tell nothing.
//!
//! Kept in memory: nobody but who runs the server can make it forget.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Failures that cost nothing, and the longest wait.
#[derive(Debug, Clone, Copy)]
struct Bound {
    free: u32,
    longest: Duration,
}

const ADDRESS: Bound = Bound { free: 20, longest: Duration::from_secs(15 * 60) };
const PAIR: Bound = Bound { free: 5, longest: Duration::from_secs(15 * 60) };
const ACCOUNT: Bound = Bound { free: 20, longest: Duration::from_secs(60) };
/// The first wait; each failure after it doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// Without a failure for so long, what was counted is forgotten.
const FORGET: Duration = Duration::from_secs(3_600);
/// More are not remembered apart; those that wait least go.
const MOST: usize = 50_000;

/// Whom a count belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    Pair(String, IpAddr),
    Account(String),
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    until: Instant,
}

/// The counts of all.
#[derive(Debug, Default)]
pub(crate) struct Lockout {
    failures: Mutex<HashMap<Key, Failures>>,
}

/// Somebody who tries to sign in.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// The name as it was given.
    pub(crate) account: String,
    /// Where from.
    pub(crate) address: IpAddr,
    /// Whether the account was signed in from there before.
    pub(crate) is_known_place: bool,
}

impl Attempt {
    fn keys(&self) -> [(Key, Bound); 3] {
        let account: String = self.account.to_lowercase().chars().take(128).collect();
        let place = network(self.address);
        [
            (Key::Address(place), ADDRESS),
            (Key::Pair(account.clone(), place), PAIR),
            (Key::Account(account), ACCOUNT),
        ]
    }

    fn is_held_by(&self, key: &Key) -> bool {
        !(self.is_known_place && matches!(key, Key::Account(_)))
    }
}

/// What one host can choose freely among is one place: of IPv6 a /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

impl Lockout {
    /// Whether `attempt` may be made at `now`; if not, after how many seconds.
    pub(crate) fn admit(&self, attempt: &Attempt, now: Instant) -> Result<(), u64> {
        let failures = self.failures.lock();
        let mut wait = Duration::ZERO;
        for (key, _) in attempt.keys() {
            if attempt.is_held_by(&key)
                && let Some(found) = failures.get(&key)
            {
                wait = wait.max(found.until.saturating_duration_since(now));
            }
        }
        if wait.is_zero() { Ok(()) } else { Err(wait.as_secs_f64().ceil() as u64) }
    }

    /// Counts an attempt that failed at `now`.
    pub(crate) fn failed(&self, attempt: &Attempt, now: Instant) {
        let mut failures = self.failures.lock();
        if failures.len() + 3 > MOST {
            failures.retain(|_, found| now.saturating_duration_since(found.last) < FORGET);
        }
        if failures.len() + 3 > MOST {
            // Whoever counts up so many names and addresses gets rid of the lightest counts, not of waits.
            failures.retain(|_, found| found.until > now);
        }
        let is_full = failures.len() + 3 > MOST;
        for (key, bound) in attempt.keys() {
            if is_full && !failures.contains_key(&key) {
                continue;
            }
            let found = failures.entry(key).or_insert(Failures { count: 0, last: now, until: now });
            if now.saturating_duration_since(found.last) >= FORGET {
                found.count = 0;
            }
            found.count = found.count.saturating_add(1);
            found.last = now;
            if let Some(over) = found.count.checked_sub(bound.free) {
                let wait = FIRST_WAIT.saturating_mul(1 << over.min(20)).min(bound.longest);
                found.until = now + wait;
            }
        }
    }

    /// Forgets what was counted against an account where it has now signed in.
    pub(crate) fn succeeded(&self, attempt: &Attempt) {
        let mut failures = self.failures.lock();
        for (key, _) in attempt.keys() {
            // An address may be that of many, and one's own account is no licence to guess at others.
            if matches!(key, Key::Pair(..)) {
                failures.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(account: &str, address: &str, is_known_place: bool) -> Attempt {
        Attempt { account: account.into(), address: address.parse().unwrap(), is_known_place }
    }

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn waits_grow_and_end() {
        let (lockout, start) = (Lockout::default(), Instant::now());
        let ana = attempt("ana", "192.0.2.7", false);
        for _ in 0..4 {
            lockout.failed(&ana, start);
            assert_eq!(lockout.admit(&ana, start), Ok(()));
        }
        let mut waits = Vec::new();
        let mut now = start;
        for _ in 0..12 {
            lockout.failed(&ana, now);
            let wait = lockout.admit(&ana, now).unwrap_err();
            waits.push(wait);
            now += S * wait as u32;
            assert_eq!(lockout.admit(&ana, now), Ok(()));
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900]);
        // Somebody else, elsewhere and here.
        assert_eq!(lockout.admit(&attempt("bob", "198.51.100.1", false), now - S), Ok(()));
        lockout.succeeded(&ana);
        lockout.failed(&ana, now + FORGET);
        assert_eq!(lockout.admit(&ana, now + FORGET), Ok(()));
    }

    #[test]
    fn strangers_cannot_lock_out_a_user_at_the_usual_place() {
        let (lockout, mut now) = (Lockout::default(), Instant::now());
        for round in 0..5_000u32 {
            let [_, a, b, c] = round.to_be_bytes();
            let stranger = attempt("ana", &format!("203.{a}.{b}.{c}"), false);
            if lockout.admit(&stranger, now).is_ok() {
                lockout.failed(&stranger, now);
            }
            now += Duration::from_millis(100);
        }
        let usual = attempt("ana", "192.0.2.7", true);
        assert_eq!(lockout.admit(&usual, now), Ok(()));
        // Another place waits a minute at most, and then has its turn.
        let hotel = attempt("ana", "198.51.100.1", false);
        let wait = lockout.admit(&hotel, now).err().unwrap_or_default();
        assert!(wait <= 60, "{wait}");
        assert_eq!(lockout.admit(&hotel, now + S * 60), Ok(()));
        // At the usual place, too, guesses have to wait.
        for _ in 0..6 {
            lockout.failed(&usual, now);
        }
        assert!(lockout.admit(&usual, now).is_err());
    }

    #[test]
    fn an_address_waits_whatever_names_it_tries() {
        let (lockout, now) = (Lockout::default(), Instant::now());
        for name in 0..30 {
            lockout.failed(&attempt(&format!("user{name}"), "192.0.2.7", false), now);
        }
        assert!(lockout.admit(&attempt("ana", "192.0.2.7", true), now).is_err());
        assert_eq!(lockout.admit(&attempt("ana", "192.0.2.8", true), now), Ok(()));
        // The addresses of one IPv6 network are one place, and so is IPv4 in IPv6's clothes.
        for host in 0..30 {
            lockout.failed(&attempt(&format!("u{host}"), &format!("2001:db8::{host}"), false), now);
        }
        assert!(lockout.admit(&attempt("ana", "2001:db8::ffff", false), now).is_err());
        assert_eq!(lockout.admit(&attempt("ana", "2001:db8:0:1::1", false), now), Ok(()));
        assert!(lockout.admit(&attempt("ana", "::ffff:192.0.2.7", false), now).is_err());
    }

    #[test]
    fn it_stays_small() {
        let (lockout, now) = (Lockout::default(), Instant::now());
        for name in 0..(MOST as u32) {
            let [_, a, b, c] = name.to_be_bytes();
            lockout.failed(&attempt(&format!("user{name}"), &format!("203.{a}.{b}.{c}"), false), now);
        }
        assert!(lockout.failures.lock().len() <= MOST);
    }
}
