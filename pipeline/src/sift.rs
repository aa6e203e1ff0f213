//! Rules over records that nobody keeps: only what may match is mapped.

use std::sync::Arc;

use enrich::place::Places;
use event::{EventBatch, LogType, OuterKey, RawBatch, RawRecord, SourceId};
use normalize::{Asked, CustomMappings, GLANCED, Normalized, Normalizer};
use rules::{Match, RuleSet, Scratch, Sieve};

/// Finds what rules match among raw records. One for each thread; what it learns of names is used again.
#[derive(Debug)]
pub struct Sifter {
    rules: Arc<RuleSet>,
    sieve: Sieve,
    normalizer: Normalizer,
    places: Arc<Places>,
    scratch: Scratch,
}

impl Sifter {
    /// One for these rules.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self::with(rules, Arc::default(), Arc::default())
    }

    /// One for these rules that reads records of other logs by these mappings, too, and knows these places.
    pub fn with(rules: Arc<RuleSet>, mappings: Arc<CustomMappings>, places: Arc<Places>) -> Self {
        let sieve = Sieve::new(rules.clone(), GLANCED);
        let normalizer = Normalizer::with_mappings(mappings);
        Self { rules, sieve, normalizer, places, scratch: Scratch::default() }
    }

    /// The rules.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Judges records of a source one by one, while they are read: whether a rule may match, or the record
    /// cannot be judged without mapping it. [`sift`](Self::sift) looks closer.
    pub fn keep(
        &mut self,
        source: &SourceId,
        log_type: Option<LogType>,
    ) -> impl FnMut(RawRecord<'_>, &[OuterKey]) -> bool {
        let Self { sieve, normalizer, .. } = self;
        let glances = normalizer.glances(source, log_type);
        let asked = Asked::of(&sieve.starting());
        move |record, outline| {
            let outline = Some(outline).filter(|outline| !outline.is_empty());
            let told = if glances { normalizer.look(record, outline, log_type, asked) } else { None };
            told.is_none_or(|(log_type, told)| sieve.may_match(log_type, told.iter()))
        }
    }

    /// Maps those records of a batch that some rule may match, with log offsets from 0 by their place in the
    /// batch, and those that cannot be mapped at all. Every match and every reject of the whole batch is
    /// among them. Also the number of records passed over.
    pub fn sift(&mut self, raw: &RawBatch) -> (Normalized, usize) {
        let Self { rules, sieve, normalizer, places, scratch } = self;
        let wanted = sieve.wanted().to_vec();
        let glance = normalizer.glance(raw, &wanted, |log_type, told| sieve.may_match(log_type, told.iter()));
        let possible = rules.possible(&glance.events, &wanted, scratch);
        let mut records: Vec<_> =
            possible.iter().filter_map(|row| glance.seen.get(*row as usize).copied()).collect();
        records.extend(&glance.unseen);
        records.sort_unstable();
        let mut normalized = normalizer.map_some(raw, 0, &records);
        if let Err(error) = places.fill(&mut normalized.events) {
            tracing::warn!(%error, "the places of a batch are left out");
        }
        (normalized, raw.len() - records.len())
    }

    /// The matches among what was mapped, as [`RuleSet::matches`].
    pub fn matches(&mut self, events: &EventBatch) -> Vec<Match> {
        self.rules.matches(events, &mut self.scratch)
    }
}

#[cfg(test)]
mod tests {
    use event::{Col, RawBatchBuilder};
    use rules::RuleSource;

    use super::*;

    /// What is kept one by one and then sifted has the matches of all records.
    #[test]
    fn judging_one_by_one_loses_no_match() {
        let rule = |id: u8, selection: &str| RuleSource {
            path: format!("{id}.yml"),
            text: format!(
                "title: Rule {id}\nid: 00000000-0000-4000-8000-0000000000{id:02}\nlogsource:\n  product: aws\n  \
                 service: cloudtrail\ndetection:\n  selection:\n    {selection}\n  condition: selection\n"
            ),
        };
        let sources = [
            rule(1, "eventName: StopLogging"),
            rule(2, "userAgent|contains: kali"),
            rule(3, "userIdentity.arn|endswith: ':root'"),
        ];
        let rules = Arc::new(rules::load(&sources).rules);
        assert_eq!(rules.len(), 3);
        let record = |name: &str, agent: &str, arn: &str, time: &str| {
            format!(
                "{{\"eventVersion\":\"1.11\",\"userIdentity\":{{\"type\":\"IAMUser\",\"arn\":\"{arn}\"}},\
                 \"eventTime\":\"{time}\",\"eventSource\":\"x.amazonaws.com\",\"eventName\":\"{name}\",\
                 \"userAgent\":\"{agent}\",\"eventID\":\"{name}{agent}\"}}"
            )
        };
        let now = "2026-03-02T10:00:00Z";
        let arn = "arn:aws:iam::111122223333";
        let mut records = Vec::new();
        for round in 0..3 {
            records.push(record("GetObject", &format!("cli/{round}"), &format!("{arn}:user/a"), now));
            records.push(record("StopLogging", "cli", &format!("{arn}:user/a"), now));
            records.push(record("GetObject", "cli kali", &format!("{arn}:user/a"), now));
            records.push(record("GetObject", "cli", &format!("{arn}:root"), now));
            records.push(record("GetObject", "cli", &format!("{arn}:user/a"), "yesterday"));
            records.push("[]".into());
        }
        let source = SourceId::new("test");
        let batch_of = |records: &[&String]| {
            let mut batch = RawBatchBuilder::with_capacity(0);
            for (number, record) in (0..).zip(records) {
                assert!(batch.push(RawRecord { bytes: record.as_bytes(), number, reject: None }));
            }
            batch.finish(source.clone(), None, "test".into(), 1)
        };
        let ids = |sifter: &mut Sifter, records: &[&String]| {
            let (normalized, _) = sifter.sift(&batch_of(records));
            let matches = sifter.matches(&normalized.events);
            let uid = |row: u32| normalized.events.str_at(Col::EventUid, row as usize).unwrap().to_owned();
            let mut found: Vec<_> = matches.iter().map(|found| (found.rule, uid(found.row))).collect();
            found.sort();
            (found, normalized.rejects.len())
        };
        let all: Vec<_> = records.iter().collect();
        let mut sifter = Sifter::new(rules.clone());
        let expected = ids(&mut sifter, &all);
        assert_eq!((expected.0.len(), expected.1), (9, 6));
        let mut sifter = Sifter::new(rules);
        let mut keep = sifter.keep(&source, None);
        let is_kept =
            |record: &&&String| keep(RawRecord { bytes: record.as_bytes(), number: 0, reject: None }, &[]);
        let kept: Vec<_> = all.iter().filter(is_kept).copied().collect();
        drop(keep);
        assert_eq!(kept.len(), 15);
        assert_eq!(ids(&mut sifter, &kept), expected);
    }
}
