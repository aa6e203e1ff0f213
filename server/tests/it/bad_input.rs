//! What hostile and broken files do to the whole program: nothing but dead letters.

use std::io::Write;
use std::path::Path;

use crate::running::{run, sql};

const GOOD: &str = r#"{"eventVersion":"1.10","userIdentity":{"type":"Root"},"eventTime":"2026-03-02T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"GetUser","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.1","userAgent":"x","eventID":"good","eventType":"AwsApiCall","recipientAccountId":"111122223333"}"#;

#[test]
fn every_bad_record_is_kept_with_its_reason_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let input = folder.path().join("bad.ndjson");
    let mut file = std::fs::File::create(&input).unwrap();
    let deep = format!("{}{}", r#"{"a":"#.repeat(100), "1") + &"}".repeat(100);
    let lines: Vec<Vec<u8>> = vec![
        b"not json at all".to_vec(),
        // Ends where the next line cannot go on with it.
        b"{\"half\": ".to_vec(),
        vec![b'{', b'"', 0xff, 0xfe, b'"', b':', b'1', b'}'],
        b"{\"what\":\"is this\"}".to_vec(),
        deep.into_bytes(),
        GOOD.replace("2026-03-02T10:00:00Z", "yesterday").replace("good", "bad-time").into_bytes(),
        GOOD.replace("\"x\"", &format!("\"{}\"", "x".repeat(1 << 20))).replace("good", "huge").into_bytes(),
        GOOD.as_bytes().to_vec(),
    ];
    for line in &lines {
        file.write_all(line).unwrap();
        file.write_all(b"\n").unwrap();
    }
    drop(file);
    let data_text = data.to_string_lossy().into_owned();
    run(&["--data", &data_text, "ingest", &input.to_string_lossy()]);
    let rows = sql(&data, "SELECT metadata_uid AS id FROM events ORDER BY 1");
    let ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["good", "huge"]);
    let letters = sql(&data, "SELECT reason, origin, record_number FROM dead_letters ORDER BY record_number");
    assert_eq!(letters.len(), 6, "{letters:?}");
    for letter in &letters {
        assert!(letter["origin"].as_str().unwrap().ends_with("bad.ndjson"), "{letter}");
        assert!(!letter["reason"].as_str().unwrap().is_empty(), "{letter}");
    }
    let shown = run(&["--data", &data_text, "deadletters", "list"]);
    assert_eq!(shown.lines().count(), 7, "{shown}");
    run(&["--data", &data_text, "sources", "--verify"]);
    // Nothing was mended, so a retry fails again, and every record still has one fate.
    let retried = run(&["--data", &data_text, "deadletters", "retry", "--json"]);
    let retried: serde_json::Value = serde_json::from_str(&retried).unwrap();
    assert_eq!(retried["retried"], 6);
    assert_eq!(retried["failed_again"], 6);
    run(&["--data", &data_text, "sources", "--verify"]);
}

#[test]
fn broken_compression_loses_only_what_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for number in 0..2000 {
        let record = GOOD.replace("good", &format!("e{number}"));
        gz.write_all(record.as_bytes()).unwrap();
        gz.write_all(b"\n").unwrap();
    }
    let mut bytes = gz.finish().unwrap();
    bytes.truncate(bytes.len() * 3 / 4);
    let input = folder.path().join("torn.json.gz");
    std::fs::write(&input, bytes).unwrap();
    run(&["--data", &data.to_string_lossy(), "ingest", &input.to_string_lossy()]);
    let rows = sql(&data, "SELECT count(*) AS n FROM events")[0]["n"].as_u64().unwrap();
    assert!(rows > 500 && rows < 2000, "{rows} rows");
    let letters = sql(&data, "SELECT reason FROM dead_letters");
    assert_eq!(letters.len(), 1, "{letters:?}");
    run(&["--data", &data.to_string_lossy(), "sources", "--verify"]);
}

/// One whose bytes end with a whole record leaves a letter without bytes.
#[test]
fn a_letter_without_bytes_stops_no_list_and_no_retry() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gz.write_all(format!("{GOOD}\n").as_bytes()).unwrap();
    let mut bytes = gz.finish().unwrap();
    bytes.truncate(bytes.len() - 4);
    let input = folder.path().join("torn.json.gz");
    std::fs::write(&input, bytes).unwrap();
    run(&["--data", &data, "ingest", &input.to_string_lossy()]);
    let listed = run(&["--data", &data, "deadletters", "list"]);
    assert!(listed.contains("torn_input") && listed.contains("breaks off"), "{listed}");
    let letters = sql(Path::new(&data), "SELECT byte_len, record FROM dead_letters");
    assert_eq!((letters.len(), &letters[0]["byte_len"]), (1, &0.into()), "{letters:?}");
    run(&["--data", &data, "deadletters", "retry", "--json"]);
}

#[test]
fn a_bomb_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let block = vec![b'a'; 1 << 20];
    for _ in 0..96 {
        gz.write_all(&block).unwrap();
    }
    let input = folder.path().join("bomb.gz");
    std::fs::write(&input, gz.finish().unwrap()).unwrap();
    run(&["--data", &data.to_string_lossy(), "ingest", &input.to_string_lossy()]);
    let letters = sql(&data, "SELECT reason, detail FROM dead_letters");
    assert!(!letters.is_empty(), "the bomb left no dead letter");
    assert_eq!(sql(&data, "SELECT count(*) AS n FROM events")[0]["n"], 0);
}
