//! The ids of incidents: functions of alerts and of what people decided.

use std::collections::BTreeSet;

/// The id of the incident whose earliest alert is `alert`.
pub(super) fn of_alert(alert: &str) -> String {
    hash(["incident", alert])
}

/// The id of the incident whose earliest alert is `alert` where a split has left the one that it would have to others.
pub(super) fn of_alert_apart(alert: &str) -> String {
    hash(["incident apart", alert])
}

/// The id of what somebody took out of an incident.
pub(super) fn of_split(from: &str, by: &str, at_us: i64, out: &BTreeSet<String>) -> String {
    let at_us = at_us.to_string();
    hash(["split", from, by, &at_us].into_iter().chain(out.iter().map(String::as_str)))
}

fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut is_first = true;
    for part in parts {
        if !std::mem::take(&mut is_first) {
            hasher.update(b"\0");
        }
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Incidents that are stored have theirs from it.
    #[test]
    fn the_id_of_an_alert_stays_what_it_was() {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"incident\0a1");
        let id: String = hasher.finalize().to_hex().chars().take(32).collect();
        assert_eq!(of_alert("a1"), id);
        assert_ne!(of_alert_apart("a1"), id);
    }
}
