use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;

use proptest::prelude::*;

use super::*;

thread_local! {
    static CLOCK_US: Cell<i64> = const { Cell::new(1_000_000_000) };
}

fn clock() -> i64 {
    CLOCK_US.get()
}

const EVERY: Duration = Duration::from_secs(1);

fn config(paths: &[String], torn_after: Option<Duration>) -> FilesConfig {
    FilesConfig {
        source: SourceId::new("files"),
        log_type: None,
        paths: paths.to_vec(),
        every: EVERY,
        settle: EVERY * 2,
        torn_after,
        max_files: 100,
        limits: Limits { batch_records: 3, ..Limits::default() },
        now_us: clock,
    }
}

/// A folder, a collector over it, and what it has handed out.
struct World {
    root: tempfile::TempDir,
    paths: Vec<String>,
    torn_after: Option<Duration>,
    engine: Engine,
    /// What is saved.
    positions: BTreeMap<String, String>,
    /// The position of the last batch, which is durable itself; a kill loses it.
    unsaved: Vec<PositionChange>,
    records: Vec<String>,
    rejects: Vec<String>,
}

impl World {
    fn new(pattern: &str, torn_after: Option<Duration>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = vec![root.path().join(pattern).display().to_string()];
        let engine = Engine::new(config(&paths, torn_after), &BTreeMap::new());
        let (positions, unsaved) = Default::default();
        Self { root, paths, torn_after, engine, positions, unsaved, records: vec![], rejects: vec![] }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn save(&mut self) {
        for change in self.unsaved.drain(..) {
            match change.value {
                Some(value) => self.positions.insert(change.key, value),
                None => self.positions.remove(&change.key),
            };
        }
    }

    /// One step; `false` where there was nothing.
    fn step(&mut self) -> bool {
        self.save();
        match self.engine.step().unwrap() {
            Step::Collected(collected) => {
                self.unsaved = collected.position;
                for record in collected.batch.iter().flat_map(event::RawBatch::records) {
                    let text = String::from_utf8(record.bytes.into()).unwrap();
                    match record.reject {
                        None => self.records.push(text),
                        Some(reason) => self.rejects.push(format!("{reason} <- {text}")),
                    }
                }
                true
            }
            Step::Nothing { wait } => {
                CLOCK_US.set(clock() + micros(wait));
                false
            }
        }
    }

    fn restart(&mut self, is_kill: bool) {
        if is_kill {
            self.unsaved.clear();
        }
        self.save();
        self.engine = Engine::new(config(&self.paths, self.torn_after), &self.positions);
    }

    /// Steps until nothing has come for long enough that everything has settled.
    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 6 {
            quiet = if self.step() { 0 } else { quiet + 1 };
        }
    }

    fn taken(&mut self) -> Vec<String> {
        self.settle();
        std::mem::take(&mut self.records)
    }

    /// As [`taken`](Self::taken), of several files: which of them is first depends on the folder.
    fn taken_of_all(&mut self) -> Vec<String> {
        let mut taken = self.taken();
        taken.sort();
        taken
    }
}

fn gzip(path: &Path, to: &Path) {
    let mut encoder = flate2::write::GzEncoder::new(File::create(to).unwrap(), flate2::Compression::fast());
    encoder.write_all(&std::fs::read(path).unwrap()).unwrap();
    encoder.finish().unwrap();
}

#[test]
fn a_clock_that_is_set_back_keeps_nothing_waiting() {
    let mut world = World::new("*.log", Some(EVERY * 3));
    world.append("line.log", "{\"a\":1}");
    world.append("torn.log", "{\"b\":1}\n{\"b\":");
    for _ in 0..2 {
        world.step();
    }
    CLOCK_US.set(clock() - 500_000_000);
    world.settle();
    world.records.sort();
    assert_eq!(world.records, ["{\"a\":1}", "{\"b\":1}"]);
    assert_eq!(world.rejects.len(), 1, "what is torn is told after its time: {:?}", world.rejects);
}

#[test]
fn a_file_is_read_as_it_grows() {
    let mut world = World::new("*.log", None);
    assert!(world.taken().is_empty());
    world.append("a.log", "{\"a\":1}\n{\"a\":2}\n{\"a\"");
    assert_eq!(world.taken(), ["{\"a\":1}", "{\"a\":2}"]);
    world.restart(false);
    world.append("a.log", ":3}\n");
    world.append("b.log", "{\"b\":1}\n");
    assert_eq!(world.taken_of_all(), ["{\"a\":3}", "{\"b\":1}"]);
    world.restart(false);
    assert!(world.taken().is_empty());
    assert!(world.rejects.is_empty());
}

