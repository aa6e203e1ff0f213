//! Slowing down before a service has to say so.

use std::time::Duration;

use crate::web::Answer;

/// How long to wait after `answer`: nothing while more than a quarter of the requests are left; then what is
/// left is spread until the count begins anew; until then where nothing is left.
///
/// The headers are those of how many requests there are, how many are left, and when that ends (in seconds
/// since 1970 by the service's clock).
pub(crate) fn pause(answer: &Answer, limit: &str, left: &str, reset: &str, now_s: i64) -> Duration {
    let number = |name: &str| answer.header(name).and_then(|text| text.trim().parse::<u32>().ok());
    let (Some(limit), Some(left)) = (number(limit), number(left)) else { return Duration::ZERO };
    let Some(until_reset) = answer.time_until(reset, now_s) else { return Duration::ZERO };
    if left > limit / 4 {
        return Duration::ZERO;
    }
    until_reset / left.max(1)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_last_requests_are_spread() {
        let pause = |left: &str, reset: &str| {
            let names = [("x-limit", "100"), ("x-left", left), ("x-reset", reset)];
            let headers: HeaderMap = names
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
                .collect();
            let answer = Answer { status: 200, headers, body: Default::default() };
            super::pause(&answer, "x-limit", "x-left", "x-reset", 1_000).as_secs()
        };
        assert_eq!(pause("26", "1060"), 0);
        assert_eq!(pause("20", "1060"), 3);
        assert_eq!(pause("0", "1060"), 60);
        // In the past, far away, or no numbers at all.
        assert_eq!(pause("0", "900"), 0);
        assert_eq!(pause("0", "99999999999"), 900);
        assert_eq!(pause("0", "soon"), 0);
        assert_eq!(pause("-1", "1060"), 0);
    }
}
