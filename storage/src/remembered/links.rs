//! What ties two names to one identity, and what of it is not to be believed.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::Result;
use crate::state::Txn;
use crate::state_table::{StateColumn, StateTable};

/// A link between two names of one identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// A function of kind and ends.
    pub id: String,
    /// The credential, session or more special name.
    pub a: String,
    /// Its owner.
    pub b: String,
    /// What ties them.
    pub kind: String,
    /// How sure it is, 0 to 100.
    pub confidence: u8,
    /// When it was seen first, microseconds since 1970.
    pub from_us: i64,
    /// When it was seen last.
    pub until_us: i64,
    /// The earliest event that proves it.
    pub proof: String,
}

/// Keeps a link, or widens the one that is there: the earliest proof and the whole range stay, in whatever
/// order they come.
///
/// # Errors
/// The database refuses.
pub fn set_link(txn: &Txn<'_>, link: &LinkRow) -> Result<()> {
    let mut upsert = txn.prepare_cached(
        "INSERT INTO identity_links (id, a, b, kind, confidence, from_us, until_us, proof)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET
            confidence = max(confidence, ?5),
            proof = CASE WHEN (?6, ?8) < (from_us, proof) THEN ?8 ELSE proof END,
            from_us = min(from_us, ?6),
            until_us = max(until_us, ?7)",
    )?;
    upsert.execute(params![
        link.id,
        link.a,
        link.b,
        link.kind,
        link.confidence,
        link.from_us,
        link.until_us,
        link.proof
    ])?;
    Ok(())
}

/// Forgets the links of a kind that were last seen before.
///
/// # Errors
/// The database refuses.
pub fn forget_links(txn: &Txn<'_>, kind: &str, before_us: i64) -> Result<()> {
    txn.execute("DELETE FROM identity_links WHERE kind = ?1 AND until_us < ?2", params![kind, before_us])?;
    Ok(())
}

const COLUMNS: &str = "id, a, b, kind, confidence, from_us, until_us, proof";

/// Calls `each` with every link that was not undone.
///
/// # Errors
/// The database refuses.
pub fn links(db: &Connection, mut each: impl FnMut(LinkRow)) -> Result<()> {
    let mut select = db.prepare(&format!(
        "SELECT {COLUMNS} FROM identity_links
         WHERE NOT EXISTS (SELECT 1 FROM identity_undone WHERE identity_undone.id = identity_links.id)"
    ))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        each(read(row)?);
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<LinkRow> {
    Ok(LinkRow {
        id: row.get(0)?,
        a: row.get(1)?,
        b: row.get(2)?,
        kind: row.get(3)?,
        confidence: row.get(4)?,
        from_us: row.get(5)?,
        until_us: row.get(6)?,
        proof: row.get(7)?,
    })
}

/// Changes whenever links come or go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinksVersion {
    newest: i64,
    gone: i64,
    undone: i64,
}

/// Which links there are, as one value to compare.
///
/// # Errors
/// The database refuses.
pub fn links_version(db: &Connection) -> Result<LinksVersion> {
    let mut select = db.prepare_cached(
        "SELECT coalesce((SELECT max(rowid) FROM identity_links), 0), (SELECT count FROM identity_links_gone),
            (SELECT count(*) FROM identity_undone)",
    )?;
    Ok(select.query_row([], |row| {
        Ok(LinksVersion { newest: row.get(0)?, gone: row.get(1)?, undone: row.get(2)? })
    })?)
}

/// The links that have come since `version`, with the version as of now; `None` where others have gone since or were
/// undone. A link that was undone before, and is seen again, is none.
///
/// # Errors
/// The database refuses.
pub fn links_since(db: &Connection, version: &LinksVersion) -> Result<Option<(Vec<LinkRow>, LinksVersion)>> {
    let now = links_version(db)?;
    let are_others_as_they_were = (now.gone, now.undone) == (version.gone, version.undone);
    // Numbers begin anew where somebody has compacted the database.
    if !are_others_as_they_were || now.newest < version.newest {
        return Ok(None);
    }
    let mut select = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM identity_links WHERE rowid > ?1 AND rowid <= ?2
         AND NOT EXISTS (SELECT 1 FROM identity_undone WHERE identity_undone.id = identity_links.id) ORDER BY rowid"
    ))?;
    let mut rows = select.query([version.newest, now.newest])?;
    let mut links = Vec::new();
    while let Some(row) = rows.next()? {
        links.push(read(row)?);
    }
    Ok(Some((links, now)))
}

