//! The tables of incidents and risk in the state database.

use storage::state_table::{StateColumn, StateTable};

/// The schema, one step a released version.
pub(super) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE incidents (
    id              TEXT PRIMARY KEY,
    merged_into     TEXT,
    status          TEXT NOT NULL DEFAULT 'new',
    owner           TEXT,
    verdict         TEXT,
    reason          TEXT,
    title           TEXT NOT NULL,
    severity_id     INTEGER NOT NULL,
    severity        TEXT NOT NULL,
    confidence      INTEGER NOT NULL,
    risk            INTEGER NOT NULL,
    alerts          INTEGER NOT NULL,
    first_us        INTEGER NOT NULL,
    last_us         INTEGER NOT NULL,
    created_us      INTEGER NOT NULL,
    updated_us      INTEGER NOT NULL,
    clock_us        INTEGER NOT NULL,
    acknowledged_us INTEGER,
    closed_us       INTEGER,
    acknowledge_due_us INTEGER,
    close_due_us    INTEGER,
    acknowledge_overdue INTEGER NOT NULL DEFAULT 0,
    close_overdue   INTEGER NOT NULL DEFAULT 0,
    assessment      TEXT NOT NULL
) STRICT;
CREATE INDEX incidents_by_time ON incidents (last_us DESC, id DESC) WHERE merged_into IS NULL;
CREATE INDEX incidents_by_merge ON incidents (merged_into) WHERE merged_into IS NOT NULL;
CREATE TABLE incident_alerts (
    alert_id    TEXT PRIMARY KEY,
    incident_id TEXT NOT NULL REFERENCES incidents (id),
    time_us     INTEGER NOT NULL,
    why         TEXT NOT NULL
) STRICT;
CREATE INDEX incident_alerts_by_incident ON incident_alerts (incident_id, time_us, alert_id);
CREATE TABLE incident_changes (
    incident_id TEXT NOT NULL REFERENCES incidents (id),
    at_us       INTEGER NOT NULL,
    by          TEXT NOT NULL,
    change      TEXT NOT NULL,
    verdict     TEXT,
    reason      TEXT NOT NULL
) STRICT;
CREATE INDEX incident_changes_by_incident ON incident_changes (incident_id, at_us);
CREATE TABLE incident_decisions (
    id       INTEGER PRIMARY KEY,
    decision TEXT NOT NULL
) STRICT;
CREATE TABLE incident_exports (
    id          INTEGER PRIMARY KEY,
    incident_id TEXT NOT NULL,
    at_us       INTEGER NOT NULL,
    by          TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    previous    TEXT
) STRICT;
CREATE INDEX incident_exports_by_incident ON incident_exports (incident_id, id);
CREATE TABLE incident_position (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL
) STRICT;
CREATE TABLE incident_feed (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us       INTEGER NOT NULL,
    incident_id TEXT NOT NULL,
    change      TEXT NOT NULL,
    by          TEXT NOT NULL,
    reason      TEXT NOT NULL
) STRICT;
CREATE TRIGGER incident_feed_changed AFTER INSERT ON incident_changes BEGIN
    INSERT INTO incident_feed (at_us, incident_id, change, by, reason)
    VALUES (new.at_us, new.incident_id, new.change, new.by, new.reason);
END;
CREATE TABLE alert_risk (
    alert_id TEXT PRIMARY KEY,
    score    INTEGER NOT NULL,
    parts    TEXT NOT NULL
) STRICT;
CREATE TABLE entity_risk (
    kind      TEXT NOT NULL,
    entity    TEXT NOT NULL,
    risk      REAL NOT NULL,
    as_of_us  INTEGER NOT NULL,
    half_life_us INTEGER NOT NULL,
    alerts    INTEGER NOT NULL,
    first_us  INTEGER NOT NULL,
    last_us   INTEGER NOT NULL,
    criticality TEXT NOT NULL,
    PRIMARY KEY (kind, entity)
) STRICT;
CREATE TABLE entity_risk_alerts (
    alert_id TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    entity   TEXT NOT NULL
) STRICT;
CREATE TABLE assets (
    name  TEXT PRIMARY KEY,
    asset TEXT NOT NULL
) STRICT;
",
    // Clocks are looked at each time that anything has happened.
    "
