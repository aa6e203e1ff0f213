//! Whatever the order, repetition, rhythm and lateness of events: the same episodes.

use super::*;

/// One correlation of every kind, all fed by hits of the same shape.
fn every_kind() -> Arc<RuleSet> {
    let bodies = [
        "  type: event_count\n  rules: [a, b]\n  group-by: [actor]\n  timespan: 20m\n  condition: {gte: 3}",
        "  type: event_count\n  rules: [a, b]\n  group-by: [actor]\n  timespan: 20m\n  condition: {lt: 3}",
        "  type: value_count\n  rules: [a, b]\n  group-by: [actor]\n  timespan: 20m\n  condition: {field: x, gte: 3}",
        "  type: value_sum\n  rules: [a, b]\n  group-by: [actor]\n  timespan: 20m\n  condition: {field: x, gte: 7}",
        "  type: temporal\n  rules: [a, b, c]\n  group-by: [actor]\n  timespan: 20m",
        "  type: temporal\n  rules: [a, b, c]\n  group-by: [actor]\n  timespan: 20m\n  condition: a and b and not c",
        "  type: temporal_ordered\n  rules: [a, b, c]\n  group-by: [actor]\n  timespan: 40m",
        "  type: temporal_ordered\n  rules: [a, b]\n  group-by: [actor]\n  timespan: 40m\n  x-counts: {a: 3}",
        "  type: temporal_ordered\n  rules: [a, b, c]\n  group-by: [actor]\n  timespan: 40m\n  condition: a and (b or c)",
        "  type: temporal_ordered\n  rules: [a, b, c]\n  group-by: [actor]\n  timespan: 40m\n  x-differs: x",
        "  type: x-absence\n  rules: [a, b]\n  group-by: [actor]\n  timespan: 20m",
        "  type: x-first-seen\n  rules: [a]\n  group-by: [actor]\n  timespan: 3d\n  x-learning: 1d\n  condition: {field: x}",
        "  type: x-rare\n  rules: [a]\n  group-by: [actor]\n  timespan: 10h\n  x-learning: 2h\n  condition: {field: x, lte: 1}",
        "  type: x-volume-anomaly\n  rules: [a, b, c]\n  group-by: [actor]\n  timespan: 1h\n  x-learning: 5h\n  x-least: 3\n  x-deviations: 1",
    ];
    let mut text: Vec<_> = bodies.iter().map(|body| correlation(body)).collect();
    let (first, ordered) = (blake(bodies[0]), blake(bodies[6]));
    text.push(correlation(&format!(
        "  type: temporal\n  rules: [{first}, {ordered}]\n  group-by: [actor]\n  timespan: 2h\n  generate: true"
    )));
    load(&text.join("---\n"))
}

#[derive(Debug, Clone)]
struct Seen {
    minute: i64,
    member: u16,
    actor: u8,
    value: u8,
}

fn seen(span: i64) -> impl Strategy<Value = Vec<Seen>> {
    let one = (0..span, 0_u16..3, 0_u8..4, 0_u8..4).prop_map(|(minute, member, actor, value)| Seen {
        minute,
        member,
        actor,
        value,
    });
    proptest::collection::vec(one, 1..60)
}

/// The hits of what was seen, for each correlation that takes it.
fn hits_of(set: &RuleSet, seen: &[Seen]) -> Vec<Vec<Hit>> {
    let one = |(at, seen): (usize, &Seen)| {
        let mut hits = Vec::new();
        for (index, correlation) in set.correlations().iter().enumerate() {
            let names = ["a", "b", "c"];
            let name = names[usize::from(seen.member)];
            let Some(member) = correlation.members().iter().position(|member| member == name) else {
                continue;
            };
            let value = match correlation.wants() {
                Wants::Nothing => HitValue::Nothing,
                Wants::Text => HitValue::Text(seen.value.to_string()),
                Wants::Number => HitValue::Number(seen.value.into()),
                Wants::AddressAtPlace => {
                    HitValue::At { lat: f64::from(seen.value) % 90.0, long: 0.0, address: seen.value as u16 }
                }
            };
            let time_us = seen.minute * MINUTE_US;
            let actor = Some(format!("actor {}", seen.actor));
            let event = EventKey(at as u128 + 1);
            hits.push(Hit {
                correlation: index as u32,
                member: member as u16,
                row: 0,
                time_us,
                event,
                key: vec![String::new()],
                actor,
                value,
            });
        }
        hits
    };
    seen.iter().enumerate().map(one).collect()
}

