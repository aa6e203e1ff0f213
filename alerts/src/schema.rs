//! The schema of the tables of alerts.

/// The schema, one step a released version.
pub(crate) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE alerts (
    id            TEXT PRIMARY KEY,
    rule_id       TEXT NOT NULL,
    title         TEXT NOT NULL,
    level         TEXT NOT NULL,
    tags          TEXT NOT NULL,
    description   TEXT NOT NULL,
    severity_id   INTEGER NOT NULL,
    severity      TEXT NOT NULL,
    status        TEXT NOT NULL DEFAULT 'new',
    verdict       TEXT,
    reason        TEXT,
    time_us       INTEGER NOT NULL,
    created_us    INTEGER NOT NULL,
    updated_us    INTEGER NOT NULL,
    provider      TEXT NOT NULL,
    actor         TEXT,
    account       TEXT,
    address       TEXT,
    operation     TEXT,
    event_uid     TEXT,
    entities      TEXT NOT NULL,
    evidence      TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_by_time ON alerts (time_us DESC, id DESC);
CREATE INDEX alerts_by_status ON alerts (status, time_us DESC, id DESC);
CREATE INDEX alerts_by_rule ON alerts (rule_id, time_us DESC, id DESC);
CREATE TABLE alert_changes (
    alert_id  TEXT NOT NULL REFERENCES alerts (id),
    at_us     INTEGER NOT NULL,
    by        TEXT NOT NULL,
    change    TEXT NOT NULL,
    verdict   TEXT,
    reason    TEXT NOT NULL
) STRICT;
CREATE INDEX alert_changes_by_alert ON alert_changes (alert_id, at_us);
",
    "
ALTER TABLE alerts ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE alerts ADD COLUMN response TEXT NOT NULL DEFAULT '[]';
ALTER TABLE alerts ADD COLUMN joined TEXT;
",
    // Triggers, so that no way of changing an alert can forget the feed.
    "
CREATE TABLE alert_feed (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us     INTEGER NOT NULL,
    alert_id  TEXT NOT NULL,
    change    TEXT NOT NULL,
    by        TEXT NOT NULL,
    reason    TEXT NOT NULL
) STRICT;
CREATE TRIGGER alert_feed_raised AFTER INSERT ON alerts BEGIN
    INSERT INTO alert_feed (at_us, alert_id, change, by, reason)
    VALUES (new.created_us, new.id, 'raised', 'stormglass', '');
END;
CREATE TRIGGER alert_feed_changed AFTER INSERT ON alert_changes BEGIN
    INSERT INTO alert_feed (at_us, alert_id, change, by, reason)
    VALUES (new.at_us, new.alert_id, new.change, new.by, new.reason);
END;
",
    // What a team does with alerts; each alert counts its changes, and no way of changing one can forget to.
    "
ALTER TABLE alerts ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE alerts ADD COLUMN owner TEXT;
ALTER TABLE alerts ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
ALTER TABLE alerts ADD COLUMN duplicate_of TEXT REFERENCES alerts (id);
ALTER TABLE alerts ADD COLUMN acknowledged_us INTEGER;
ALTER TABLE alerts ADD COLUMN closed_us INTEGER;
ALTER TABLE alert_changes ADD COLUMN field TEXT;
ALTER TABLE alert_changes ADD COLUMN before TEXT;
ALTER TABLE alert_changes ADD COLUMN after TEXT;
UPDATE alert_changes SET field = 'status' WHERE change IN ('acknowledged', 'closed', 'reopened', 'refuted');
UPDATE alerts SET
    acknowledged_us = (SELECT min(at_us) FROM alert_changes WHERE alert_id = alerts.id
        AND change IN ('acknowledged', 'closed') AND by <> 'stormglass'),
    closed_us = (SELECT max(at_us) FROM alert_changes WHERE alert_id = alerts.id
        AND change IN ('closed', 'refuted') AND alerts.status = 'closed');
CREATE TRIGGER alert_revision AFTER UPDATE ON alerts WHEN new.revision = old.revision BEGIN
    UPDATE alerts SET revision = old.revision + 1 WHERE id = new.id;
END;
CREATE INDEX alerts_by_owner ON alerts (owner, time_us DESC, id DESC) WHERE owner IS NOT NULL;
CREATE INDEX alerts_by_duplicate ON alerts (duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE TABLE alert_versions (
    alert_id     TEXT NOT NULL REFERENCES alerts (id),
    version      INTEGER NOT NULL,
    replaced_us  INTEGER NOT NULL,
    why          TEXT NOT NULL,
    time_us      INTEGER NOT NULL,
    severity     TEXT NOT NULL,
    events       INTEGER NOT NULL,
    event_uids   TEXT NOT NULL,
    PRIMARY KEY (alert_id, version)
) STRICT, WITHOUT ROWID;
",
    // Silences. What a silence hid and was released counts as raised.
    "
ALTER TABLE alerts ADD COLUMN suppressed_by TEXT;
ALTER TABLE alerts ADD COLUMN suppressed_reason TEXT;
CREATE INDEX alerts_by_silence ON alerts (suppressed_by, time_us DESC, id DESC) WHERE suppressed_by IS NOT NULL;
CREATE INDEX alert_changes_released ON alert_changes (before) WHERE change = 'released';
CREATE TABLE silences (
    id            TEXT PRIMARY KEY,
    matchers      TEXT NOT NULL,
    starts_us     INTEGER NOT NULL,
    ends_us       INTEGER NOT NULL,
    schedule      TEXT,
    owner         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    created_us    INTEGER NOT NULL,
    created_by    TEXT NOT NULL,
    ended_us      INTEGER,
    ended_by      TEXT,
    ended_reason  TEXT
) STRICT;
CREATE INDEX silences_by_end ON silences (ends_us) WHERE ended_us IS NULL;
DROP TRIGGER alert_feed_raised;
CREATE TRIGGER alert_feed_raised AFTER INSERT ON alerts BEGIN
    INSERT INTO alert_feed (at_us, alert_id, change, by, reason)
    VALUES (new.created_us, new.id, iif(new.suppressed_by IS NULL, 'raised', 'suppressed'), 'stormglass',
        coalesce(new.suppressed_reason, ''));
END;
DROP TRIGGER alert_feed_changed;
CREATE TRIGGER alert_feed_changed AFTER INSERT ON alert_changes BEGIN
    INSERT INTO alert_feed (at_us, alert_id, change, by, reason)
    VALUES (new.at_us, new.alert_id, iif(new.change = 'released', 'raised', new.change), new.by, new.reason);
END;
",
    // The matches of groups. The alert comes after its first matches, in the same transaction.
    "
CREATE TABLE alert_matches (
    alert_id  TEXT NOT NULL REFERENCES alerts (id) DEFERRABLE INITIALLY DEFERRED,
    event     BLOB NOT NULL,
    PRIMARY KEY (alert_id, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_by_creation ON alerts (created_us);
",
];
