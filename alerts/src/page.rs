//! Which alerts a list shows, and where its next page begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use rusqlite::types::Value;
use storage::state::rusqlite;

use crate::{AlertStatus, Error, Result, StoredAlert, Verdict};

/// Which alerts to list; an empty filter lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Only with this status.
    pub status: Option<AlertStatus>,
    /// Only of at least this severity, 1 to 5.
    pub min_severity_id: Option<u8>,
    /// Only of this rule.
    pub rule_id: Option<String>,
    /// Only of this provider.
    pub provider: Option<String>,
    /// Only about this entity, of whichever kind.
    pub entity: Option<String>,
    /// Only with an event at or after this, microseconds since 1970.
    pub since_us: Option<i64>,
    /// Only with an event before this, microseconds since 1970.
    pub until_us: Option<i64>,
    /// Only closed with this verdict.
    pub verdict: Option<Verdict>,
    /// Only those of this person.
    pub owner: Option<String>,
    /// Only those of nobody.
    pub is_unassigned: bool,
    /// Only with this label, or this tag of the rule.
    pub label: Option<String>,
    /// Only those that a silence hides, or only those that none does.
    pub is_suppressed: Option<bool>,
    /// Only those that this silence hides.
    pub suppressed_by: Option<String>,
    /// Only those of the incident with this id, or these first digits of it, or of what it was merged into.
    pub incident: Option<String>,
}

/// A page of alerts, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertPage {
    /// The alerts.
    pub alerts: Vec<StoredAlert>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// A place in the list of alerts; it holds while alerts are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) time_us: i64,
    pub(crate) id: String,
}

impl Cursor {
    /// The text handed to clients.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}:{}", self.time_us, self.id))
    }

    /// Reads a client's text.
    ///
    /// # Errors
    /// [`Error::CursorUnknown`] for anything that [`Cursor::encode`] did not write.
    pub fn decode(text: &str) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::CursorUnknown)?;
        let text = String::from_utf8(bytes).map_err(|_| Error::CursorUnknown)?;
        let (time_us, id) = text.split_once(':').ok_or(Error::CursorUnknown)?;
        Ok(Self { time_us: time_us.parse().map_err(|_| Error::CursorUnknown)?, id: id.into() })
    }
}

impl Cursor {
    /// Narrows a list that is in the order of the column `time`, then id, newest first, to what comes after this.
    pub(crate) fn narrow(&self, time: &str, clauses: &mut Vec<String>, values: &mut Vec<Value>) {
        values.extend([self.time_us.into(), self.id.clone().into()]);
        let (at, id) = (values.len() - 1, values.len());
        // The first lets the index be used.
        clauses.push(format!("{time} <= ?{at} AND ({time}, id) < (?{at}, ?{id})"));
    }
}

/// The WHERE clause of a list and its values; the values are always bound, never written into it.
pub(crate) fn conditions(filter: &AlertFilter, after: Option<&Cursor>) -> (String, Vec<Value>) {
    let mut clauses = vec![if filter.is_unassigned { "owner IS NULL" } else { "1" }.to_owned()];
    if let Some(is_suppressed) = filter.is_suppressed {
        clauses.push(format!("suppressed_by IS {}NULL", if is_suppressed { "NOT " } else { "" }));
    }
    let mut values: Vec<Value> = Vec::new();
    let mut add = |clause: &str, value: Value| {
        values.push(value);
        clauses.push(clause.replace('?', &format!("?{}", values.len())));
    };
    if let Some(status) = filter.status {
        add("status = ?", status.as_str().to_owned().into());
    }
    if let Some(least) = filter.min_severity_id {
        add("severity_id >= ?", i64::from(least).into());
    }
    if let Some(rule) = &filter.rule_id {
        add("rule_id = ?", rule.clone().into());
    }
    if let Some(provider) = &filter.provider {
        // An alert over several clouds names them all.
        add("instr(', ' || lower(provider) || ', ', ', ' || lower(?) || ', ') > 0", provider.clone().into());
    }
    if let Some(entity) = &filter.entity {
        add(
            "EXISTS (SELECT 1 FROM json_each(alerts.entities) WHERE ? COLLATE NOCASE IN (json_extract(value, '$.value'), json_extract(value, '$.name')))",
            entity.clone().into(),
        );
    }
    if let Some(since) = filter.since_us {
        add("time_us >= ?", since.into());
    }
    if let Some(until) = filter.until_us {
        add("time_us < ?", until.into());
    }
    if let Some(verdict) = filter.verdict {
        add("verdict = ?", verdict.as_str().to_owned().into());
    }
    if let Some(owner) = &filter.owner {
        add("owner = ?", owner.clone().into());
    }
    if let Some(silence) = &filter.suppressed_by {
        add("suppressed_by = ?", silence.clone().into());
    }
    if let Some(label) = &filter.label {
        add(
            "EXISTS (SELECT 1 FROM (SELECT value FROM json_each(alerts.labels) UNION ALL SELECT value FROM json_each(alerts.tags)) WHERE value = ? COLLATE NOCASE)",
            label.clone().into(),
        );
    }
    if let Some(incident) = &filter.incident {
        // `g` is beyond all hexadecimal digits.
        add(
            "id IN (SELECT alert_id FROM incident_alerts WHERE incident_id IN (SELECT coalesce(merged_into, id) FROM incidents WHERE id >= ? AND id < ? || 'g'))",
            incident.to_ascii_lowercase().into(),
        );
    }
    if let Some(cursor) = after {
        cursor.narrow("time_us", &mut clauses, &mut values);
    }
    (clauses.join(" AND "), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_read_back(time_us: i64, id in "[0-9a-f]{32}") {
            let cursor = Cursor { time_us, id };
            prop_assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
        }

        #[test]
        fn any_text_is_refused_or_read(text in ".*") {
            drop(Cursor::decode(&text));
        }
    }
}
