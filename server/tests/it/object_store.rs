//! Objects read from a real S3 server (moto, on loopback).

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::running::{command, root, sql};

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

struct Moto {
    child: Child,
    endpoint: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn python() -> Option<String> {
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

fn moto(python: &str) -> Moto {
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
