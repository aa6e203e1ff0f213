//! Hours of the week, by a clock on somebody's wall.

use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use chrono_tz::Tz;

use crate::{Error, Result};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY_MINUTES: u32 = 24 * 60;

/// Hours on some days: `Mon-Fri 09:00-17:30`, `Sat,Sun 00:00-24:00`, `22:00-06:00`. Hours that go over
/// midnight belong to the day on which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// From Monday.
    days: [bool; 7],
    /// Minutes since midnight.
    from: u32,
    /// Minutes since midnight, not included; not after `from`: on the next day.
    to: u32,
}

impl FromStr for Hours {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || Error::BadRoute {
            text: text.to_owned(),
            problem: "no hours of the week; write them as `Mon-Fri 09:00-17:30`".into(),
        };
        let (days, span) = match text.trim().rsplit_once(' ') {
            Some((days, span)) => (read_days(days).ok_or_else(refused)?, span),
            None => ([true; 7], text.trim()),
        };
        let (from, to) = span.split_once('-').ok_or_else(refused)?;
        let (from, to) = (minutes(from).ok_or_else(refused)?, minutes(to).ok_or_else(refused)?);
        if from == to || from == DAY_MINUTES {
            return Err(refused());
        }
        Ok(Self { days, from, to })
    }
}

impl Hours {
    /// Whether the time on the wall is within them.
    pub(crate) fn contain(&self, time: NaiveDateTime) -> bool {
        let minute = time.hour() * 60 + time.minute();
        let today = time.weekday().num_days_from_monday() as usize;
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        if self.from < self.to {
            return on(today) && (self.from..self.to).contains(&minute);
        }
        on(today) && minute >= self.from || on(today + 6) && minute < self.to
    }
}

fn read_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    let number = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name.trim()));
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        // From Friday to Monday goes over the weekend.
        let count = (last + 7 - first) % 7;
        for day in first..=first + count {
            *days.get_mut(day % 7)? = true;
        }
    }
    Some(days)
}

fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY_MINUTES).then_some(total)
}

/// What a clock on a wall of `zone` shows at a time in microseconds since 1970.
pub(crate) fn wall(now_us: i64, zone: Tz) -> NaiveDateTime {
    DateTime::from_timestamp_micros(now_us).unwrap_or_default().with_timezone(&zone).naive_local()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-03-02 is a Monday.
    #[track_caller]
    fn check(hours: &str, day: u32, time: &str, expected: bool) {
        let at = format!("2026-03-{:02}T{time}:00", day + 1).parse().unwrap();
        assert_eq!(hours.parse::<Hours>().unwrap().contain(at), expected, "{hours} {at}");
    }

    #[test]
    fn days_and_hours() {
        check("Mon-Fri 09:00-17:30", 1, "09:00", true);
        check("Mon-Fri 09:00-17:30", 1, "08:59", false);
        check("Mon-Fri 09:00-17:30", 5, "17:29", true);
        check("Mon-Fri 09:00-17:30", 5, "17:30", false);
        check("Mon-Fri 09:00-17:30", 6, "12:00", false);
        check("sat,SUN 00:00-24:00", 7, "23:59", true);
        check("Sat,Sun 00:00-24:00", 8, "00:00", false);
        check("22:00-06:00", 3, "22:00", true);
        check("22:00-06:00", 3, "05:59", true);
        check("22:00-06:00", 3, "06:00", false);
        check("Fri 22:00-06:00", 6, "05:59", true);
        check("Fri 22:00-06:00", 5, "05:59", false);
        check("Sun 22:00-06:00", 8, "01:00", true);
        check("Fri-Mon 10:00-11:00", 7, "10:30", true);
        check("Fri-Mon 10:00-11:00", 8, "10:30", true);
        check("Fri-Mon 10:00-11:00", 4, "10:30", false);
    }

    #[test]
    fn the_wall_follows_summer_time() {
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros();
        assert_eq!(wall(at("2026-01-15T08:00:00Z"), berlin).hour(), 9);
        assert_eq!(wall(at("2026-07-15T08:00:00Z"), berlin).hour(), 10);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,30}", minute in 0_u32..20_000) {
            if let Ok(hours) = text.parse::<Hours>() {
                hours.contain(wall(i64::from(minute) * 60_000_000, Tz::UTC));
            }
        }
    }

    #[test]
    fn what_is_no_hours_is_refused() {
        for text in [
            "",
            "Mon",
            "Mon-Fri",
            "9:00-17:00",
            "09:00-09:00",
            "Xyz 09:00-10:00",
            "24:00-01:00",
            "09:60-10:00",
            "09:00-25:00",
        ] {
            let told = text.parse::<Hours>().unwrap_err().to_string();
            assert!(told.contains("Mon-Fri 09:00-17:30"), "{told}");
        }
    }
}
