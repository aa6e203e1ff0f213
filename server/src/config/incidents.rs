//! `[alerts]`, `[incidents]` and `[risk]`.

use std::time::Duration;

use alerts::Kept;
use alerts::incident::{Joining, ServiceLevel, Settings};
use alerts::risk::Fading;

use super::Getter;

/// The severities that have a service level, informational aside.
const SEVERITIES: [(&str, &str); 4] = [
    ("incidents.acknowledge_low", "incidents.close_low"),
    ("incidents.acknowledge_medium", "incidents.close_medium"),
    ("incidents.acknowledge_high", "incidents.close_high"),
    ("incidents.acknowledge_critical", "incidents.close_critical"),
];

/// What is set about incidents and risk.
pub(super) fn settings(get: &Getter<'_>) -> Settings {
    let mut levels = [ServiceLevel::default(); 5];
    for (level, (acknowledge, close)) in levels.iter_mut().skip(1).zip(SEVERITIES) {
        *level =
            ServiceLevel { acknowledge_us: bound(get.span(acknowledge)), close_us: bound(get.span(close)) };
    }
    Settings {
        joining: Joining {
            window_us: micros(get.span("incidents.window")),
            sharing: get.size("incidents.shared_by"),
            addresses: get.size("incidents.shared_addresses"),
            alerts: get.size("incidents.max_alerts"),
        },
        fading: Fading {
            half_life_us: micros(get.span("risk.half_life")),
            threshold: get.count("risk.threshold") as f64,
        },
        alone: match get.text("incidents.alone").as_str() {
            "low" => 2,
            "medium" => 3,
            "critical" => 5,
            _ => 4,
        },
        levels,
        alerts: get.size("incidents.remember"),
    }
}

/// How much is kept of what grows.
pub(super) fn kept(get: &Getter<'_>) -> Kept {
    Kept {
        feed_us: micros(get.span("alerts.keep_feed")),
        feed_entries: get.count("alerts.keep_feed_entries"),
        matches_us: micros(get.span("alerts.keep_matches")),
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// `never` is kept as no time at all.
fn bound(span: Duration) -> Option<i64> {
    Some(micros(span)).filter(|us| *us > 0)
}
