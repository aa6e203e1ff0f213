//! How a source writes times.

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDateTime};

use crate::json::Value;
use crate::reason::{MapError, Reason};
use crate::time;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A format of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Clock {
    /// RFC 3339 and its relatives, or a number since 1970 whose unit its size tells.
    Any,
    /// A number since 1970: so many of them are a second.
    Since1970 { per_second: i64 },
    /// As `strftime` writes it. Without a zone in it, it is so many seconds east of UTC.
    Pattern { pattern: String, has_zone: bool, offset_seconds: i64 },
}

impl Clock {
    /// Reads a format and, of a pattern without a zone, the zone.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(format: &str, zone: Option<&str>) -> Result<Self, String> {
        let clock = match format {
            "" | "auto" | "rfc3339" => Self::Any,
            "epoch_s" => Self::Since1970 { per_second: 1 },
            "epoch_ms" => Self::Since1970 { per_second: 1_000 },
            "epoch_us" => Self::Since1970 { per_second: 1_000_000 },
            "epoch_ns" => Self::Since1970 { per_second: 1_000_000_000 },
            pattern if pattern.contains('%') => pattern_of(pattern, zone)?,
            other => return Err(format!("`{other}` is no format of times")),
        };
        let is_pattern = matches!(clock, Self::Pattern { has_zone: false, .. });
        if zone.is_some() && !is_pattern {
            return Err("a zone goes only with a pattern that has none".to_owned());
        }
        Ok(clock)
    }

    /// The time in a value, in microseconds since 1970.
    ///
    /// # Errors
    /// It is no such time.
    pub(super) fn read(&self, value: &Value<'_>) -> Result<i64, MapError> {
        let text = match value.text() {
            Some(text) if value.as_bool().is_none() => text,
            _ => return time::of_value(value),
        };
        let micros = match self {
            Self::Any => return time::of_text(&text),
            Self::Since1970 { per_second } => since_1970(text.trim(), *per_second),
            Self::Pattern { pattern, has_zone, offset_seconds } => {
                by_pattern(text.trim(), pattern, *has_zone, *offset_seconds)
            }
        };
        micros.filter(|micros| time::is_valid(*micros)).ok_or_else(|| {
            let shown: String = text.chars().take(64).collect();
            MapError::new(Reason::BadTime, format!("`{shown}` is no time of the mapping's format"))
        })
    }
}

fn pattern_of(pattern: &str, zone: Option<&str>) -> Result<Clock, String> {
    if StrftimeItems::new(pattern).any(|item| matches!(item, Item::Error)) {
        return Err(format!("`{pattern}` is no pattern of strftime"));
    }
    let has_zone = ["%z", "%:z", "%#z", "%+", "%s"].iter().any(|part| pattern.contains(part));
    let offset_seconds = match zone {
        None | Some("UTC" | "Z") => 0,
        Some(zone) => offset_of(zone).ok_or_else(|| format!("`{zone}` is no zone such as `+02:00`"))?,
    };
    Ok(Clock::Pattern { pattern: pattern.to_owned(), has_zone, offset_seconds })
}

/// `+02:00`, in seconds.
fn offset_of(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..24).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 3600 + minutes * 60))
}

/// A whole number, or one with a fraction.
fn since_1970(text: &str, per_second: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if per_second > MICROS_PER_SECOND {
        return Some(whole / (per_second / MICROS_PER_SECOND));
    }
    let unit = MICROS_PER_SECOND / per_second;
    let mut rest = 0;
    let mut weight = unit;
    for digit in fraction.bytes() {
        weight /= 10;
        rest += i64::from(digit - b'0') * weight;
    }
    whole.checked_mul(unit)?.checked_add(rest)
}

fn by_pattern(text: &str, pattern: &str, has_zone: bool, offset_seconds: i64) -> Option<i64> {
    if has_zone {
        return DateTime::parse_from_str(text, pattern).ok().map(|time| time.timestamp_micros());
    }
    let local = NaiveDateTime::parse_from_str(text, pattern).ok()?.and_utc().timestamp_micros();
    Some(local - offset_seconds * MICROS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Tokens;

    fn read(format: &str, zone: Option<&str>, json: &str) -> Option<i64> {
        let mut tokens = Tokens::default();
        tokens.scan(json).unwrap();
        Clock::parse(format, zone).unwrap().read(&Value::root(json, &tokens)).ok()
    }

    #[test]
    fn every_format() {
        let expected = Some(1_777_629_600_000_000);
        assert_eq!(read("auto", None, r#""2026-05-01T10:00:00Z""#), expected);
        assert_eq!(read("epoch_s", None, "1777629600"), expected);
        assert_eq!(read("epoch_s", None, r#""1777629600.25""#), Some(1_777_629_600_250_000));
        assert_eq!(read("epoch_ms", None, "1777629600000"), expected);
        assert_eq!(read("epoch_us", None, "1777629600000000"), expected);
        assert_eq!(read("epoch_ns", None, "1777629600000000999"), expected);
        assert_eq!(read("%d.%m.%Y %H:%M:%S", None, r#""01.05.2026 10:00:00""#), expected);
        assert_eq!(read("%d.%m.%Y %H:%M:%S", Some("+02:00"), r#""01.05.2026 12:00:00""#), expected);
        assert_eq!(read("%d/%b/%Y:%H:%M:%S %z", None, r#""01/May/2026:12:00:00 +0200""#), expected);
        for (format, json) in [
            ("epoch_s", r#""soon""#),
            ("epoch_s", "-5"),
            ("epoch_s", "99999999999999999"),
            ("%Y", r#""2026""#),
            ("auto", "true"),
            ("epoch_ms", "{}"),
        ] {
            assert_eq!(read(format, None, json), None, "{format} {json}");
        }
    }

    #[test]
    fn wrong_formats_are_refused() {
        for (format, zone) in
            [("iso", None), ("%Q", None), ("epoch_s", Some("+02:00")), ("%Y-%m-%d %H:%M:%S", Some("CET"))]
        {
            assert!(Clock::parse(format, zone).is_err(), "{format}");
        }
    }
}
