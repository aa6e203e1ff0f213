//! Windows over a list that is asked by time, and where to go on in it.
//!
//! What happened is listed some minutes late, so the end of what is asked lies `settle` behind now; and a
//! list may still be filled behind its end, so each window begins `overlap` before the last one ended. A
//! page token is good for the identical question alone: window and token are kept together, and whoever
//! starts again asks the same.

use serde_json::{Value, json};

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

    /// A page was read: how many records it had, and the token of the next.
    pub(crate) fn page(&mut self, records: u64, token: Option<String>) {
        let Some(window) = &mut self.window else { return };
        window.records += records;
        window.token = token;
        if window.token.is_none() {
            // Never back, whatever a clock or a window of old says.
            self.watermark_s = self.watermark_s.max(window.end_s);
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
        progress.page(50, Some("t".into()));
        let second = Window { token: Some("t".into()), records: 50, ..first.clone() };
        assert_eq!(progress.next(&WINDOWING, 99_999), Some(second));
        progress.rewind();
        assert_eq!(progress.next(&WINDOWING, 99_999), Some(first));
        progress.page(3, None);
        assert_eq!(progress.watermark_s, 10_060);
        let behind = Window { start_s: 8_260, end_s: 13_660, token: None, records: 0 };
        assert_eq!(progress.next(&WINDOWING, 99_999), Some(behind));
        assert_eq!(Progress::from_text("{}"), None);
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
                progress.page(records, has_more.then(|| format!("t{fate}")));
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
