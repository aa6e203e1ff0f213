//! Hours of the week in a time zone.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Timelike, Utc};
use chrono_tz::Tz;

/// The most windows of a schedule.
const WINDOWS: usize = 50;
const MINUTES_OF_DAY: u16 = 24 * 60;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// When something is on: in any of the windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    zone: Tz,
    windows: Vec<WeeklyWindow>,
}

/// Hours that come again on days of the week, as the clocks of the zone show them: `Mon-Fri 08:00-18:00`,
/// `Sat,Sun 22:00-06:00` (until the morning after), `daily 00:00-24:00`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeeklyWindow {
    /// Monday first.
    days: [bool; 7],
    /// Minutes since midnight.
    from: u16,
    /// Minutes since midnight; not after `from` where it is on the next day.
    until: u16,
}

impl Schedule {
    /// Reads a zone by its name in the IANA database, and windows.
    ///
    /// # Errors
    /// What is wrong, and the mend.
    pub fn read(zone: &str, windows: &[String]) -> Result<Self, String> {
        let zone = zone
            .parse()
            .map_err(|_| format!("`{zone}` is no time zone; write one such as `Europe/Berlin` or `UTC`"))?;
        if windows.is_empty() || windows.len() > WINDOWS {
            return Err(format!("a schedule has 1 to {WINDOWS} windows such as `Sat,Sun 22:00-06:00`"));
        }
        Ok(Self { zone, windows: windows.iter().map(|text| text.parse()).collect::<Result<_, _>>()? })
    }

    /// Whether it is on at a moment, microseconds since 1970.
    pub fn is_on(&self, time_us: i64) -> bool {
        // Every moment has one time on the clock, also on the days on which those are changed; it is only the
        // other way round that is not so.
        let Some(time) = DateTime::<Utc>::from_timestamp_micros(time_us) else { return false };
        let local = time.with_timezone(&self.zone);
        let today = local.weekday().num_days_from_monday() as usize;
        let minute = (local.hour() * 60 + local.minute()) as u16;
        self.windows.iter().any(|window| window.is_on(today, minute))
    }

    /// The name of the zone.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }

    /// The windows.
    pub fn windows(&self) -> &[WeeklyWindow] {
        &self.windows
    }
}

impl WeeklyWindow {
    fn is_on(&self, today: usize, minute: u16) -> bool {
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        if self.from < self.until {
            return on(today) && (self.from..self.until).contains(&minute);
        }
        (on(today) && minute >= self.from) || (on(today + 6) && minute < self.until)
    }
}

