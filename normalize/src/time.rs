//! Times as clouds write them, to microseconds since 1970-01-01T00:00:00Z.
//!
//! RFC 3339 and its relatives (a blank for the `T`, no zone, which means UTC, up to nine digits of a
//! second), `/Date(1609459200000)/`, seconds to nanoseconds since 1970 as a number, and the American
//! `3/5/2022 10:11:12 AM` of exports from the Azure portal. Anything else, and any year outside 1970 to
//! 2262 (the end of 64-bit nanoseconds), is refused.

use crate::json::Value;
use crate::reason::{MapError, Reason};

const MICROS_PER_SECOND: i64 = 1_000_000;
/// 1970-01-01 up to, but without, 2263-01-01.
const VALID: std::ops::Range<i64> = 0..9_246_182_400 * MICROS_PER_SECOND;

/// The time in a JSON string or number.
///
/// # Errors
/// [`Reason::BadTime`], or [`Reason::WrongType`] for anything but a string or number.
pub(crate) fn of_value(value: &Value<'_>) -> Result<i64, MapError> {
    match value.text() {
        Some(text) if value.as_bool().is_none() => of_text(&text),
        _ => Err(MapError::new(
            Reason::WrongType,
            format!("the time is `{}`, no text or number", clip(value.raw())),
        )),
    }
}

/// The time in a text.
///
/// # Errors
/// [`Reason::BadTime`].
pub(crate) fn of_text(text: &str) -> Result<i64, MapError> {
    let trimmed = text.trim();
    iso(trimmed.as_bytes())
        .or_else(|| epoch(trimmed))
        .or_else(|| american(trimmed))
        .filter(|micros| is_valid(*micros))
        .ok_or_else(|| {
            MapError::new(Reason::BadTime, format!("`{}` is no time between 1970 and 2262", clip(text)))
        })
}

/// Whether [`of_text`] reads a time from these bytes.
pub(crate) fn is_time(text: &[u8]) -> bool {
    iso(text).is_some_and(is_valid) || str::from_utf8(text).is_ok_and(|text| of_text(text).is_ok())
}

/// The time in the brackets of a web server's log: `06/Feb/2026:00:00:38 +0000`.
///
/// # Errors
/// [`Reason::BadTime`].
pub(crate) fn of_common_log(text: &str) -> Result<i64, MapError> {
    common_log(text.as_bytes()).filter(|micros| VALID.contains(micros)).ok_or_else(|| {
        MapError::new(Reason::BadTime, format!("`{}` is no time between 1970 and 2262", clip(text)))
    })
}

fn common_log(text: &[u8]) -> Option<i64> {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let (date, zone) = text.split_at_checked(20)?;
    let [d0, d1, b'/', month @ .., b'/', y0, y1, y2, y3, b':', h0, h1, b':', m0, m1, b':', s0, s1] = date
    else {
        return None;
    };
    let month = MONTHS.chunks(3).position(|name| name == month)? as i64 + 1;
    let day = days(number(&[*y0, *y1, *y2, *y3])?, month, number(&[*d0, *d1])?)?;
    let seconds = clock_seconds(number(&[*h0, *h1])?, number(&[*m0, *m1])?, number(&[*s0, *s1])?)?;
    Some((day * 86_400 + seconds - zone_seconds(zone)?) * MICROS_PER_SECOND)
}

/// Whether a time, in microseconds since 1970, is between 1970 and 2262.
pub(crate) fn is_valid(micros: i64) -> bool {
    VALID.contains(&micros)
}

/// At most 64 characters of what was refused: it goes into a message.
fn clip(text: &str) -> &str {
    match text.char_indices().nth(64) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

/// The number in all of `digits`, which are ASCII digits.
fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut sum = 0i64;
    for digit in digits {
        let value = digit.wrapping_sub(b'0');
        if value > 9 {
            return None;
        }
        sum = sum * 10 + i64::from(value);
    }
    Some(sum)
}