#[test]
fn one_without_a_line_end_is_read_once_it_is_settled() {
    let mut world = World::new("", None);
    world.append("whole.json", "{\"Records\":[{\"a\":1},{\"a\":2}]}");
    for _ in 0..2 {
        world.step();
    }
    assert!(world.records.is_empty(), "it may still be written");
    assert_eq!(world.taken(), ["{\"a\":1}", "{\"a\":2}"]);
}

#[test]
fn what_is_torn_waits_unless_it_is_told_otherwise() {
    let mut world = World::new("", None);
    world.append("a.log", "{\"a\":1}\n{\"a\":");
    assert_eq!(world.taken(), ["{\"a\":1}"]);
    assert!(world.rejects.is_empty());
    let mut world = World::new("", Some(EVERY * 3));
    world.append("a.log", "{\"a\":1}\n{\"a\":");
    assert_eq!(world.taken(), ["{\"a\":1}"]);
    assert_eq!(world.rejects.len(), 1, "{:?}", world.rejects);
    assert!(world.rejects[0].starts_with("torn_input"), "{:?}", world.rejects);
    world.append("a.log", "\n{\"a\":3}\n");
    world.restart(false);
    assert_eq!(world.taken(), ["{\"a\":3}"]);
    assert_eq!(world.rejects.len(), 1);
}

#[test]
fn rotations_lose_and_double_nothing() {
    let mut world = World::new("app.log*", None);
    world.append("app.log", "{\"a\":1}\n");
    assert_eq!(world.taken(), ["{\"a\":1}"]);
    // By renaming, with a writer that is late.
    world.append("app.log", "{\"a\":2}\n");
    std::fs::rename(world.path("app.log"), world.path("app.log.1")).unwrap();
    world.append("app.log.1", "{\"a\":3}\n");
    world.append("app.log", "{\"b\":1}\n");
    let mut found = world.taken();
    found.sort();
    assert_eq!(found, ["{\"a\":2}", "{\"a\":3}", "{\"b\":1}"]);
    // By copy and truncation, with bytes that nobody has read.
    world.append("app.log", "{\"b\":2}\n");
    std::fs::copy(world.path("app.log"), world.path("app.log.2")).unwrap();
    File::create(world.path("app.log")).unwrap();
    assert_eq!(world.taken(), ["{\"b\":2}"]);
    world.append("app.log", "{\"c\":1}\n");
    assert_eq!(world.taken(), ["{\"c\":1}"]);
    // Compressed, and the original gone.
    gzip(&world.path("app.log.1"), &world.path("app.log.1.gz"));
    std::fs::remove_file(world.path("app.log.1")).unwrap();
    assert!(world.taken().is_empty());
    world.restart(false);
    assert!(world.taken().is_empty());
}

#[test]
fn one_that_is_truncated_before_it_is_first_read_is_another_one() {
    let mut world = World::new("app.log*", None);
    world.append("app.log-1", "{\"a\":1}\n");
    world.append("app.log", "{\"b\":1}\n");
    // Both are known by now, one of them is read.
    world.step();
    std::fs::copy(world.path("app.log"), world.path("app.log.1")).unwrap();
    File::create(world.path("app.log")).unwrap();
    world.append("app.log", "{\"c\":22}\n");
    world.step();
    world.restart(false);
    world.settle();
    world.records.sort();
    assert_eq!(world.records, ["{\"a\":1}", "{\"b\":1}", "{\"c\":22}"]);
}

#[test]
fn a_compressed_file_of_its_own_is_read_once() {
    let mut world = World::new("*.gz", None);
    let lines: String = (0..100).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    world.append("plain", &lines);
    gzip(&world.path("plain"), &world.path("a.gz"));
    for _ in 0..10 {
        world.step();
    }
    world.restart(true);
    let found = world.taken();
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 100);
    assert!(found.len() < 110, "{} records: it goes on where it was", found.len());
    world.restart(false);
    assert!(world.taken().is_empty());
}

#[test]
fn a_deleted_file_is_read_to_its_end() {
    let mut world = World::new("*.log", None);
    world.append("a.log", "{\"a\":1}\n");
    assert_eq!(world.taken(), ["{\"a\":1}"]);
    world.append("a.log", "{\"a\":2}\n");
    std::fs::remove_file(world.path("a.log")).unwrap();
    assert_eq!(world.taken(), ["{\"a\":2}"]);
}

