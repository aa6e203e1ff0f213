//! The tables of alerts as SQL shows them.

use storage::state_table::{StateColumn, StateTable};

/// All of them.
pub fn state_tables() -> Vec<StateTable> {
    vec![alerts(), alert_changes(), alert_comments(), alert_versions(), silences()]
}

/// The steps in the lives of alerts.
fn alert_changes() -> StateTable {
    use StateColumn::{Text, Time};
    StateTable {
        name: "alert_changes",
        sql: "SELECT alert_id, at_us AS time, by, change, field, before, after, verdict, reason FROM alert_changes",
        columns: &[
            ("alert_id", Text),
            ("time", Time),
            ("by", Text),
            ("change", Text),
            ("field", Text),
            ("before", Text),
            ("after", Text),
            ("verdict", Text),
            ("reason", Text),
        ],
    }
}

/// What people have said about alerts.
fn alert_comments() -> StateTable {
    use StateColumn::{Text, Time};
    StateTable {
        name: "alert_comments",
        sql: "SELECT alert_id, at_us AS time, by, reason AS comment FROM alert_changes WHERE change = 'commented'",
        columns: &[("alert_id", Text), ("time", Time), ("by", Text), ("comment", Text)],
    }
}

/// What alerts rested on before they were amended.
fn alert_versions() -> StateTable {
    use StateColumn::{Integer, Text, Time};
    StateTable {
        name: "alert_versions",
        sql: "SELECT alert_id, version, replaced_us AS replaced, why, time_us AS time, severity, events, event_uids \
              FROM alert_versions",
        columns: &[
            ("alert_id", Text),
            ("version", Integer),
            ("replaced", Time),
            ("why", Text),
            ("time", Time),
            ("severity", Text),
            ("events", Integer),
            ("event_uids", Text),
        ],
    }
}

/// The silences.
fn silences() -> StateTable {
    use StateColumn::{Integer, Text, Time};
    StateTable {
        name: "silences",
        sql: "SELECT id, matchers, starts_us AS starts, ends_us AS ends, schedule, owner, reason, created_us AS created, \
              created_by, ended_us AS ended, ended_by, ended_reason, \
              (SELECT count(*) FROM alerts WHERE suppressed_by = silences.id) AS hidden, \
              (SELECT count(*) FROM alert_changes WHERE change = 'released' AND before = silences.id) AS released \
              FROM silences",
        columns: &[
            ("id", Text),
            ("matchers", Text),
            ("starts", Time),
            ("ends", Time),
            ("schedule", Text),
            ("owner", Text),
            ("reason", Text),
            ("created", Time),
            ("created_by", Text),
            ("ended", Time),
            ("ended_by", Text),
            ("ended_reason", Text),
            ("hidden", Integer),
            ("released", Integer),
        ],
    }
}

/// The table `alerts`.
fn alerts() -> StateTable {
    use StateColumn::{Integer, Text, Time};
    StateTable {
        name: "alerts",
        sql: "SELECT id, rule_id, title, level, severity_id, severity, status, verdict, reason, time_us AS time, \
              created_us AS created, updated_us AS updated, provider, actor, account, address, operation, event_uid, \
              tags, entities, evidence, description, version, joined, response, revision, owner, labels, \
              duplicate_of, acknowledged_us AS acknowledged, closed_us AS closed, suppressed_by, suppressed_reason FROM alerts",
        columns: &[
            ("id", Text),
            ("rule_id", Text),
            ("title", Text),
            ("level", Text),
            ("severity_id", Integer),
            ("severity", Text),
            ("status", Text),
            ("verdict", Text),
            ("reason", Text),
            ("time", Time),
            ("created", Time),
            ("updated", Time),
            ("provider", Text),
            ("actor", Text),
            ("account", Text),
            ("address", Text),
            ("operation", Text),
            ("event_uid", Text),
            ("tags", Text),
            ("entities", Text),
            ("evidence", Text),
            ("description", Text),
            ("version", Integer),
            ("joined", Text),
            ("response", Text),
            ("revision", Integer),
            ("owner", Text),
            ("labels", Text),
            ("duplicate_of", Text),
            ("acknowledged", Time),
            ("closed", Time),
            ("suppressed_by", Text),
            ("suppressed_reason", Text),
        ],
    }
}
