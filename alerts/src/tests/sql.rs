//! The table of alerts as SQL shows it.

use std::collections::BTreeSet;

use storage::state::rusqlite::types::ValueRef;
use storage::state_table::StateColumn;

use super::{alert, fixture};
use crate::{Change, Verdict, state_table};

#[test]
fn the_columns_are_those_of_the_statement_and_of_their_types() {
    let at = fixture();
    let one = alert("r1", "e1", 77);
    at.record(std::slice::from_ref(&one));
    at.store.change(one.id.as_str(), Change::Close(Verdict::Benign), "ann", "a drill", 2000).unwrap();
    let table = state_table();
    assert_eq!(table.name, "alerts");
    at.state
        .read(|db| {
            let mut select = db.prepare(table.sql).map_err(storage::Error::Sqlite)?;
            let names: Vec<String> = select.column_names().map(str::to_owned).collect();
            let described: Vec<_> = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(names, described);
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
            let mut rows = select.query([]).unwrap();
            let row = rows.next().unwrap().unwrap();
            for (place, (name, column)) in table.columns.iter().enumerate() {
                match (column, row.get_ref(place).unwrap()) {
                    (StateColumn::Text, ValueRef::Text(_)) => {}
                    (StateColumn::Integer | StateColumn::Time, ValueRef::Integer(_)) => {}
                    (column, value) => panic!("{name} is {column:?} and holds {value:?}"),
                }
            }
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
    let sql =
        format!("SELECT count(*) FROM ({}) WHERE actor IS NULL AND event_uid IS NULL", state_table().sql);
    let found: i64 =
        at.state.read(|db| db.query_row(&sql, [], |row| row.get(0)).map_err(storage::Error::Sqlite)).unwrap();
    assert_eq!(found, 1);
}