/// The links of every name that `part` is a part of, and of all that hangs together with them; at most 100000.
///
/// # Errors
/// The database refuses.
pub fn links_around(db: &Connection, part: &str) -> Result<Vec<LinkRow>> {
    const MOST: usize = 100_000;
    let mut all: Vec<LinkRow> = Vec::new();
    links(db, |link| all.push(link))?;
    let mut of_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, link) in all.iter().enumerate() {
        of_name.entry(&link.a).or_default().push(place);
        of_name.entry(&link.b).or_default().push(place);
    }
    // From name to name over the links that nobody has come by yet.
    let mut names: Vec<&str> = of_name.keys().copied().filter(|name| name.contains(part)).collect();
    let mut found: BTreeSet<usize> = BTreeSet::new();
    while let Some(name) = names.pop() {
        for place in of_name.remove(name).unwrap_or_default() {
            let link = all.get(place).filter(|_| found.len() < MOST && !found.contains(&place));
            let Some(link) = link else { continue };
            found.insert(place);
            names.extend([link.a.as_str(), link.b.as_str()]);
        }
    }
    Ok(all
        .iter()
        .enumerate()
        .filter(|(place, _)| found.contains(place))
        .map(|(_, link)| link.clone())
        .collect())
}

/// The ids of the links that were undone.
///
/// # Errors
/// The database refuses.
pub fn undone(db: &Connection) -> Result<Vec<String>> {
    let mut select = db.prepare("SELECT id FROM identity_undone")?;
    Ok(select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Notes that a link is not to be believed; `false` if there is no such link.
///
/// # Errors
/// The database refuses.
pub fn undo_link(txn: &Txn<'_>, id: &str, by: &str, reason: &str, at_us: i64) -> Result<bool> {
    let known = txn.query_row("SELECT 1 FROM identity_links WHERE id = ?1", [id], |_| Ok(())).optional()?;
    if known.is_some() {
        txn.execute(
            "INSERT INTO identity_undone (id, at_us, by, reason) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            params![id, at_us, by, reason],
        )?;
    }
    Ok(known.is_some())
}

/// The table `identity_links` as SQL shows it.
pub fn links_table() -> StateTable {
    use StateColumn::{Integer, Text, Time};
    StateTable {
        name: "identity_links",
        sql: "SELECT id, a, b, kind, confidence, from_us AS first_seen, until_us AS last_seen, proof, undone.by AS undone_by, \
              undone.reason AS undone_reason FROM identity_links LEFT JOIN identity_undone AS undone USING (id)",
        columns: &[
            ("id", Text),
            ("a", Text),
            ("b", Text),
            ("kind", Text),
            ("confidence", Integer),
            ("first_seen", Time),
            ("last_seen", Time),
            ("proof", Text),
            ("undone_by", Text),
            ("undone_reason", Text),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    fn link(a: &str, b: &str) -> LinkRow {
        LinkRow {
            id: format!("{a}-{b}"),
            a: a.into(),
            b: b.into(),
            kind: "session".into(),
            confidence: 90,
            from_us: 1,
            until_us: 2,
            proof: "e".into(),
        }
    }

    #[test]
    fn what_hangs_together_is_found_from_anywhere() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        // A ring with a tail, a pair of its own, and one that is tied to itself.
        let all =
            [("a", "b"), ("b", "c"), ("c", "a"), ("c", "tail"), ("tail", "end"), ("x", "y"), ("s", "s")];
        state.write(|txn| all.iter().try_for_each(|(a, b)| set_link(txn, &link(a, b)))).unwrap();
        let around = |part: &str| {
            let found = state.read(|db| links_around(db, part)).unwrap();
            let mut ids: Vec<_> = found.into_iter().map(|link| link.id).collect();
            ids.sort();
            ids
        };
        let ring = ["a-b", "b-c", "c-a", "c-tail", "tail-end"];
        for name in ["a", "b", "c", "tai", "end"] {
            assert_eq!(around(name), ring, "{name}");
        }
        assert_eq!(around("x"), ["x-y"]);
        assert_eq!(around("s"), ["s-s"]);
        assert!(around("z").is_empty());
        assert_eq!(around("").len(), all.len());
    }
}
