//! kill -9 at random moments between poll, append, position and acknowledgement, for the engines under the
//! sources that are pulled: what the service has is what is in the books and in the table, once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use benches::Random;
use cloudfake::{Fake, LookupEvents, ObjectQueue, QUEUE_PATH, TrailEvent};
use serde_json::Value;
use tokio::task::block_in_place;

use crate::running::{Server, run, sql};
use crate::sources::{World, record, source, until};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

/// How often is killed, and by which random numbers.
fn kills() -> (u64, Random) {
    let (kills, seed) = (number("STORMGLASS_KILLS", 10), number("STORMGLASS_SEED", 1));
    println!("{kills} kills, seed {seed}; STORMGLASS_KILLS and STORMGLASS_SEED change them");
    (kills, Random::new(seed))
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// The books add up, and the table has each of these events once and nothing else.
fn holds(server: Server, world: &World, name: &str, wanted: &BTreeSet<String>) -> Value {
    let rows = wanted.len() as u64;
    until("every event is a row", || source(&server, name)["rows"].as_u64() == Some(rows));
    let account = source(&server, name);
    server.terminate();
    let count = |name: &str| account[name].as_u64().unwrap();
    assert_eq!(account["unaccounted"], 0, "{account}");
    let fates = count("rows") + count("dead_letters") + count("duplicates") + count("dropped");
    assert_eq!(count("received"), fates, "{account}");
    let found = sql(&world.data(), "SELECT metadata_uid AS id, count(*) AS n FROM events GROUP BY 1");
    let ids: BTreeSet<String> = found.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(&ids, wanted);
    assert!(found.iter().all(|row| row["n"] == 1), "an event came twice");
    run(&["--data", &world.data().to_string_lossy(), "sources", "--verify"]);
    account
}

/// A windowed list: two days of `LookupEvents`, in windows that overlap, page by page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_asked_by_time_loses_nothing_when_killed() {
    let (kills, mut random) = kills();
    let service = LookupEvents::default();
    let mut wanted = BTreeSet::new();
    let now = now_s();
    for n in 0..430 {
        // In the time that is asked for at first, the time not yet settled left out.
        let time_s = now - 1_000 - random.below(2 * 86_400 - 1_000) as i64;
        let id = format!("e-{n:04}");
        let text = match n % 43 {
            0 => format!("this is no event {id}"),
            _ => record(&id).trim_end().to_owned(),
        };
        if n % 43 > 0 {
            wanted.insert(id.clone());
        }
        service.add(TrailEvent { id, time_s, text });
    }
    let fake = Fake::start(service.routes()).await;
    let world = World::new(&format!(
        "[[sources]]\nname = \"trail\"\ntype = \"aws_lookup_events\"\nregion = \"us-east-1\"\nendpoint = \"{}\"\nlookback = \"2 d\"\n",
        fake.url
    ));
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "not-a-secret")];
    let mut server = block_in_place(|| world.start_with(&keys));
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(20 + random.below(900))).await;
        server.kill();
        server = block_in_place(|| world.start_with(&keys));
    }
    let account = block_in_place(|| holds(server, &world, "trail", &wanted));
    let (pages, throttled) = service.counts();
    println!("{pages} pages, {throttled} requests throttled: {account}");
    let letters = block_in_place(|| sql(&world.data(), "SELECT DISTINCT record FROM dead_letters"));
    assert_eq!(letters.len(), 10, "each of what is no event is a dead letter: {letters:?}");
    assert!(account["duplicates"].as_u64().unwrap() > 0, "windows overlap: {account}");
}

/// Writes objects as stores get them: whole compressed ones, one that grows in pieces, one that is replaced.
struct Bucket<'a> {
    world: &'a World,
    random: Random,
    wanted: BTreeSet<String>,
    broken: u64,
    objects: u64,
    replaced: String,
}

impl Bucket<'_> {
    fn records(&mut self, most: u64) -> String {
        let mut text = String::new();
        for _ in 0..=self.random.below(most) {
            let id = format!("o-{}", self.wanted.len());
            text += &record(&id);
            self.wanted.insert(id);
        }
        if self.random.chance(10) {
            self.broken += 1;
            text += &format!("this is no record {}\n", self.broken);
        }
        text
    }

    /// As a store shows an object: whole, or not at all.
    fn put(&self, name: &str, bytes: &[u8]) {
        let hidden = self.world.path("bucket/.new");
        std::fs::write(&hidden, bytes).unwrap();
        std::fs::rename(&hidden, self.world.path(&format!("bucket/{name}"))).unwrap();
    }

    fn turn(&mut self) {
        match self.random.below(8) {
            0 => {
                // All that it had, and more: another version, read as a whole.
                let more = self.records(20);
                self.replaced += &more;
                self.put("replaced.json", self.replaced.as_bytes());
            }
            1..4 => {
                let text = self.records(60);
                let (start, end) = text.split_at(self.random.below(text.len() as u64) as usize);
                self.world.append("bucket/grows.json", start);
                self.world.append("bucket/grows.json", end);
            }
            _ => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(self.records(120).as_bytes()).unwrap();
                self.objects += 1;
                let name = format!("{:05}.json.gz", self.objects);
                self.put(&name, &encoder.finish().unwrap());
            }
        }
    }
}

