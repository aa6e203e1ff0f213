//! Security Lake: Parquet that pyarrow wrote, announced and read as any other object.

use std::process::Command;
use std::time::Duration;

use ingest::aws::{S3QueueCollector, S3QueueConfig};
use serde_json::{Value, json};

use super::moto::{Moto, python};
use super::{Records, take_until};
use crate::options;

/// Writes OCSF as Security Lake lays it out, in each codec and version, and prints the keys.
const LAKE: &str = r#"
import boto3, datetime, io, json, sys
import pyarrow as pa, pyarrow.parquet as pq
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1",
                  aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="not-a-secret")
s3.create_bucket(Bucket="lake")
product = pa.struct([("name", pa.string()), ("vendor_name", pa.string())])
schema = pa.schema([
    ("metadata", pa.struct([("version", pa.string()), ("uid", pa.string()), ("product", product),
                            ("profiles", pa.list_(pa.string()))])),
    ("class_uid", pa.int32()), ("time", pa.int64()), ("time_dt", pa.timestamp("us", tz="UTC")),
    ("resources", pa.list_(pa.struct([("uid", pa.string()), ("type", pa.string())]))),
    ("unmapped", pa.map_(pa.string(), pa.string())), ("is_mfa", pa.bool_()), ("score", pa.float64()),
    ("raw", pa.binary()),
])
def row(n):
    return {
        "metadata": {"version": "1.1.0", "uid": f"e-{n}", "product": {"name": "CloudTrail", "vendor_name": "AWS"},
                     "profiles": ["cloud", "datetime"]},
        "class_uid": 3002, "time": 1767225600000 + n,
        "time_dt": datetime.datetime(2026, 1, 1, 0, 0, 0, 1000 * n, tzinfo=datetime.timezone.utc),
        "resources": [{"uid": f"arn:{k}", "type": None} for k in range(n % 3)] if n % 4 else None,
        "unmapped": [("a\"b", "é\n"), ("c", None)], "is_mfa": n % 2 == 0, "score": 0.5, "raw": None,
    }
table = pa.Table.from_pylist([row(n) for n in range(500)], schema=schema)
for codec in ["none", "snappy", "gzip", "zstd"]:
    for version, page in [("1.0", "1.0"), ("2.6", "2.0")]:
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression=codec, version=version, data_page_version=page, row_group_size=150)
        key = f"aws/CLOUD_TRAIL_MGMT/2.0/region=us-east-1/accountId=111122223333/eventDay=20260101/{codec}-{page}.parquet"
        s3.put_object(Bucket="lake", Key=key, Body=buffer.getvalue())
        print(key)
buffer = io.BytesIO()
pq.write_table(table, buffer, compression="zstd")
for name, body in [("torn", buffer.getvalue()[:-900]), ("head", b"PAR1"), ("lies", b"PAR1" + b"\xff" * 5000 + b"\x00\x10\x00\x00PAR1")]:
    s3.put_object(Bucket="lake", Key=f"bad/{name}.parquet", Body=body)
    print(f"bad/{name}.parquet")
"#;

fn row(n: usize) -> Value {
    let resources: Vec<Value> = (0..n % 3).map(|k| json!({"uid": format!("arn:{k}")})).collect();
    let mut row = json!({
        "metadata": {"version": "1.1.0", "uid": format!("e-{n}"), "profiles": ["cloud", "datetime"],
                     "product": {"name": "CloudTrail", "vendor_name": "AWS"}},
        "class_uid": 3002, "time": 1_767_225_600_000_u64 + n as u64, "is_mfa": n.is_multiple_of(2), "score": 0.5,
        "unmapped": {"a\"b": "é\n"},
    });
    if !n.is_multiple_of(4) {
        row["resources"] = resources.into();
    }
    row
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_lake_are_records() {
    let Some(python) = python("moto.server, boto3, pyarrow") else { return };
    let moto = Moto::start(&python);
    let url = moto.url.clone();
    let write = move || Command::new(python).args(["-c", LAKE, &url]).output().unwrap();
    let output = tokio::task::spawn_blocking(write).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let keys = String::from_utf8(output.stdout).unwrap();
    let keys: Vec<&str> = keys.lines().collect();
    assert_eq!(keys.len(), 11);

    let queue = moto.queue("lake").await;
    for key in &keys {
        // As the queue of a subscriber has it.
        let told = json!({
            "source": "aws.s3", "detail-type": "Object Created", "region": "us-east-1",
            "detail": {"bucket": {"name": "lake"}, "object": {"key": key, "etag": moto.e_tag("lake", key).await}},
        });
        moto.message(&queue, &told.to_string()).await;
    }
    let config = S3QueueConfig { queue_url: queue, wait: Duration::from_secs(1), ..S3QueueConfig::default() };
    let mut collector = S3QueueCollector::open(config, &moto.environment(), options(2)).unwrap();
    let started = std::time::Instant::now();
    let records = take_until(&mut collector, |records| {
        let count = records.len();
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{count} records of {:?}",
            super::counts(records)
        );
        count == 8 * 500 + 3
    })
    .await;

    let (bad, good): (Records, Records) =
        records.into_iter().partition(|((origin, _), _)| origin.starts_with("s3://lake/bad/"));
    let damaged = "torn_input: the Parquet file is damaged: ";
    assert!(bad.len() == 3 && bad.values().all(|reason| reason.starts_with(damaged)), "{bad:?}");
    for ((origin, number), text) in good {
        let mut found: Value = serde_json::from_str(&text).unwrap();
        let time = found["time_dt"].take();
        let time = chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap();
        assert_eq!(time.timestamp_millis(), 1_767_225_600_000 + number as i64, "{origin}");
        found.as_object_mut().unwrap().remove("time_dt");
        // A type without a value is left out, as JSON has it.
        assert_eq!(found, row(number as usize), "{origin} {number}");
    }
}
