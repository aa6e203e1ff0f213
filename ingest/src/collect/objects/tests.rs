use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;

thread_local! {
    /// How far the clock is ahead of the store's, which is the system's.
    static AHEAD_US: Cell<i64> = const { Cell::new(0) };
}

fn clock() -> i64 {
    chrono::Utc::now().timestamp_micros() + AHEAD_US.get()
}

struct World {
    runtime: Runtime,
    store: Arc<InMemory>,
    config: ObjectsConfig,
    engine: Engine,
    positions: BTreeMap<String, String>,
    unsaved: Vec<PositionChange>,
    /// Origin, number and text.
    records: Vec<(String, u64, String)>,
    rejects: Vec<String>,
}

impl World {
    fn new(existing: bool) -> Self {
        AHEAD_US.set(0);
        let runtime = Runtime::new().unwrap();
        let store = Arc::new(InMemory::new());
        let config = ObjectsConfig {
            source: SourceId::new("objects"),
            log_type: None,
            addresses: vec![],
            aws: None,
            google: crate::google::Environment::default(),
            every: Duration::from_secs(1),
            overlap: Duration::from_secs(3600),
            torn_after: Duration::from_secs(600),
            existing,
            max_objects: 1000,
            limits: Limits { batch_records: 2, ..Limits::default() },
            now_us: clock,
        };
        let mut world = Self {
            engine: Engine::new(vec![], config.clone(), &BTreeMap::new()),
            runtime,
            store,
            config,
            positions: BTreeMap::new(),
            unsaved: vec![],
            records: vec![],
            rejects: vec![],
        };
        world.restart(false);
        world
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        let path = Path::parse(key).unwrap();
        self.runtime.block_on(self.store.put(&path, bytes.to_vec().into())).unwrap();
    }

    fn save(&mut self) {
        for change in self.unsaved.drain(..) {
            match change.value {
                Some(value) => self.positions.insert(change.key, value),
                None => self.positions.remove(&change.key),
            };
        }
    }

    fn restart(&mut self, is_kill: bool) {
        if is_kill {
            self.unsaved.clear();
        }
        self.save();
        let store = self.store.clone() as Arc<dyn ObjectStore>;
        let bucket = Bucket::of(store, self.runtime.handle());
        self.engine = Engine::new(vec![bucket], self.config.clone(), &self.positions);
    }

    fn step(&mut self) -> bool {
        self.save();
        let Some(collected) = self.engine.step().unwrap() else {
            AHEAD_US.set(AHEAD_US.get() + 1_000_000);
            return false;
        };
        self.unsaved = collected.position;
        if let Some(batch) = &collected.batch {
            for record in batch.records() {
                let text = String::from_utf8(record.bytes.into()).unwrap();
                match record.reject {
                    None => self.records.push((batch.origin.clone(), record.number, text)),
                    Some(reason) => self.rejects.push(reason.to_owned()),
                }
            }
        }
        true
    }

    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 3 {
            quiet = if self.step() { 0 } else { quiet + 1 };
        }
    }

    fn taken(&mut self) -> Vec<String> {
        self.settle();
        std::mem::take(&mut self.records).into_iter().map(|(_, _, text)| text).collect()
    }
}

#[test]
fn new_grown_and_replaced_objects() {
    let mut world = World::new(true);
    world.put("a/1.json", b"{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    world.put("a/.hidden", b"{\"no\":1}\n");
    assert_eq!(world.taken(), ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]);
    assert!(world.taken().is_empty());
    // Appended.
    world.put("a/1.json", b"{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n");
    world.put("b.json", b"{\"b\":1}\n");
    let mut found = world.taken();
    found.sort();
    assert_eq!(found, ["{\"a\":4}", "{\"b\":1}"]);
    // Replaced.
    world.restart(false);
    world.put("a/1.json", b"{\"c\":1}\n{\"c\":2}\n{\"c\":3}\n{\"c\":4}\n{\"c\":5}\n");
    assert_eq!(world.taken().len(), 5);
    world.put("b.json", b"{\"d\":1}");
    assert_eq!(world.taken(), ["{\"d\":1}"]);
    assert!(world.rejects.is_empty());
}

#[test]
fn a_torn_end_waits_and_is_told_at_last() {
    let mut world = World::new(true);
    world.put("a", b"{\"a\":1}\n{\"a\":");
    assert_eq!(world.taken(), ["{\"a\":1}"]);
    assert!(world.rejects.is_empty(), "it may grow");
    AHEAD_US.set(AHEAD_US.get() + 700_000_000);
    assert!(world.taken().is_empty());
    assert_eq!(world.rejects.len(), 1);
    world.settle();
    assert_eq!(world.rejects.len(), 1, "told once");
}

#[test]
fn what_was_there_before_can_be_left_out() {
    let mut world = World::new(false);
    world.put("old", b"{\"old\":1}\n");
    std::thread::sleep(Duration::from_millis(2));
    assert!(world.taken().is_empty());
    AHEAD_US.set(0);
    std::thread::sleep(Duration::from_millis(2));
    world.put("new", b"{\"new\":1}\n");
    AHEAD_US.set(60_000_000);
    assert_eq!(world.taken(), ["{\"new\":1}"]);
}

