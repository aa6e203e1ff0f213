//! A small data folder: events of three days and three clouds in nine files and some rows in none, two
//! dead letters, two sources, two alerts.

use std::sync::Arc;
use std::time::Duration;

use event::{Col, EventBatch, EventBuilder, EventKey, RawBatchBuilder, RawRecord, SourceId};
use query::{Error, Format, QueryConfig, QueryEngine, QueryRequest};
use storage::dead_letter::{self, DeadLetter};
use storage::ledger::{self, SourceCounts};
use storage::state::State;
use storage::state_table::StateColumn::{Integer, Text, Time};
use storage::state_table::StateTable;
use storage::table::{EventTable, TableConfig};
use tempfile::TempDir;
use tokio::time::timeout;

/// Events that are in files.
pub(crate) const STORED: u64 = 3_000;
/// Events that are not yet; they are of a fourth day.
pub(crate) const LIVE: u64 = 30;
/// Events of a day.
pub(crate) const PER_DAY: u64 = 1_000;
/// Midnight of the first day, 2026-03-01, in microseconds.
const FIRST_DAY: i64 = 1_772_323_200_000_000;
const MICROS_PER_DAY: i64 = 86_400_000_000;
const PROVIDERS: [&str; 3] = ["AWS", "Azure", "GCP"];

/// Nothing that a test asks may take longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Stands for the room `alerts`, which lies above this one.
const ALERTS: StateTable = StateTable {
    name: "alerts",
    sql: "SELECT id, severity_id, time_us AS time FROM alerts_here",
    columns: &[("id", Text), ("severity_id", Integer), ("time", Time)],
};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) engine: QueryEngine,
    pub(crate) table: EventTable,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn new(config: QueryConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let table = EventTable::open(folder.path().join("events"), TableConfig::default()).await.unwrap();
        fill(&table).await;
        let engine = engine(&table, folder.path(), config);
        Self { engine, table, _folder: folder }
    }

    /// The answer as CSV, without its head; `|` stands for the end of a line.
    pub(crate) async fn ask(&self, sql: &str) -> String {
        let text = ask(&self.engine, QueryRequest::new(sql)).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let rows: Vec<_> = text.lines().skip(1).collect();
        rows.join("|")
    }

    /// Why there is no answer.
    pub(crate) async fn refused(&self, sql: &str) -> Error {
        match ask(&self.engine, QueryRequest::new(sql)).await {
            Ok(answer) => panic!("{} was answered: {}", shown(sql), shown(&answer)),
            Err(error) => error,
        }
    }
}

/// An engine over `table` and a state database in `folder`.
pub(crate) fn engine(table: &EventTable, folder: &std::path::Path, config: QueryConfig) -> QueryEngine {
    let state = State::open(&folder.join("state.db")).unwrap();
    fill_state(&state);
    QueryEngine::new(table.clone(), state, vec![ALERTS], Arc::new(Ana), config)
}

/// The whole answer as CSV.
pub(crate) async fn ask(engine: &QueryEngine, request: QueryRequest) -> query::Result<String> {
    timeout(PATIENCE, collect(engine, request)).await.expect("the engine hangs")
}

async fn collect(engine: &QueryEngine, request: QueryRequest) -> query::Result<String> {
    let mut answer = engine.run(request).await?;
    let mut text = Vec::new();
    let mut writer = Format::Csv.writer(&mut text, &answer.schema())?;
    while let Some(batch) = answer.next().await {
        writer.write(&batch?)?;
    }
    writer.finish()?;
    Ok(String::from_utf8(text).unwrap())
}

/// The beginning of a long text.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(120).collect()
}

/// Appends the events, and commits all but the live ones.
pub(crate) async fn fill(table: &EventTable) {
    table.append(events(0..STORED), STORED).unwrap();
    table.commit().await.unwrap();
    table.append(events(STORED..STORED + LIVE), STORED + LIVE).unwrap();
}

/// When the event of this number happened.
pub(crate) fn time(number: u64) -> i64 {
    let second = i64::try_from(number % PER_DAY).unwrap() * 1_000_000;
    FIRST_DAY + i64::try_from(number / PER_DAY).unwrap() * MICROS_PER_DAY + second
}

/// The id of the event of this number; as ids are hashes, they lie in no order.
pub(crate) fn uid(number: u64) -> String {
    EventKey(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
        .uid()
        .as_str()
        .to_owned()
}

pub(crate) fn events(numbers: std::ops::Range<u64>) -> EventBatch {
    let mut builder = EventBuilder::new();
    for number in numbers {
        builder.time(Col::Time, time(number));
        builder.text(Col::EventUid, &uid(number));
        builder.text(Col::LogType, "aws_cloudtrail");
        builder.text(Col::Source, "cli");
        builder.text(Col::CloudProvider, PROVIDERS[(number % 3) as usize]);
        builder.text(Col::ActorUserName, &format!("user{}", number % 10));
        builder.text(Col::SrcEndpointIp, &format!("10.0.0.{}", number % 50));
        builder.text(Col::ApiOperation, if number % 100 == 7 { "DeleteTrail" } else { "ListBuckets" });
        builder.text(
            Col::RawData,
            &format!("{{\"id\":{number},\"user\":{{\"name\":\"user{}\"}}}}", number % 10),
        );
        builder.long(Col::LogOffset, i64::try_from(number).unwrap());
        builder.long(Col::TypeUid, 600_301);
        for col in [Col::ClassUid, Col::CategoryUid, Col::ActivityId] {
            builder.int(col, 1);
        }
        builder.int(Col::SeverityId, if number % 100 == 7 { 4 } else { 1 });
        builder.finish_row();
    }
    builder.finish().unwrap()
}

fn fill_state(state: &State) {
    state
        .migrate(
            "alerts_here",
            &["CREATE TABLE alerts_here (id TEXT PRIMARY KEY, severity_id INTEGER, time_us INTEGER) STRICT;
               INSERT INTO alerts_here VALUES ('a1', 4, 1772323200000000), ('a2', 5, NULL)"],
        )
        .unwrap();
    let mut records = RawBatchBuilder::with_capacity(64);
    for number in 0..2 {
        assert!(records.push(RawRecord { bytes: b"not json", number, reject: None }));
    }
    let batch = records.finish(SourceId::new("http"), None, "http".to_owned(), FIRST_DAY);
    let letters: Vec<_> = batch
        .records()
        .zip(1..)
        .map(|(record, id)| DeadLetter::new(id, &batch, &record, "malformed", "no JSON"))
        .collect();
    state
        .write(|txn| {
            dead_letter::insert(txn, &letters)?;
            let cli = SourceCounts { received: STORED, rows: STORED, ..SourceCounts::default() };
            ledger::add(txn, &SourceId::new("cli"), &cli)?;
            let http = SourceCounts { received: 2, dead_letters: 2, ..SourceCounts::default() };
            ledger::add(txn, &SourceId::new("http"), &http)
        })
        .unwrap();
}

/// Two names of one person.
#[derive(Debug)]
struct Ana;

impl query::Names for Ana {
    fn look(&self) -> Result<(), String> {
        Ok(())
    }

    fn identity(&self, name: &str) -> Option<String> {
        let is_hers = ["AKIAANA", "arn:aws:iam::1:user/ana"].contains(&name);
        is_hers.then(|| "entra:user:ana".to_owned())
    }
}
