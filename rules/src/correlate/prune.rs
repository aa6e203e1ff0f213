//! Which hits of a group no coming event can touch any more.

use std::collections::HashSet;

use super::window::{self, Kept};
use crate::check::judge::Judge;
use crate::compile::Correlation;

const DAY_US: i64 = 86_400_000_000;

/// Removes or folds hits, given that no event before `horizon_us` will come any more. `changed` is told each
/// hit that is removed (weight 0) or stands for others now.
pub(crate) fn prune(
    correlation: &Correlation,
    horizon_us: i64,
    hits: &mut Vec<Kept>,
    changed: &mut dyn FnMut(&Kept, u32),
) {
    let timespan_us = correlation.timespan_us();
    let reach_us = horizon_us.saturating_sub(correlation.reach_us);
    if hits.first().is_none_or(|first| first.time_us >= horizon_us) {
        return;
    }
    match &correlation.judge {
        Judge::Volume { learning_us, .. } => {
            fold_buckets(hits, timespan_us.max(1), reach_us.saturating_sub(timespan_us), changed);
            let lookback_us = window::HISTORY_US.max(*learning_us).saturating_add(timespan_us);
            drop_before(hits, reach_us.saturating_sub(lookback_us), changed);
        }
        Judge::FirstSeen { .. } => {
            keep_one_a_day(hits, reach_us, changed);
            drop_before(hits, reach_us.saturating_sub(timespan_us).saturating_sub(DAY_US), changed);
        }
        Judge::Rare { .. } => drop_before(hits, reach_us.saturating_sub(timespan_us), changed),
        Judge::Closed(_) => {
            // Windows follow one another, so only whole ones can go.
            let mut first = 0;
            while let Some(begin) = hits.get(first) {
                let end_us = begin.time_us.saturating_add(timespan_us);
                if end_us >= reach_us {
                    break;
                }
                first += hits.iter().skip(first).take_while(|hit| hit.time_us <= end_us).count();
            }
            hits.drain(..first).for_each(|hit| changed(&hit, 0));
        }
        judge => {
            // An episode that may still grow keeps all of its hits, for its id is that of the first.
            let spans = window::judge(judge, timespan_us, hits, i64::MAX).spans;
            let reaches = |last: &usize| hits.get(*last).is_some_and(|hit| hit.time_us >= reach_us);
            let growing = spans.iter().filter(|span| span.hits.last().is_some_and(reaches));
            let first =
                growing.filter_map(|span| span.hits.first().and_then(|first| hits.get(*first))).next();
            let before_us = first.map_or(reach_us, |first| first.time_us.min(reach_us));
            match judge {
                Judge::Following(_) => {
                    drop_unless_it_shows(
                        judge,
                        timespan_us,
                        before_us.saturating_sub(timespan_us),
                        hits,
                        changed,
                    );
                }
                _ => drop_before(hits, before_us, changed),
            }
        }
    }
}

fn drop_before(hits: &mut Vec<Kept>, before_us: i64, changed: &mut dyn FnMut(&Kept, u32)) {
    let first = hits.partition_point(|hit| hit.time_us < before_us);
    hits.drain(..first).for_each(|hit| changed(&hit, 0));
}

/// Removes hits as [`drop_before`], or fewer: what remains must amount to what it amounts to now. A hit that kept
/// a later window from holding has to stay as long as that window does.
fn drop_unless_it_shows(
    judge: &Judge,
    timespan_us: i64,
    before_us: i64,
    hits: &mut Vec<Kept>,
    changed: &mut dyn FnMut(&Kept, u32),
) {
    /// How many places are tried; after that the hits stay until the next time.
    const TRIES: usize = 16;
    let spans = |from: usize| {
        let rest = hits.get(from..).unwrap_or_default();
        let spans = window::judge(judge, timespan_us, rest, i64::MAX).spans.into_iter();
        spans.map(|span| span.hits.into_iter().map(|hit| hit + from).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let now = spans(0);
    let mut from = hits.partition_point(|hit| hit.time_us < before_us);
    for _ in 0..TRIES {
        if from == 0 {
            return;
        }
        let later = now.iter().filter(|span| span.first().is_some_and(|first| *first >= from));
        let cut = now.iter().any(|span| {
            span.first().is_some_and(|first| *first < from) && span.last().is_some_and(|last| *last >= from)
        });
        if !cut && spans(from).iter().eq(later) {
            hits.drain(..from).for_each(|hit| changed(&hit, 0));
            return;
        }
        from -= 1;
    }
}

/// Makes one hit of all in a bucket that is over.
fn fold_buckets(hits: &mut Vec<Kept>, bucket_us: i64, before_us: i64, changed: &mut dyn FnMut(&Kept, u32)) {
    let mut folded: Vec<Kept> = Vec::with_capacity(hits.len());
    let mut grown = false;
    for hit in hits.iter() {
        let bucket = hit.time_us.div_euclid(bucket_us);
        let is_over = bucket.saturating_add(1).saturating_mul(bucket_us) < before_us;
        match folded.last_mut() {
            Some(first) if is_over && first.time_us.div_euclid(bucket_us) == bucket => {
                first.weight = first.weight.saturating_add(hit.weight);
                changed(hit, 0);
                grown = true;
            }
            last => {
                if let Some(first) = last.filter(|_| grown) {
                    changed(first, first.weight);
                }
                grown = false;
                folded.push(*hit);
            }
        }
    }
    if let Some(first) = folded.last().filter(|_| grown) {
        changed(first, first.weight);
    }
    *hits = folded;
}

/// Of a value's hits of a day that is over, the first says enough.
fn keep_one_a_day(hits: &mut Vec<Kept>, horizon_us: i64, changed: &mut dyn FnMut(&Kept, u32)) {
    let mut seen: HashSet<(i64, u64)> = HashSet::new();
    hits.retain(|hit| {
        let day = hit.time_us.div_euclid(DAY_US);
        let is_over = day.saturating_add(1).saturating_mul(DAY_US) < horizon_us;
        let keep = !is_over || seen.insert((day, hit.value));
        if !keep {
            changed(hit, 0);
        }
        keep
    });
}
