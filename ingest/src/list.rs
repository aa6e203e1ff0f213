//! Lists of events that are asked by time, page by page: the one engine under every such service.
//!
//! A service's file says how a page is asked for and what it holds ([`List`]); windows, tokens, gaps between
//! requests, positions and what happens after an error are here. One source may ask several lists (an API
//! for each subscription, application or kind of content): they take turns, and one that fails is left alone
//! for a while and does not stop the others.

mod json;
mod rate;
mod source;
mod window;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use event::{Fate, LogType, RawBatchBuilder, RawRecord};
use tokio::time::Instant;

pub(crate) use json::{records_at, text_at};
pub(crate) use rate::pause;
pub use source::{ListPurpose, ListSource};
pub(crate) use window::{Progress, Window, Windowing};

use crate::{
    Collected, Collector, Error, FindingKind, Polled, PositionChange, ReadOptions, Result, SourceFinding,
};

/// How long a poll waits where there is nothing to ask yet.
const PATIENCE: Duration = Duration::from_secs(10);
/// It waits no shorter than this.
const LEAST_WAIT: Duration = Duration::from_millis(20);
/// A longer token of a page is not kept.
const MAX_TOKEN: usize = 32 << 10;
/// A watermark that lies so far ahead of now, in seconds, is one of a clock that was wrong.
const AHEAD_S: i64 = 300;
/// A list that fails is left alone so long at most.
const MAX_REST: Duration = Duration::from_secs(900);

/// A list that is asked by time.
#[async_trait]
pub(crate) trait List: Debug + Send {
    /// Its name within the source: the key of its position. At most 1 KiB; the same at every start.
    fn name(&self) -> &str;

    /// The permission that it needs, as the service names it.
    fn grant(&self) -> String {
        String::new()
    }

    /// What its records are.
    fn log_type(&self) -> Option<LogType>;

    /// Where its records come from; the window is added.
    fn origin(&self) -> String;

    /// How it is cut into windows.
    fn windowing(&self) -> Windowing;

    /// How long the service keeps its records, in seconds. Where a saved position is older, what was between
    /// is told as a gap; nothing older is asked for.
    fn kept_s(&self) -> Option<i64> {
        None
    }

    /// The time by the service's own clock when it last answered, in seconds since 1970, where it says it.
    fn service_s(&self) -> Option<i64> {
        None
    }

    /// The page of `window.token` (`None`: the first) of the records from `window.start_s` to `window.end_s`.
    ///
    /// # Errors
    /// The page cannot be read; the fate says whether trying again can help.
    async fn page(&mut self, window: &Window) -> Result<Listed>;

    /// How long the service is to be left alone after the last page, as its answer told.
    fn pause(&self) -> Duration {
        Duration::ZERO
    }
}

/// What a list answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listed {
    /// A page.
    Page {
        /// Each the text of one record as the service wrote it, in the order of the answer.
        records: Vec<String>,
        /// What the next page is asked with; `None`: this was the last. At most 32 KiB.
        next: Option<String>,
    },
    /// A page after which there are no more for now, of a list that goes on for ever in an order of its own
    /// (mostly that of arrival): after the shortest window's time it is asked on with `next`.
    CaughtUp {
        /// As of a page.
        records: Vec<String>,
        /// What it is asked on with, perhaps the token of this page. At most 32 KiB.
        next: String,
    },
    /// The token has ended: the window is read again from its first page, and repeated events are found by
    /// their ids.
    TokenEnded,
}

/// A collector over the lists of one source; see [`ListSource`].
#[derive(Debug)]
pub struct Lists {
    options: ReadOptions,
    /// Between two requests; services count over all lists of an identity.
    gap: Duration,
    lists: Vec<Turn>,
    /// Where lists begin that are met for the first time.
    start: Start,
    /// What was saved when the source was opened.
    saved: BTreeMap<String, String>,
    /// Whose turn it is.
    turn: usize,
    /// No request before.
    not_before: Instant,
    /// Where a backfill ends, in seconds since 1970.
    until_s: Option<i64>,
    next_ticket: u64,
    /// Beginnings that are not saved yet: a list that is not due for hours must not begin later after a
    /// restart.
    unsaved: Vec<PositionChange>,
}

