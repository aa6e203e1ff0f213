//! Sources that are pulled, by a real server: kills, rotations, pauses, troubles, the past.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::Random;
use serde_json::Value;

use crate::running::{Server, outcome, run, sql};

/// An event of a trail, a line.
pub(crate) fn record(id: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"dana","accountId":"111122223333"}},"eventTime":"2026-03-01T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"DescribeTrails","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","eventID":"{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    ) + "\n"
}

/// A folder with a configuration, data and logs.
pub(crate) struct World {
    root: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(configuration: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("logs")).unwrap();
        let text = configuration.replace('@', &root.path().display().to_string());
        std::fs::write(root.path().join("stormglass.toml"), text).unwrap();
        Self { root }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn config(&self) -> String {
        self.path("stormglass.toml").display().to_string()
    }

    pub(crate) fn start(&self) -> Server {
        self.start_with(&[])
    }

    /// With more settings of the environment.
    pub(crate) fn start_with(&self, more: &[(&str, &str)]) -> Server {
        let config = self.config();
        // Small segments and quick commits, so that kills fall between all the steps.
        let settings = [
            ("STORMGLASS_CONFIG", config.as_str()),
            ("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms"),
            ("STORMGLASS_LOG_SEGMENT", "256 KiB"),
            ("STORMGLASS_RULES_SHIPPED", "false"),
        ];
        Server::start(&self.data(), &[&settings[..], more].concat())
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

/// What a server says of a source.
pub(crate) fn source(server: &Server, name: &str) -> Value {
    let list = run(&["--url", &server.url, "sources", "list", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let found = list["sources"].as_array().unwrap().iter().find(|source| source["source"] == name);
    found.cloned().unwrap_or_default()
}

/// Waits for something, two minutes at most.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !done() {
        assert!(Instant::now() < deadline, "in vain waited for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn gzip(path: &Path, to: &Path) {
    let mut encoder = flate2::write::GzEncoder::new(File::create(to).unwrap(), flate2::Compression::fast());
    encoder.write_all(&std::fs::read(path).unwrap()).unwrap();
    encoder.finish().unwrap();
}

/// Writes and rotates a log; what it wrote.
struct Writer {
    random: Random,
    written: BTreeSet<String>,
    broken: u64,
    rotated: usize,
}

impl Writer {
    fn turn(&mut self, world: &World) {
        let mut text = String::new();
        for _ in 0..1 + self.random.below(40) {
            let id = format!("app-{}", self.written.len());
            text += &record(&id);
            self.written.insert(id);
        }
        if self.random.chance(10) {
            self.broken += 1;
            text += &format!("this is no record {}\n", self.broken);
        }
        // A reader may see any part of it first.
        let (start, end) = text.split_at(self.random.below(text.len() as u64) as usize);
        world.append("logs/app.log", start);
        world.append("logs/app.log", end);
        let log = world.path("logs/app.log");
        let next = world.path(&format!("logs/app.log.{}", self.rotated + 1));
        match self.random.below(12) {
            0 => std::fs::rename(&log, &next).unwrap(),
            1 => {
                std::fs::copy(&log, &next).unwrap();
                File::create(&log).unwrap();
            }
            2 if self.rotated > 1 => {
                let old = world.path(&format!("logs/app.log.{}", self.rotated - 1));
                if old.exists() {
                    gzip(&old, &old.with_extension(format!("{}.gz", self.rotated - 1)));
                    std::fs::remove_file(&old).unwrap();
                }
                return;
            }
            _ => return,
        }
        self.rotated += 1;
    }
}

/// `received = rows + dead letters + duplicates + dropped`, whatever happens; the writer is the oracle.
#[test]
fn files_that_grow_and_rotate_under_kills_lose_and_double_nothing() {
    let kills: u64 = std::env::var("STORMGLASS_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(8);
    let seed: u64 = std::env::var("STORMGLASS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("{kills} kills, seed {seed}; STORMGLASS_KILLS and STORMGLASS_SEED change them");
    let world = World::new(
        "[[sources]]\nname = \"app\"\ntype = \"files\"\npaths = [\"@/logs/app.log*\"]\nevery = \"20 ms\"\nsettle = \"200 ms\"\n",
    );
    let mut writer = Writer { random: Random::new(seed), written: BTreeSet::new(), broken: 0, rotated: 0 };
    let mut random = Random::new(seed + 1);
    let mut server = world.start();
    for _ in 0..kills {
        let end = Instant::now() + Duration::from_millis(20 + random.below(500));
        while Instant::now() < end {
            writer.turn(&world);
            std::thread::sleep(Duration::from_millis(random.below(10)));
        }
        server.kill();
        writer.turn(&world);
        server = world.start();
    }
    for _ in 0..20 {
        writer.turn(&world);
    }
    let written = writer.written.len() as u64;
    until("all records are rows", || source(&server, "app")["rows"].as_u64() == Some(written));
    let account = source(&server, "app");
    server.terminate();

    let count = |name: &str| account[name].as_u64().unwrap();
    assert_eq!(account["unaccounted"], 0, "{account}");
    let fates = count("rows") + count("dead_letters") + count("duplicates") + count("dropped");
    assert_eq!(count("received"), fates, "{account}");
    assert!(count("dead_letters") >= writer.broken, "{account}");
    let rows = sql(&world.data(), "SELECT metadata_uid AS id, count(*) AS n FROM events GROUP BY 1");
    let found: BTreeSet<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found, writer.written);
    assert!(rows.iter().all(|row| row["n"] == 1), "a record came twice");
    let letters = sql(&world.data(), "SELECT DISTINCT detail, origin FROM dead_letters");
    assert!(!letters.iter().any(|letter| letter["detail"].as_str().unwrap().contains("torn")), "{letters:?}");
    run(&["--data", &world.data().to_string_lossy(), "sources", "--verify"]);
    println!("{written} records, {} broken, {} rotations: {account}", writer.broken, writer.rotated);
}

#[test]
fn troubles_are_told_and_pauses_kept() {
    let world = World::new(
        "[[sources]]\nname = \"late\"\ntype = \"files\"\npaths = [\"@/none/*.log\"]\nevery = \"50 ms\"\nfailing_after = \"1 s\"\nlagging_after = \"never\"\n\n\
         [[sources]]\nname = \"app\"\ntype = \"files\"\npaths = [\"@/logs\"]\nevery = \"50 ms\"\n",
    );
    world.append("logs/a.log", &record("a-1"));
    let server = world.start();
    until("one source works beside another that does not", || source(&server, "app")["rows"] == 1);
    let late = || source(&server, "late")["collector"].clone();
    until("it is failing", || late()["state"] == "failing");
    assert!(late()["why"].as_str().unwrap().contains("/none"), "{}", late());
    let alerts = || -> Value {
        let list = run(&["--url", &server.url, "alerts", "list", "--json"]);
        serde_json::from_str::<Value>(&list).unwrap()["alerts"].clone()
    };
    until("an alert tells it", || alerts()[0]["rule_id"] == "stormglass-source-failing");
    std::fs::create_dir(world.path("none")).unwrap();
    world.append("none/b.log", &record("b-1"));
    until("it is well", || late()["state"] == "ok" && source(&server, "late")["rows"] == 1);
    until("the alert is closed", || alerts()[0]["status"] == "closed");
    assert_eq!(alerts().as_array().unwrap().len(), 1);

    run(&["--url", &server.url, "sources", "pause", "app"]);
    until("it is paused", || source(&server, "app")["collector"]["state"] == "paused");
    world.append("logs/a.log", &record("a-2"));
    world.append("none/b.log", &record("b-2"));
    until("the other goes on", || source(&server, "late")["rows"] == 2);
    assert_eq!(source(&server, "app")["rows"], 1);
    server.terminate();
    let server = world.start();
    until("it is still paused", || source(&server, "app")["collector"]["state"] == "paused");
    run(&["--url", &server.url, "sources", "resume", "app"]);
    until("it goes on", || source(&server, "app")["rows"] == 2);
    let account = source(&server, "app");
    assert_eq!((&account["duplicates"], &account["unaccounted"]), (&0.into(), &0.into()), "{account}");
    assert_eq!(outcome(&["--url", &server.url, "sources", "pause", "nobody"]).status.code(), Some(1));
    server.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_of_each_source() {
    let world = World::new(
        "[[sources]]\nname = \"app\"\ntype = \"files\"\npaths = [\"@/logs\"]\nevery = \"50 ms\"\n",
    );
    world.append("logs/a.log", &(record("a-1") + &record("a-2")));
    let server = tokio::task::block_in_place(|| {
        let server = world.start();
        until("all is read", || source(&server, "app")["rows"] == 2);
        server
    });
    let text = reqwest::get(format!("{}/metrics", server.url)).await.unwrap().text().await.unwrap();
    for line in [
        "stormglass_source_pulled_records_total{source=\"app\"} 2",
        "stormglass_source_in_flight_bytes{source=\"app\"} 0",
        "stormglass_source_state{source=\"app\"} ",
        "stormglass_source_checkpoint_age_seconds{source=\"app\"} ",
        "# TYPE stormglass_source_retries_total counter",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    tokio::task::block_in_place(|| server.terminate());
}

#[test]
fn a_source_is_added_tested_and_its_past_read() {
    let world = World::new("# ours\n");
    let config = world.config();
    for n in 0..30 {
        world.append(&format!("logs/{n}.json"), &record(&format!("old-{n}")));
    }
    let urls = format!("urls=file://{}", world.path("logs").display());
    let add = |settings: &[&str]| outcome(&[&["--config", &config, "sources", "add"][..], settings].concat());
    let refused = add(&["trail", "type=objects", "url=file:///x"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("did you mean `urls`?"), "{said}");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "# ours\n", "nothing has changed");
    let added = add(&["trail", "type=objects", &urls, "existing=false", "every=50 ms"]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    run(&["--config", &config, "config", "check"]);
    let shown = run(&["--config", &config, "config", "show"]);
    assert!(shown.contains("[[sources]]") && shown.contains("existing = false"), "{shown}");
    // Only what comes from now on is read, so there is nothing yet; a source that reads all shows its steps.
    assert!(add(&["all", "type=objects", &urls]).status.success());
    let tried = run(&["--config", &config, "sources", "test", "all"]);
    assert!(tried.contains("understand: good: 1 would become events, 0 dead letters"), "{tried}");
    assert!(!world.data().exists(), "nothing was kept");
    let without = std::fs::read_to_string(&config).unwrap();
    let (first, _) = without.split_at(without.rfind("[[sources]]").unwrap());
    std::fs::write(&config, first).unwrap();

    let server = world.start();
    until("it knows when it began", || source(&server, "trail")["collector"]["position_saved"].is_string());
    world.append("logs/new.json", &record("new-1"));
    until("what is new is read", || source(&server, "trail")["rows"] == 1);
    let told = run(&["--url", &server.url, "-q", "sources", "backfill", "trail", "--since", "1d"]);
    assert!(told.starts_with("31 objects"), "{told}");
    let account = source(&server, "trail");
    assert_eq!((&account["rows"], &account["duplicates"]), (&31.into(), &1.into()), "{account}");
    assert_eq!(account["backfills"][0]["state"], "done", "{account}");
    let files = outcome(&["--url", &server.url, "sources", "backfill", "nobody", "--since", "1d"]);
    assert_eq!(files.status.code(), Some(1));
    server.terminate();
}
