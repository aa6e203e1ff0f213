//! How a source that is pulled is doing, as a function of what happened and of the time.

use std::collections::VecDeque;
use std::time::Duration;

use ingest::Backlog;

/// The state of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// Records come, or would come if there were any.
    Ok,
    /// Records come, but their events are old.
    Lagging,
    /// No record for much longer than usual.
    Silent,
    /// It cannot be read.
    Failing,
    /// Somebody has paused it.
    Paused,
}

impl SourceState {
    /// All, in the order of their numbers in metrics.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Lagging, Self::Silent, Self::Failing, Self::Paused];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Lagging => "lagging",
            Self::Silent => "silent",
            Self::Failing => "failing",
            Self::Paused => "paused",
        }
    }
}

/// From when on a source is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthBounds {
    /// Without records for so long, and for five times its usual gap, it is silent; `None`: never.
    pub silent_after: Option<Duration>,
    /// With nothing but errors for so long it is failing, and an alert says so.
    pub failing_after: Duration,
    /// When its newest event is so much older than its newest record, or what waits at the source is so old, it
    /// is lagging; `None`: never.
    pub lagging_after: Option<Duration>,
}

/// How many times its usual gap a source may be without records.
pub(crate) const USUAL_GAPS: i64 = 5;

/// Gaps that are kept in mind.
const GAPS: usize = 64;

/// Batches that follow each other closer are of one burst.
const BURST_US: i64 = 1_000_000;

/// What is said of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Its state.
    pub state: SourceState,
    /// Why, in words; empty while all is well.
    pub why: String,
    /// Since when, in microseconds since 1970.
    pub since_us: i64,
}

/// A trouble that lasts so long that an alert tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// [`SourceState::Silent`] or [`SourceState::Failing`].
    pub(crate) state: SourceState,
    /// When it began, in microseconds since 1970; an episode has one beginning.
    pub(crate) since_us: i64,
    /// Why, in words.
    pub(crate) why: String,
}

#[derive(Debug, Clone)]
struct Failure {
    since_us: i64,
    why: String,
    /// Trying again will hardly help.
    is_lasting: bool,
}

/// The health of one source. It has no clock: times are arguments, in microseconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct SourceHealth {
    bounds: HealthBounds,
    /// When it was started or resumed: before that nothing could come.
    started_us: i64,
    last_records_us: Option<i64>,
    newest_event_us: Option<i64>,
    backlog: Option<Backlog>,
    gaps_us: VecDeque<i64>,
    failure: Option<Failure>,
    paused_since_us: Option<i64>,
    judgement: Judgement,
}

impl SourceHealth {
    /// A source that starts now; `last_records_us` is when its last record came, in an earlier run.
    pub(crate) fn new(bounds: HealthBounds, last_records_us: Option<i64>, now_us: i64) -> Self {
        let judgement = Judgement { state: SourceState::Ok, why: String::new(), since_us: now_us };
        Self {
            bounds,
            started_us: now_us,
            last_records_us: last_records_us.map(|last_us| last_us.min(now_us)),
            newest_event_us: None,
            backlog: None,
            gaps_us: VecDeque::new(),
            failure: None,
            paused_since_us: None,
            judgement,
        }
    }

    /// A clock that was set back: what is remembered of later is taken for now, so that a silence or a failure
    /// is told after its span and not when the clock has caught up.
    fn notice(&mut self, now_us: i64) {
        self.started_us = self.started_us.min(now_us);
        self.judgement.since_us = self.judgement.since_us.min(now_us);
        self.last_records_us = self.last_records_us.map(|last_us| last_us.min(now_us));
        self.paused_since_us = self.paused_since_us.map(|since_us| since_us.min(now_us));
        if let Some(failure) = &mut self.failure {
            failure.since_us = failure.since_us.min(now_us);
        }
    }

    /// Records came, perhaps taken before a failure: only [`succeeded`](Self::succeeded) ends one.
    pub(crate) fn records(&mut self, now_us: i64) {
        self.notice(now_us);
        let Some(last_us) = self.last_records_us else {
            self.last_records_us = Some(now_us);
            return;
        };
        let gap_us = now_us.saturating_sub(last_us);
        if gap_us < BURST_US.max(self.usual_gap_us().unwrap_or(0) / 10) {
            // Of a long burst, too, the last moment counts.
            self.last_records_us = Some(last_us.max(now_us));
            return;
        }
        // What passed while nothing ran or it was paused is no gap of the source.
        if last_us >= self.started_us {
            self.gaps_us.truncate(GAPS - 1);
            self.gaps_us.push_front(gap_us);
        }
        self.last_records_us = Some(now_us);
    }

