//! Google Cloud from outside: pushes with Google's tokens, a subscription and kills, a bucket that grows, and
//! what is told of a role that is missing.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Json;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use benches::Random;
use cloudfake::google::Google;
use cloudfake::{Fake, Fault, Proxy};
use reqwest::Client;
use serde_json::{Value, json};

use crate::push::python;
use crate::running::{Server, outcome, root, run, sql};

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A program that `scripts/need test` builds; else the test is skipped, and says so.
fn program(name: &str) -> Option<PathBuf> {
    let path = root().join("target/go/bin").join(name);
    if path.is_file() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{name} is missing; scripts/need builds it");
    println!("skipped: no {}; `scripts/need test` builds it", path.display());
    None
}

/// An entry of an audit log.
fn entry(id: &str) -> Value {
    let path = root().join("normalize/samples/gcp/iam_create_service_account.json");
    let mut entry: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    entry["insertId"] = id.into();
    entry
}

fn configure(folder: &Path, text: &str) -> String {
    let path = folder.join("stormglass.toml");
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

/// How many events there are.
fn events(server: &Server) -> u64 {
    let rows = run(&["--url", &server.url, "sql", "--format", "json", "SELECT count(*) AS n FROM events"]);
    serde_json::from_str::<Value>(&rows).unwrap()[0]["n"].as_u64().unwrap()
}

fn wait_for(server: &Server, wanted: u64) {
    let started = Instant::now();
    while events(server) < wanted {
        assert!(started.elapsed() < Duration::from_secs(120), "there are only {} events", events(server));
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Makes a key, its published form, and tokens: one that is good, and one for each way to be bad.
const TOKENS: &str = r#"
import base64, json, sys, time
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

def key():
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    return private.public_key().public_numbers(), pem

def number(n):
    return base64.urlsafe_b64encode(n.to_bytes((n.bit_length() + 7) // 8, "big")).decode().rstrip("=")

public, pem = key()
_, foreign = key()
now = int(time.time())
good = {"iss": "https://accounts.google.com", "aud": "https://logs.example.com/hooks/gcp", "sub": "1", "azp": "1",
        "email": "push@p-1.iam.gserviceaccount.com", "email_verified": True, "iat": now, "exp": now + 3600}

def token(pem=pem, kid="k1", **claims):
    return jwt.encode(crypt.RSASigner.from_string(pem, kid), {**good, **claims}).decode()

head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').decode().rstrip("=")
print(json.dumps({
    "keys": {"keys": [
        {"kty": "EC", "kid": "e1", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k1", "n": number(public.n), "e": number(public.e)}]},
    "good": token(),
    "bad": {
        "audience": token(aud="https://other.example.com/"),
        "account": token(email="other@p-1.iam.gserviceaccount.com"),
        "unverified": token(email_verified=False),
        "issuer": token(iss="https://accounts.example.com"),
        "ended": token(iat=now - 7200, exp=now - 3600),
        "early": token(iat=now + 3600, exp=now + 7200),
        "foreign key": token(pem=foreign),
        "unknown key": token(kid="k2"),
        "unsigned": head + "." + token().split(".")[1] + ".",
        "changed": token()[:-6] + "AAAAAA",
    },
}))
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_need_a_token_that_google_signed() {
    let Some(python) = python("google.auth.jwt, cryptography") else { return };
    let output = Command::new(python).args(["-c", TOKENS]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys = made["keys"].clone();
    let keys = Fake::start(axum::Router::new().route("/certs", get(move || async move { Json(keys) }))).await;

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = configure(
        folder.path(),
        &format!(
            "[[hooks]]\nname = \"gcp\"\nscheme = \"pubsub\"\naudience = \"https://logs.example.com/hooks/gcp\"\n\
             account = \"push@p-1.iam.gserviceaccount.com\"\nkeys_url = \"{}/certs\"\n",
            keys.url
        ),
    );
    let server = Server::start(&data, &[("STORMGLASS_CONFIG", &config)]);
    let client = Client::new();
    let post = async |token: Option<&str>, body: String| {
        let mut request = client.post(format!("{}/hooks/gcp", server.url)).body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap())
    };
    let wrapped = |data: &str, id: u32| {
        let message =
            json!({"data": STANDARD.encode(data), "messageId": id.to_string(), "attributes": {"a": "b"}});
        json!({"message": message, "subscription": "projects/p-1/subscriptions/push"}).to_string()
    };
    let good = made["good"].as_str();
    for (name, token) in made["bad"].as_object().unwrap() {
        let (status, body) = post(token.as_str(), wrapped("{}", 1)).await;
        assert_eq!(status, 401, "{name}: {body}");
    }
    assert_eq!(post(None, wrapped("{}", 1)).await.0, 401);
    let (status, body) = post(good, wrapped(&entry("a").to_string(), 1)).await;
    assert_eq!((status, &body["accepted"]), (200, &json!(1)), "{body}");
    // Again, as after a lost answer; two lines; without the wrapper.
    assert_eq!(post(good, wrapped(&entry("a").to_string(), 1)).await.0, 200);
    let lines = format!("{}\n{}\n", entry("b"), entry("c"));
    assert_eq!(post(good, wrapped(&lines, 2)).await.1["accepted"], 2);
    assert_eq!(post(good, entry("d").to_string()).await.0, 200);
    // What is no record is said to be taken, or it would come for days.
    for (data, id) in [("no record", 3), ("", 4)] {
        assert_eq!(post(good, wrapped(data, id)).await.0, 200);
    }
    server.terminate();
    let rows = sql(&data, "SELECT count(*) AS n, count(DISTINCT metadata_uid) AS ids FROM events");
    assert_eq!(rows, [json!({"n": 4, "ids": 4})]);
    let dead = run(&["--data", &data.to_string_lossy(), "deadletters", "list", "--json"]);
    assert!(dead.contains("pubsub://p-1/push/3") && dead.contains("the message has no data"), "{dead}");
}

/// Google's in-memory Pub/Sub, and a server on a subscription that is killed again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_survives_kills() {
    let Some(path) = program("pubsub") else { return };
    let mut child = Command::new(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _running = Running(child);
    let url = line.split_whitespace().next().unwrap().to_owned();
    let client = Client::new();
    let put = async |name: &str, body: Value| {
        let answer = client.put(format!("{url}/v1/{name}")).json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
    };
    put("projects/p-1/topics/logs", json!({})).await;
    put("projects/p-1/subscriptions/logs", json!({"topic": "projects/p-1/topics/logs"})).await;
    let post = async |path: &str, body: Value| {
        let answer = client.post(format!("{url}/{path}")).json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
        serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap()
    };

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let text = format!(
        "[[sources]]\nname = \"gcp\"\ntype = \"gcp_pubsub\"\nsubscription = \"projects/p-1/subscriptions/logs\"\n\
         endpoint = \"{url}\"\nanonymous = true\n"
    );
    let config = configure(folder.path(), &text);
    let settings = [
        ("STORMGLASS_CONFIG", config.as_str()),
        ("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms"),
        ("STORMGLASS_RULES_SHIPPED", "false"),
    ];
    let mut random = Random::new(7);
    let (mut published, mut poison) = (0, 0);
    for _ in 0..5 {
        let messages: Vec<Value> = (0..60)
            .map(|n| {
                let data = if n % 10 == 9 {
                    poison += 1;
                    format!("poison {poison}")
                } else {
                    published += 1;
                    entry(&format!("e{published}")).to_string()
                };
                json!({"data": STANDARD.encode(data)})
            })
            .collect();
        post("v1/projects/p-1/topics/logs:publish", json!({ "messages": messages })).await;
        let server = Server::start(&data, &settings);
        tokio::time::sleep(Duration::from_millis(random.below(900))).await;
        server.kill();
        // What was in work comes back.
        post("_clock?seconds=61", json!({})).await;
    }
    let server = Server::start(&data, &settings);
    wait_for(&server, published);
    let started = Instant::now();
    loop {
        // Everything is acknowledged in the end: nothing comes back, however long one waits.
        let list = run(&["--url", &server.url, "sources", "list", "--json"]);
        post("_clock?seconds=61", json!({})).await;
        let body = json!({"maxMessages": 1000, "returnImmediately": true});
        let left = post("v1/projects/p-1/subscriptions/logs:pull", body).await;
        if left.get("receivedMessages").is_none() {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{left} {list}");
    }
    server.terminate();
    let rows = sql(&data, "SELECT count(*) AS n, count(DISTINCT metadata_uid) AS ids FROM events");
    assert_eq!(rows, [json!({"n": published, "ids": published})]);
    let dead = run(&["--data", &data.to_string_lossy(), "deadletters", "list", "--json", "--limit", "1000"]);
    // One message in ten, by Pub/Sub's own numbers.
    assert_eq!(poison, 30);
    for n in (9..300).step_by(10) {
        assert!(dead.contains(&format!("\"pubsub://p-1/logs/m{n}\"")), "poison m{n} is lost: {dead}");
    }
}

/// fake-gcs-server: pages of a list, late shards, an object that is replaced, gzip, odd names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_of_google_is_followed() {
    let Some(path) = program("fake-gcs-server") else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    // Lists are answered to the host that they know.
    let proxy = Proxy::start(&url, |_| Fault::Pass).await;
    let host = proxy.url.trim_start_matches("http://").to_owned();
    let child = Command::new(path)
        .args(["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory", "-data", "/nowhere"])
        .args(["-port", &port.to_string(), "-external-url", &url, "-public-host", &host])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _running = Running(child);
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "fake-gcs-server does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    let client = Client::new();
    let made =
        client.post(format!("{url}/storage/v1/b?project=p-1")).json(&json!({"name": "logs"})).send().await;
    assert!(made.unwrap().status().is_success());
    let put = async |name: &str, bytes: Vec<u8>| {
        let address = format!("{url}/upload/storage/v1/b/logs/o");
        let query = [("uploadType", "media"), ("name", name)];
        let address = reqwest::Url::parse_with_params(&address, query).unwrap();
        let answer = client.post(address).body(bytes).send().await.unwrap();
        assert!(answer.status().is_success(), "{name}");
    };
    let line = |id: &str| format!("{}\n", entry(id)).into_bytes();
    let gzip = |bytes: Vec<u8>| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &bytes).unwrap();
        encoder.finish().unwrap()
    };
    // More than one page of a list.
    for n in 0..1_050 {
        put(&format!("audit/activity/2026/01/02/{n:04}_S0.json"), line(&format!("s{n}"))).await;
    }
    put("audit/activity/2026/01/02/03:00:00_03:59:59_S1.json", line("colon")).await;
    put("audit/odd é+%2F ü.json.gz", gzip(line("odd"))).await;
    // Keys with parts that no path has.
    put("audit//empty.json", line("empty")).await;
    put("audit/a/../b//./dots.json", line("dots")).await;
    put("elsewhere/x.json", line("elsewhere")).await;

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let text = "[[sources]]\nname = \"gcs\"\ntype = \"objects\"\nurls = [\"gs://logs/audit/\"]\nevery = \"200 ms\"\n";
    let config = configure(folder.path(), text);
    let settings = [
        ("STORMGLASS_CONFIG", config.as_str()),
        ("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms"),
        ("STORMGLASS_RULES_SHIPPED", "false"),
        ("STORAGE_EMULATOR_HOST", proxy.url.as_str()),
    ];
    let server = Server::start(&data, &settings);
    wait_for(&server, 1_054);
    // Late entries of the same hour, and an object that is written anew.
    put("audit/activity/2026/01/02/0000_A0:1767322800.json", line("late")).await;
    put("audit/activity/2026/01/02/0001_S0.json", [line("s1"), line("new")].concat()).await;
    wait_for(&server, 1_056);
    server.kill();
    put("audit/after.json", line("after")).await;
    // From now on as somebody.
    let google = Google::start(false).await;
    let token = folder.path().join("token");
    std::fs::write(&token, &google.identity.lock().subject_token).unwrap();
    let federation = json!({
        "type": "external_account", "token_url": format!("{}/v1/token", google.url),
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": {"file": token},
    });
    let path = folder.path().join("federation.json");
    std::fs::write(&path, federation.to_string()).unwrap();
    let path = path.to_string_lossy().into_owned();
    proxy.seen.lock().clear();
    let mut settings = settings.to_vec();
    settings.push(("GOOGLE_APPLICATION_CREDENTIALS", &path));
    let server = Server::start(&data, &settings);
    wait_for(&server, 1_057);
    assert!(proxy.seen.lock().iter().all(|seen| seen.head.to_lowercase().contains("bearer exchange-")));
    server.terminate();
    let rows = sql(&data, "SELECT count(*) AS n, count(DISTINCT metadata_uid) AS ids FROM events");
    assert_eq!(rows, [json!({"n": 1_057, "ids": 1_057})]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_role_is_named() {
    let google = Google::start(true).await;
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[[sources]]\nname = \"logs\"\ntype = \"gcp_logging\"\nresources = [\"projects/forbidden\"]\nendpoint = \"{}\"\n\
         anonymous = true\n[[sources]]\nname = \"wrong\"\ntype = \"gcp_pubsub\"\nsubscription = \"logs\"\n",
        google.url
    );
    let bad = configure(folder.path(), &text);
    let told = outcome(&["--config", &bad, "sources", "test", "logs"]);
    let said = String::from_utf8_lossy(&told.stderr).into_owned() + &String::from_utf8_lossy(&told.stdout);
    assert!(said.contains("write it as `projects/PROJECT/subscriptions/NAME`"), "{said}");
    let good = configure(folder.path(), text.split("[[sources]]\nname = \"wrong\"").next().unwrap());
    let told = outcome(&["--config", &good, "sources", "test", "logs"]);
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(!told.status.success());
    assert!(
        said.contains("mend: grant `roles/logging.viewer") && said.contains("`logging.logEntries.list`"),
        "{said}"
    );
    let told = outcome(&["--config", &good, "sources", "test", "logs", "--json"]);
    assert!(!told.status.success());
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&told["good"], &told["type"]), (&false.into(), &"gcp_logging".into()), "{told}");
    let step = told["steps"].as_array().unwrap().iter().find(|step| step["name"] == "projects/forbidden");
    let step = step.unwrap_or_else(|| panic!("{told}"));
    assert_eq!((&step["outcome"], &step["grant"]), (&"failed".into(), &"logging.logEntries.list".into()));
    assert!(step["mend"].as_str().unwrap().starts_with("grant `roles/logging.viewer"), "{told}");
}
