use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use tokio::runtime::Runtime;

use super::*;
use crate::Limits;

fn config() -> ObjectsConfig {
    ObjectsConfig {
        source: event::SourceId::new("past"),
        log_type: None,
        addresses: Vec::new(),
        aws: None,
        google: crate::google::Environment::default(),
        every: std::time::Duration::from_secs(1),
        overlap: std::time::Duration::from_secs(3_600),
        torn_after: std::time::Duration::from_secs(600),
        existing: true,
        max_objects: 1_000,
        limits: Limits::default(),
        now_us: || 7,
    }
}

struct World {
    folder: tempfile::TempDir,
    _runtime: Runtime,
    engine: Engine,
}

impl World {
    fn new(keys: &[&str]) -> Self {
        let (runtime, folder) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
        for key in keys {
            std::fs::write(folder.path().join(key), format!("{{\"key\":\"{key}\"}}")).unwrap();
        }
        let store = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
        let bucket = Bucket::of(store as Arc<dyn ObjectStore>, runtime.handle());
        let engine = Engine {
            buckets: VecDeque::from([("mem://b/".to_owned(), bucket)]),
            config: config(),
            modified_us: 0..i64::MAX,
            after: BTreeMap::new(),
            queue: VecDeque::new(),
            current: None,
            tries: 0,
            moved: Vec::new(),
            progress: Arc::default(),
            ticket: 0,
        };
        Self { folder, _runtime: runtime, engine }
    }

    /// From now on every read of an object fails: it is a link to itself.
    fn spoil(&self, key: &str) {
        let path = self.folder.path().join(key);
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&path, &path).unwrap();
    }
}

#[test]
fn an_object_that_cannot_be_read_becomes_a_dead_letter_and_stops_nothing() {
    let mut world = World::new(&["a", "b", "c"]);
    // The first one fills the queue.
    let first = world.engine.step().unwrap().unwrap();
    assert_eq!(&*first.batch.unwrap().origin, "mem://b/a");
    world.spoil("b");
    for _ in 1..TRIES {
        let error = world.engine.step().unwrap_err();
        assert!(matches!(error, Error::Object { .. }), "{error}");
    }
    let given_up = world.engine.step().unwrap().unwrap();
    let batch = given_up.batch.unwrap();
    let reason = batch.get(0).unwrap().reject.unwrap();
    assert!(reason.starts_with("unreadable: the object could not be read 5 times"), "{reason}");
    assert_eq!(&*batch.origin, "mem://b/b");
    let position = given_up.position.last().unwrap();
    assert_eq!(position.value.as_deref(), Some("b"), "it is not read again");
    let next = world.engine.step().unwrap().unwrap();
    assert_eq!(&*next.batch.unwrap().origin, "mem://b/c");
}

#[test]
fn while_nothing_can_be_read_no_object_is_given_up() {
    let mut world = World::new(&["a", "b", "c"]);
    world.engine.step().unwrap().unwrap();
    world.spoil("b");
    world.spoil("c");
    let errors = (0..3 * TRIES).filter(|_| world.engine.step().is_err()).count();
    assert_eq!(errors, 3 * TRIES as usize, "the store may be in trouble as a whole");
}