    /// The source answered, with records or without, and no part of it fails any more.
    pub(crate) fn succeeded(&mut self) {
        self.failure = None;
    }

    /// The source could not be read.
    pub(crate) fn failed(&mut self, why: &str, is_lasting: bool, now_us: i64) {
        self.notice(now_us);
        let since_us = self.failure.as_ref().map_or(now_us, |failure| failure.since_us);
        self.failure = Some(Failure { since_us, why: why.to_owned(), is_lasting });
    }

    /// So much waits at the source; `None`: it does not tell.
    pub(crate) fn waits(&mut self, backlog: Option<Backlog>) {
        self.backlog = backlog;
    }

    /// Somebody paused it.
    pub(crate) fn pause(&mut self, since_us: i64) {
        self.paused_since_us.get_or_insert(since_us);
        self.failure = None;
    }

    /// Somebody resumed it.
    pub(crate) fn resume(&mut self, now_us: i64) {
        if self.paused_since_us.take().is_some() {
            self.started_us = now_us;
        }
    }

    /// When its last record came.
    pub(crate) fn last_records_us(&self) -> Option<i64> {
        self.last_records_us
    }

    /// How far its newest event lies back.
    pub(crate) fn lag_us(&self, now_us: i64) -> Option<i64> {
        self.newest_event_us.map(|event_us| now_us.saturating_sub(event_us).max(0))
    }

    /// The gap between records that most of the time is spent in: the median of the gaps, each weighing as
    /// long as it was. `None` before there were some.
    pub(crate) fn usual_gap_us(&self) -> Option<i64> {
        if self.gaps_us.len() < 3 {
            return None;
        }
        let mut gaps: Vec<i64> = self.gaps_us.iter().copied().collect();
        gaps.sort_unstable();
        let half: i64 = gaps.iter().sum::<i64>() / 2;
        let mut passed = 0;
        gaps.into_iter().find(|gap_us| {
            passed += gap_us;
            passed >= half
        })
    }

    /// How it is now; `newest_event_us` is the latest time of an event of its records.
    pub(crate) fn judge(&mut self, newest_event_us: Option<i64>, now_us: i64) -> &Judgement {
        self.notice(now_us);
        self.newest_event_us = newest_event_us;
        let (state, why, since_us) = self.state(now_us);
        if state != self.judgement.state {
            self.judgement.state = state;
            self.judgement.since_us = since_us;
        }
        self.judgement.why = why;
        &self.judgement
    }

    /// What was judged last.
    pub(crate) fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    fn state(&self, now_us: i64) -> (SourceState, String, i64) {
        if let Some(since_us) = self.paused_since_us {
            return (SourceState::Paused, "somebody has paused it".into(), since_us);
        }
        if let Some(failure) = &self.failure
            && (failure.is_lasting || now_us - failure.since_us >= micros(self.bounds.failing_after))
        {
            return (SourceState::Failing, failure.why.clone(), failure.since_us);
        }
        if let Some((since_us, allowed_us)) = self.silence(now_us) {
            let why = format!(
                "no record for {}; {} would be usual",
                words(now_us - since_us),
                match self.usual_gap_us() {
                    Some(gap_us) => format!("one every {}", words(gap_us)),
                    None => format!("less than {}", words(allowed_us)),
                }
            );
            return (SourceState::Silent, why, since_us);
        }
        if let (Some(after), Some(Backlog { records, since_us: Some(read_to_us) })) =
            (self.bounds.lagging_after, self.backlog)
            && records > 0
            && now_us.saturating_sub(read_to_us) > micros(after)
        {
            let why = format!(
                "{records} messages wait at the source; reading is {} behind",
                words(now_us.saturating_sub(read_to_us))
            );
            return (SourceState::Lagging, why, now_us);
        }
        if let (Some(after), Some(event_us), Some(records_us)) =
            (self.bounds.lagging_after, self.newest_event_us, self.last_records_us)
            && records_us.saturating_sub(event_us) > micros(after)
        {
            let why = format!(
                "the newest event was {} old when it came",
                words(records_us.saturating_sub(event_us))
            );
            return (SourceState::Lagging, why, now_us);
        }
        (SourceState::Ok, String::new(), now_us)
    }

