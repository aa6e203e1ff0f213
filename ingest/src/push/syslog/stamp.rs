//! The times of syslog.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};

use crate::push::rfc3339;

/// How far ahead of the reception a message may be before its year is taken to be the last one.
const AHEAD_US: i64 = 2 * 86_400_000_000;

/// Takes an RFC 3339 time off the start of `text`; gives it as written, for its zone.
pub(super) fn iso(text: &str) -> Option<(String, &str)> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let word = word.strip_suffix(':').unwrap_or(word);
    DateTime::parse_from_rfc3339(word).ok()?;
    Some((word.to_owned(), rest))
}

/// Takes `Mmm dd hh:mm:ss` off the start of `text`, with a fraction or a year (`Mmm dd yyyy hh:mm:ss`) where
/// there is one. Old messages have neither year nor zone: the year is the one that comes nearest to the
/// reception without lying days ahead of it, the zone is UTC.
pub(super) fn bsd(text: &str, received_us: i64) -> Option<(String, &str)> {
    // Some devices mark a clock that is not set with `*` or `.`.
    let text = text.trim_start_matches(['*', '.']);
    let (month, rest) = text.split_once(' ')?;
    let month = 1 + ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        .iter()
        .position(|name| *name == month)? as u32;
    let (day, rest) = rest.trim_start().split_once(' ')?;
    let day: u32 = day.parse().ok().filter(|_| day.len() <= 2)?;
    let (mut clock, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut year = None;
    if clock.len() == 4 && clock.bytes().all(|byte| byte.is_ascii_digit()) {
        year = clock.parse::<i32>().ok();
        (clock, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    }
    let clock = clock.strip_suffix(':').unwrap_or(clock);
    let at = |year: i32| -> Option<i64> {
        let date = NaiveDate::from_ymd_opt(year, month, day)?;
        let time = chrono::NaiveTime::parse_from_str(clock, "%H:%M:%S%.f").ok()?;
        Some(NaiveDateTime::new(date, time).and_utc().timestamp_micros())
    };
    let us = match year {
        Some(year) => at(year)?,
        None => {
            let now = DateTime::from_timestamp_micros(received_us)?.year();
            [now + 1, now, now - 1].into_iter().filter_map(at).find(|us| *us <= received_us + AHEAD_US)?
        }
    };
    Some((rfc3339(us), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
    }

    #[test]
    fn the_year_is_the_one_that_fits() {
        for (text, received, expected) in [
            ("Oct 11 22:14:15 web", "2026-11-28T10:00:00Z", "2026-10-11T22:14:15.000000Z"),
            ("Nov 29 09:00:00 web", "2026-11-28T10:00:00Z", "2026-11-29T09:00:00.000000Z"),
            ("Dec 31 23:59:59 web", "2026-01-01T00:00:01Z", "2025-12-31T23:59:59.000000Z"),
            ("Jan  1 00:00:01 web", "2025-12-31T23:59:59Z", "2026-01-01T00:00:01.000000Z"),
            ("Feb 29 12:00:00 web", "2025-01-10T00:00:00Z", "2024-02-29T12:00:00.000000Z"),
            ("Mar  1 2019 12:00:00: web", "2026-01-10T00:00:00Z", "2019-03-01T12:00:00.000000Z"),
            ("*Mar  1 12:00:00.250: web", "2026-03-10T00:00:00Z", "2026-03-01T12:00:00.250000Z"),
        ] {
            let found = bsd(text, us(received));
            assert_eq!(found, Some((expected.to_owned(), "web")), "{text}");
        }
        for text in
            ["", "Oct", "Oct 11", "Oct 11 22:14", "Oct 41 22:14:15 a", "Foo 11 22:14:15 a", "Feb 30 1:1:1 a"]
        {
            assert_eq!(bsd(text, us("2026-11-28T10:00:00Z")), None, "{text}");
        }
    }

    #[test]
    fn iso_times_stay_as_written() {
        let found = iso("2026-03-02T10:00:00.123456+01:00 host app: x");
        assert_eq!(found, Some(("2026-03-02T10:00:00.123456+01:00".to_owned(), "host app: x")));
        assert_eq!(iso("- host"), None);
    }
}
