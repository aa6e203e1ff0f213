//! The table of alerts as SQL shows it.

use std::collections::BTreeSet;

use storage::state::rusqlite::types::ValueRef;
use storage::state_table::{StateColumn, StateTable};

use super::{alert, fixture};
use crate::silence::{Matcher, Schedule, SilenceSpec};
use crate::{AlertStore, Change, Verdict, state_tables};

fn alerts() -> StateTable {
    state_tables().into_iter().find(|table| table.name == "alerts").unwrap()
}

#[test]
fn the_columns_are_those_of_the_statement_and_of_their_types() {
    let at = fixture();
    let one = alert("r1", "e1", 77);
    let spec = SilenceSpec {
        matchers: vec![Matcher::read("rule", &["r1".into()]).unwrap()],
        starts_us: 0,
        ends_us: 1000,
        schedule: Some(Schedule::read("UTC", &["daily 00:00-24:00".into()]).unwrap()),
        owner: "ann".into(),
        reason: "a drill".into(),
        is_of_all: false,
    };
    let silence = at.store.add_silence(&spec, "ann", 1).unwrap();
    at.record(&[one.clone(), alert("r1", "e2", 77)]);
    at.store.end_silence(&silence.id, "ann", "done", 2).unwrap();
    let mut late = one.clone();
    late.evidence.push(one.evidence[0].clone());
    at.state.write(|txn| AlertStore::record_or_amend(txn, &late, 1500)).unwrap();
    at.store.change(one.id.as_str(), Change::Comment, "ann", "hm", 1600).unwrap();
    at.store.change(one.id.as_str(), Change::Assign("ann".into()), "ann", "", 1700).unwrap();
    at.store.change(one.id.as_str(), Change::Close(Verdict::Benign), "ann", "a drill", 2000).unwrap();
    for table in state_tables() {
        let read = at.state.read(|db| {
            let mut select = db.prepare(table.sql).map_err(storage::Error::Sqlite)?;
            let names: Vec<String> = select.column_names().map(str::to_owned).collect();
            let described: Vec<_> = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(names, described);
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
            let mut filled = BTreeSet::new();
            let mut rows = select.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                for (place, (name, column)) in table.columns.iter().enumerate() {
                    match (column, row.get_ref(place).unwrap()) {
                        (_, ValueRef::Null) => continue,
                        (StateColumn::Text, ValueRef::Text(_)) => {}
                        (StateColumn::Integer | StateColumn::Time, ValueRef::Integer(_)) => {}
                        (column, value) => panic!("{name} is {column:?} and holds {value:?}"),
                    }
                    filled.insert(*name);
                }
            }
            Ok::<_, storage::Error>(filled)
        });
        let empty: Vec<_> = table
            .columns
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !read.as_ref().unwrap().contains(name))
            .collect();
        let expected: &[&str] = if table.name == "alerts" { &["duplicate_of"] } else { &[] };
        assert_eq!(empty, expected, "{}", table.name);
    }
}

#[test]
fn an_alert_is_shown_as_it_stands() {
    let at = fixture();
    let one = alert("r1", "e1", 77);
    at.record(std::slice::from_ref(&one));
    at.store.change(one.id.as_str(), Change::Close(Verdict::Benign), "ann", "a drill", 2000).unwrap();
    at.state
        .read(|db| {
            let mut select = db.prepare(alerts().sql).map_err(storage::Error::Sqlite)?;
            let mut rows = select.query([]).unwrap();
            let row = rows.next().unwrap().unwrap();
            let text = |name: &str| row.get::<_, String>(name).unwrap();
            assert_eq!(
                (text("status"), text("verdict"), text("reason")),
                ("closed".into(), "benign".into(), "a drill".into())
            );
            assert_eq!((text("severity"), text("actor")), ("high".into(), "dana".into()));
            assert_eq!((text("event_uid"), text("operation")), ("e1".into(), "StopLogging".into()));
            assert_eq!((text("account"), text("address")), ("111122223333".into(), "192.0.2.7".into()));
            assert_eq!(row.get::<_, i64>("time").unwrap(), 77);
            Ok::<_, storage::Error>(())
        })
        .unwrap();
}

#[test]
fn an_alert_about_nobody_has_nulls() {
    let at = fixture();
    let mut bare = alert("r1", "e1", 77);
    bare.entities.clear();
    bare.evidence.clear();
    at.record(&[bare]);
    let sql = format!("SELECT count(*) FROM ({}) WHERE actor IS NULL AND event_uid IS NULL", alerts().sql);
    let found: i64 =
        at.state.read(|db| db.query_row(&sql, [], |row| row.get(0)).map_err(storage::Error::Sqlite)).unwrap();
    assert_eq!(found, 1);
}
