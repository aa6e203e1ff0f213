//! Objects read from a real S3 server (moto, on loopback).

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::running::{Server, command, root, run, sql};

/// Uploads the story as an account's trail would lie: gzipped objects below a prefix.
const UPLOAD: &str = r#"
import boto3, glob, gzip, os, sys
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1")
s3.create_bucket(Bucket="trail")
for path in sorted(glob.glob(os.path.join(sys.argv[2], "*"))):
    with open(path, "rb") as file:
        s3.put_object(Bucket="trail", Key=f"AWSLogs/{os.path.basename(path)}.gz", Body=gzip.compress(file.read()))
s3.put_object(Bucket="trail", Key="elsewhere/other.json", Body=b"not asked for")
"#;

pub(crate) struct Moto {
    child: Child,
    pub(crate) endpoint: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn python() -> Option<String> {
    let venv = root().join("target/venv/bin/python");
    let python = std::env::var("STORMGLASS_PYTHON").unwrap_or_else(|_| venv.to_string_lossy().into_owned());
    let ready = Command::new(&python).args(["-c", "import boto3, moto.server"]).output();
    if ready.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "moto is missing; scripts/need installs it");
    println!("skipped: no moto at {python}; `scripts/need test` installs it");
    None
}

pub(crate) fn moto(python: &str) -> Moto {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(python)
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Moto { child, endpoint: format!("http://127.0.0.1:{port}") };
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "moto does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

#[test]
fn a_prefix_of_a_bucket_is_read() {
    let Some(python) = python() else { return };
    let server = moto(&python);
    let aws = |command: &mut Command| {
        command
            .env("AWS_ENDPOINT", &server.endpoint)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
            .output()
            .unwrap()
    };
    let uploaded =
        aws(Command::new(&python).args(["-c", UPLOAD, &server.endpoint]).arg(root().join("demo/story")));
    assert!(uploaded.status.success(), "{}", String::from_utf8_lossy(&uploaded.stderr));

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    let read = aws(&mut command(&["--data", &data, "ingest", "--json", "s3://trail/AWSLogs/"]));
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let told: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!((&told["records"], &told["dead_letters"]), (&57.into(), &0.into()));
    assert_eq!(sql(folder.path(), "SELECT count(DISTINCT event_uid) AS n FROM events")[0]["n"], 57);

    let missing = aws(&mut command(&["--data", &data, "ingest", "s3://no-such-bucket/x"]));
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.contains("s3://no-such-bucket/x"), "{said}");
    assert!(!said.contains("not-a-secret"), "{said}");
}

/// A trail's objects, announced by a queue: `put FIRST COUNT` uploads objects of ten events each.
const ANNOUNCED: &str = r#"
import boto3, gzip, json, sys
endpoint, action = sys.argv[1:3]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
sqs = boto3.client("sqs", endpoint_url=endpoint, region_name="us-east-1")
if action == "setup":
    s3.create_bucket(Bucket="trail")
    url = sqs.create_queue(QueueName="trail")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.put_bucket_notification_configuration(Bucket="trail", NotificationConfiguration={
        "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]})
    print(url)
else:
    first, count = map(int, sys.argv[3:5])
    for number in range(first, first + count):
        events = [{"eventVersion": "1.10", "eventTime": "2026-03-01T10:00:00Z", "eventID": f"e-{number}-{event}",
                   "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "awsRegion": "us-east-1",
                   "userIdentity": {"type": "IAMUser", "userName": "dana", "accountId": "111122223333"},
                   "recipientAccountId": "111122223333"} for event in range(10)]
        body = gzip.compress(json.dumps({"Records": events}).encode())
        if number % 10 == 9:
            body = b"\x1f\x8b no gzip"
        s3.put_object(Bucket="trail", Key=f"AWSLogs/111122223333/CloudTrail/us-east-1/{number:05}.json.gz", Body=body)
"#;

/// From the notification to the table, with `kill -9` while messages are in work: each event once, what
/// cannot be read a dead letter.
#[test]
fn announced_objects_come_once_also_when_killed() {
    let Some(python) = python() else { return };
    let moto = moto(&python);
    let tell = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-c", ANNOUNCED, &moto.endpoint]).args(arguments);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "not-a-secret");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let queue = tell(&["setup"]);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("stormglass.toml");
    let text = format!(
        "[[sources]]\nname = \"trail\"\ntype = \"aws_s3_queue\"\nqueue = \"{queue}\"\nregion = \"us-east-1\"\n\
         endpoint = \"{}\"\nvisibility = \"4 s\"\nmax_receives = 2\nbuckets = [\"trail\"]\n",
        moto.endpoint
    );
    std::fs::write(&config, text).unwrap();
    let data = folder.path().join("data");
    let config = config.to_string_lossy().into_owned();
    let settings = [
        ("STORMGLASS_CONFIG", config.as_str()),
        ("STORMGLASS_RULES_SHIPPED", "false"),
        ("STORMGLASS_TABLE_COMMIT_AFTER", "150 ms"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
    ];
    for (round, pause_ms) in [(0, 300), (1, 900), (2, 2_000)] {
        tell(&["put", &(round * 20).to_string(), "20"]);
        let server = Server::start(&data, &settings);
        std::thread::sleep(Duration::from_millis(pause_ms));
        server.kill();
    }
    let server = Server::start(&data, &settings);
    let ask = |statement: &str| -> serde_json::Value {
        let out = run(&["--url", &server.url, "sql", "--format", "json", statement]);
        serde_json::from_str::<Vec<serde_json::Value>>(&out).unwrap().remove(0)
    };
    // 60 objects, every tenth of which is no gzip.
    let started = Instant::now();
    loop {
        let rows = ask("SELECT count(*) AS n FROM events")["n"].as_u64().unwrap();
        let letters = ask("SELECT count(DISTINCT origin) AS n FROM dead_letters")["n"].as_u64().unwrap();
        if (rows, letters) == (540, 6) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{rows} rows, {letters} dead letters");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(ask("SELECT count(DISTINCT event_uid) AS n FROM events")["n"], 540);
    let sources: serde_json::Value =
        serde_json::from_str(&run(&["--url", &server.url, "sources", "list", "--json"])).unwrap();
    let trail =
        sources["sources"].as_array().unwrap().iter().find(|source| source["source"] == "trail").unwrap();
    assert_eq!(trail["unaccounted"], 0, "{trail}");
    assert!(!sources.to_string().contains("not-a-secret"));
    server.terminate();
}
