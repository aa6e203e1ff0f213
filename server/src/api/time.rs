//! Times in the API: RFC 3339 in UTC.

use chrono::{DateTime, SecondsFormat, Utc};

use super::Problem;

/// Microseconds since 1970 as RFC 3339.
pub(crate) fn format_us(micros: i64) -> String {
    DateTime::<Utc>::from_timestamp_micros(micros)
        .map_or_else(|| micros.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// Reads RFC 3339 or a plain date.
///
/// # Errors
/// A problem that names the parameter.
pub(crate) fn parse_us(name: &str, text: &str) -> Result<i64, Problem> {
    let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    DateTime::parse_from_rfc3339(&full).map(|time| time.timestamp_micros()).map_err(|_| {
        Problem::bad_request(&format!(
            "`{name}={text}` is not a time such as 2026-03-01T12:00:00Z or 2026-03-01"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back() {
        let micros = parse_us("since", "2026-03-01T12:00:00.25Z").unwrap();
        assert_eq!(format_us(micros), "2026-03-01T12:00:00.250Z");
        assert_eq!(format_us(parse_us("since", "2026-03-01").unwrap()), "2026-03-01T00:00:00Z");
        assert!(parse_us("since", "yesterday").is_err());
        assert!(parse_us("since", "2026-03-é").is_err());
    }
}
