//! How far a long reading has come: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use crate::output::say;

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows bytes of input read and records found.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    total_bytes: Option<u64>,
    bytes: u64,
    records: u64,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    /// For an input of `total_bytes`, where that is known.
    pub(crate) fn new(total_bytes: Option<u64>, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let bar = terminal.then(|| {
            let bar = total_bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = if total_bytes.is_some() {
                "{bar:30} {percent:>3}% {bytes}/{total_bytes} {msg} ETA {eta}"
            } else {
                "{spinner} {bytes} {msg}"
            };
            // The template is a constant and good; the default would do as well.
            bar.with_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        });
        let now = Instant::now();
        Self { bar, quiet, total_bytes, bytes: 0, records: 0, started: now, last_line: now }
    }

    /// More was read.
    pub(crate) fn add(&mut self, bytes: u64, records: u64) {
        self.bytes += bytes;
        self.records += records;
        let rate = self.rate();
        if let Some(bar) = &self.bar {
            bar.set_position(self.bytes);
            bar.set_message(format!("{} records, {}/s", HumanCount(self.records), HumanCount(rate)));
        } else if !self.quiet && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let of = self.total_bytes.map(|total| format!(" of {}", HumanBytes(total))).unwrap_or_default();
            let left = self.seconds_left().map(|left| format!(", about {left} s left")).unwrap_or_default();
            say(&format!(
                "{}{of} read, {} records, {}/s{left}",
                HumanBytes(self.bytes),
                HumanCount(self.records),
                HumanCount(rate)
            ));
        }
    }

    fn rate(&self) -> u64 {
        (self.records as f64 / self.started.elapsed().as_secs_f64().max(0.001)) as u64
    }

    fn seconds_left(&self) -> Option<u64> {
        let total = self.total_bytes?;
        let rate = self.bytes as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        (rate > 0.0).then(|| (total.saturating_sub(self.bytes) as f64 / rate) as u64)
    }

    /// Takes the bar off the screen and prints `line` in its place.
    pub(crate) fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// The end.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
