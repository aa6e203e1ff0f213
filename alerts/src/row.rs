//! An alert as a row of the database.

use rusqlite::types::Value;
use serde::Serialize;
use storage::state::rusqlite;

use crate::alert::severity_name;
use crate::{Alert, AlertId, Entity, EntityKind, Error, Evidence, Result, RuleRef, StoredAlert};

pub(crate) const INSERT: &str = "
    INSERT INTO alerts (id, rule_id, title, level, tags, description, severity_id, severity, time_us, created_us,
        updated_us, provider, actor, account, address, operation, event_uid, entities, evidence, response, joined, suppressed_by,
        suppressed_reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)
    ON CONFLICT (id) DO NOTHING";

/// The values of a row, in the order of [`INSERT`]; what a silence says of it follows them there.
pub(crate) fn values(alert: &Alert, now_us: i64) -> Result<[Value; 20]> {
    let text = |text: &str| Value::Text(text.to_owned());
    let maybe = |found: Option<&str>| found.map_or(Value::Null, text);
    let deciding = alert.evidence.last();
    Ok([
        text(alert.id.as_str()),
        text(&alert.rule.id),
        text(&alert.rule.title),
        text(&alert.rule.level),
        Value::Text(to_json(&alert.id, &alert.rule.tags)?),
        text(&alert.rule.description),
        i64::from(alert.severity_id).into(),
        text(severity_name(alert.severity_id)),
        alert.time_us.into(),
        now_us.into(),
        text(&alert.provider),
        maybe(alert.entity(EntityKind::Actor)),
        maybe(alert.entity(EntityKind::Account)),
        maybe(alert.entity(EntityKind::Address)),
        maybe(deciding.map(|event| event.operation.as_str())),
        maybe(deciding.map(|event| event.event_uid.as_str())),
        Value::Text(to_json(&alert.id, &alert.entities)?),
        Value::Text(to_json(&alert.id, &alert.evidence)?),
        Value::Text(to_json(&alert.id, &alert.rule.response)?),
        match &alert.joined {
            Some(joined) => Value::Text(to_json(&alert.id, joined)?),
            None => Value::Null,
        },
    ])
}

pub(crate) const COLUMNS: &str = "id, rule_id, title, level, tags, description, severity_id, status, verdict, reason, \
                       time_us, created_us, updated_us, provider, entities, evidence, version, response, joined, \
                       revision, owner, labels, duplicate_of, acknowledged_us, closed_us, suppressed_by, \
                       suppressed_reason";

/// An alert from a row of [`COLUMNS`].
pub(crate) fn read(row: &rusqlite::Row<'_>) -> Result<StoredAlert> {
    let id = AlertId::stored(row.get(0)?);
    let verdict: Option<String> = row.get(8)?;
    let status: String = row.get(7)?;
    Ok(StoredAlert {
        status: status.parse().unwrap_or_default(),
        verdict: verdict.and_then(|name| name.parse().ok()),
        reason: row.get(9)?,
        created_us: row.get(11)?,
        updated_us: row.get(12)?,
        version: row.get(16)?,
        revision: row.get(19)?,
        owner: row.get(20)?,
        labels: from_json(&id, &row.get::<_, String>(21)?)?,
        duplicate_of: row.get(22)?,
        acknowledged_us: row.get(23)?,
        closed_us: row.get(24)?,
        suppressed_by: row.get(25)?,
        suppressed_reason: row.get(26)?,
        alert: Alert {
            rule: RuleRef {
                id: row.get(1)?,
                title: row.get(2)?,
                level: row.get(3)?,
                tags: from_json(&id, &row.get::<_, String>(4)?)?,
                description: row.get(5)?,
                response: from_json(&id, &row.get::<_, String>(17)?)?,
            },
            severity_id: row.get(6)?,
            time_us: row.get(10)?,
            provider: row.get(13)?,
            entities: from_json::<Vec<Entity>>(&id, &row.get::<_, String>(14)?)?,
            evidence: from_json::<Vec<Evidence>>(&id, &row.get::<_, String>(15)?)?,
            joined: row.get::<_, Option<String>>(18)?.map(|text| from_json(&id, &text)).transpose()?,
            id,
        },
    })
}

pub(crate) fn to_json<T: Serialize>(id: &AlertId, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|source| Error::Damaged { id: id.to_string(), source })
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(id: &AlertId, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| Error::Damaged { id: id.to_string(), source })
}
