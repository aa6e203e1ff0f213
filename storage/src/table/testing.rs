//! Events by hand for the tests of this crate.

use event::{Col, EventBatch, EventBuilder, EventKey};

/// One event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) key: u128,
    pub(crate) offset: u64,
    pub(crate) time: i64,
    pub(crate) provider: &'static str,
    pub(crate) source: &'static str,
}

impl Default for Row {
    fn default() -> Self {
        Self { key: 0, offset: 0, time: 0, provider: "AWS", source: "cli" }
    }
}

pub(crate) fn batch(rows: &[Row]) -> EventBatch {
    let mut builder = EventBuilder::new();
    for row in rows {
        builder.time(Col::Time, row.time);
        builder.text(Col::EventUid, EventKey(row.key).uid().as_str());
        builder.text(Col::LogType, "aws_cloudtrail");
        builder.text(Col::Source, row.source);
        builder.text(Col::CloudProvider, row.provider);
        builder.text(Col::ActorUserName, if row.key % 3 == 0 { "eve" } else { "mallory" });
        builder.text(Col::RawData, &format!("{{\"id\":{}}}", row.key));
        builder.long(Col::LogOffset, row.offset as i64);
        builder.long(Col::TypeUid, 300_201);
        for col in [Col::ClassUid, Col::CategoryUid, Col::ActivityId, Col::SeverityId] {
            builder.int(col, 1);
        }
        builder.finish_row();
    }
    builder.finish().unwrap()
}
