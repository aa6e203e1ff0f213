//! What is joined a change at a time is what is joined from scratch.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::join::tests::{any_alert, subject};
use super::super::join::{Group, join, join_known};
use super::*;

/// Every alert's incident, as the alerts of it, why it is there, how sure that is, and the id.
type Board = BTreeMap<String, (Vec<String>, String, u8, String)>;

struct World {
    alerts: BTreeMap<Place, Subject>,
    reach: Reach,
    board: Board,
}

fn board(groups: &[Group], subjects: &[&Subject]) -> Board {
    let mut board = Board::new();
    for group in groups {
        let id = |at: usize| subjects[at].seed.id.clone();
        let ids: Vec<_> = group.members.iter().map(|joined| id(joined.at)).collect();
        for joined in &group.members {
            board.insert(id(joined.at), (ids.clone(), joined.why.clone(), group.strength, group.id.clone()));
        }
    }
    board
}

impl World {
    fn new(joining: Joining) -> Self {
        Self { alerts: BTreeMap::new(), reach: Reach::new(joining, Vec::new()), board: Board::new() }
    }

    fn place(&self, id: &str) -> Option<Place> {
        self.alerts.keys().find(|(_, other)| **other == *id).cloned()
    }

    fn remove(&mut self, id: &str, touched: &mut BTreeSet<Place>) {
        let Some(place) = self.place(id) else { return };
        let old = self.alerts.remove(&place).unwrap();
        self.reach.remove(&old, &place, &|place| self.alerts.get(place), touched);
        touched.extend(self.reach.decided_with(id).filter_map(|id| self.place(id)));
        self.board.remove(id);
    }

    fn add(&mut self, subject: Subject, touched: &mut BTreeSet<Place>) {
        let place: Place = (subject.seed.time_us, subject.seed.id.as_str().into());
        self.alerts.insert(place.clone(), subject);
        self.reach.add(&place, &|place| self.alerts.get(place), touched);
    }

    /// Joins anew what was touched; returns how many that was.
    fn renew(&mut self, touched: BTreeSet<Place>) -> usize {
        let islands = self.reach.islands(touched, &|place| self.alerts.get(place), &|id| self.place(id));
        let subjects: Vec<&Subject> = islands.iter().filter_map(|place| self.alerts.get(place)).collect();
        let joins = |key: Key<'_>, first: &Subject| self.reach.joins(key, first);
        let groups = join_known(&subjects, self.reach.decisions(), &self.reach.joining, Some(&joins));
        self.board.extend(board(&groups, &subjects));
        islands.len()
    }