impl FromStr for WeeklyWindow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{}` is no window; write days and hours such as `Mon-Fri 08:00-18:00`, `Sat,Sun 22:00-06:00` \
                 or `daily 00:00-24:00`",
                text.chars().take(100).collect::<String>()
            )
        };
        let (days, hours) = text.trim().split_once(' ').ok_or_else(bad)?;
        let (from, until) = hours.trim().split_once('-').ok_or_else(bad)?;
        let (from, until) = (minutes(from).ok_or_else(bad)?, minutes(until).ok_or_else(bad)?);
        if from == until || from == MINUTES_OF_DAY || until == 0 {
            return Err(bad());
        }
        Ok(Self { days: read_days(days).ok_or_else(bad)?, from, until })
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    if hour.len() != 2 || minute.len() != 2 || !text.chars().all(|c| c.is_ascii_digit() || c == ':') {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= MINUTES_OF_DAY).then_some(minutes)
}

fn read_days(text: &str) -> Option<[bool; 7]> {
    if text.eq_ignore_ascii_case("daily") {
        return Some([true; 7]);
    }
    let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        // `Sat-Mon` goes over the end of the week.
        let last = if last < first { last + 7 } else { last };
        for place in first..=last {
            *days.get_mut(place % 7)? = true;
        }
    }
    Some(days)
}

impl fmt::Display for WeeklyWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<_> = DAYS.iter().zip(self.days).filter(|(_, on)| *on).map(|(day, _)| *day).collect();
        let days = if days.len() == DAYS.len() { "daily".to_owned() } else { days.join(",") };
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        write!(f, "{days} {}-{}", clock(self.from), clock(self.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn on(zone: &str, window: &str, time: &str) -> bool {
        let time: DateTime<Utc> = time.parse().unwrap();
        Schedule::read(zone, &[window.to_owned()]).unwrap().is_on(time.timestamp_micros())
    }

    #[test]
    fn hours_are_those_of_the_zone() {
        // 2026-03-02 is a Monday.
        for (window, time, expected) in [
            ("Mon-Fri 08:00-18:00", "2026-03-02T06:59:59Z", false),
            ("Mon-Fri 08:00-18:00", "2026-03-02T07:00:00Z", true),
            ("Mon-Fri 08:00-18:00", "2026-03-02T16:59:59Z", true),
            ("Mon-Fri 08:00-18:00", "2026-03-02T17:00:00Z", false),
            ("Sat-Sun 08:00-18:00", "2026-03-02T08:00:00Z", false),
            // Over midnight: the night belongs to the day on which it begins.
            ("Sun 22:00-06:00", "2026-03-02T04:59:00Z", true),
            ("Sun 22:00-06:00", "2026-03-02T05:00:00Z", false),
            ("Sun 22:00-06:00", "2026-03-02T22:30:00Z", false),
            ("Mon 22:00-06:00", "2026-03-02T04:59:00Z", false),
            ("Fri-Mon 00:00-24:00", "2026-03-02T22:59:59Z", true),
            ("Fri-Mon 00:00-24:00", "2026-03-02T23:00:00Z", false),
            ("daily 00:00-24:00", "2026-03-02T23:00:00Z", true),
        ] {
            assert_eq!(on("Europe/Berlin", window, time), expected, "{window} {time}");
        }
        assert!(on("Asia/Kolkata", "Mon 05:30-05:31", "2026-03-02T00:00:00Z"));
    }

    #[test]
    fn the_clocks_are_changed() {
        // Berlin, 2026-03-29: from 01:00Z on it is summer, and 02:00 to 03:00 is left out.
        for (window, time, expected) in [
            ("Sun 02:00-03:00", "2026-03-29T00:59:59Z", false),
            ("Sun 02:00-03:00", "2026-03-29T01:00:00Z", false),
            ("Sun 03:00-04:00", "2026-03-29T01:00:00Z", true),
            // 2026-10-25: 02:00 to 03:00 comes twice, and both count.
            ("Sun 02:00-03:00", "2026-10-25T00:30:00Z", true),
            ("Sun 02:00-03:00", "2026-10-25T01:30:00Z", true),
            ("Sun 02:00-03:00", "2026-10-25T02:00:00Z", false),
        ] {
            assert_eq!(on("Europe/Berlin", window, time), expected, "{window} {time}");
        }
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for bad in [
            "",
            "Mon",
            "08:00-18:00",
            "Mon 8:00-18:00",
            "Mon 08:00",
            "Mon 08:00-08:00",
            "Mon 24:00-08:00",
            "Mon 08:00-00:00",
            "Mon 08:60-09:00",
            "Mon 08:00-24:01",
            "Mo 08:00-09:00",
            "Mon- 08:00-09:00",
            "Mon +8:00-09:00",
            ", 08:00-09:00",
        ] {
            assert!(bad.parse::<WeeklyWindow>().is_err(), "{bad}");
        }
        assert!(Schedule::read("Mars/Olympus", &["daily 00:00-24:00".into()]).is_err());
        assert!(Schedule::read("UTC", &[]).is_err());
    }

    proptest! {
        #[test]
        fn windows_read_back(days in 1_u8..128, from in 0_u16..1440, until in 1_u16..=1440) {
            prop_assume!(from != until);
            let days: [bool; 7] = std::array::from_fn(|day| days & (1 << day) != 0);
            let window = WeeklyWindow { days, from, until };
            prop_assert_eq!(window.to_string().parse::<WeeklyWindow>(), Ok(window));
        }

        #[test]
        fn any_text_and_any_time_are_taken(text in ".{0,40}", time_us: i64) {
            drop(text.parse::<WeeklyWindow>());
            let schedule = Schedule::read("America/New_York", &["Mon 22:00-06:00".into()]).unwrap();
            schedule.is_on(time_us);
        }
    }
}
