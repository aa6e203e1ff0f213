//! The partitions that are ours, and how far each was read, handed out and acknowledged.
//!
//! Pure: librdkafka and its threads are elsewhere. A partition that goes away and comes back is another one
//! (its [`generation`](Partition::generation) tells), so that what was handed out before is not acknowledged
//! for it.

use std::collections::BTreeMap;

use event::RawBatch;

use super::gather::{Gathering, Place};
use crate::{FindingKind, ReadOptions, SourceFinding};

/// Up to where something is read: what is durable once a batch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// The offset to go on at.
    pub(super) next: i64,
    pub(super) generation: u64,
}

/// What is handed to the collector.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) batch: Option<RawBatch>,
    pub(super) marks: Vec<Mark>,
    /// What is known to be missing.
    pub(super) findings: Vec<SourceFinding>,
}

/// One partition that is ours.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// The offset of the next message; `None`: the group knows.
    pub(super) next: Option<i64>,
    pub(super) generation: u64,
    gathering: Option<Gathering>,
    /// Stretches of offsets that are gone, not told yet: the first, the one to go on at, and why.
    lost: Vec<(i64, i64, String)>,
    /// When the newest message that was read was stored, in milliseconds since 1970.
    newest_ms: Option<i64>,
    /// Something was passed over (an empty message) that no batch tells of.
    is_moved: bool,
    /// Up to where batches were handed out, and up to where they came back.
    handed: Option<i64>,
    acknowledged: Option<i64>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    partitions: Vec<Partition>,
    /// Where the last message lay: the next will mostly lie there, too.
    last: usize,
    /// Where the next look for something to hand out begins.
    turn: usize,
    generations: u64,
    /// Bytes and records that are gathered.
    pub(super) bytes: usize,
    pub(super) records: usize,
    /// What is to be committed to the group.
    uncommitted: BTreeMap<(String, i32), i64>,
}

impl Assignment {
    /// Takes a partition that goes on at `next`.
    pub(super) fn add(&mut self, topic: &str, partition: i32, next: Option<i64>) {
        self.remove(topic, partition);
        self.generations += 1;
        self.partitions.push(Partition {
            topic: topic.to_owned(),
            partition,
            next,
            generation: self.generations,
            gathering: None,
            lost: Vec::new(),
            newest_ms: None,
            is_moved: false,
            handed: None,
            acknowledged: None,
        });
    }

    /// Gives a partition up, with what is gathered of it.
    pub(super) fn remove(&mut self, topic: &str, partition: i32) {
        let Some(index) = self.index(topic, partition) else { return };
        let gone = self.partitions.swap_remove(index);
        if let Some(gathering) = gone.gathering {
            self.bytes -= gathering.byte_len();
            self.records -= gathering.len();
        }
        self.uncommitted.remove(&(gone.topic, partition));
    }

    pub(super) fn all(&self) -> &[Partition] {
        &self.partitions
    }

    pub(super) fn contains(&self, topic: &str, partition: i32) -> bool {
        self.partitions.iter().any(|one| one.partition == partition && one.topic == topic)
    }

    /// Where a partition goes on from now on; the generation stays.
    pub(super) fn go_on_at(&mut self, topic: &str, partition: i32, next: i64) {
        if let Some(index) = self.index(topic, partition)
            && let Some(partition) = self.partitions.get_mut(index)
        {
            partition.next = Some(next);
        }
    }

    fn index(&mut self, topic: &str, partition: i32) -> Option<usize> {
        let is_it = |one: &Partition| one.partition == partition && one.topic == topic;
        if self.partitions.get(self.last).is_some_and(is_it) {
            return Some(self.last);
        }
        self.last = self.partitions.iter().position(is_it)?;
        Some(self.last)
    }

    /// Takes a message in. Returns how many records it had; `None`: it is not ours, or was read before.
    pub(super) fn take(&mut self, place: &Place<'_>, payload: &[u8], options: &ReadOptions) -> Option<usize> {
        let index = self.index(place.topic, place.partition)?;
        let partition = self.partitions.get_mut(index)?;
        if partition.next.is_some_and(|next| place.offset < next) {
            return None;
        }
        partition.next = Some(place.offset + 1);
        if payload.is_empty() {
            partition.is_moved = true;
            return Some(0);
        }
        let gathering = partition.gathering.get_or_insert_with(|| Gathering::new(payload.len() * 2));
        let before = gathering.byte_len();
        let records = gathering.add(place, payload, &options.limits);
        self.bytes += gathering.byte_len() - before;
        self.records += records;
        partition.is_moved = true;
        Some(records)
    }

