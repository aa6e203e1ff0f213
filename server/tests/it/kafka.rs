//! A topic of a real Apache Kafka, read by a server that is killed again and again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cloudfake::kafka::kafka;
use serde_json::Value;

use crate::running::{Server, run, sql};

const MESSAGES: usize = 3_000;
const KILLS: usize = 3;

fn event(number: usize) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"dana","accountId":"111122223333"}},"eventTime":"2026-03-01T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"DescribeTrails","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","eventID":"k-{number}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

fn source(server: &Server) -> Value {
    let list = run(&["--url", &server.url, "sources", "list", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    list["sources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["source"] == "topic")
        .cloned()
        .unwrap_or_default()
}

/// `received = rows + dead letters + duplicates`, whatever happens; what was sent is the oracle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_read_under_kills_without_loss_or_doubles() {
    let Some(kafka) = kafka() else { return };
    kafka.make_topic("killed", 3).await;
    tokio::task::block_in_place(|| {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        let config = root.path().join("stormglass.toml");
        let text = format!(
            "[[sources]]\nname = \"topic\"\ntype = \"kafka\"\nbrokers = [\"{}\"]\ntopics = [\"killed\"]\ntls = false\nrefresh = \"500 ms\"\n",
            kafka.plain
        );
        std::fs::write(&config, text).unwrap();
        let config = config.to_string_lossy().into_owned();
        // Small segments and quick commits, so that kills fall between all the steps.
        let settings = [
            ("STORMGLASS_CONFIG", config.as_str()),
            ("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms"),
            ("STORMGLASS_LOG_SEGMENT", "256 KiB"),
            ("STORMGLASS_RULES_SHIPPED", "false"),
        ];
        let start = || Server::start(&data, &settings);
        let mut sent = BTreeSet::new();
        let mut broken = 0;
        let mut server = start();
        for turn in 0..=KILLS {
            // Each tenth message is broken, and some come twice.
            let mut messages = Vec::new();
            for number in turn * MESSAGES / (KILLS + 1)..(turn + 1) * MESSAGES / (KILLS + 1) {
                let text = event(number);
                if number % 10 == 9 {
                    broken += 1;
                    messages.push(text.split_at(text.len() / 2).0.to_owned());
                    continue;
                }
                if number % 50 == 0 {
                    messages.push(text.clone());
                }
                messages.push(text);
                sent.insert(format!("k-{number}"));
            }
            for (partition, part) in messages.chunks(messages.len().div_ceil(3)).enumerate() {
                let payloads = part.iter().map(|text| Some(text.as_bytes()));
                kafka.send("killed", partition as i32, "lz4", payloads);
            }
            if turn < KILLS {
                // While it reads: it has some of this turn's records, mostly not all.
                let started = Instant::now();
                let before = sent.len() / 2;
                while source(&server)["received"].as_u64().unwrap_or(0) < before as u64 {
                    assert!(started.elapsed() < Duration::from_secs(60), "{}", source(&server));
                }
                server.kill();
                server = start();
            }
        }
        let started = Instant::now();
        let mut account = source(&server);
        while account["rows"].as_u64() != Some(sent.len() as u64)
            || account["dead_letters"].as_u64() < Some(broken)
        {
            assert!(started.elapsed() < Duration::from_secs(120), "{account}");
            std::thread::sleep(Duration::from_millis(50));
            account = source(&server);
        }
        server.terminate();

        let count = |name: &str| account[name].as_u64().unwrap();
        assert_eq!(account["unaccounted"], 0, "{account}");
        let fates = count("rows") + count("dead_letters") + count("duplicates") + count("dropped");
        assert_eq!(count("received"), fates, "{account}");
        assert!(count("duplicates") >= (MESSAGES / 50) as u64, "{account}");
        let rows = sql(&data, "SELECT metadata_uid AS id, count(*) AS n FROM events GROUP BY 1");
        let found: BTreeSet<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found, sent);
        assert!(rows.iter().all(|row| row["n"] == 1), "a record came twice");
        let letters = sql(&data, "SELECT DISTINCT detail, origin, record_number FROM dead_letters");
        assert_eq!(letters.len() as u64, broken, "each broken message, named by its place");
        let letter = &letters[0];
        assert!(letter["origin"].as_str().unwrap().starts_with(&format!("kafka://{}/killed/", kafka.plain)));
        run(&["--data", &data.to_string_lossy(), "sources", "--verify"]);
        println!("{MESSAGES} messages, {broken} broken, {KILLS} kills: {account}");
    });
}

/// A server of a group with a store of its own.
struct Member {
    server: Server,
    data: std::path::PathBuf,
}

impl Member {
    fn start(root: &std::path::Path, name: &str, brokers: &str, topic: &str) -> Self {
        let (data, config) = (root.join(name), root.join(format!("{name}.toml")));
        let text = format!(
            "[[sources]]\nname = \"topic\"\ntype = \"kafka\"\nbrokers = [\"{brokers}\"]\ntopics = [\"{topic}\"]\n\
             group = \"{topic}-group\"\ntls = false\nrefresh = \"500 ms\"\n"
        );
        std::fs::write(&config, text).unwrap();
        let config = config.to_string_lossy().into_owned();
        let settings = [
            ("STORMGLASS_CONFIG", config.as_str()),
            ("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms"),
            ("STORMGLASS_RULES_SHIPPED", "false"),
        ];
        Self { server: Server::start(&data, &settings), data }
    }

    fn received(&self) -> u64 {
        source(&self.server)["received"].as_u64().unwrap_or(0)
    }
}

fn rows(data: &std::path::Path) -> BTreeSet<String> {
    let rows = sql(data, "SELECT metadata_uid AS id, count(*) AS n FROM events GROUP BY 1");
    assert!(rows.iter().all(|row| row["n"] == 1), "a table has a record twice");
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Two whole servers share a topic. What waits is told; when one is killed the other takes over, and both tables
/// together have everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_of_a_group_share_a_topic_and_one_takes_over() {
    let Some(kafka) = kafka() else { return };
    const TOPIC: &str = "taken-over";
    kafka.make_topic(TOPIC, 4).await;
    tokio::task::block_in_place(|| {
        let root = tempfile::tempdir().unwrap();
        let mut sent = BTreeSet::new();
        let mut send = |count: usize| {
            let numbers: Vec<usize> = (sent.len()..sent.len() + count).collect();
            for (partition, part) in numbers.chunks(count.div_ceil(4)).enumerate() {
                let texts: Vec<String> = part.iter().map(|number| event(*number)).collect();
                kafka.send(TOPIC, partition as i32, "lz4", texts.iter().map(|text| Some(text.as_bytes())));
            }
            sent.extend(numbers.iter().map(|number| format!("k-{number}")));
            sent.len() as u64
        };
        let first = Member::start(root.path(), "first", &kafka.plain, TOPIC);
        let second = Member::start(root.path(), "second", &kafka.plain, TOPIC);
        let until = |what: &str, done: &dyn Fn() -> bool| {
            let started = Instant::now();
            while !done() {
                let found = [&first, &second].map(|member| source(&member.server));
                assert!(started.elapsed() < Duration::from_secs(120), "{what}: {found:?}");
                std::thread::sleep(Duration::from_millis(100));
            }
        };
        // Both have partitions once some of what is sent comes to each.
        let mut count = send(400);
        let started = Instant::now();
        while first.received() == 0 || second.received() == 0 {
            assert!(started.elapsed() < Duration::from_secs(120), "one of them reads nothing");
            count = send(40);
            std::thread::sleep(Duration::from_millis(200));
        }
        // What the first had read and not yet committed when the second came may be in both tables: they are two
        // stores.
        let settled = count;
        until("all is read", &|| first.received() + second.received() >= count);
        // Nothing waits, and all that was read is committed: a check finds what the group has.
        let waits = |member: &Member| source(&member.server)["collector"]["waiting"].clone();
        until("nothing waits", &|| [&first, &second].iter().all(|member| waits(member) == 0));
        let metrics = format!("{}/metrics", second.server.url);
        let metrics = tokio::runtime::Handle::current()
            .block_on(async { reqwest::get(metrics).await.unwrap().text().await.unwrap() });
        assert!(metrics.contains("stormglass_source_waiting_records{source=\"topic\"} 0"), "{metrics}");
        std::thread::sleep(Duration::from_secs(3));

        // Killed while nothing is on its way: nothing is lost, and nothing is in both.
        let (first_data, second_data) = (first.data.clone(), second.data.clone());
        let before = first.received();
        let Member { server, .. } = first;
        server.kill();
        let count = send(400);
        let started = Instant::now();
        // What came to both counts twice, so what waits is asked, too.
        while before + second.received() < count || waits(&second) != 0 {
            assert!(started.elapsed() < Duration::from_secs(120), "{}", source(&second.server));
            std::thread::sleep(Duration::from_millis(100));
        }
        let Member { server, .. } = second;
        server.terminate();
        // The one that was killed comes to itself alone, without the group, to write what its log holds.
        let again = Server::start(&first_data, &[("STORMGLASS_RULES_SHIPPED", "false")]);
        again.terminate();
        let (one, two) = (rows(&first_data), rows(&second_data));
        assert_eq!(one.union(&two).cloned().collect::<BTreeSet<_>>(), sent, "something is lost");
        let number = |id: &str| id.trim_start_matches("k-").parse::<u64>().unwrap();
        let again: Vec<_> = one.intersection(&two).filter(|id| number(id) >= settled).collect();
        assert!(again.is_empty(), "what was committed came again: {again:?}");
        assert!(!one.is_empty() && !two.is_empty());
        println!("{} messages: {} and {}", sent.len(), one.len(), two.len());
    });
}