    /// Since when it is silent and how long it might have been; `None` while it is not.
    fn silence(&self, now_us: i64) -> Option<(i64, i64)> {
        let least_us = micros(self.bounds.silent_after?);
        let allowed_us = least_us.max(self.usual_gap_us().unwrap_or(0).saturating_mul(USUAL_GAPS));
        let since_us = self.last_records_us.map_or(self.started_us, |last_us| last_us.max(self.started_us));
        (now_us - since_us > allowed_us).then_some((since_us, allowed_us))
    }

    /// The trouble that an alert should tell, as it was judged last.
    pub(crate) fn trouble(&self, now_us: i64) -> Option<Trouble> {
        let Judgement { state, why, .. } = &self.judgement;
        let since_us = match state {
            // The last record tells the episode, in the next run as in this one.
            SourceState::Silent => self.last_records_us.unwrap_or(self.started_us),
            SourceState::Failing => self.failure.as_ref()?.since_us,
            _ => return None,
        };
        if *state == SourceState::Failing && now_us - since_us < micros(self.bounds.failing_after) {
            return None;
        }
        Some(Trouble { state: *state, since_us, why: why.clone() })
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// A span of time in the unit that suits it.
fn words(span_us: i64) -> String {
    let seconds = span_us.max(0) / 1_000_000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;
    const MIN: i64 = 60 * S;

    fn source() -> SourceHealth {
        let bounds = HealthBounds {
            silent_after: Some(Duration::from_secs(600)),
            failing_after: Duration::from_secs(300),
            lagging_after: Some(Duration::from_secs(3600)),
        };
        SourceHealth::new(bounds, None, 0)
    }

    fn state(health: &mut SourceHealth, now_us: i64) -> SourceState {
        health.judge(Some(now_us), now_us).state
    }

    #[test]
    fn errors_are_failing_once_they_last() {
        let mut health = source();
        health.failed("no route", false, 10 * S);
        assert_eq!(state(&mut health, 20 * S), SourceState::Ok);
        health.failed("still no route", false, 200 * S);
        assert_eq!(state(&mut health, 310 * S), SourceState::Failing);
        let judged = health.judgement().clone();
        assert_eq!((judged.why.as_str(), judged.since_us), ("still no route", 10 * S));
        assert_eq!(health.trouble(310 * S).unwrap().since_us, 10 * S);
        health.records(315 * S);
        assert_eq!(state(&mut health, 316 * S), SourceState::Failing, "they were taken before");
        health.succeeded();
        assert_eq!(state(&mut health, 320 * S), SourceState::Ok);
        assert_eq!(health.judgement().since_us, 320 * S);
        assert_eq!(health.trouble(320 * S), None);
        // What will hardly pass is told at once, and alarms if it lasts.
        health.failed("no such queue", true, 330 * S);
        assert_eq!(state(&mut health, 330 * S), SourceState::Failing);
        assert_eq!(health.trouble(331 * S), None);
        assert!(health.trouble(631 * S).is_some());
    }

    #[test]
    fn silence_is_measured_by_the_sources_own_rhythm() {
        let mut health = source();
        assert_eq!(state(&mut health, 600 * S), SourceState::Ok);
        assert_eq!(state(&mut health, 601 * S), SourceState::Silent);
        // Bursts of a minute every 15 minutes: five gaps may pass, not ten minutes.
        let mut now_us = 1000 * S;
        for _ in 0..10 {
            for _ in 0..60 {
                health.records(now_us);
                now_us += S;
            }
            now_us += 14 * MIN;
        }
        let last_us = now_us - 14 * MIN - S;
        assert_eq!(health.usual_gap_us(), Some(14 * MIN + S));
        assert_eq!(state(&mut health, last_us + 70 * MIN), SourceState::Ok);
        assert_eq!(state(&mut health, last_us + 71 * MIN), SourceState::Silent);
        let judged = health.judgement();
        assert_eq!(judged.why, "no record for 71 min; one every 14 min would be usual");
        assert_eq!(judged.since_us, last_us);
        health.records(last_us + 72 * MIN);
        assert_eq!(state(&mut health, last_us + 72 * MIN), SourceState::Ok);
        // One long silence does not change what is usual for long.
        for _ in 0..GAPS {
            health.records(health.last_records_us().unwrap() + 14 * MIN);
        }
        assert_eq!(health.usual_gap_us(), Some(14 * MIN));
    }

    #[test]
    fn a_fast_source_has_the_least_span() {
        let mut health = source();
        (0..1000).for_each(|n| health.records(n * S / 10));
        let last_us = health.last_records_us().unwrap();
        assert_eq!(state(&mut health, last_us + 600 * S), SourceState::Ok);
        assert_eq!(state(&mut health, last_us + 601 * S), SourceState::Silent);
        assert_eq!(health.trouble(last_us + 601 * S).unwrap().since_us, last_us);
    }

    #[test]
    fn a_pause_is_no_silence() {
        let mut health = source();
        health.records(S);
        health.pause(2 * S);
        assert_eq!(state(&mut health, 10_000 * S), SourceState::Paused);
        assert_eq!(health.judgement().since_us, 2 * S);
        assert_eq!(health.trouble(10_000 * S), None);
        health.resume(10_000 * S);
        assert_eq!(state(&mut health, 10_500 * S), SourceState::Ok);
        assert_eq!(state(&mut health, 10_601 * S), SourceState::Silent);
        health.records(10_602 * S);
        assert_eq!(health.usual_gap_us(), None, "the pause is no gap");
    }

    #[test]
    fn old_events_are_a_lag_while_records_come() {
        let mut health = source();
        health.records(10_000 * S);
        assert_eq!(health.judge(Some(6_500 * S), 10_001 * S).state, SourceState::Ok);
        assert_eq!(health.judge(Some(6_300 * S), 10_001 * S).state, SourceState::Lagging);
        assert_eq!(health.lag_us(10_001 * S), Some(3_701 * S));
        health.records(10_002 * S);
        assert_eq!(health.judge(Some(10_000 * S), 10_003 * S).state, SourceState::Ok);
        // No events at all, such as nothing but dead letters, is no lag.
        assert_eq!(health.judge(None, 10_004 * S).state, SourceState::Ok);
    }

    #[test]
    fn what_waits_at_the_source_for_long_is_a_lag() {
        let mut health = source();
        health.records(10_000 * S);
        let waits = |records, since_us| Some(Backlog { records, since_us });
        health.waits(waits(7, Some(6_400 * S)));
        assert_eq!(state(&mut health, 10_000 * S), SourceState::Ok);
        assert_eq!(state(&mut health, 10_001 * S), SourceState::Lagging);
        assert_eq!(health.judgement().why, "7 messages wait at the source; reading is 60 min behind");
        // Nothing waits, or nobody knows since when.
        for well in [waits(0, Some(6_400 * S)), waits(7, None), None] {
            health.waits(well);
            assert_eq!(state(&mut health, 10_001 * S), SourceState::Ok);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_hides_no_trouble() {
        const DAY: i64 = 86_400 * S;
        let mut health = source();
        health.records(DAY);
        health.failed("no route", false, DAY + S);
        assert_eq!(state(&mut health, DAY + 2 * S), SourceState::Ok);
        // A day back: nothing that is remembered lies in the future.
        assert_eq!(state(&mut health, 100 * S), SourceState::Ok);
        assert_eq!(health.last_records_us(), Some(100 * S));
        assert_eq!(state(&mut health, 400 * S), SourceState::Failing);
        assert_eq!(health.judgement().since_us, 100 * S);
        assert_eq!(health.trouble(400 * S).unwrap().since_us, 100 * S);
        health.succeeded();
        assert_eq!(state(&mut health, 701 * S), SourceState::Silent);
        assert_eq!(health.trouble(701 * S).unwrap().since_us, 100 * S);
        // Records that come with the new clock end it, and the step is no gap of the source.
        health.records(702 * S);
        assert_eq!(state(&mut health, 702 * S), SourceState::Ok);
        health.records(703 * S);
        assert_eq!(health.usual_gap_us(), None);
        // What another run has noted of a later clock is no reason to be silent about silence either.
        let mut health = SourceHealth::new(source().bounds, Some(DAY), 10 * S);
        assert_eq!(state(&mut health, 611 * S), SourceState::Silent);
        health.pause(DAY);
        assert_eq!(
            (state(&mut health, 612 * S), health.judgement().since_us),
            (SourceState::Paused, 612 * S)
        );
    }

    #[test]
    fn a_silence_that_began_in_an_earlier_run_is_the_same_episode() {
        let bounds = source().bounds;
        let mut health = SourceHealth::new(bounds, Some(5 * S), 1000 * S);
        assert_eq!(state(&mut health, 1600 * S), SourceState::Ok, "it gets its time again");
        assert_eq!(state(&mut health, 1601 * S), SourceState::Silent);
        assert_eq!(health.trouble(1601 * S).unwrap().since_us, 5 * S);
    }
}