#[test]
fn objects_that_grow_lose_nothing_when_killed() {
    let (kills, mut random) = kills();
    let world = World::new(
        "[[sources]]\nname = \"trail\"\ntype = \"objects\"\nurls = [\"file://@/bucket/\"]\nevery = \"20 ms\"\n",
    );
    std::fs::create_dir(world.path("bucket")).unwrap();
    let mut bucket = Bucket {
        world: &world,
        random: Random::new(number("STORMGLASS_SEED", 1) + 1),
        wanted: BTreeSet::new(),
        broken: 0,
        objects: 0,
        replaced: String::new(),
    };
    let mut server = world.start();
    for _ in 0..kills {
        let end = std::time::Instant::now() + Duration::from_millis(20 + random.below(500));
        while std::time::Instant::now() < end {
            bucket.turn();
            std::thread::sleep(Duration::from_millis(random.below(15)));
        }
        server.kill();
        bucket.turn();
        server = world.start();
    }
    let account = holds(server, &world, "trail", &bucket.wanted);
    let letters = sql(&world.data(), "SELECT DISTINCT record FROM dead_letters");
    assert_eq!(letters.len() as u64, bucket.broken, "no more and no less than what was broken");
    println!("{} objects, {} broken records: {account}", bucket.objects, bucket.broken);
}

/// One message that tells of thousands of objects, some of which are gone, some of another bucket; the server
/// is killed while it is in work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_thousands_of_objects_is_one_of_many() {
    const OBJECTS: usize = 2_000;
    let bucket = ObjectQueue::default();
    let mut wanted = BTreeSet::new();
    let keys: Vec<String> = (0..OBJECTS).map(|n| format!("AWSLogs/{n:05}.json")).collect();
    for (n, key) in keys.iter().enumerate() {
        if n % 100 == 7 {
            continue;
        }
        let id = format!("m-{n}");
        bucket.put("trail", key, record(&id).into_bytes());
        wanted.insert(id);
    }
    bucket.announce("trail", &keys);
    bucket.announce("elsewhere", &keys);
    let fake = Fake::start(bucket.routes()).await;
    let world = World::new(&format!(
        "[[sources]]\nname = \"trail\"\ntype = \"aws_s3_queue\"\nqueue = \"{0}{QUEUE_PATH}\"\nregion = \"us-east-1\"\n\
         endpoint = \"{0}\"\nvisibility = \"2 s\"\nmax_receives = 3\nbuckets = [\"trail\"]\n",
        fake.url
    ));
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "not-a-secret")];
    let server = block_in_place(|| {
        let server = world.start_with(&keys);
        until("it is at work", || source(&server, "trail")["rows"].as_u64() > Some(100));
        server.kill();
        world.start_with(&keys)
    });
    block_in_place(|| until("the messages are deleted", || bucket.messages() == 0));
    let account = block_in_place(|| holds(server, &world, "trail", &wanted));
    let letters = block_in_place(|| letters(&world.data()));
    assert_eq!(letters["missing_object"], 20, "{letters:?}");
    // Of the other bucket's message the first parts are told one by one, the others by their number.
    assert_eq!((letters["foreign_bucket"], letters["too_many"]), (100, 1), "{letters:?}");
    let bytes = block_in_place(|| sql(&world.data(), "SELECT sum(byte_len) AS n FROM dead_letters"));
    assert!(bytes[0]["n"].as_u64().unwrap() < 4 << 20, "a message is kept once: {bytes:?}");
    println!("{account}");
}

/// Dead letters by the first word of their reason, each object and each reason once.
fn letters(data: &Path) -> BTreeMap<String, usize> {
    let rows = sql(data, "SELECT DISTINCT origin, detail FROM dead_letters");
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let word = text("detail").split(':').next().unwrap_or_default().to_owned();
        // How often a message was received stands in the reason and depends on the kill.
        let what = if word == "missing_object" { text("origin") } else { text("detail") };
        found.entry(word).or_default().insert(what);
    }
    found.into_iter().map(|(word, of)| (word, of.len())).collect()
}