CREATE INDEX incidents_to_acknowledge ON incidents (acknowledge_due_us)
    WHERE status = 'new' AND NOT acknowledge_overdue AND merged_into IS NULL;
CREATE INDEX incidents_to_close ON incidents (close_due_us)
    WHERE status <> 'closed' AND NOT close_overdue AND merged_into IS NULL;
",
    // Each incident counts its changes, and no way of changing one can forget to.
    "
ALTER TABLE incidents ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE TRIGGER incident_revision AFTER UPDATE ON incidents WHEN new.revision = old.revision BEGIN
    UPDATE incidents SET revision = old.revision + 1 WHERE id = new.id;
END;
",
    // The team's own labels, a sorted list as JSON.
    "
ALTER TABLE incidents ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
",
];

/// The tables `incidents`, `incident_alerts`, `incident_changes` and `entity_risk` as SQL shows them.
pub fn state_tables() -> [StateTable; 4] {
    use StateColumn::{Integer, Text, Time};
    [
        StateTable {
            name: "incidents",
            sql: "SELECT id, status, severity_id, severity, confidence, risk, title, owner, verdict, reason, alerts, \
                  first_us AS first, last_us AS last, created_us AS created, updated_us AS updated, \
                  acknowledged_us AS acknowledged, closed_us AS closed, acknowledge_due_us AS acknowledge_due, \
                  close_due_us AS close_due, acknowledge_overdue, close_overdue, merged_into, assessment, revision, labels \
                  FROM incidents",
            columns: &[
                ("id", Text),
                ("status", Text),
                ("severity_id", Integer),
                ("severity", Text),
                ("confidence", Integer),
                ("risk", Integer),
                ("title", Text),
                ("owner", Text),
                ("verdict", Text),
                ("reason", Text),
                ("alerts", Integer),
                ("first", Time),
                ("last", Time),
                ("created", Time),
                ("updated", Time),
                ("acknowledged", Time),
                ("closed", Time),
                ("acknowledge_due", Time),
                ("close_due", Time),
                ("acknowledge_overdue", Integer),
                ("close_overdue", Integer),
                ("merged_into", Text),
                ("assessment", Text),
                ("revision", Integer),
                ("labels", Text),
            ],
        },
        StateTable {
            name: "incident_alerts",
            sql: "SELECT incident_id, alert_id, time_us AS time, why, score AS risk, parts AS risk_parts \
                  FROM incident_alerts LEFT JOIN alert_risk USING (alert_id)",
            columns: &[
                ("incident_id", Text),
                ("alert_id", Text),
                ("time", Time),
                ("why", Text),
                ("risk", Integer),
                ("risk_parts", Text),
            ],
        },
        StateTable {
            name: "incident_changes",
            sql: "SELECT incident_id, at_us AS time, by, change, verdict, reason FROM incident_changes",
            columns: &[
                ("incident_id", Text),
                ("time", Time),
                ("by", Text),
                ("change", Text),
                ("verdict", Text),
                ("reason", Text),
            ],
        },
        StateTable {
            name: "entity_risk",
            sql: "SELECT kind, entity, CAST(round(risk) AS INTEGER) AS risk, as_of_us AS as_of, \
                  half_life_us / 1000000 AS half_life_s, alerts, first_us AS first, last_us AS last, criticality \
                  FROM entity_risk",
            columns: &[
                ("kind", Text),
                ("entity", Text),
                ("risk", Integer),
                ("as_of", Time),
                ("half_life_s", Integer),
                ("alerts", Integer),
                ("first", Time),
                ("last", Time),
                ("criticality", Text),
            ],
        },
    ]
}