    /// Takes in that messages are lost from `place` on: reading goes on at `next`.
    pub(super) fn lose(&mut self, place: &Place<'_>, reason: &str, next: i64) {
        let Some(index) = self.index(place.topic, place.partition) else { return };
        let Some(one) = self.partitions.get_mut(index) else { return };
        one.gathering.get_or_insert_with(|| Gathering::new(0)).reject(place, reason);
        one.lost.push((place.offset, next, reason.to_owned()));
        one.next = Some(next);
        one.is_moved = true;
        self.records += 1;
    }

    /// Hands out what is gathered of the next partition that has something; `None`: nothing is gathered.
    pub(super) fn hand(&mut self, cluster: &str, options: &ReadOptions) -> Option<Handed> {
        let count = self.partitions.len();
        let places = (0..count).map(|step| (self.turn + step) % count);
        let place = places.into_iter().find(|at| self.partitions.get(*at).is_some_and(|one| one.is_moved))?;
        self.turn = place + 1;
        let one = self.partitions.get_mut(place)?;
        one.is_moved = false;
        one.handed = one.next;
        let mark = Mark {
            topic: one.topic.clone(),
            partition: one.partition,
            next: one.next?,
            generation: one.generation,
        };
        let origin = format!("kafka://{cluster}/{}/{}", one.topic, one.partition);
        let findings = one.lost.drain(..).map(|(from, next, detail)| SourceFinding {
            kind: FindingKind::Gap,
            subject: format!("{origin} offsets {from} to {next}"),
            detail,
            span_us: None,
        });
        let findings = findings.collect();
        let gathering = one.gathering.take();
        if let Some(gathering) = &gathering {
            self.bytes -= gathering.byte_len();
            self.records -= gathering.len();
        }
        let batch = gathering
            .filter(|gathering| gathering.len() > 0)
            .map(|gathering| gathering.finish(options, origin));
        Some(Handed { batch, marks: vec![mark], findings })
    }

    /// Notes when a message that was read was stored.
    pub(super) fn stamp(&mut self, topic: &str, partition: i32, stored_ms: Option<i64>) {
        let found = self.index(topic, partition).and_then(|index| self.partitions.get_mut(index));
        if let (Some(one), Some(stored_ms)) = (found, stored_ms) {
            one.newest_ms = one.newest_ms.max(Some(stored_ms));
        }
    }

    /// When the newest message of a partition that was read was stored, in milliseconds since 1970.
    pub(super) fn newest_ms(&self, topic: &str, partition: i32) -> Option<i64> {
        let is_it = |one: &&Partition| one.partition == partition && one.topic == topic;
        self.partitions.iter().find(is_it).and_then(|one| one.newest_ms)
    }

    /// Whether a mark is of a partition as it is ours now.
    pub(super) fn is_current(&self, mark: &Mark) -> bool {
        self.partitions.iter().any(|one| {
            one.generation == mark.generation && one.partition == mark.partition && one.topic == mark.topic
        })
    }

    /// Takes in what is durable; what belongs to a partition that went away is passed over.
    pub(super) fn acknowledge(&mut self, mark: Mark) {
        if !self.is_current(&mark) {
            return;
        }
        let Some(index) = self.index(&mark.topic, mark.partition) else { return };
        if let Some(one) = self.partitions.get_mut(index) {
            one.acknowledged = one.acknowledged.max(Some(mark.next));
            self.uncommitted.insert((mark.topic, mark.partition), mark.next);
        }
    }

    /// Whether all that was handed out of a partition is acknowledged.
    pub(super) fn is_settled(&mut self, topic: &str, partition: i32) -> bool {
        let found = self.index(topic, partition).and_then(|index| self.partitions.get(index));
        found.is_none_or(|one| one.handed == one.acknowledged || one.handed.is_none())
    }

    /// What is to be committed; it is taken as done.
    pub(super) fn take_uncommitted(&mut self) -> BTreeMap<(String, i32), i64> {
        std::mem::take(&mut self.uncommitted)
    }

