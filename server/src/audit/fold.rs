//! Many alike become two entries: the first at once, the rest with a count when their window ends.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use storage::audit::{Fact, Outcome};

/// Windows that are open at once. What is beyond is told without who and from where, so that a flood from
/// everywhere is one entry more.
const MOST: usize = 256;

/// What makes two facts alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    action: String,
    actor: String,
    address: String,
    outcome: Outcome,
    status: u16,
}

#[derive(Debug)]
struct Window {
    /// The first of those that are not told yet.
    rest: Option<Fact>,
    until: Instant,
}

/// The open windows.
#[derive(Debug, Default)]
pub(super) struct Folds {
    open: HashMap<Key, Window>,
}

impl Folds {
    /// Takes a fact; gives it back where it is the first of its kind and is to be told at once.
    pub(super) fn take(
        &mut self,
        mut fact: Fact,
        window: Duration,
        at_us: i64,
        now: Instant,
    ) -> Option<Fact> {
        let mut key = key(&fact);
        if self.open.len() >= MOST && !self.open.contains_key(&key) {
            (fact.actor, fact.address, fact.object) = ("(others)".into(), String::new(), String::new());
            fact.request.clear();
            key = self::key(&fact);
        }
        match self.open.get_mut(&key) {
            None => {
                self.open.insert(key, Window { rest: None, until: now + window });
                Some(fact)
            }
            Some(Window { rest: Some(rest), .. }) => {
                rest.count += 1;
                None
            }
            Some(open) => {
                open.rest = Some(Fact { since_us: Some(at_us), ..fact });
                None
            }
        }
    }

    /// What is to be told of the windows that have ended by `now`; of all, where there is no such moment.
    pub(super) fn ended(&mut self, now: Option<Instant>) -> Vec<Fact> {
        let is_over = |window: &Window| now.is_none_or(|now| window.until <= now);
        self.open.extract_if(|_, window| is_over(window)).filter_map(|(_, window)| window.rest).collect()
    }
}

fn key(fact: &Fact) -> Key {
    Key {
        action: fact.action.clone(),
        actor: fact.actor.clone(),
        address: fact.address.clone(),
        outcome: fact.outcome,
        status: fact.status,
    }
}

/// Changes of one caller that fail in a row of seconds; more are not even tried. Each is announced durably, so
/// without a bound whoever may do nothing could fill the disk with attempts.
#[derive(Debug)]
pub(super) struct Brake {
    /// How many may fail in [`BRAKE_WINDOW`].
    most: u32,
    failed: HashMap<String, (Instant, u32)>,
}

const BRAKE_WINDOW: Duration = Duration::from_secs(60);

impl Brake {
    /// One that holds whoever fails more than `most` times in a minute.
    pub(super) fn new(most: u32) -> Self {
        Self { most, failed: HashMap::new() }
    }

    /// After how many seconds `actor` may try again, if not now.
    pub(super) fn held(&mut self, actor: &str, now: Instant) -> Option<u64> {
        let (since, count) = self.failed.get(actor).copied()?;
        let passed = now.saturating_duration_since(since);
        if passed >= BRAKE_WINDOW {
            self.failed.remove(actor);
            return None;
        }
        (count >= self.most).then(|| (BRAKE_WINDOW - passed).as_secs().max(1))
    }

    /// One more has failed.
    pub(super) fn failed(&mut self, actor: &str, now: Instant) {
        if self.failed.len() >= MOST {
            self.failed.retain(|_, (since, _)| now.saturating_duration_since(*since) < BRAKE_WINDOW);
        }
        self.failed.entry(actor.to_owned()).or_insert((now, 0)).1 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    #[test]
    fn a_flood_is_a_few_entries_that_count_all_of_it() {
        let (mut folds, start) = (Folds::default(), Instant::now());
        let mut told = Vec::new();
        for number in 0..10_000_u64 {
            let mut fact = Fact::new("request.refused", "");
            fact.address = format!("2001:db8::{:x}", number % 1000);
            told.extend(folds.take(fact, WINDOW, 5, start));
        }
        assert_eq!(told.len(), MOST + 1);
        assert_eq!(folds.ended(Some(start)).len(), 0);
        told.extend(folds.ended(Some(start + WINDOW)));
        assert_eq!(told.len(), 2 * (MOST + 1));
        assert_eq!(told.iter().map(|fact| fact.count).sum::<u64>(), 10_000);
        assert_eq!(folds.ended(None).len(), 0);
    }

    #[test]
    fn what_differs_is_not_folded() {
        let (mut folds, start) = (Folds::default(), Instant::now());
        let fact = Fact::new("alerts.read", "ana");
        assert!(folds.take(fact.clone(), WINDOW, 5, start).is_some());
        assert!(folds.take(fact.clone(), WINDOW, 6, start).is_none());
        assert!(folds.take(Fact { status: 403, ..fact.clone() }, WINDOW, 7, start).is_some());
        assert!(folds.take(Fact::new("alerts.read", "bob"), WINDOW, 8, start).is_some());
        let rest = folds.ended(Some(start + WINDOW));
        assert_eq!((rest.len(), rest[0].since_us, rest[0].count), (1, Some(6), 1));
        // After its end, the next is told at once again.
        assert!(folds.take(fact, WINDOW, 9, start + WINDOW).is_some());
    }

    #[test]
    fn whoever_fails_all_the_time_is_held() {
        let (mut brake, start) = (Brake::new(100), Instant::now());
        for _ in 0..100 {
            assert_eq!(brake.held("a", start), None);
            brake.failed("a", start);
        }
        assert_eq!(brake.held("a", start), Some(60));
        assert_eq!(brake.held("b", start), None);
        assert_eq!(brake.held("a", start + BRAKE_WINDOW), None);
        assert_eq!(brake.held("a", start + BRAKE_WINDOW), None);
    }
}