/// Where a list without a position begins.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// So many seconds before what has settled now.
    Lookback(i64),
    /// At a time, in seconds since 1970.
    At(i64),
}

/// A list and how far it was read.
#[derive(Debug)]
struct Turn {
    list: Box<dyn List>,
    progress: Progress,
    /// It goes on from an earlier run.
    has_begun: bool,
    /// After an error: not asked before, and how often it failed in a row.
    rests_until: Option<Instant>,
    failures: u32,
}

impl Turn {
    /// The error of an answer that cannot be gone on with.
    fn refuse(&mut self, problem: String) -> Error {
        self.failures += 1;
        Error::BadAnswer { call: self.list.name().to_owned(), problem }
    }
}

impl Lists {
    /// Goes on at the saved `positions`; a list without one begins `lookback` before now. Nothing is called
    /// yet. Between two requests `gap` passes at least.
    pub(crate) fn open(
        lists: Vec<Box<dyn List>>,
        lookback: Duration,
        gap: Duration,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Self {
        Self::new(lists, Start::Lookback(seconds(lookback)), gap, positions, options)
    }

    /// Reads the past in `span_us` (microseconds since 1970) once and ends.
    pub(crate) fn over(
        lists: Vec<Box<dyn List>>,
        span_us: &Range<i64>,
        gap: Duration,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Self {
        let start = Start::At(span_us.start.div_euclid(1_000_000));
        let mut lists = Self::new(lists, start, gap, positions, options);
        lists.until_s = Some(span_us.end.div_euclid(1_000_000) + 1);
        lists
    }

    fn new(
        lists: Vec<Box<dyn List>>,
        start: Start,
        gap: Duration,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Self {
        let mut all = Self {
            lists: Vec::new(),
            start,
            saved: positions.clone(),
            options,
            gap,
            turn: 0,
            not_before: Instant::now(),
            until_s: None,
            next_ticket: 0,
            unsaved: Vec::new(),
        };
        all.replace(lists);
        all
    }

    /// Asks these lists from now on: those that are asked already go on where they are, the others begin or
    /// go on at their saved position, and what is not among them is left. For sources that find out
    /// themselves what there is to ask.
    pub(crate) fn replace(&mut self, lists: Vec<Box<dyn List>>) {
        let now_s = (self.options.now_us)() / 1_000_000;
        // One for all: a list that is read a second time, later, begins where the first reading does.
        let settle_s = lists.iter().map(|list| list.windowing().settle_s).min().unwrap_or(0);
        let mut before = std::mem::take(&mut self.lists);
        for list in lists {
            if let Some(place) = before.iter().position(|turn| turn.list.name() == list.name()) {
                self.lists.push(Turn { list, ..before.swap_remove(place) });
                continue;
            }
            let begin_s = match self.start {
                Start::Lookback(lookback_s) => now_s - settle_s - lookback_s,
                // The first window reaches back by the overlap, which is not asked for here.
                Start::At(start_s) => start_s + list.windowing().overlap_s,
            };
            let saved = self.saved.get(list.name()).and_then(|text| Progress::from_text(text));
            let has_begun = saved.is_some();
            let progress = saved.unwrap_or_else(|| {
                let progress = Progress::from(begin_s);
                let value = Some(progress.to_text());
                self.unsaved.push(PositionChange { key: list.name().to_owned(), value });
                progress
            });
            self.lists.push(Turn { list, progress, has_begun, rests_until: None, failures: 0 });
        }
        for left in before {
            // It may come again.
            self.saved.insert(left.list.name().to_owned(), left.progress.to_text());
        }
        self.turn = 0;
    }

    /// The next list that has something to ask for, in turn.
    fn next(&mut self) -> Option<(usize, Window)> {
        let now_s = (self.options.now_us)() / 1_000_000;
        let now = Instant::now();
        for step in 0..self.lists.len() {
            let place = (self.turn + step) % self.lists.len();
            let turn = self.lists.get_mut(place)?;
            if turn.rests_until.is_some_and(|until| until > now) {
                continue;
            }
            let mut windowing = turn.list.windowing();
            // At a backfill's end the last window is as short as it is.
            let now_s = self.until_s.map_or(now_s, |until| now_s.min(until + windowing.settle_s));
            if self.until_s.is_some() {
                windowing.step_s = 1;
            }
            if let Some(window) = turn.progress.next(&windowing, now_s) {
                self.turn = (place + 1) % self.lists.len();
                return Some((place, window));
            }
        }
        None
    }

    /// Steps over what the services do not keep any more. Where something was to be read there, it is a gap:
    /// the list that has it, and what to tell.
    fn expired(&mut self) -> Option<(PositionChange, SourceFinding)> {
        let now_s = (self.options.now_us)() / 1_000_000;
        for turn in &mut self.lists {
            let Some(kept_s) = turn.list.kept_s() else { continue };
            let Some((start_s, end_s)) = turn.progress.expire(now_s - kept_s) else { continue };
            let name = turn.list.name().to_owned();
            if !turn.has_begun {
                // Saved as it was, it would look like a gap after a restart.
                for change in self.unsaved.iter_mut().filter(|change| change.key == name) {
                    change.value = Some(turn.progress.to_text());
                }
                continue;
            }
            let finding = SourceFinding {
                kind: FindingKind::Gap,
                subject: format!("{}/{start_s}", turn.list.origin()),
                detail: format!(
                    "`{name}` was not read for so long that the service keeps its records no longer: it keeps \
                     {} days",
                    kept_s / 86_400
                ),
                span_us: Some(start_s * 1_000_000..end_s * 1_000_000),
            };
            return Some((PositionChange { key: name, value: Some(turn.progress.to_text()) }, finding));
        }
        None
    }

    /// Goes back where this machine's clock was ahead and the service told no time: what happened until the clock
    /// was put right may not have been listed when it was asked for. The list that has it, and what to tell.
    fn ahead(&mut self) -> Option<(PositionChange, SourceFinding)> {
        let now_s = (self.options.now_us)() / 1_000_000;
        for turn in self.lists.iter_mut().filter(|_| self.until_s.is_none()) {
            let Some(was_s) = turn.progress.go_back(&turn.list.windowing(), now_s, AHEAD_S) else { continue };
            let name = turn.list.name().to_owned();
            let finding = SourceFinding {
                kind: FindingKind::Gap,
                subject: format!("{}/clock/{was_s}", turn.list.origin()),
                detail: format!(
                    "the clock of this machine was ahead, and `{name}` was read up to a time that is still to \
                     come; it goes on from now. What happened while the clock was wrong may be missing: read \
                     that time again with `stormglass sources backfill`"
                ),
                span_us: Some(now_s * 1_000_000..was_s * 1_000_000),
            };
            return Some((PositionChange { key: name, value: Some(turn.progress.to_text()) }, finding));
        }
        None
    }

    /// How long it is until there may be something to ask for.
    fn until_due(&self) -> Duration {
        let (now, now_us) = (Instant::now(), (self.options.now_us)());
        let until = |turn: &Turn| {
            let windowing = turn.list.windowing();
            let due_s = turn.progress.watermark_s + windowing.step_s + windowing.settle_s;
            let opens = match turn.progress.window {
                Some(_) => 0,
                None => due_s.saturating_mul(1_000_000).saturating_sub(now_us).max(0).unsigned_abs(),
            };
            let rests = turn.rests_until.map_or(Duration::ZERO, |until| until.duration_since(now));
            rests.max(Duration::from_micros(opens))
        };
        self.lists.iter().map(until).min().unwrap_or(PATIENCE).clamp(LEAST_WAIT, PATIENCE)
    }

    /// Whether a backfill has read all there is to read.
    fn is_done(&self) -> bool {
        let now_s = (self.options.now_us)() / 1_000_000;
        self.until_s.is_some_and(|until| {
            self.lists.iter().all(|turn| {
                let end_s = until.min(now_s - turn.list.windowing().settle_s);
                turn.progress.window.is_none() && turn.progress.watermark_s >= end_s
            })
        })
    }
}

#[async_trait]
impl Collector for Lists {
    async fn poll(&mut self) -> Result<Polled> {
        if let Some((position, finding)) = self.expired().or_else(|| self.ahead()) {
            self.next_ticket += 1;
            return Ok(Polled::Collected(Collected {
                batch: None,
                position: vec![position],
                findings: vec![finding],
                ticket: self.next_ticket,
            }));
        }
        let Some((place, window)) = self.next() else {
            if self.is_done() {
                return Ok(Polled::End);
            }
            tokio::time::sleep(self.until_due()).await;
            return Ok(Polled::Idle);
        };
        tokio::time::sleep_until(self.not_before).await;
        self.not_before = Instant::now() + self.gap;
        let Some(turn) = self.lists.get_mut(place) else { return Ok(Polled::Idle) };
        let listed = match turn.list.page(&window).await {
            Ok(listed) => listed,
            Err(error) => {
                let least = match error.fate() {
                    Fate::Retry { after } => after,
                    _ => MAX_REST,
                };
                let rest = least.saturating_mul(1 << turn.failures.min(8)).min(MAX_REST).max(least);
                turn.failures += 1;
                // A list that was asked for too much may ask for less from now on.
                turn.progress.narrow(&turn.list.windowing());
                turn.rests_until = Some(Instant::now() + rest);
                return Err(error);
            }
        };
        let mut rest = turn.list.pause().min(MAX_REST);
        let windowing = turn.list.windowing();
        let (records, next, is_caught_up) = match listed {
            Listed::Page { records, next } => (records, next, false),
            // The past has an end.
            Listed::CaughtUp { records, .. } if self.until_s.is_some() => (records, None, false),
            Listed::CaughtUp { records, next } => {
                rest = rest.max(Duration::from_secs(windowing.step_s.unsigned_abs()));
                (records, Some(next), true)
            }
            Listed::TokenEnded => {
                turn.failures = 0;
                turn.progress.rewind();
                turn.rests_until = None;
                return Ok(Polled::Idle);
            }
        };
        turn.rests_until = (!rest.is_zero()).then(|| Instant::now() + rest);
        if !is_caught_up && next.is_some() && next == window.token {
            return Err(turn.refuse("the token of the next page is the one of this page".into()));
        }
        if next.as_ref().is_some_and(|next| next.len() > MAX_TOKEN) {
            let problem = format!("the token of the next page is longer than {MAX_TOKEN} bytes");
            return Err(turn.refuse(problem));
        }
        let mut batch = RawBatchBuilder::with_capacity(records.iter().map(String::len).sum());
        for (place, text) in records.iter().enumerate() {
            let number = window.records + place as u64;
            let reject = (text.len() > self.options.limits.record_bytes)
                .then(|| format!("too_large: {} bytes", text.len()));
            let record = RawRecord { bytes: text.as_bytes(), number, reject: reject.as_deref() };
            if !batch.push(record) {
                return Err(turn.refuse("a page has more than 4 GiB".into()));
            }
        }
        // By whichever clock is behind: a page holds nothing of a time that has not come for the service.
        let now_s = (self.options.now_us)() / 1_000_000;
        let now_s = turn.list.service_s().map_or(now_s, |service_s| service_s.min(now_s));
        match next {
            Some(next) if is_caught_up => {
                turn.progress.caught_up(records.len() as u64, next, &windowing, now_s);
            }
            next => turn.progress.page(records.len() as u64, next, now_s - windowing.settle_s),
        }
        turn.has_begun = true;
        turn.failures = 0;
        self.next_ticket += 1;
        let call = turn.list.name();
        let origin = format!("{}/{}-{}", turn.list.origin(), window.start_s, window.end_s);
        let options = &self.options;
        let log_type = options.log_type.or(turn.list.log_type());
        let batch = (!batch.is_empty())
            .then(|| batch.finish(options.source.clone(), log_type, origin, (options.now_us)()));
        let value = Some(turn.progress.to_text());
        let mut position = vec![PositionChange { key: call.to_owned(), value }];
        position.extend(self.unsaved.drain(..).filter(|change| change.key != call));
        Ok(Polled::Collected(Collected { batch, position, findings: Vec::new(), ticket: self.next_ticket }))
    }

    fn is_failing(&self) -> bool {
        self.lists.iter().any(|turn| turn.failures > 0)
    }

    /// Positions are all there is.
    async fn ack(&mut self, _tickets: &[u64]) -> Result<()> {
        Ok(())
    }
}

/// A span in whole seconds.
pub(crate) fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests;
