//! What AWS writes to S3 in forms of its own: subscriptions of CloudWatch Logs, Parquet of Security Lake.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::object_store::python;
use crate::running::{root, run, sql};

/// A sample of a log, in one line.
fn sample(path: &str) -> String {
    let text = std::fs::read_to_string(root().join("normalize/samples").join(path)).unwrap();
    serde_json::from_str::<Value>(&text).unwrap().to_string()
}

/// Ingests a file and returns what was said of it.
fn ingest(data: &Path, file: &Path) -> Value {
    let (data, file) = (data.display().to_string(), file.display().to_string());
    serde_json::from_str(&run(&["--data", &data, "ingest", "--json", &file])).unwrap()
}

/// As Firehose delivers them: each document a gzip member of its own, nothing between.
#[test]
fn subscriptions_of_cloudwatch_logs_are_unwrapped() {
    let flow = |port: u16, action: &str| {
        format!(
            "2 111122223333 eni-0a1b2c3d 192.0.2.1 198.51.100.2 443 {port} 6 10 840 1767225600 1767225660 {action} OK"
        )
    };
    let groups = [
        ("vpc-flows", vec![flow(50_000, "ACCEPT"), flow(50_001, "REJECT")]),
        ("CloudTrail/logs", vec![sample("aws/iam_create_user.json"), sample("aws/management_denied.json")]),
        ("dns", vec![sample("aws_route53_resolver/answered.json")]),
        ("/aws/eks/example/cluster", vec![sample("kubernetes/eks_secret_read.json")]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("firehose-1");
    let mut bytes = Vec::new();
    for (group, messages) in groups {
        let events: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(n, message)| json!({"id": n.to_string(), "timestamp": 1_767_225_600_000_u64, "message": message}))
            .collect();
        let document = json!({
            "messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": group, "logStream": "s",
            "subscriptionFilters": ["all"], "logEvents": events,
        });
        let mut encoder = GzEncoder::new(&mut bytes, Compression::fast());
        encoder.write_all(document.to_string().as_bytes()).unwrap();
        encoder.finish().unwrap();
    }
    std::fs::write(&file, bytes).unwrap();
    let data = folder.path().join("data");
    let told = ingest(&data, &file);
    assert_eq!((&told["records"], &told["dead_letters"]), (&6.into(), &0.into()), "{told}");
    let rows = sql(&data, "SELECT class_uid AS class, count(*) AS n FROM events GROUP BY 1 ORDER BY 1");
    let classes: Vec<_> = rows.iter().map(|row| (row["class"].as_i64(), row["n"].as_i64())).collect();
    // Account change, network activity, DNS activity, API activity (twice).
    let expected = [(3001, 1), (4001, 2), (4003, 1), (6003, 2)].map(|(class, n)| (Some(class), Some(n)));
    assert_eq!(classes, expected, "{rows:?}");
    let refused = sql(&data, "SELECT dst_endpoint_port AS port FROM events WHERE action = 'Denied'");
    assert_eq!(refused, [json!({"port": 50_001})]);
}

/// A custom format with a head, as flow logs in S3 have it.
#[test]
fn custom_flow_logs_are_read_by_their_heads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flows.log.gz");
    let text = "account-id vpc-id srcaddr dstaddr srcport dstport protocol start end action flow-direction\n\
                111122223333 vpc-0a 192.0.2.1 198.51.100.2 50000 22 6 1767225600 1767225660 REJECT ingress\n\
                111122223333 vpc-0a 192.0.2.3 198.51.100.2 50001 443 6 1767225600 1767225660 ACCEPT ingress\n";
    let mut encoder = GzEncoder::new(std::fs::File::create(&file).unwrap(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap();
    let data = folder.path().join("data");
    let told = ingest(&data, &file);
    assert_eq!((&told["records"], &told["dead_letters"]), (&2.into(), &0.into()), "{told}");
    let rows = sql(&data, "SELECT src_endpoint_ip AS ip, dst_endpoint_port AS port FROM events ORDER BY 1");
    assert_eq!(rows, [json!({"ip": "192.0.2.1", "port": 22}), json!({"ip": "192.0.2.3", "port": 443})]);
}

/// Writes OCSF as it is in Security Lake: the record once a row.
const LAKE: &str = "
import json, pyarrow as pa, pyarrow.parquet as pq, sys
record = json.load(open(sys.argv[1]))
rows = []
for n in range(3):
    row = json.loads(json.dumps(record))
    row['metadata']['uid'] = f'lake-{n}'
    rows.append(row)
pq.write_table(pa.Table.from_pylist(rows), sys.argv[2], compression=sys.argv[3])
";

#[test]
fn parquet_of_security_lake_becomes_rows() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let samples = root().join("normalize/samples/ocsf");
    let mut samples: Vec<_> =
        std::fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path()).collect();
    samples.sort();
    let record = samples.iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    let file = folder.path().join("part.gz.parquet");
    let mut command = Command::new(python);
    command.args(["-c", LAKE]).arg(record).arg(&file).arg("gzip");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let data = folder.path().join("data");
    let told = ingest(&data, &file);
    assert_eq!((&told["records"], &told["dead_letters"]), (&3.into(), &0.into()), "{told}");
    // The same record as JSON maps to the same, but for its id.
    let json = folder.path().join("json");
    ingest(&json, record);
    let columns =
        "class_uid, type_uid, time, api_operation, actor_user_name, src_endpoint_ip, cloud_account_uid";
    let of = |data: &Path| sql(data, &format!("SELECT DISTINCT {columns} FROM events"));
    assert_eq!(of(&data), of(&json));
    let ids = sql(&data, "SELECT metadata_uid AS id FROM events ORDER BY 1");
    assert_eq!(ids, [0, 1, 2].map(|n| json!({"id": format!("lake-{n}")})));
}