/// `YYYY-MM-DD[(T|t| )hh:mm[:ss[.fraction]][ ][Z|±hh[:]mm|UTC]]`.
fn iso(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *date else { return None };
    let day = days(number(&[y0, y1, y2, y3])?, number(&[m0, m1])?, number(&[d0, d1])?)?;
    let midnight = day * 86_400 * MICROS_PER_SECOND;
    let Some((separator, rest)) = rest.split_first() else { return Some(midnight) };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (clock, rest) = rest.split_at_checked(5)?;
    let [h0, h1, b':', m0, m1] = *clock else { return None };
    let (mut second, mut fraction, mut rest) = (0, 0, rest);
    if let [b':', s0, s1, after @ ..] = rest {
        second = number(&[*s0, *s1])?;
        rest = after;
        if let [b'.' | b',', after @ ..] = rest {
            let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, after) = after.split_at_checked(length)?;
            fraction = micros_of_fraction(digits)?;
            rest = after;
        }
    }
    let seconds = clock_seconds(number(&[h0, h1])?, number(&[m0, m1])?, second)?;
    let offset = zone_seconds(rest)?;
    Some(midnight + (seconds - offset) * MICROS_PER_SECOND + fraction)
}

/// One to nine digits after the point; what is finer than a microsecond is cut off.
fn micros_of_fraction(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + i64::from(digits.get(place).map_or(0, |digit| digit - b'0'));
    }
    Some(micros)
}

