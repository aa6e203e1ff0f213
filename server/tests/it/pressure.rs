//! More than there is room for: a store that is slow, a long past beside the present, a flood of requests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::extract::Query;
use benches::Random;
use cloudfake::{Fake, ObjectQueue, QUEUE_PATH};
use serde_json::Value;

use crate::running::{Server, command, run, sql};
use crate::sources::{World, record, source, until};

/// A request by hand, as a client of HTTP would be in the way; the answer's head and body.
fn answer(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // Who refuses a body does not read it to its end, and the connection may end in a reset behind the answer.
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let head = head(path, body.len());
    [head.as_bytes(), body.as_bytes()].concat()
}

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// A value of `/metrics`, with its labels if it has any.
fn metric(server: &Server, name: &str) -> u64 {
    let text = answer(server, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().unwrap()
}

/// Records of 700 bytes that hardly compress, so that they take their room in the log.
fn bulky(random: &mut Random, first: u64, count: u64) -> String {
    let mut text = String::new();
    for n in first..first + count {
        let noise: String = (0..25).map(|_| format!("{:016x}", random.below(u64::MAX))).collect();
        text += &record(&format!("b-{n}")).replace("aws-cli/2", &noise);
    }
    text
}

const OBJECTS: u64 = 20;
const EACH: u64 = 400;

/// Objects that are a log of a mebibyte many times.
fn objects() -> Vec<(String, String)> {
    let mut random = Random::new(5);
    (0..OBJECTS).map(|n| (format!("{n:02}.json"), bulky(&mut random, n * EACH, EACH))).collect()
}

/// A log of a mebibyte and commits that come seldom: the pull waits, what is taken and not durable stays within
/// `in_flight` and a batch, and all of it arrives.
fn all_arrives_slowly(world: &World) {
    const LOG_MAX: u64 = 1 << 20;
    const IN_FLIGHT: u64 = 1 << 20;
    const BATCH: u64 = 4 << 20;
    let server = world.start_with(&[
        ("STORMGLASS_LOG_MAX", "1 MiB"),
        ("STORMGLASS_TABLE_COMMIT_AFTER", "1 s"),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
    ]);
    let of_trail = |name: &str| metric(&server, &format!("stormglass_source_{name}{{source=\"trail\"}}"));
    let (mut most_log, mut most_flight, mut most_memory, mut least_memory) = (0, 0, 0, u64::MAX);
    let mut has_waited = false;
    until("all is pulled and in the table", || {
        let pulled = of_trail("pulled_records_total");
        let log = metric(&server, "stormglass_log_bytes");
        let memory = metric(&server, "stormglass_resident_bytes");
        most_flight = most_flight.max(of_trail("in_flight_bytes"));
        (most_log, most_memory, least_memory) =
            (most_log.max(log), most_memory.max(memory), least_memory.min(memory));
        has_waited |= pulled < OBJECTS * EACH && log > LOG_MAX / 2;
        source(&server, "trail")["rows"].as_u64() == Some(OBJECTS * EACH)
    });
    println!(
        "at most {most_log} in the log, {most_flight} in flight; memory {least_memory} to {most_memory}"
    );
    assert!(has_waited, "the pull was never ahead of the store");
    assert!(most_log <= LOG_MAX, "{most_log}");
    assert!(most_flight <= IN_FLIGHT + BATCH, "{most_flight}");
    let account = source(&server, "trail");
    assert_eq!((&account["duplicates"], &account["unaccounted"]), (&0.into(), &0.into()), "{account}");
    server.terminate();
    let rows = sql(&world.data(), "SELECT count(DISTINCT metadata_uid) AS n FROM events");
    assert_eq!(rows[0]["n"], OBJECTS * EACH);
}

#[test]
fn a_slow_store_slows_the_pull() {
    let world = World::new(
        "[[sources]]\nname = \"trail\"\ntype = \"objects\"\nurls = [\"file://@/bucket/\"]\nevery = \"50 ms\"\nin_flight = \"1 MiB\"\n",
    );
    std::fs::create_dir(world.path("bucket")).unwrap();
    for (name, text) in objects() {
        std::fs::write(world.path(&format!("bucket/{name}")), text).unwrap();
    }
    all_arrives_slowly(&world);
}

/// Messages stay ours meanwhile: with leases of two seconds none comes a second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_store_slows_the_queue() {
    let bucket = ObjectQueue::default();
    for (name, text) in objects() {
        bucket.put("trail", &name, text.into_bytes());
        bucket.announce("trail", &[name]);
    }
    let fake = Fake::start(bucket.routes()).await;
    let world = World::new(&format!(
        "[[sources]]\nname = \"trail\"\ntype = \"aws_s3_queue\"\nqueue = \"{0}{QUEUE_PATH}\"\nregion = \"us-east-1\"\n\
         endpoint = \"{0}\"\nvisibility = \"2 s\"\nin_flight = \"1 MiB\"\n",
        fake.url
    ));
    tokio::task::block_in_place(|| all_arrives_slowly(&world));
    assert_eq!(bucket.messages(), 0, "all are deleted");
    assert_eq!(bucket.most_receives(), 1, "none came again");
}

