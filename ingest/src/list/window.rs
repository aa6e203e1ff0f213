//! Windows over a list that is asked by time, and where to go on in it.
//!
//! What happened is listed some minutes late, so the end of what is asked lies `settle` behind now; and a
//! list may still be filled behind its end, so each window begins `overlap` before the last one ended. A
//! page token is good for the identical question alone: window and token are kept together, and whoever
//! starts again asks the same.

use std::time::Duration;

use serde_json::{Value, json};

use super::seconds;

/// How a list is cut into windows; all in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Windowing {
    pub(crate) settle_s: i64,
    pub(crate) overlap_s: i64,
    /// The longest window, without its overlap.
    pub(crate) length_s: i64,
    /// The shortest that is worth a question, without its overlap.
    pub(crate) step_s: i64,
}

impl Windowing {
    /// Windows as settings give them, each span of `most_s` at most: `window` is the longest, `every` the
    /// shortest.
    pub(crate) fn of(
        settle: Duration,
        overlap: Duration,
        window: Duration,
        every: Duration,
        most_s: i64,
    ) -> Self {
        Self {
            settle_s: seconds(settle).min(most_s),
            overlap_s: seconds(overlap).min(most_s),
            length_s: seconds(window.max(every)).clamp(1, most_s),
            step_s: seconds(every).clamp(1, most_s),
        }
    }

    /// How the same list is read a second time when everything is `after` old: what was listed too late for
    /// the first reading is found without long overlaps, which read everything many times.
    pub(crate) fn again_after(self, after: Duration) -> Self {
        let settle_s = i64::try_from(after.as_secs()).unwrap_or(i64::MAX / 4).max(self.settle_s);
        // Four times within that age: late enough to be few requests.
        let step_s = self.step_s.max(settle_s / 4);
        Self { settle_s, overlap_s: 0, length_s: self.length_s.max(step_s), step_s }
    }
}

/// Where a list is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Everything before it was read, in seconds since 1970.
    pub(crate) watermark_s: i64,
    pub(crate) window: Option<Window>,
}

/// A window that is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// From, inclusive.
    pub(crate) start_s: i64,
    /// To; whether inclusive is the list's affair, as windows overlap.
    pub(crate) end_s: i64,
    /// The page to ask for; `None`: the first.
    pub(crate) token: Option<String>,
    /// Records that the pages before had.
    pub(crate) records: u64,
}

impl Progress {
    /// The beginning.
    pub(crate) fn from(start_s: i64) -> Self {
        Self { watermark_s: start_s, window: None }
    }

    /// The question to ask at `now_s`; `None`: not yet.
    pub(crate) fn next(&mut self, windowing: &Windowing, now_s: i64) -> Option<Window> {
        if self.window.is_none() {
            let end_s = (now_s - windowing.settle_s).min(self.watermark_s + windowing.length_s);
            if end_s < self.watermark_s + windowing.step_s {
                return None;
            }
            let start_s = (self.watermark_s - windowing.overlap_s).max(0);
            self.window = Some(Window { start_s, end_s, token: None, records: 0 });
        }
        self.window.clone()
    }

    /// A page was read: how many records it had, and the token of the next. Nothing after `settled_s` counts as
    /// read: it had not settled when the page was made.
    pub(crate) fn page(&mut self, records: u64, token: Option<String>, settled_s: i64) {
        let Some(window) = &mut self.window else { return };
        window.records += records;
        window.token = token;
        if window.token.is_none() {
            // Never back, whatever a clock or a window of old says.
            self.watermark_s = self.watermark_s.max(window.end_s.min(settled_s));
            self.window = None;
        }
    }

    /// Nothing before `oldest_s` can be asked for any more: the span that is left out, if something is.
    pub(crate) fn expire(&mut self, oldest_s: i64) -> Option<(i64, i64)> {
        if self.watermark_s >= oldest_s {
            return None;
        }
        let left_out = (self.watermark_s, oldest_s);
        *self = Self::from(oldest_s);
        Some(left_out)
    }

    /// Goes back to what has settled at `now_s` where the watermark lies more than `ahead_s` after it: the
    /// watermark that was left, if so. A window that is being read is read to its end.
    pub(crate) fn go_back(&mut self, windowing: &Windowing, now_s: i64, ahead_s: i64) -> Option<i64> {
        let was_s = self.watermark_s;
        if self.window.is_some() || was_s <= now_s.saturating_add(ahead_s) {
            return None;
        }
        *self = Self::from(now_s - windowing.settle_s);
        Some(was_s)
    }

