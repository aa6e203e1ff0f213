//! A list of a service, by a real server: kills while it reads, and nothing is lost or doubled.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use benches::Random;
use cloudfake::{Fault, Github, GithubEvent, Proxy, answer};
use parking_lot::Mutex;
use serde_json::Value;

use crate::running::{Server, run, sql};

/// Adds events of now, every thirtieth without a time, which becomes a dead letter.
fn write(github: &Arc<Mutex<Github>>, count: usize) {
    let mut github = github.lock();
    for _ in 0..count {
        let number = github.events.len();
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let id = format!("d-{number:06}");
        let time = if number.is_multiple_of(30) { String::new() } else { format!("\"@timestamp\":{at_ms},") };
        let json = format!(
            r#"{{{time}"_document_id":"{id}","action":"repo.create","actor":"dana","org":"example","repo":"example/a"}}"#
        );
        github.events.push(GithubEvent { at_ms, listed_ms: at_ms, id, is_git: false, json });
    }
}

fn source(server: &Server) -> Value {
    let list = run(&["--url", &server.url, "sources", "list", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let found = list["sources"].as_array().unwrap().iter().find(|source| source["source"] == "github");
    found.cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_log_read_under_kills_loses_and_doubles_nothing() {
    let kills: u64 = std::env::var("STORMGLASS_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(3);
    let seed: u64 = std::env::var("STORMGLASS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("{kills} kills, seed {seed}; STORMGLASS_KILLS and STORMGLASS_SEED change them");
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    // Nothing is late here: what is written is listed.
    let github = Github::new("ghp_s3cret", now_s + 86_400);
    github.lock().limit = (1_000_000, 1_000_000);
    let fake = Github::serve(&github).await;
    let mut count = 0_u64;
    let proxy = Proxy::start(&fake.url, move |_| {
        count += 1;
        match count % 17 {
            5 => Fault::Cut,
            11 => answer("429 Too Many Requests", "retry-after: 1\r\n", "{}"),
            _ => Fault::Pass,
        }
    })
    .await;
    write(&github, 1_500);

    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    std::fs::write(&secret, "ghp_s3cret\n").unwrap();
    let config = folder.path().join("stormglass.toml");
    let text = format!(
        "[[sources]]\nname = \"github\"\ntype = \"github_audit\"\norganization = \"example\"\nurl = \"{}\"\n\
         token = \"file:{}\"\nevery = \"1 s\"\noverlap = \"10 s\"\nagain_after = \"never\"\n",
        proxy.url,
        secret.display()
    );
    std::fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let data = folder.path().join("data");
    let start = || {
        let settings = [
            ("STORMGLASS_CONFIG", config.as_str()),
            ("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms"),
            ("STORMGLASS_LOG_SEGMENT", "256 KiB"),
            ("STORMGLASS_RULES_SHIPPED", "false"),
        ];
        Server::start(&data, &settings)
    };
    tokio::task::block_in_place(|| {
        let mut random = Random::new(seed);
        let mut server = start();
        for _ in 0..kills {
            let end = Instant::now() + Duration::from_millis(300 + random.below(1_500));
            while Instant::now() < end {
                write(&github, random.below(20) as usize);
                std::thread::sleep(Duration::from_millis(50));
            }
            server.kill();
            write(&github, 10);
            server = start();
        }
        let written = github.lock().events.len() as u64;
        let broken = written.div_ceil(30);
        let deadline = Instant::now() + Duration::from_secs(120);
        let account = loop {
            let account = source(&server);
            if account["rows"].as_u64() == Some(written - broken) && account["unaccounted"] == 0 {
                break account;
            }
            assert!(Instant::now() < deadline, "of {written} came only {account}");
            std::thread::sleep(Duration::from_millis(100));
        };
        server.terminate();
        let count = |name: &str| account[name].as_u64().unwrap();
        let fates = count("rows") + count("dead_letters") + count("duplicates") + count("dropped");
        assert_eq!(count("received"), fates, "{account}");
        assert!(count("dead_letters") >= broken, "{account}");
        assert!(!account.to_string().contains("ghp_s3cret"));
        let rows = sql(&data, "SELECT metadata_uid AS id, log_type, count(*) AS n FROM events GROUP BY 1, 2");
        assert!(rows.iter().all(|row| row["n"] == 1 && row["log_type"] == "github_audit"), "doubled");
        let found: BTreeSet<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
        let github = github.lock();
        let wanted = github.events.iter().enumerate().filter(|(number, _)| !number.is_multiple_of(30));
        assert_eq!(found, wanted.map(|(_, event)| event.id.as_str()).collect());
        run(&["--data", &data.to_string_lossy(), "sources", "--verify"]);
        println!("{written} events, {broken} broken, {} requests: {account}", proxy.seen.lock().len());
    });
}