#[test]
fn what_is_missing_is_told_until_it_comes() {
    let mut world = World::new("deep/*.log", None);
    for _ in 0..3 {
        let error = world.engine.step().unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error}");
        assert!(matches!(error.fate(), event::Fate::Retry { .. }));
    }
    std::fs::create_dir(world.path("deep")).unwrap();
    world.append("deep/a.log", "{\"a\":1}\n");
    assert_eq!(world.taken(), ["{\"a\":1}"]);
}

#[test]
fn files_that_are_gone_for_long_are_forgotten() {
    let mut world = World::new("*.log", None);
    world.append("a.log", "{\"a\":1}\n");
    world.taken();
    assert_eq!(world.positions.len(), 1);
    std::fs::remove_file(world.path("a.log")).unwrap();
    world.settle();
    CLOCK_US.set(clock() + micros(REMEMBERED));
    world.settle();
    assert!(world.positions.is_empty() && world.engine.entries.is_empty());
}

/// What may happen to a folder of logs.
#[derive(Debug, Clone)]
enum Event {
    Append(u8),
    /// The beginning of a record; the next append brings its end.
    Torn,
    /// The writer has the renamed file still open.
    AppendLate,
    Rename,
    CopyTruncate,
    Compress,
    Other,
    Poll(u8),
    Wait,
    Restart,
    Kill,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1_u8..6).prop_map(Event::Append),
        1 => Just(Event::Torn),
        1 => Just(Event::AppendLate),
        2 => Just(Event::Rename),
        2 => Just(Event::CopyTruncate),
        1 => Just(Event::Compress),
        1 => Just(Event::Other),
        6 => (1_u8..6).prop_map(Event::Poll),
        2 => Just(Event::Wait),
        1 => Just(Event::Restart),
        2 => Just(Event::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Whatever is appended, rotated, truncated, compressed and restarted in between: every record comes, none
    /// is mangled, and without a kill none comes twice.
    #[test]
    fn every_record_comes(events in prop::collection::vec(event(), 1..60)) {
        let mut world = World::new("app.log*", None);
        let (mut written, mut number, mut rotated, mut killed) = (BTreeSet::new(), 0, 0, false);
        let mut torn: Option<String> = None;
        let mut others = 0;
        let mut record = |number: &mut u32| {
            *number += 1;
            let record = format!("{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat((*number as usize * 37) % 900));
            written.insert(record.clone());
            record
        };
        for event in &events {
            match event {
                Event::Append(count) => {
                    let mut text = torn.take().unwrap_or_default();
                    for _ in 0..*count {
                        text += &(record(&mut number) + "\n");
                    }
                    world.append("app.log", &text);
                }
                Event::Torn if torn.is_none() => {
                    let text = record(&mut number) + "\n";
                    let (start, end) = text.split_at(text.len() / 2);
                    world.append("app.log", start);
                    torn = Some(end.into());
                }
                Event::AppendLate if rotated > 0 => {
                    let name = format!("app.log.{rotated}");
                    if world.path(&name).exists() {
                        let text = record(&mut number) + "\n";
                        world.append(&name, &text);
                    }
                }
                Event::Rename if torn.is_none() && world.path("app.log").exists() => {
                    rotated += 1;
                    std::fs::rename(world.path("app.log"), world.path(&format!("app.log.{rotated}"))).unwrap();
                }
                Event::CopyTruncate if torn.is_none() && world.path("app.log").exists() => {
                    rotated += 1;
                    std::fs::copy(world.path("app.log"), world.path(&format!("app.log.{rotated}"))).unwrap();
                    File::create(world.path("app.log")).unwrap();
                }
                Event::Compress if rotated > 0 => {
                    let name = format!("app.log.{rotated}");
                    if world.path(&name).exists() {
                        gzip(&world.path(&name), &world.path(&format!("{name}.gz")));
                        std::fs::remove_file(world.path(&name)).unwrap();
                    }
                }
                Event::Other => {
                    others += 1;
                    let text = record(&mut number) + "\n";
                    world.append(&format!("app.log-{others}"), &text);
                }
                Event::Poll(count) => (0..*count).for_each(|_| { world.step(); }),
                Event::Wait => CLOCK_US.set(clock() + 2 * micros(EVERY)),
                Event::Restart => world.restart(false),
                Event::Kill => {
                    killed = true;
                    world.restart(true);
                }
                _ => {}
            }
        }
        if let Some(end) = torn {
            world.append("app.log", &end);
        }
        world.settle();
        let found: BTreeSet<_> = world.records.iter().cloned().collect();
        prop_assert_eq!(&world.rejects, &Vec::<String>::new());
        prop_assert_eq!(&found, &written);
        if !killed {
            prop_assert_eq!(world.records.len(), found.len(), "doubled without a kill");
        }
    }
}