    /// Cuts a window of which nothing was read yet to what is the longest now.
    pub(crate) fn narrow(&mut self, windowing: &Windowing) {
        if let Some(window) = self.window.as_mut().filter(|window| window.token.is_none()) {
            let longest_s = windowing.length_s.max(windowing.step_s).max(1);
            window.end_s = window.end_s.min(self.watermark_s.saturating_add(longest_s));
        }
    }

    /// A page was read after which there are no more for now: the list is asked on with `token`. Should the
    /// service forget it, the list is read again from the overlap before `now_s`.
    pub(crate) fn caught_up(&mut self, records: u64, token: String, windowing: &Windowing, now_s: i64) {
        let Some(window) = &mut self.window else { return };
        self.watermark_s = self.watermark_s.max(now_s - windowing.settle_s);
        let start_s = (self.watermark_s - windowing.overlap_s).max(0);
        if (window.start_s, window.end_s) == (start_s, self.watermark_s) {
            window.records += records;
        } else {
            *window = Window { start_s, end_s: self.watermark_s, token: None, records: 0 };
        }
        window.token = Some(token);
    }

    /// The service does not know the token any more: the window is read again from its first page.
    pub(crate) fn rewind(&mut self) {
        if let Some(window) = &mut self.window {
            window.token = None;
            window.records = 0;
        }
    }

    /// As it is kept.
    pub(crate) fn to_text(&self) -> String {
        let window = self.window.as_ref().map(|window| {
            json!({"start": window.start_s, "end": window.end_s, "token": window.token, "records": window.records})
        });
        json!({"watermark": self.watermark_s, "window": window}).to_string()
    }