fn zone_seconds(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text {
        b"" | b"Z" | b"z" | b"UTC" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match *digits {
        [h0, h1] => (number(&[h0, h1])?, 0),
        [h0, h1, b':', m0, m1] | [h0, h1, m0, m1] => (number(&[h0, h1])?, number(&[m0, m1])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Seconds since midnight. A leap second (`:60`) is the last second of its minute.
fn clock_seconds(hour: i64, minute: i64, second: i64) -> Option<i64> {
    let fits = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    fits.then_some(hour * 3600 + minute * 60 + second.min(59))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
///
/// Counted from 1 March of year 0, so that leap days fall at the end of the year.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(365 * year + leap_days + day_of_year - 719_468)
}

/// Seconds since 1970, with or without a fraction; milli-, micro- and nanoseconds told by their size;
/// `/Date(ms)/` of older Microsoft services.
fn epoch(text: &str) -> Option<i64> {
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        // A zone after the number only says how to show it.
        let end = inner.find(['+', '-']).unwrap_or(inner.len());
        return inner.get(..end)?.parse::<i64>().ok()?.checked_mul(1000);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || whole.len() > 19 || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    // Up to 2262, seconds have at most 10 digits, milliseconds 13, microseconds 16, nanoseconds 19.
    let micros = match whole {
        0..10_000_000_000 => whole * MICROS_PER_SECOND,
        10_000_000_000..10_000_000_000_000 => whole * 1000,
        10_000_000_000_000..10_000_000_000_000_000 => whole,
        _ => whole / 1000,
    };
    if fraction.is_empty() {
        return (!text.ends_with('.')).then_some(micros);
    }
    let digits = fraction.as_bytes();
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let part = micros_of_fraction(digits.get(..digits.len().min(9))?)?;
    Some(match whole {
        0..10_000_000_000 => micros + part,
        10_000_000_000..10_000_000_000_000 => micros + part / 1000,
        _ => micros,
    })
}

/// `M/D/YYYY h:mm[:ss[.fraction]] [AM|PM]`, UTC.
fn american(text: &str) -> Option<i64> {
    let mut words = text.split_ascii_whitespace();
    let mut date = words.next()?.trim_end_matches(',').split('/');
    let month = number(date.next()?.as_bytes())?;
    let day = number(date.next()?.as_bytes())?;
    let year = number(date.next()?.as_bytes())?;
    if date.next().is_some() || !(1000..=9999).contains(&year) {
        return None;
    }
    let midnight = days(year, month, day)? * 86_400 * MICROS_PER_SECOND;
    let Some(clock) = words.next() else { return Some(midnight) };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':');
    let mut hour = number(parts.next()?.as_bytes())?;
    let minute = number(parts.next()?.as_bytes())?;
    let second = parts.next().map_or(Some(0), |part| number(part.as_bytes()))?;
    if parts.next().is_some() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Some(half) = words.next() {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = match half {
            "AM" | "am" => hour % 12,
            "PM" | "pm" => hour % 12 + 12,
            _ => return None,
        };
    }
    if words.next().is_some() {
        return None;
    }
    Some(
        midnight
            + clock_seconds(hour, minute, second)? * MICROS_PER_SECOND
            + micros_of_fraction(fraction.as_bytes())?,
    )
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, FixedOffset, SecondsFormat};
    use proptest::prelude::*;

    use super::*;

    /// 2021-07-28T18:03:49Z
    const WHEN: i64 = 1_627_495_429 * MICROS_PER_SECOND;

    #[test]
    fn every_form_that_clouds_write() {
        for text in [
            "2021-07-28T18:03:49Z",
            "2021-07-28T18:03:49",
            "2021-07-28 18:03:49",
            "2021-07-28t18:03:49z",
            "2021-07-28 18:03:49 UTC",
            " 2021-07-28T18:03:49+00:00 ",
            "2021-07-28 18:03:49 +0000",
            "2021-07-29T05:03:49+11:00",
            "2021-07-28T14:33:49-0330",
            "2021-07-28T18:03:49.000000000Z",
            "1627495429",
            "1627495429000",
            "1627495429000000",
            "1627495429000000000",
            "1627495429.0",
            "/Date(1627495429000)/",
            "/Date(1627495429000+0200)/",
            "7/28/2021 6:03:49 PM",
            "07/28/2021, 06:03:49 PM",
            "7/28/2021 18:03:49",
            "7/28/2021 18:03:49.000",
        ] {
            assert_eq!(of_text(text), Ok(WHEN), "{text}");
        }
        assert_eq!(of_text("2021-07-28T18:03:49.1234567Z"), Ok(WHEN + 123_456));
        assert_eq!(of_text("1627495429.5"), Ok(WHEN + 500_000));
        assert_eq!(of_text("1.627495429E9").map_err(|error| error.reason), Err(Reason::BadTime));
        assert_eq!(of_text("2021-07-28"), Ok(WHEN - 65_029 * MICROS_PER_SECOND));
        assert_eq!(of_text("3/5/2022 12:11:12 AM"), of_text("2022-03-05T00:11:12Z"));
        assert_eq!(of_text("2016-12-31T23:59:60Z"), of_text("2016-12-31T23:59:59Z"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "now",
            "2021",
            "2021-07",
            "2021-13-01T00:00:00Z",
            "2021-02-29T00:00:00Z",
            "2021-07-28T24:00:00Z",
            "2021-07-28T18:03:49.Z",
            "2021-07-28T18:03:49.1234567890Z",
            "2021-07-28T18:03:49 CET",
            "2021-07-28T18:03:49+25:00",
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2263-01-01T00:00:00Z",
            "-5",
            "99999999999999999999",
            "13/1/2021 10:00:00 AM",
            "1/1/2021 13:00:00 PM",
            "/Date(x)/",
            "1627495429.",
            "２０２１-07-28",
        ] {
            // A bare year reads as seconds, which is as good a guess as any.
            if text == "2021" {
                assert_eq!(of_text(text), Ok(2021 * MICROS_PER_SECOND));
                continue;
            }
            assert_eq!(of_text(text).map_err(|error| error.reason), Err(Reason::BadTime), "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_chrono(micros in VALID, minutes in -719i32..=719, digits in 0usize..3) {
            let zone = FixedOffset::east_opt(minutes * 60).unwrap();
            let time = DateTime::from_timestamp_micros(micros).unwrap().with_timezone(&zone);
            let (format, unit) = [
                (SecondsFormat::Secs, 1_000_000),
                (SecondsFormat::Millis, 1_000),
                (SecondsFormat::Micros, 1),
            ][digits];
            let text = time.to_rfc3339_opts(format, true);
            prop_assert_eq!(of_text(&text).ok(), Some(micros / unit * unit), "{}", text);
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}|[0-9:/. +TZAMP-]{0,40}") {
            drop(of_text(&text));
        }
    }
}