/// Pages of a list are asked for as they find room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_store_slows_the_list() {
    // A page is a log.
    let pages: Vec<String> =
        objects().chunks(4).map(|four| four.iter().map(|(_, text)| &**text).collect()).collect();
    let first: Arc<Mutex<Option<String>>> = Arc::default();
    let answer = move |Query(query): Query<BTreeMap<String, String>>| {
        let page: usize = query["page"].parse().unwrap();
        let mut first = first.lock().unwrap();
        // A window that comes later has nothing.
        let is_first = *first.get_or_insert_with(|| query["since"].clone()) == query["since"];
        let page = pages.get(page).filter(|_| is_first);
        let events = page.map(|text| text.trim_end().replace('\n', ",")).unwrap_or_default();
        std::future::ready(format!("{{\"events\":[{events}]}}"))
    };
    let fake = Fake::start(axum::Router::new().route("/events", axum::routing::get(answer))).await;
    let world = World::new(&format!(
        "[[sources]]\nname = \"trail\"\ntype = \"http_list\"\nurl = \"{}/events?since={{start}}&page={{page}}\"\n\
         records = \"/events\"\npaging = \"page\"\nfirst_page = 0\npage_size = {}\nin_flight = \"1 MiB\"\n",
        fake.url,
        4 * EACH
    ));
    tokio::task::block_in_place(|| all_arrives_slowly(&world));
}

/// Puts an object that was last modified so many days ago.
fn put(world: &World, name: &str, text: &str, days: u64) {
    let path = world.path(&format!("bucket/{name}"));
    std::fs::write(&path, text).unwrap();
    let modified = SystemTime::now() - Duration::from_secs(days * 86_400 + 60);
    File::options().append(true).open(&path).unwrap().set_modified(modified).unwrap();
}

/// Appends an event to the live log and waits until SQL sees it; how long that took.
fn live(server: &Server, world: &World, n: usize) -> Duration {
    let started = Instant::now();
    world.append("logs/app.log", &record(&format!("live-{n}")));
    let rows = || source(server, "app")["rows"].as_u64();
    until("a live event is a row", || rows() == Some(n as u64 + 1));
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A month's backfill: what comes live meanwhile is not behind it, and how far it has come is told.
#[test]
fn a_months_backfill_gives_way_to_what_is_live() {
    const DAYS: u64 = 30;
    const EACH: u64 = 500;
    let world = World::new(
        "[[sources]]\nname = \"trail\"\ntype = \"objects\"\nurls = [\"file://@/bucket/\"]\nevery = \"100 ms\"\nexisting = false\n\n\
         [[sources]]\nname = \"app\"\ntype = \"files\"\npaths = [\"@/logs/app.log\"]\nevery = \"20 ms\"\n",
    );
    std::fs::create_dir(world.path("bucket")).unwrap();
    world.append("logs/app.log", "");
    let mut random = Random::new(6);
    for day in 0..DAYS {
        put(&world, &format!("{day:02}.json"), &bulky(&mut random, day * EACH, EACH), day);
    }
    let server = world.start();
    until("it knows when it began", || source(&server, "trail")["collector"]["position_saved"].is_string());
    let mut count = 0;
    let mut next = || {
        let took = live(&server, &world, count);
        count += 1;
        took
    };
    let alone = median((0..5).map(|_| next()).collect());

    let mut backfill = command(&["--url", &server.url, "sources", "backfill", "trail", "--since", "31d"]);
    let errors = File::create(world.path("told")).unwrap();
    let mut backfill = backfill.stderr(errors).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let progress = || source(&server, "trail")["backfills"][0].clone();
    until("it runs", || progress()["state"] == "running");
    let (mut beside, mut objects) = (Vec::new(), vec![0]);
    loop {
        let before = progress();
        let took = next();
        let after = progress();
        objects.extend([&before, &after].map(|told| told["objects"].as_u64().unwrap()));
        if after["state"] == "done" {
            break;
        }
        // It came in while the backfill was at work, from before to after.
        beside.push(took);
    }
    assert!(backfill.wait().unwrap().success());
    let mut told = String::new();
    backfill.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.starts_with(&format!("{DAYS} objects")), "{told}");
    let steps = std::fs::read_to_string(world.path("told")).unwrap();
    assert!(steps.lines().any(|line| line.starts_with("running: ") && line.contains(" records")), "{steps}");
    assert!(objects.is_sorted(), "progress never goes back: {objects:?}");
    assert!(!beside.is_empty(), "no live event came while the backfill was at work");
    println!(
        "a live event is a row after {alone:?} alone, after {:?} beside a backfill ({} times, at most {:?}); {steps}",
        median(beside.clone()),
        beside.len(),
        beside.iter().max().unwrap()
    );

    let account = source(&server, "trail");
    assert_eq!(account["rows"], DAYS * EACH, "{account}");
    assert_eq!((&account["duplicates"], &account["unaccounted"]), (&0.into(), &0.into()), "{account}");
    assert_eq!(source(&server, "app")["rows"], count, "every live event is there");
    server.terminate();
    // In the log's order each live event stands before what the backfill took after it: it never waited for
    // more than the batch that was in hand.
    let behind = sql(
        &world.data(),
        "SELECT count(*) AS n FROM events WHERE source = 'trail' AND log_offset > (SELECT min(log_offset) FROM events WHERE metadata_uid = 'live-5')",
    );
    assert!(behind[0]["n"].as_u64().unwrap() > 0, "{behind:?}");
}