    /// As it was kept; `None`: it is none of ours.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let window = match value.get("window")? {
            Value::Null => None,
            window => Some(Window {
                start_s: window.get("start")?.as_i64()?,
                end_s: window.get("end")?.as_i64()?,
                token: window.get("token")?.as_str().map(str::to_owned),
                records: window.get("records")?.as_u64()?,
            }),
        };
        Some(Self { watermark_s: value.get("watermark")?.as_i64()?, window })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOWING: Windowing = Windowing { settle_s: 900, overlap_s: 1800, length_s: 3600, step_s: 60 };

    #[test]
    fn windows_follow_each_other() {
        let mut progress = Progress::from(10_000);
        assert_eq!(progress.next(&WINDOWING, 10_959), None);
        let first = Window { start_s: 8_200, end_s: 10_060, token: None, records: 0 };
        assert_eq!(progress.next(&WINDOWING, 10_960), Some(first.clone()));
        // The question stays the same, whatever the time is.
        assert_eq!(progress.next(&WINDOWING, 99_999), Some(first.clone()));
        progress.page(50, Some("t".into()), i64::MAX);
        let second = Window { token: Some("t".into()), records: 50, ..first.clone() };
        assert_eq!(progress.next(&WINDOWING, 99_999), Some(second));
        progress.rewind();
        assert_eq!(progress.next(&WINDOWING, 99_999), Some(first));
        progress.page(3, None, i64::MAX);
        assert_eq!(progress.watermark_s, 10_060);
        let behind = Window { start_s: 8_260, end_s: 13_660, token: None, records: 0 };
        assert_eq!(progress.next(&WINDOWING, 99_999), Some(behind));
        assert_eq!(Progress::from_text("{}"), None);
    }

    #[test]
    fn a_clock_that_is_ahead_moves_no_watermark_past_the_services() {
        let mut progress = Progress::from(10_000);
        // Ours says 99,999; the service's 12,000: what settled by that was read, and is gone on from.
        assert_eq!(progress.next(&WINDOWING, 99_999).unwrap().end_s, 13_600);
        progress.page(7, None, 12_000 - WINDOWING.settle_s);
        assert_eq!(progress.watermark_s, 11_100);
        let next = progress.next(&WINDOWING, 99_999).unwrap();
        assert_eq!((next.start_s, next.end_s), (9_300, 14_700));
        // Never back.
        progress.page(7, None, 5_000);
        assert_eq!(progress.watermark_s, 11_100);
        // Where the service says no time: back to now once the clock is right.
        progress.next(&WINDOWING, 99_999);
        progress.page(7, None, i64::MAX);
        assert_eq!(progress.watermark_s, 14_700);
        assert_eq!(progress.go_back(&WINDOWING, 14_400, 300), None);
        assert_eq!(progress.go_back(&WINDOWING, 12_000, 300), Some(14_700));
        assert_eq!(progress, Progress::from(11_100));
        progress.next(&WINDOWING, 99_999);
        assert_eq!(progress.go_back(&WINDOWING, 1_000, 300), None, "a window is read to its end");
    }

    #[test]
    fn a_window_is_narrowed_while_nothing_of_it_was_read() {
        let mut progress = Progress::from(10_000);
        assert_eq!(progress.next(&WINDOWING, 99_999).unwrap().end_s, 13_600);
        let shorter = Windowing { length_s: 600, ..WINDOWING };
        progress.narrow(&WINDOWING);
        assert_eq!(progress.next(&shorter, 99_999).unwrap().end_s, 13_600);
        progress.narrow(&shorter);
        assert_eq!(progress.next(&shorter, 99_999).unwrap().end_s, 10_600);
        progress.page(7, Some("t".into()), i64::MAX);
        progress.narrow(&Windowing { length_s: 60, ..WINDOWING });
        assert_eq!(progress.next(&shorter, 99_999).unwrap().end_s, 10_600);
        progress.page(7, None, i64::MAX);
        assert_eq!(progress.watermark_s, 10_600);
    }

    #[test]
    fn a_list_that_goes_on_keeps_its_token_and_a_place_to_begin_again() {
        let mut progress = Progress::from(10_000);
        progress.next(&WINDOWING, 11_000);
        progress.caught_up(7, "a".into(), &WINDOWING, 20_000);
        let window = Window { start_s: 17_300, end_s: 19_100, token: Some("a".into()), records: 0 };
        assert_eq!(progress.next(&WINDOWING, 20_000), Some(window.clone()));
        assert_eq!(progress.watermark_s, 19_100);
        // Within the same second the records are counted on: a number is given once.
        progress.caught_up(7, "b".into(), &WINDOWING, 20_000);
        let later = Window { token: Some("b".into()), records: 7, ..window.clone() };
        assert_eq!(progress.next(&WINDOWING, 20_000), Some(later));
        // A clock that is put back moves nothing back.
        progress.caught_up(1, "c".into(), &WINDOWING, 15_000);
        assert_eq!(progress.watermark_s, 19_100);
        progress.rewind();
        assert_eq!(progress.next(&WINDOWING, 20_000), Some(Window { token: None, ..window }));
    }

    proptest! {
        /// Whenever it is asked, killed and opened again: every second is asked for, none before it has
        /// settled, and a window's pages are of one question.
        #[test]
        fn no_second_is_left_out(
            steps in prop::collection::vec((0_i64..5_000, 0_u64..60, any::<bool>(), any::<bool>(), 0..9), 1..80),
            settle_s in 0_i64..2_000, overlap_s in 0_i64..4_000, length_s in 1_i64..9_000, step_s in 1_i64..300,
        ) {
            let windowing = Windowing { settle_s, overlap_s, length_s: length_s.max(step_s), step_s };
            let (mut now, mut read_to) = (1_000_000, 1_000_000);
            let mut progress = Progress::from(read_to);
            let mut saved = progress.to_text();
            let mut open: Option<Window> = None;
            for (pass, records, has_more, is_killed, fate) in steps {
                now += pass;
                if is_killed {
                    progress = Progress::from_text(&saved).unwrap();
                    if progress.window.is_none() {
                        open = None;
                    }
                }
                let Some(window) = progress.next(&windowing, now) else {
                    prop_assert!(now - settle_s < progress.watermark_s + step_s);
                    continue;
                };
                prop_assert!(window.start_s <= read_to && window.end_s <= now - settle_s);
                prop_assert!(window.end_s > read_to || is_killed);
                prop_assert!(window.end_s - progress.watermark_s <= windowing.length_s);
                if let Some(open) = &open {
                    prop_assert_eq!((open.start_s, open.end_s), (window.start_s, window.end_s));
                }
                if fate == 0 {
                    progress.rewind();
                    open = Some(window);
                    continue;
                }
                progress.page(records, has_more.then(|| format!("t{fate}")), i64::MAX);
                open = has_more.then(|| window.clone());
                if !has_more {
                    read_to = read_to.max(window.end_s);
                }
                prop_assert_eq!(progress.watermark_s, read_to);
                saved = progress.to_text();
                prop_assert_eq!(Progress::from_text(&saved), Some(progress.clone()));
            }
        }
    }
}