/// Who an actor is known to be, once `merged` is known: 1 and 2 are the same.
fn known_as(actor: &str, merged: bool) -> &str {
    if merged && actor == "actor 2" { "actor 1" } else { actor }
}

/// The hits by time of arrival, each as late as its delay in minutes says.
fn arrivals<'h>(all: &'h [Vec<Hit>], delays: &[i64]) -> Vec<&'h Vec<Hit>> {
    let late = |(hits, delay): (&'h Vec<Hit>, &i64)| {
        let first = hits.first()?;
        Some(((first.time_us + delay * MINUTE_US, first.event), hits))
    };
    let mut arrivals: Vec<_> = all.iter().zip(delays).filter_map(late).collect();
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    arrivals.into_iter().map(|(_, hits)| hits).collect()
}

/// Later than this nothing comes: the bound of lateness that the delays keep to.
const BOUND_US: i64 = 120 * MINUTE_US;

/// What tells a remembered hit from others.
type HitKey = (u32, i64, EventKey, u16, u64);

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Any order, repetition and rhythm of judging gives the same episodes, also if it becomes known in
    /// between that two actors are one.
    #[test]
    fn order_does_not_matter(
        seen in seen(600),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..100),
        merge_at in 0_usize..60,
    ) {
        let set = every_kind();
        let all = hits_of(&set, &seen);
        let mut expected = Board::default();
        let mut straight = Correlator::new(set.clone(), CorrelatorLimits::default());
        for hit in all.iter().flatten() {
            straight.observe(hit, hit.actor.as_deref().map(|actor| known_as(actor, true)));
        }
        expected.apply(straight.settle(i64::MAX));

        let mut shuffled: Vec<&Vec<Hit>> = order.iter().map(|index| index.get(&all)).collect();
        shuffled.extend(all.iter().rev());
        let mut correlator = Correlator::new(set.clone(), CorrelatorLimits::default());
        let mut found = Board::default();
        for (at, hits) in shuffled.iter().enumerate() {
            if at == merge_at {
                correlator.merge_actors("actor 1", "actor 2");
            }
            for hit in *hits {
                correlator.observe(hit, hit.actor.as_deref().map(|actor| known_as(actor, at >= merge_at)));
            }
            if at % 3 == 0 {
                found.apply(correlator.settle(hits.first().map_or(0, |hit| hit.time_us)));
            }
        }
        correlator.merge_actors("actor 1", "actor 2");
        found.apply(correlator.settle(i64::MAX));
        prop_assert_eq!(found.differs(&expected), None);
    }

    /// What is kept is kept by key: correlators that share the keys among them find together what one finds that
    /// has all of them.
    #[test]
    fn keys_can_be_shared_among_many(seen in seen(600), many in 2_usize..5) {
        let set = every_kind();
        let all = hits_of(&set, &seen);
        let who = |hit: &Hit| known_as(hit.actor.as_deref().unwrap(), true).to_owned();
        let found_by = |is_ours: &dyn Fn(&str) -> bool| {
            let mut correlator = Correlator::new(set.clone(), CorrelatorLimits::default());
            for hit in all.iter().flatten().filter(|hit| is_ours(&who(hit))) {
                correlator.observe(hit, Some(&who(hit)));
            }
            correlator.settle(i64::MAX)
        };
        let mut expected = Board::default();
        expected.apply(found_by(&|_| true));
        let mut found = Board::default();
        for part in 0..many {
            let is_ours = |who: &str| who.bytes().map(usize::from).sum::<usize>() % many == part;
            found.apply(found_by(&is_ours));
        }
        prop_assert_eq!(found.differs(&expected), None);
    }

    /// Forgetting what no event within the bound can touch, and a restart from what was kept, change
    /// nothing.
    #[test]
    fn forgetting_and_restarts_do_not_matter(
        seen in seen(6 * 1440),
        delays in proptest::collection::vec(0_i64..120, 60),
        restart_at in 0_usize..60,
    ) {
        let set = every_kind();
        let all = hits_of(&set, &seen);
        let expected = board(&set, &all.concat(), i64::MAX);

        let arrivals = arrivals(&all, &delays);
        let mut correlator = Correlator::new(set.clone(), CorrelatorLimits::default());
        let mut kept: BTreeMap<HitKey, (Remembered, Vec<String>)> = BTreeMap::new();
        let mut found = Board::default();
        let mut latest = i64::MIN;
        for (at, hits) in arrivals.iter().enumerate() {
            for hit in *hits {
                prop_assert_eq!(correlator.observe(hit, hit.actor.as_deref()), Observed::New);
                let remembered = Remembered {
                    correlation: hit.correlation,
                    time_us: hit.time_us,
                    event: hit.event,
                    member: hit.member,
                    value: hit.value.digest(),
                    weight: 1,
                };
                let key = (hit.correlation, hit.time_us, hit.event, hit.member, remembered.value);
                kept.insert(key, (remembered, vec![hit.actor.clone().unwrap()]));
                latest = latest.max(hit.time_us);
            }
            let horizon_us = latest - BOUND_US;
            found.apply(correlator.settle(horizon_us));
            for changed in correlator.forget(horizon_us) {
                let key = (changed.correlation, changed.time_us, changed.event, changed.member, changed.value);
                match changed.weight {
                    0 => drop(kept.remove(&key)),
                    weight => if let Some(known) = kept.get_mut(&key) { known.0.weight = weight },
                }
            }
            if at == restart_at {
                correlator = Correlator::new(set.clone(), CorrelatorLimits::default());
                for index in 0..set.correlations().len() {
                    correlator.recall_forgotten(index as u32, horizon_us);
                }
                for (remembered, key) in kept.values() {
                    correlator.recall(remembered, &[String::new()], key.first().map(String::as_str));
                }
                // What is told again was told before.
                let mut again = Board::default();
                again.apply(correlator.settle(horizon_us));
                for (key, episode) in &again.0 {
                    prop_assert_eq!(found.0.get(key), Some(episode));
                }
            }
        }
        found.apply(correlator.settle(i64::MAX));
        prop_assert_eq!(found.differs(&expected), None);
    }

    /// Bounds that are met only if nothing is forgotten leave nothing out and change nothing.
    #[test]
    fn room_is_made_before_a_hit_is_left_out(
        seen in seen(6 * 1440),
        delays in proptest::collection::vec(0_i64..120, 60),
        rhythm in 1_usize..40,
    ) {
        let set = every_kind();
        let all = hits_of(&set, &seen);
        let expected = board(&set, &all.concat(), i64::MAX);
        let arrivals = arrivals(&all, &delays);
        // How much is needed if all is forgotten that can be, at once.
        let mut least = CorrelatorLimits { group_hits: 0, correlation_hits: 0, hits: 0 };
        let mut tidy = Correlator::new(set.clone(), CorrelatorLimits::default());
        let mut latest = i64::MIN;
        for hits in &arrivals {
            for hit in *hits {
                latest = latest.max(hit.time_us);
                tidy.observe(hit, hit.actor.as_deref());
                let fits = tidy.fits();
                least.group_hits = least.group_hits.max(fits.group_hits);
                least.correlation_hits = least.correlation_hits.max(fits.correlation_hits);
                least.hits = least.hits.max(fits.hits);
            }
            tidy.settle(latest - BOUND_US);
            tidy.forget(latest - BOUND_US);
        }
        let roomy = |most: usize| most + most / 15 + 1;
        let limits = CorrelatorLimits {
            group_hits: roomy(least.group_hits),
            correlation_hits: roomy(least.correlation_hits),
            hits: roomy(least.hits),
        };
        let mut correlator = Correlator::new(set.clone(), limits);
        let mut found = Board::default();
        let mut latest = i64::MIN;
        for (at, hits) in arrivals.iter().enumerate() {
            for hit in *hits {
                latest = latest.max(hit.time_us);
                correlator.advance(latest - BOUND_US, latest - BOUND_US);
                prop_assert_eq!(correlator.observe(hit, hit.actor.as_deref()), Observed::New);
            }
            if at % rhythm == 0 {
                found.apply(correlator.cleared().findings);
                found.apply(correlator.settle(latest - BOUND_US));
                correlator.forget_early();
            }
        }
        found.apply(correlator.cleared().findings);
        found.apply(correlator.settle(i64::MAX));
        prop_assert_eq!(found.differs(&expected), None);
    }
}