#[test]
fn what_is_old_is_forgotten_and_not_read_again() {
    let mut world = World::new(true);
    world.config.overlap = Duration::from_micros(1);
    world.restart(false);
    for n in 0..20 {
        world.put(&format!("{n}"), format!("{{\"n\":{n}}}\n").as_bytes());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(world.taken().len(), 20);
    assert!(world.positions.len() <= 3, "{:?}", world.positions);
    world.restart(false);
    assert!(world.taken().is_empty());
}

/// As the trail of a busy account: each listing finds another object.
#[test]
fn what_is_old_is_forgotten_although_something_is_always_new() {
    let mut world = World::new(true);
    world.config.overlap = Duration::ZERO;
    world.restart(false);
    for n in 0..40 {
        world.put(&format!("{n:02}.json"), format!("{{\"n\":{n}}}\n").as_bytes());
        // Until it is read, and no listing more.
        let read = world.records.len();
        while world.records.len() == read {
            world.step();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(world.records.len(), 40);
    world.save();
    assert!(world.engine.kept.len() < 5, "{} are kept", world.engine.kept.len());
    assert!(world.positions.len() < 8, "{:?}", world.positions);
    world.restart(true);
    assert!(world.taken().len() == 40, "nothing came twice, nothing is missing");
    assert!(world.taken().is_empty());
}

#[test]
fn a_vanished_object_is_a_dead_letter_and_poison_stops_nothing() {
    let mut world = World::new(true);
    world.put("a", b"{\"a\":1}\n");
    world.put("b", b"{\"b\":1}\n");
    world.engine.list().unwrap();
    world.runtime.block_on(world.store.delete(&Path::from("a"))).unwrap();
    assert_eq!(world.taken(), ["{\"b\":1}"]);
    assert_eq!(world.rejects, ["unreadable: the object was deleted before it was read"]);
    let wanted = |key: &str| Wanted {
        bucket: 0,
        meta: Listed {
            key: key.to_owned(),
            modified_us: chrono::Utc::now().timestamp_micros(),
            size: 9,
            tag: None,
        },
        address: format!("mem://b/{key}"),
        is_final: false,
    };
    for _ in 1..TRIES + 3 {
        let error = world.engine.failed(wanted("x"), io::Error::other("no")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read `mem://b/x`");
        world.engine.queue.clear();
    }
    world.engine.read += 1;
    let told = world.engine.failed(wanted("x"), io::Error::other("no")).unwrap().unwrap();
    let batch = told.batch.unwrap();
    assert!(batch.get(0).unwrap().reject.unwrap().starts_with("unreadable: "), "others can be read");
}

#[derive(Debug, Clone)]
enum Event {
    Append(u8, u8),
    Replace(u8),
    Compressed(u8, u8),
    Poll(u8),
    Restart,
    Kill,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_u8..4, 1_u8..6).prop_map(|(object, count)| Event::Append(object, count)),
        1 => (0_u8..4).prop_map(Event::Replace),
        1 => (0_u8..40, 1_u8..9).prop_map(|(object, count)| Event::Compressed(object, count)),
        4 => (1_u8..6).prop_map(Event::Poll),
        1 => Just(Event::Restart),
        1 => Just(Event::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is appended and replaced, and wherever it is killed: every record comes that was there at a
    /// listing, the same number for the same bytes, and without a kill or replacement none twice.
    #[test]
    fn every_record_comes(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::new(true);
        let mut contents: BTreeMap<String, String> = BTreeMap::new();
        let (mut number, mut written, mut is_exact) = (0, BTreeSet::new(), true);
        let mut lines = |count: u8| -> String {
            (0..count).map(|_| {
                number += 1;
                let record = format!("{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(number * 137 % 3000));
                written.insert(record.clone());
                record + "\n"
            }).collect()
        };
        for event in &events {
            match event {
                Event::Append(object, count) => {
                    let content = contents.entry(format!("plain-{object}")).or_default();
                    content.push_str(&lines(*count));
                    world.put(&format!("plain-{object}"), content.as_bytes());
                }
                Event::Replace(object) => {
                    // Nothing is lost only where all was read before.
                    world.settle();
                    is_exact = false;
                    let content = lines(3);
                    world.put(&format!("plain-{object}"), content.as_bytes());
                    contents.insert(format!("plain-{object}"), content);
                }
                Event::Compressed(object, count) => {
                    let key = format!("gz-{object}");
                    if let std::collections::btree_map::Entry::Vacant(free) = contents.entry(key.clone()) {
                        let content = lines(*count);
                        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
                        encoder.write_all(content.as_bytes()).unwrap();
                        world.put(&key, &encoder.finish().unwrap());
                        free.insert(content);
                    }
                }
                Event::Poll(count) => (0..*count).for_each(|_| { world.step(); }),
                Event::Restart => world.restart(false),
                Event::Kill => {
                    is_exact = false;
                    world.restart(true);
                }
            }
        }
        world.settle();
        let found: BTreeSet<_> = world.records.iter().map(|(_, _, text)| text.clone()).collect();
        prop_assert_eq!(&world.rejects, &Vec::<String>::new());
        prop_assert_eq!(&found, &written);
        if is_exact {
            prop_assert_eq!(world.records.len(), found.len(), "doubled without a kill");
        }
    }
}