    /// A commit failed: all that is acknowledged is to be committed again.
    pub(super) fn commit_again(&mut self) {
        for one in &self.partitions {
            if let Some(next) = one.acknowledged {
                self.uncommitted.insert((one.topic.clone(), one.partition), next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use event::SourceId;

    use super::*;
    use crate::Limits;

    fn options() -> ReadOptions {
        ReadOptions {
            source: SourceId::new("k"),
            log_type: None,
            limits: Limits::default(),
            readers: 1,
            now_us: || 7,
        }
    }

    fn take(assignment: &mut Assignment, partition: i32, offset: i64, payload: &[u8]) -> Option<usize> {
        assignment.take(&Place { topic: "t", partition, offset }, payload, &options())
    }

    fn hand(assignment: &mut Assignment) -> Vec<Handed> {
        std::iter::from_fn(|| assignment.hand("b:1", &options())).collect()
    }

    #[test]
    fn each_partition_has_a_batch_of_its_own() {
        let mut assignment = Assignment::default();
        assignment.add("t", 0, Some(5));
        assignment.add("t", 1, Some(0));
        assert_eq!(take(&mut assignment, 0, 5, b"{\"a\":1}"), Some(1));
        assert_eq!(take(&mut assignment, 1, 0, b"{\"a\":2}"), Some(1));
        // Offsets may have holes: transactions, compaction.
        assert_eq!(take(&mut assignment, 0, 9, b"{\"a\":3}"), Some(1));
        assert_eq!(take(&mut assignment, 0, 9, b"{\"a\":3}"), None, "it was read before");
        assert_eq!(take(&mut assignment, 7, 0, b"{}"), None, "it is not ours");
        assert_eq!((assignment.bytes, assignment.records), (21, 3));
        let handed = hand(&mut assignment);
        assert_eq!((assignment.bytes, assignment.records), (0, 0));
        let told: Vec<_> = handed
            .iter()
            .map(|one| {
                let batch = one.batch.as_ref().unwrap();
                (batch.origin.as_str(), batch.len(), one.marks[0].next)
            })
            .collect();
        assert_eq!(told, [("kafka://b:1/t/0", 2, 10), ("kafka://b:1/t/1", 1, 1)]);
    }

    #[test]
    fn empty_messages_and_losses_move_the_position() {
        let mut assignment = Assignment::default();
        assignment.add("t", 0, Some(0));
        assert_eq!(take(&mut assignment, 0, 3, b""), Some(0));
        let handed = hand(&mut assignment);
        assert!(handed[0].batch.is_none());
        assert_eq!(handed[0].marks[0].next, 4);
        assignment.lose(&Place { topic: "t", partition: 0, offset: 4 }, "lost: 4 to 8", 9);
        let handed = hand(&mut assignment);
        let batch = handed[0].batch.as_ref().unwrap();
        let record = batch.get(0).unwrap();
        assert_eq!((record.number, record.reject), (4_000_000, Some("lost: 4 to 8")));
        let finding = &handed[0].findings[0];
        assert_eq!((finding.kind, &*finding.subject), (FindingKind::Gap, "kafka://b:1/t/0 offsets 4 to 9"));
        take(&mut assignment, 0, 9, b"{}");
        assert!(hand(&mut assignment)[0].findings.is_empty(), "a gap is told once");
        assert_eq!(handed[0].marks[0].next, 9);
        assert_eq!(assignment.newest_ms("t", 0), None);
        assignment.stamp("t", 0, Some(7));
        assignment.stamp("t", 0, Some(5));
        assert_eq!(assignment.newest_ms("t", 0), Some(7));
    }

    #[test]
    fn nothing_is_acknowledged_for_a_partition_that_went_away() {
        let mut assignment = Assignment::default();
        assignment.add("t", 0, None);
        assert!(assignment.is_settled("t", 0));
        take(&mut assignment, 0, 41, b"{}");
        let mark = hand(&mut assignment).remove(0).marks.remove(0);
        assert!(!assignment.is_settled("t", 0));
        let before = mark.clone();
        assignment.acknowledge(mark);
        assert!(assignment.is_settled("t", 0));
        assert_eq!(assignment.take_uncommitted(), [(("t".into(), 0), 42)].into());
        assignment.commit_again();
        assert_eq!(assignment.take_uncommitted().len(), 1);
        // It went and came back: what was handed out before is not its own.
        assignment.remove("t", 0);
        assignment.add("t", 0, None);
        assignment.acknowledge(before);
        assert!(assignment.take_uncommitted().is_empty());
        // What was gathered goes with its partition.
        take(&mut assignment, 0, 50, b"{}");
        assignment.remove("t", 0);
        assert_eq!(assignment.bytes, 0);
        assert!(hand(&mut assignment).is_empty());
    }
}
