//! Lists of events that are asked by time, page by page: the one engine under every such service.
//!
//! A service's file says how a page is asked for and what it holds ([`List`]); windows, tokens, gaps between
//! requests, positions and what happens after an error are here. One source may ask several lists (an API
//! for each subscription, application or kind of content): they take turns, and one that fails is left alone
//! for a while and does not stop the others.

mod window;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use event::{Fate, LogType, RawBatchBuilder, RawRecord};
use tokio::time::Instant;

pub(crate) use window::{Progress, Window, Windowing};

use crate::{
    Collected, Collector, Error, FindingKind, Polled, PositionChange, ReadOptions, Result, SourceFinding,
};

/// How long a poll waits where there is nothing to ask yet.
const PATIENCE: Duration = Duration::from_secs(10);
/// A list that fails is left alone so long at most.
const MAX_REST: Duration = Duration::from_secs(900);

/// A list that is asked by time.
#[async_trait]
pub(crate) trait List: Debug + Send {
    /// Its name within the source: the key of its position. At most 1 KiB; the same at every start.
    fn name(&self) -> &str;

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

    /// The page of `window.token` (`None`: the first) of the records from `window.start_s` to `window.end_s`.
    ///
    /// # Errors
    /// The page cannot be read; the fate says whether trying again can help.
    async fn page(&mut self, window: &Window) -> Result<Listed>;
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
    /// The token has ended: the window is read again from its first page, and repeated events are found by
    /// their ids.
    TokenEnded,
}

/// A collector over the lists of one source.
#[derive(Debug)]
pub(crate) struct Lists {
    options: ReadOptions,
    /// Between two requests; services count over all lists of an identity.
    gap: Duration,
    lists: Vec<Turn>,
    /// Whose turn it is.
    turn: usize,
    /// No request before.
    not_before: Instant,
    /// Where a backfill ends, in seconds since 1970.
    until_s: Option<i64>,
    next_ticket: u64,
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
        let now_s = (options.now_us)() / 1_000_000;
        let begin = |list: &dyn List| now_s - list.windowing().settle_s - seconds(lookback);
        Self::new(lists, begin, gap, positions, options)
    }

    /// Reads the past in `span_us` (microseconds since 1970) once and ends.
    pub(crate) fn over(
        lists: Vec<Box<dyn List>>,
        span_us: &Range<i64>,
        gap: Duration,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Self {
        // The first window reaches back by the overlap, which is not asked for here.
        let begin = |list: &dyn List| span_us.start.div_euclid(1_000_000) + list.windowing().overlap_s;
        let mut lists = Self::new(lists, begin, gap, positions, options);
        lists.until_s = Some(span_us.end.div_euclid(1_000_000) + 1);
        lists
    }

    fn new(
        lists: Vec<Box<dyn List>>,
        begin: impl Fn(&dyn List) -> i64,
        gap: Duration,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Self {
        let turn = |list: Box<dyn List>| {
            let saved = positions.get(list.name()).and_then(|text| Progress::from_text(text));
            let has_begun = saved.is_some();
            let progress = saved.unwrap_or_else(|| Progress::from(begin(&*list)));
            Turn { list, progress, has_begun, rests_until: None, failures: 0 }
        };
        Self {
            lists: lists.into_iter().map(turn).collect(),
            options,
            gap,
            turn: 0,
            not_before: Instant::now(),
            until_s: None,
            next_ticket: 0,
        }
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
            if !turn.has_begun {
                continue;
            }
            let name = turn.list.name().to_owned();
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
        if let Some((position, finding)) = self.expired() {
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
            tokio::time::sleep(PATIENCE).await;
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
                turn.rests_until = Some(Instant::now() + rest);
                return Err(error);
            }
        };
        (turn.failures, turn.rests_until) = (0, None);
        let (records, next) = match listed {
            Listed::Page { records, next } => (records, next),
            Listed::TokenEnded => {
                turn.progress.rewind();
                return Ok(Polled::Idle);
            }
        };
        let call = turn.list.name();
        if next.is_some() && next == window.token {
            let problem = "the token of the next page is the one of this page".into();
            return Err(Error::BadAnswer { call: call.to_owned(), problem });
        }
        let mut batch = RawBatchBuilder::with_capacity(records.iter().map(String::len).sum());
        for (place, text) in records.iter().enumerate() {
            let number = window.records + place as u64;
            let reject = (text.len() > self.options.limits.record_bytes)
                .then(|| format!("too_large: {} bytes", text.len()));
            let record = RawRecord { bytes: text.as_bytes(), number, reject: reject.as_deref() };
            if !batch.push(record) {
                let problem = "a page has more than 4 GiB".into();
                return Err(Error::BadAnswer { call: call.to_owned(), problem });
            }
        }
        turn.progress.page(records.len() as u64, next);
        turn.has_begun = true;
        self.next_ticket += 1;
        let origin = format!("{}/{}-{}", turn.list.origin(), window.start_s, window.end_s);
        let options = &self.options;
        let log_type = options.log_type.or(turn.list.log_type());
        let batch = (!batch.is_empty())
            .then(|| batch.finish(options.source.clone(), log_type, origin, (options.now_us)()));
        let value = Some(turn.progress.to_text());
        let position = vec![PositionChange { key: call.to_owned(), value }];
        Ok(Polled::Collected(Collected { batch, position, findings: Vec::new(), ticket: self.next_ticket }))
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
