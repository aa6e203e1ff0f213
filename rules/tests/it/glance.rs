//! Rules that know only what a glance tells pass over no event that they match.

use std::collections::BTreeSet;
use std::sync::Arc;

use event::{Col, EventBatch, RawBatch, RawBatchBuilder, RawRecord, SourceId};
use normalize::{GLANCED, Normalizer};
use rules::{RuleSource, Scratch, Sieve};

use crate::{corpus, events};

#[test]
fn what_is_passed_over_matches_nothing() {
    let mut records: Vec<String> = Vec::new();
    for folder in ["demo/story", "normalize/samples"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        records.extend(corpus::files(&folder, "json").iter().flat_map(|file| events::records(&file.text)));
    }
    for folder in ["cloudtrail/stratus_detonation", "cloudtrail/traildiscover"] {
        let Some(folder) = corpus::folder(folder) else { break };
        records.extend(corpus::files(&folder, "").iter().flat_map(|file| events::records(&file.text)));
    }
    let records = Records::new(records);
    records.check(&rules::shipped());
    for pack in ["sigma/sigmahq", "sigma/suzaku"] {
        let Some(folder) = corpus::folder(pack) else { return };
        let mut sources = corpus::files(&folder, ".yml");
        sources.retain(|source| source.text.contains("cloudtrail"));
        let over = records.check(&sources);
        println!("{pack}: {over} of {} events are passed over", records.texts.len());
        for source in &sources {
            records.check(std::slice::from_ref(source));
        }
    }
}

struct Records {
    texts: Vec<String>,
    raw: RawBatch,
    all: EventBatch,
}

impl Records {
    fn new(texts: Vec<String>) -> Self {
        let mut raw = RawBatchBuilder::with_capacity(1 << 20);
        for (number, record) in (0..).zip(&texts) {
            assert!(raw.push(RawRecord { bytes: record.as_bytes(), number, reject: None }));
        }
        let raw = raw.finish(SourceId::new("test"), None, "test".into(), 1);
        let all = Normalizer::new().map(&raw, 0).events;
        Self { texts, raw, all }
    }

    /// How many events the rules pass over; none of them may match.
    fn check(&self, sources: &[RuleSource]) -> usize {
        let rules = Arc::new(rules::load(sources).rules);
        let mut scratch = Scratch::default();
        let mut sieve = Sieve::new(rules.clone(), GLANCED);
        let wanted = sieve.wanted().to_vec();
        let glance = Normalizer::new()
            .glance(&self.raw, &wanted, |log_type, told| sieve.may_match(log_type, told.iter()));
        let possible = rules.possible(&glance.events, &wanted, &mut scratch);
        let possible: BTreeSet<_> = possible.iter().map(|row| glance.seen[*row as usize]).collect();
        let unseen: BTreeSet<_> = glance.unseen.iter().copied().collect();
        let mut matched = BTreeSet::new();
        for found in rules.matches(&self.all, &mut scratch) {
            let record = self.all.int_at(Col::LogOffset, found.row as usize).unwrap();
            let record = usize::try_from(record).unwrap();
            let rule = rules.rules()[found.rule as usize].path();
            let known = possible.contains(&record) || unseen.contains(&record);
            assert!(known, "{rule} matches {}", self.texts[record]);
            matched.insert(record);
        }
        if rules.len() == 1 && possible.len() > matched.len() + self.texts.len() / 10 {
            println!("{}: {} possible, {} match", sources[0].path, possible.len(), matched.len());
        }
        self.texts.len() - possible.len() - unseen.len()
    }
}
