//! One turn of the wheel: a refined group becomes rows, alerts, dead letters and counts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use alerts::Alert;
use arrow::array::BooleanArray;
use enrich::identity::Link;
use event::{Col, EventBatch, Offset, SourceId};
use rules::{Hit, RuleSet};
use storage::dead_letter::DeadLetter;
use storage::ledger::SourceCounts;
use storage::seen::UidIndex;

use crate::correlated::HitEvent;
use crate::refine::Refined;
use crate::retry::wait_out;
use crate::rule_counts::RuleCounts;
use crate::tally::{Tally, add};
use crate::upkeep::oldest_day;
use crate::{Result, detect};

/// What a turn leaves for the durable stages.
#[derive(Debug)]
pub(crate) struct Turn {
    /// The first offset of the group.
    pub(crate) first: Offset,
    /// The offset after the group.
    pub(crate) next: Offset,
    /// Rows for the table: new, and not older than the retention.
    pub(crate) rows: EventBatch,
    /// What to record in the state.
    pub(crate) raise: Raise,
}

/// What is recorded in the state in one transaction with the offset.
#[derive(Debug)]
pub(crate) struct Raise {
    /// The first offset.
    pub(crate) first: Offset,
    /// The offset after.
    pub(crate) next: Offset,
    /// The alerts.
    pub(crate) alerts: Vec<Alert>,
    /// Matches of rules that are grouped, each as the alert of its group.
    pub(crate) grouped: Vec<Alert>,
    /// The dead letters.
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// What became of the records, by source.
    pub(crate) counts: BTreeMap<SourceId, SourceCounts>,
    /// The rules that found all this.
    pub(crate) rules: Arc<RuleSet>,
    /// What the correlations are to remember.
    pub(crate) hits: Vec<Hit>,
    /// What the events tell about who is who.
    pub(crate) links: Vec<Link>,
    /// What alerts will say of the hits' events.
    pub(crate) hit_events: BTreeMap<u128, HitEvent>,
}

/// Takes duplicates and expired events out of a group and counts every record's fate.
pub(crate) async fn turn(
    refined: Refined,
    seen: &mut UidIndex,
    retention_days: Option<u32>,
    tally: &Tally,
    rule_counts: &RuleCounts,
) -> Result<Turn> {
    let mut counts: BTreeMap<SourceId, SourceCounts> = BTreeMap::new();
    for received in &refined.received {
        let count = counts.entry(received.source.clone()).or_default();
        count.received += received.records;
        count.last_received_us = count.last_received_us.max(Some(received.received_us));
        add(&tally.refined_records, received.records);
    }
    for letter in &refined.rejects {
        counts.entry(letter.source.clone()).or_default().dead_letters += 1;
    }
    add(&tally.dead_letters, refined.rejects.len() as u64);
    add(&tally.matches, refined.matches.len() as u64);

    let admitted = loop {
        match seen.admit(&refined.events).await {
            Ok(admitted) => break admitted,
            Err(error) => wait_out("looking for duplicates", error).await?,
        }
    };
    let fates = fates(&refined.events, &admitted.keep, retention_days);
    count_rows(&refined.events, &fates, &mut counts, tally);
    let keep: BooleanArray = fates.iter().map(|fate| Some(*fate == RowFate::Kept)).collect();
    rule_counts.add(&refined.rules, &refined.events, &refined.matches, &keep);
    let mut failed = Vec::new();
    let found = detect::alerts(&refined.rules, &refined.events, &refined.matches, &keep, &mut failed);
    let mut incomplete = refined.hits.incomplete;
    incomplete.retain(|(row, _)| keep.value(*row as usize));
    add(&tally.incomplete_hits, incomplete.len() as u64);
    rule_counts.add_failed(&refined.rules, &failed, &incomplete);
    let mut hits = refined.hits.hits;
    hits.retain(|hit| keep.value(hit.row as usize));
    let mut hit_events = BTreeMap::new();
    for hit in &hits {
        if let Entry::Vacant(slot) = hit_events.entry(hit.event.0)
            && let Some(event) = HitEvent::new(&refined.events, hit.row as usize)
        {
            slot.insert(event);
        }
    }
    let rows = if keep.true_count() == keep.len() { refined.events } else { refined.events.filter(&keep)? };
    let (first, next) = (refined.first, refined.next);
    let raise = Raise {
        first,
        next,
        alerts: found.alerts,
        grouped: found.grouped,
        dead_letters: refined.rejects,
        counts,
        rules: refined.rules,
        hits,
        links: refined.links,
        hit_events,
    };
    Ok(Turn { first, next, rows, raise })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowFate {
    Kept,
    Duplicate,
    Expired,
}

/// Whether an event is too old is judged by the time at which it was received: a replay on another day
/// must come to the same end, or rows and counts would part.
fn fates(events: &EventBatch, keep: &BooleanArray, retention_days: Option<u32>) -> Vec<RowFate> {
    (0..events.len())
        .map(|row| {
            let day = events.int_at(Col::EventDay, row).unwrap_or_default();
            let received_us = events.int_at(Col::MetadataLoggedTime, row).unwrap_or_default();
            match oldest_day(retention_days, received_us) {
                Some(oldest) if day < i64::from(oldest) => RowFate::Expired,
                _ if !keep.value(row) => RowFate::Duplicate,
                _ => RowFate::Kept,
            }
        })
        .collect()
}

fn count_rows(
    events: &EventBatch,
    fates: &[RowFate],
    counts: &mut BTreeMap<SourceId, SourceCounts>,
    tally: &Tally,
) {
    // Runs of one source are the rule, so the map is asked once a run and not once a row.
    let mut row = 0;
    while row < fates.len() {
        let Some(source) = events.str_at(Col::Source, row) else {
            row += 1;
            continue;
        };
        let count = counts.entry(SourceId::new(source)).or_default();
        while let Some(fate) = fates.get(row)
            && events.str_at(Col::Source, row) == Some(source)
        {
            match fate {
                RowFate::Kept => {
                    count.rows += 1;
                    count.last_event_us = count.last_event_us.max(events.int_at(Col::Time, row));
                    add(&tally.rows, 1);
                }
                RowFate::Duplicate => {
                    count.duplicates += 1;
                    add(&tally.duplicates, 1);
                }
                RowFate::Expired => {
                    count.dropped += 1;
                    add(&tally.expired, 1);
                }
            }
            row += 1;
        }
    }
}