/// Bodies that come in slowly until they take all the memory that bodies may: others are told to come again,
/// in the words of their protocol, and are taken once there is room.
#[test]
fn a_flood_of_bodies_is_bounded() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3cret").unwrap();
    let world = World::new(&format!(
        "[server]\nmax_body = \"256 KiB\"\nbody_memory = \"1 MiB\"\n\
         [[hooks]]\nname = \"gh\"\nscheme = \"github\"\nsecret = \"file:{}\"\n",
        secret.path().display()
    ));
    let server = world.start();
    // Nobody has shown a secret yet: bodies of a hook, four of them, but for their last bytes.
    let (claimed, sent) = (256 << 10, 250 << 10);
    let held: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
            stream.write_all(head("/hooks/gh", claimed).as_bytes()).unwrap();
            stream.write_all(&vec![b'x'; sent]).unwrap();
            stream
        })
        .collect();
    until("they are in memory", || metric(&server, "stormglass_request_body_bytes") == 4 * sent as u64);
    let event = format!("{{\"event\":{}}}", record("h-1").trim_end());
    let many = event.repeat(100);
    let refused = |path: &str, body: &str, words: &[&str]| {
        let told = answer(&server, &post(path, body)).to_lowercase();
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    };
    refused("/services/collector/event", &many, &["503 service", "retry-after: 1", "\"code\":9"]);
    refused("/api/v1/ingest", &record("i-1").repeat(100), &["429 too many", "retry-after: 1", "body_memory"]);
    assert!(metric(&server, "stormglass_requests_refused_memory_total") == 2);
    assert!(
        answer(&server, b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .contains("200 OK")
    );
    // What is small finds its place all the same.
    assert!(answer(&server, &post("/services/collector/event", &event)).contains("200 OK"));
    drop(held);
    until("there is room again", || metric(&server, "stormglass_request_body_bytes") == 0);
    assert!(answer(&server, &post("/services/collector/event", &many)).contains("200 OK"));
    until("it is a row", || source(&server, "hec")["rows"] == 1);
    until("the others are accounted for", || source(&server, "hec")["received"] == 101);

    // Little on the wire and much in memory is too large, also where it does not say that it is compressed.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(record("z-1").repeat(10_000).as_bytes()).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    let request = [head("/api/v1/ingest", bomb.len()).as_bytes(), &bomb].concat();
    assert!(answer(&server, &request).contains("413 Payload"));
    let account: Value = source(&server, "http");
    assert!(account.is_null() || account["received"] == 0, "nothing of it was taken: {account}");
    server.terminate();
    assert!(Path::new(&world.data()).exists());
    run(&["--data", &world.data().to_string_lossy(), "sources", "--verify"]);
}

/// Whoever floods a hook from one address is sent away for a second; who comes from another is heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_one_address_is_that_addresss_alone() {
    const AT_ONCE: usize = 200;
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3cret").unwrap();
    let world = World::new(&format!(
        "[server]\nrequests_per_second = 20\n\
         [[hooks]]\nname = \"gh\"\nscheme = \"github\"\nsecret = \"file:{}\"\n",
        secret.path().display()
    ));
    let server = tokio::task::block_in_place(|| world.start());
    let client = |address: [u8; 4]| {
        let address = std::net::IpAddr::from(address);
        reqwest::Client::builder().local_address(address).build().unwrap()
    };
    let (flood, other) = (client([127, 0, 0, 1]), client([127, 0, 0, 2]));
    let url = format!("{}/hooks/gh", server.url);
    let post = |client: &reqwest::Client| {
        let request = client.post(&url).header("x-hub-signature-256", "sha256=00").body("{}");
        async move {
            let answer = request.send().await.unwrap();
            let after = answer.headers().get("retry-after").map(|after| after.to_str().unwrap().to_owned());
            (answer.status().as_u16(), after)
        }
    };
    let mut sent_away = 0;
    for _ in 0..30 {
        let flooding = futures::future::join_all((0..AT_ONCE).map(|_| post(&flood)));
        let (flooded, heard) = tokio::join!(flooding, post(&other));
        assert_eq!(heard.0, 401, "the other is heard, and has no right signature");
        for (status, after) in flooded {
            assert!(status == 401 || (status == 429 && after.as_deref() == Some("1")), "{status} {after:?}");
            sent_away += usize::from(status == 429);
        }
        if sent_away > 0 {
            break;
        }
    }
    assert!(sent_away > 0, "none was sent away");
    println!("{sent_away} of at most {} were sent away", 30 * AT_ONCE);
    server.terminate();
}
