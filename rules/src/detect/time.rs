//! The parts of a time that rules ask for, in UTC.

use crate::sigma::modifier::TimePart;

const DAY_SECONDS: i64 = 86_400;

/// A part of the time that `text` is: RFC 3339 (a missing zone is UTC), or a count since 1970 in seconds,
/// milliseconds, microseconds or nanoseconds, told apart by size. `None` if it is no time.
pub(crate) fn part(text: &str, part: TimePart) -> Option<i64> {
    let seconds = match text.parse::<i64>() {
        Ok(count) => from_count(count),
        Err(_) => from_rfc3339(text)?,
    };
    let days = seconds.div_euclid(DAY_SECONDS);
    let in_day = seconds.rem_euclid(DAY_SECONDS);
    let (year, month, day) = civil(days);
    Some(match part {
        TimePart::Minute => in_day / 60 % 60,
        TimePart::Hour => in_day / 3600,
        TimePart::Day => day,
        TimePart::Week => iso_week(days),
        TimePart::Month => month,
        TimePart::Year => year,
    })
}

/// Microseconds since 1970 as RFC 3339, in UTC, to the second.
pub(crate) fn rfc3339(micros: i64) -> String {
    let seconds = micros.div_euclid(1_000_000);
    let (year, month, day) = civil(seconds.div_euclid(DAY_SECONDS));
    let in_day = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Counts below 10^11 are seconds (until the year 5138), and so on by thousands.
fn from_count(count: i64) -> i64 {
    match count.unsigned_abs() {
        0..100_000_000_000 => count,
        100_000_000_000..100_000_000_000_000 => count.div_euclid(1_000),
        100_000_000_000_000..100_000_000_000_000_000 => count.div_euclid(1_000_000),
        _ => count.div_euclid(1_000_000_000),
    }
}

/// `2026-03-02T02:14:07.5+01:00`; the `T` may be a space.
fn from_rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = (text.get(..10)?, text.get(10..)?);
    let mut parts = date.split('-');
    let (year, month, day) = (digits(parts.next()?)?, digits(parts.next()?)?, digits(parts.next()?)?);
    let valid = parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day);
    let days = valid.then(|| days_from_civil(year, month, day))?;
    if rest.is_empty() {
        return Some(days * DAY_SECONDS);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let mut clock = rest.get(..8)?.split(':');
    let (hour, minute, second) = (digits(clock.next()?)?, digits(clock.next()?)?, digits(clock.next()?)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = rest.get(8..)?;
    let zone = match zone.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|char: char| char.is_ascii_digit()),
        None => zone,
    };
    Some(days * DAY_SECONDS + hour * 3600 + minute * 60 + second - zone_seconds(zone)?)
}

fn zone_seconds(zone: &str) -> Option<i64> {
    let (sign, clock) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(clock), _) => (1, clock),
        (_, Some(clock)) => (-1, clock),
        _ => return matches!(zone, "" | "Z" | "z").then_some(0),
    };
    let minutes = digits(clock.get(clock.len().checked_sub(2)?..)?)?;
    Some(sign * (digits(clock.get(..2)?)? * 3600 + minutes * 60))
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

/// The date of a day since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The ISO 8601 week: the year's first is the one with its first Thursday.
fn iso_week(days: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    let weekday = (days + 3).rem_euclid(7);
    let thursday = days - weekday + 3;
    let (year, _, _) = civil(thursday);
    (thursday - days_from_civil(year, 1, 1)) / 7 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use TimePart::{Day, Hour, Minute, Month, Week, Year};

    #[test]
    fn parts_of_times() {
        for (text, which, expected) in [
            ("2026-03-02T02:14:07Z", Hour, Some(2)),
            ("2026-03-02T02:14:07Z", Minute, Some(14)),
            ("2026-03-02T02:14:07.123456Z", Day, Some(2)),
            ("2026-03-02 23:30:00-02:00", Day, Some(3)),
            ("2026-03-02T00:30:00+0100", Hour, Some(23)),
            ("2026-03-02T02:14:07", Month, Some(3)),
            ("2026-03-02", Year, Some(2026)),
            ("2026-03-02", Hour, Some(0)),
            ("2021-01-03", Week, Some(53)),
            ("2021-01-04", Week, Some(1)),
            ("2026-12-31", Week, Some(53)),
            ("2024-02-29", Day, Some(29)),
            ("1772417647", Hour, Some(2)),
            ("1772417647000", Hour, Some(2)),
            ("1772417647000000", Hour, Some(2)),
            ("1772417647000000000", Hour, Some(2)),
            ("0", Year, Some(1970)),
            ("-1", Year, Some(1969)),
            ("2026-13-02", Day, None),
            ("2026-03-02T25:00:00Z", Day, None),
            ("soon", Day, None),
            ("", Day, None),
            ("2026-03-02Tx2:14:07Z", Day, None),
            ("2026-03-é2", Day, None),
            ("2026-03-02T02:14:07+", Day, None),
        ] {
            assert_eq!(part(text, which), expected, "{text} {which:?}");
        }
    }

    #[test]
    fn dates_read_back() {
        for days in (-800_000..800_000).step_by(37) {
            let (year, month, day) = civil(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }
}
