//! At which offset a partition begins or goes on.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::KafkaStart;
use super::context::Context;

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a partition goes on whose offset the broker does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GoOn {
    /// The broker has it after all.
    At(i64),
    /// The partition was never read.
    Begin,
    /// Messages from `from` on are lost: why, and the offset to go on at.
    Lost { reason: String, from: i64, next: i64 },
}

/// Judges the offset `next` by the partition's first offset and the one after its last.
pub(super) fn go_on(place: &str, next: Option<i64>, low: i64, high: i64) -> GoOn {
    let Some(next) = next else { return GoOn::Begin };
    if next < low {
        let reason = format!(
            "lost_messages: offsets {next} to {} of {place} were deleted before they were read; give the topic a longer retention",
            low - 1
        );
        return GoOn::Lost { reason, from: next, next: low };
    }
    if next > high {
        let reason = format!(
            "lost_messages: {place} ends at offset {high}, and reading was to go on at {next}: it was made anew or cut, and is read again from {low}"
        );
        return GoOn::Lost { reason, from: next, next: low };
    }
    GoOn::At(next)
}

/// The first offset of a partition and the one after its last.
pub(super) fn bounds(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), KafkaError> {
    consumer.fetch_watermarks(topic, partition, PATIENCE)
}

/// The offset at which a first reading begins.
pub(super) fn begin(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: i32,
    start: KafkaStart,
) -> Result<i64, KafkaError> {
    let (low, high) = bounds(consumer, topic, partition)?;
    let KafkaStart::Time(ms) = start else {
        return Ok(if start == KafkaStart::Latest { high } else { low });
    };
    let mut times = TopicPartitionList::new();
    times.add_partition_offset(topic, partition, Offset::Offset(ms.max(0)))?;
    let found = consumer.offsets_for_times(times, PATIENCE)?;
    let element = found.find_partition(topic, partition);
    Ok(match element.map(|element| element.offset()) {
        Some(Offset::Offset(offset)) => offset,
        // No message is so new.
        _ => high,
    })
}

/// The offset that the group has committed.
pub(super) fn committed(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: i32,
) -> Result<Option<i64>, KafkaError> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    let found = consumer.committed_offsets(list, PATIENCE)?;
    let element = found.find_partition(topic, partition);
    Ok(match element.map(|element| element.offset()) {
        Some(Offset::Offset(offset)) => Some(offset),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_stretch_is_told_by_its_offsets() {
        let lost = |next, low, high| match go_on("audit/0", Some(next), low, high) {
            GoOn::Lost { reason, next, .. } => (reason, next),
            other => panic!("{other:?}"),
        };
        let (reason, next) = lost(10, 40, 90);
        assert!(reason.starts_with("lost_messages: offsets 10 to 39 of audit/0 were deleted"), "{reason}");
        assert_eq!(next, 40);
        let (reason, next) = lost(500, 3, 90);
        assert!(reason.contains("ends at offset 90"), "{reason}");
        assert_eq!(next, 3);
        assert_eq!(go_on("audit/0", Some(40), 40, 90), GoOn::At(40));
        assert_eq!(go_on("audit/0", Some(90), 40, 90), GoOn::At(90));
        assert_eq!(go_on("audit/0", None, 40, 90), GoOn::Begin);
    }
}
