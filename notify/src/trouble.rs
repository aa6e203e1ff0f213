//! Alerts about channels that fail: one an episode, closed when the channel delivers again.

use alerts::{Alert, AlertId, AlertStore, Change, Entity, EntityKind, Joined, RuleRef, StoredAlert, Verdict};

use crate::Result;
use crate::outbox::{Failing, Outbox};
use crate::subject::STORMGLASS;

/// The rule that they name.
pub(crate) const RULE: &str = "stormglass-channel-failing";

/// The channel that an alert says is failing, if that is what it says.
pub(crate) fn failing_channel(stored: &StoredAlert) -> Option<&str> {
    (stored.alert.rule.id == RULE).then(|| stored.alert.entity(EntityKind::Resource)).flatten()
}

/// A channel that has failed for so long is worth an alert.
const WORTH_AN_ALERT_US: i64 = 5 * 60 * 1_000_000;

/// Notes that a channel fails; with `says_so`, and when it has failed for long (also before a restart), by an alert as
/// well, unless there is one.
pub(crate) fn note(outbox: &Outbox, channel: &str, reason: &str, times: Times, says_so: bool) -> Result<()> {
    let known = outbox.failing(channel)?;
    let mut failing = known.unwrap_or(Failing {
        since_us: times.since_us,
        reason: String::new(),
        probe_us: None,
        alert_id: None,
    });
    failing.reason = reason.to_owned();
    failing.probe_us = times.probe_us;
    let is_lasting = times.now_us.saturating_sub(failing.since_us) >= WORTH_AN_ALERT_US;
    let raised = ((says_so || is_lasting) && failing.alert_id.is_none())
        .then(|| alert(channel, &failing, times.now_us));
    outbox.state().write(|txn| {
        if let Some(alert) = &raised {
            AlertStore::record(txn, std::slice::from_ref(alert), times.now_us)?;
            failing.alert_id = Some(alert.id.to_string());
        }
        Outbox::set_failing(txn, channel, &failing)
    })?;
    Ok(())
}

/// When a channel fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Since when, if it is not known to fail already.
    pub(crate) since_us: i64,
    /// When it is tried again, if nothing is sent until then.
    pub(crate) probe_us: Option<i64>,
    pub(crate) now_us: i64,
}

/// Why an alert about a channel is closed: it has delivered.
pub(crate) const DELIVERS: &str = "the channel delivers again";

/// Notes that a channel fails no more, and closes the alert that said otherwise, because of `reason`. Returns whether
/// it failed before.
pub(crate) fn over(
    outbox: &Outbox,
    alerts: &AlertStore,
    channel: &str,
    reason: &str,
    now_us: i64,
) -> Result<bool> {
    let Some(failing) = outbox.failing(channel)? else { return Ok(false) };
    if let Some(id) = &failing.alert_id {
        let close = Change::Close(Verdict::Benign);
        match alerts.change(id, close, STORMGLASS, reason, now_us) {
            // Somebody was faster, or the retention was.
            Ok(_) | Err(alerts::Error::ChangeRefused { .. } | alerts::Error::AlertUnknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    outbox.set_working(channel)?;
    Ok(true)
}

fn alert(channel: &str, failing: &Failing, now_us: i64) -> Alert {
    let since = failing.since_us.to_string();
    let reason = &failing.reason;
    let description = format!(
        "The channel `{channel}` does not deliver: {reason}. What it would have told waits in the outbox. \
         `stormglass notify channels` shows how it is doing, `stormglass notify test {channel}` tries it. This \
         alert is closed when it delivers again."
    );
    Alert {
        id: AlertId::new(RULE, [channel, since.as_str()]),
        rule: RuleRef {
            id: RULE.to_owned(),
            title: format!("Channel Is Failing: {channel}"),
            level: "high".to_owned(),
            tags: Vec::new(),
            description,
            response: Vec::new(),
        },
        severity_id: 4,
        time_us: now_us,
        provider: String::new(),
        entities: vec![Entity { kind: EntityKind::Resource, value: channel.to_owned(), name: None }],
        evidence: Vec::new(),
        joined: Some(Joined {
            by: vec![("channel".into(), channel.to_owned())],
            why: reason.clone(),
            begin_us: failing.since_us,
            events: 0,
        }),
    }
}
