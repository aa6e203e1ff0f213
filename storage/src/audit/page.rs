//! Reading the log, a page at a time.

use rusqlite::Connection;
use rusqlite::types::{Value, ValueRef};

use super::retention::start;
use super::{AuditLog, Start};
use crate::Result;
use crate::state_table::{StateColumn, StateTable};

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only by this actor.
    pub actor: Option<String>,
    /// Only with this action, or where it ends in `.`, those that begin with it.
    pub action: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<String>,
    /// Only at or after this time, microseconds since 1970.
    pub since_us: Option<i64>,
    /// Only before this time.
    pub until_us: Option<i64>,
}

/// An entry as it lies in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number.
    pub seq: u64,
    /// Its text.
    pub entry: String,
    /// Its hash, in hexadecimal digits.
    pub hash: String,
    /// The checkpoint that signs it, if one does.
    pub checkpoint: Option<String>,
}

impl AuditRow {
    /// Its lines in an export: the entry byte for byte, and the checkpoint that signs it.
    pub fn to_lines(&self) -> String {
        let Self { seq, entry, hash, checkpoint } = self;
        let mut lines = format!("{{\"seq\":{seq},\"entry\":{entry},\"hash\":\"{hash}\"}}\n");
        if let Some(checkpoint) = checkpoint {
            lines.push_str(&format!("{{\"checkpoint\":{checkpoint}}}\n"));
        }
        lines
    }
}

impl AuditLog {
    /// Entries before the number `before`, newest first, at most `limit`.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn newest(&self, filter: &AuditFilter, before: Option<u64>, limit: usize) -> Result<Vec<AuditRow>> {
        let mut clauses = vec!["seq < ?"];
        let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let mut values = vec![Value::Integer(before)];
        if let Some(actor) = &filter.actor {
            clauses.push("actor = ?");
            values.push(Value::Text(actor.clone()));
        }
        match &filter.action {
            Some(start) if start.ends_with('.') => {
                clauses.push("action >= ? AND action < ?");
                // The character after the full stop.
                let end = format!("{}/", start.trim_end_matches('.'));
                values.extend([Value::Text(start.clone()), Value::Text(end)]);
            }
            Some(action) => {
                clauses.push("action = ?");
                values.push(Value::Text(action.clone()));
            }
            None => {}
        }
        if let Some(outcome) = &filter.outcome {
            clauses.push("outcome = ?");
            values.push(Value::Text(outcome.clone()));
        }
        for (clause, bound) in [("at_us >= ?", filter.since_us), ("at_us < ?", filter.until_us)] {
            if let Some(bound) = bound {
                clauses.push(clause);
                values.push(Value::Integer(bound));
            }
        }
        self.rows(&clauses.join(" AND "), "DESC", values, limit)
    }

    /// Entries after the number `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn oldest(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        self.rows("seq > ?", "ASC", vec![Value::Integer(after)], limit)
    }

    /// A part of an export: entries after the number `after`, and before the first of a log whose oldest entries
    /// were dropped, where it begins. Entries behind `after` may have been dropped meanwhile.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn part(&self, after: u64, limit: usize) -> Result<(Option<Start>, Vec<AuditRow>)> {
        self.state().read(|db| {
            let start = if after == 0 { start(db)? } else { None };
            let after = i64::try_from(after).unwrap_or(i64::MAX);
            Ok((start, select(db, "seq > ?", "ASC", vec![Value::Integer(after)], limit)?))
        })
    }

    /// Changes that were announced and of which nobody has said how they went: a kill was in between.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn unfinished(&self) -> Result<Vec<AuditRow>> {
        // Whatever an earlier start has settled needs no look again.
        let since = "coalesce((SELECT max(seq) FROM audit WHERE action = 'server.start'), 0)";
        let clauses = format!(
            "seq > ? AND seq > {since} AND outcome = 'intended' AND NOT EXISTS \
             (SELECT 1 FROM audit answer WHERE answer.of_seq = audit.seq AND answer.of_seq IS NOT NULL)"
        );
        self.rows(&clauses, "ASC", vec![Value::Integer(0)], 10_000)
    }

    fn rows(&self, clauses: &str, order: &str, values: Vec<Value>, limit: usize) -> Result<Vec<AuditRow>> {
        self.state().read(|db| select(db, clauses, order, values, limit))
    }
}

fn select(
    db: &Connection,
    clauses: &str,
    order: &str,
    values: Vec<Value>,
    limit: usize,
) -> Result<Vec<AuditRow>> {
    let sql = format!(
        "SELECT seq, entry, hash, (SELECT line FROM audit_checkpoints c WHERE c.seq = audit.seq) \
         FROM audit WHERE {clauses} ORDER BY seq {order} LIMIT {limit}"
    );
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query(rusqlite::params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(AuditRow {
            seq: row.get(0)?,
            entry: String::from_utf8_lossy(bytes(row.get_ref(1)?)).into_owned(),
            hash: super::chain::hex(bytes(row.get_ref(2)?)),
            checkpoint: row.get(3)?,
        });
    }
    Ok(found)
}

/// The bytes of a text or blob; none of anything else, which nobody but a forger writes.
pub(super) fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        _ => b"",
    }
}

/// The table `audit_log` as SQL shows it.
pub fn state_table() -> StateTable {
    use StateColumn::{Integer, Text, Time};
    StateTable {
        name: "audit_log",
        sql: "SELECT seq, at_us AS time, action, outcome, actor, \
              json_extract(entry, '$.role') AS role, json_extract(entry, '$.address') AS address, \
              json_extract(entry, '$.object') AS object, json_extract(entry, '$.status') AS status, \
              coalesce(json_extract(entry, '$.count'), 1) AS count, of_seq, \
              json_extract(entry, '$.request') AS request, json_extract(entry, '$.detail') AS detail, \
              lower(hex(hash)) AS hash FROM audit WHERE json_valid(entry)",
        columns: &[
            ("seq", Integer),
            ("time", Time),
            ("action", Text),
            ("outcome", Text),
            ("actor", Text),
            ("role", Text),
            ("address", Text),
            ("object", Text),
            ("status", Integer),
            ("count", Integer),
            ("of_seq", Integer),
            ("request", Text),
            ("detail", Text),
            ("hash", Text),
        ],
    }
}