    fn anew(&self) -> Board {
        let all: Vec<Subject> = self.alerts.values().cloned().collect();
        let groups = join(&all, self.reach.decisions(), &self.reach.joining);
        board(&groups, &all.iter().collect::<Vec<_>>())
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// An alert comes, or another version of it.
    Put(usize, (i64, String)),
    Remove(usize),
    /// Alerts of whatever incidents, in one version that keeps ids and one that does not.
    Split(Vec<usize>, Vec<usize>, bool),
    /// Some of the incident of an alert.
    Part(usize, Vec<bool>),
    Merge(usize, usize),
    /// What was decided at a place is undone.
    Revoke(prop::sample::Index),
    /// All that was decided is undone.
    Undo,
}

fn any_step() -> impl Strategy<Value = Step> {
    let some = || proptest::collection::vec(0_usize..30, 1..6);
    prop_oneof![
        12 => (0_usize..30, any_alert()).prop_map(|(n, alert)| Step::Put(n, alert)),
        3 => (0_usize..30).prop_map(Step::Remove),
        1 => (some(), some(), any::<bool>()).prop_map(|(out, rest, has_ids)| Step::Split(out, rest, has_ids)),
        2 => (0_usize..30, proptest::collection::vec(any::<bool>(), 30)).prop_map(|(n, out)| Step::Part(n, out)),
        1 => any::<prop::sample::Index>().prop_map(Step::Revoke),
        1 => (0_usize..30, 0_usize..30).prop_map(|(a, b)| Step::Merge(a, b)),
        1 => Just(Step::Undo),
    ]
}

proptest! {
    #[test]
    fn a_change_at_a_time_is_the_same_as_from_scratch(
        steps in proptest::collection::vec(any_step(), 1..60),
        sharing in 1_usize..4,
        addresses in 1_usize..3,
        alerts in 3_usize..30,
        window in 5_i64..60,
    ) {
        let window_us = window * 3_600_000_000;
        let mut world = World::new(Joining { window_us, sharing, addresses, alerts });
        let id = |n: &usize| format!("{n:02}");
        for (step, at_us) in steps.into_iter().zip(1_i64..) {
            let mut touched = BTreeSet::new();
            let mut decisions = world.reach.decisions().to_vec();
            let decided = |kind| Decision { by: "dana".into(), reason: "so".into(), at_us, kind };
            let split = |world: &World, of: &String, out, rest| {
                let from = world.board.get(of).map_or("of nobody", |(.., id)| id.as_str());
                Decision::split(from, out, rest, "dana", "so", at_us)
            };
            match &step {
                Step::Put(n, (hour, about)) => {
                    world.remove(&id(n), &mut touched);
                    world.add(subject(&id(n), *hour, about), &mut touched);
                }
                Step::Remove(n) => world.remove(&id(n), &mut touched),
                Step::Split(out, rest, has_ids) => {
                    let out: BTreeSet<String> = out.iter().map(id).collect();
                    let rest = rest.iter().map(id).filter(|id| !out.contains(id)).collect();
                    decisions.push(match out.first().cloned().filter(|_| *has_ids) {
                        Some(first) => split(&world, &first, out, rest),
                        None => decided(DecisionKind::Split { out, rest, ids: None }),
                    });
                }
                Step::Part(n, is_out) => {
                    let Some((members, ..)) = world.board.get(&id(n)) else { continue };
                    let (out, rest): (Vec<_>, Vec<_>) = members.iter().zip(is_out).partition(|(_, out)| **out);
                    let set = |some: Vec<(&String, &bool)>| some.into_iter().map(|(id, _)| id.clone()).collect();
                    decisions.push(split(&world, &id(n), set(out), set(rest)));
                }
                Step::Revoke(index) => {
                    if !decisions.is_empty() {
                        decisions.remove(index.index(decisions.len()));
                    }
                }
                Step::Merge(a, b) => {
                    decisions.push(decided(DecisionKind::Merge { a: id(a), b: id(b) }));
                }
                Step::Undo => decisions.clear(),
            }
            let known = world.alerts.keys().map(|(_, id)| &**id);
            for id in world.reach.set_decisions(decisions, known) {
                touched.extend(world.place(&id));
            }
            world.renew(touched);
            prop_assert_eq!(&world.board, &world.anew(), "after {:?}", step);
            let groups: BTreeSet<_> = world.board.values().map(|(members, _, _, id)| (id, members)).collect();
            let ids: BTreeSet<_> = groups.iter().map(|(id, _)| id).collect();
            prop_assert_eq!(ids.len(), groups.len(), "each incident has its own id");
        }
    }
}

/// A new alert of one among many reaches that one's alerts alone, also where all share an address.
#[test]
fn a_change_reaches_only_what_hangs_together_with_it() {
    let mut world = World::new(Joining::default());
    let mut touched = BTreeSet::new();
    for n in 0..1000 {
        let about = format!("actor=u{} address=192.0.2.1 +impact", n / 10);
        world.add(subject(&format!("{n:04}"), n, &about), &mut touched);
    }
    assert_eq!(world.renew(touched), 1000);
    let mut touched = BTreeSet::new();
    world.add(subject("new", 1000, "actor=u99 address=192.0.2.1 +impact"), &mut touched);
    assert_eq!(world.renew(touched), 11);
    assert_eq!(world.board, world.anew());
}
