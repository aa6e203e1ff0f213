//! The logs of networks, DNS and HTTP, on records of our own and on the corpus.

use std::collections::BTreeMap;
use std::fs;

use std::path::{Path, PathBuf};

use event::{Col, EventBatch, LogType};
use proptest::prelude::*;
use serde_json::Value;

use crate::reason::Reason;
use crate::{Normalizer, corpus, sample};

#[test]
fn samples() {
    for log_type in [
        LogType::AwsVpcFlow,
        LogType::AwsRoute53Resolver,
        LogType::AwsWaf,
        LogType::AwsElb,
        LogType::AwsS3Access,
        LogType::AwsCloudfront,
        LogType::AzureNsgFlow,
        LogType::AzureVnetFlow,
        LogType::AzureVpn,
        LogType::GcpVpcFlow,
        LogType::GcpVpn,
        LogType::IstioAccess,
    ] {
        sample::check(log_type, log_type.as_str());
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    crate::aws::tests::collect_files(folder, &mut files);
    files
}

/// The raw records of a folder: parser tests hold one in `input.message`.
fn records(folder: &Path) -> Vec<(String, Value)> {
    let mut records = Vec::new();
    for file in files(folder) {
        if file.extension().is_none_or(|end| end != "json" && end != "ndjson" && end != "gz") {
            continue;
        }
        for record in crate::aws::tests::records_of(&file) {
            let value: Value = serde_json::from_str(&record).unwrap();
            match value["input"]["message"].as_str() {
                Some(message) => records.push((message.to_owned(), value["expected"].clone())),
                None => records.push((record, Value::Null)),
            }
        }
    }
    records
}

#[test]
fn the_corpus_maps() {
    let Some(root) = corpus::folder("") else { return };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (folder, log_type) in [
        ("sekoia/aws_flow_logs", LogType::AwsVpcFlow),
        ("vpc_flow/tenzir", LogType::AwsVpcFlow),
        ("vpc_flow/opensearch_catalog", LogType::AwsVpcFlow),
        ("dns_route53/tenzir", LogType::AwsRoute53Resolver),
        ("ocsf/security_lake_validation/1.0.0-rc.2/ROUTE53/inputs", LogType::AwsRoute53Resolver),
        ("sekoia/aws_waf", LogType::AwsWaf),
        ("sekoia/azure_flow_logs", LogType::AzureVnetFlow),
        ("sekoia/gcp_vpc_flow", LogType::GcpVpcFlow),
        ("vpc_flow/gcp_community_security_analytics", LogType::GcpVpcFlow),
    ] {
        let folder_records = records(&root.join(folder));
        assert!(!folder_records.is_empty(), "{folder}");
        let texts: Vec<&str> = folder_records.iter().map(|(text, _)| text.as_str()).collect();
        let normalized = sample::map(&texts);
        assert!(normalized.rejects.is_empty(), "{folder}: {:?}", normalized.rejects);
        for (row, (_, expected)) in folder_records.iter().enumerate() {
            assert_eq!(normalized.events.str_at(Col::LogType, row), Some(log_type.as_str()), "{folder}");
            sample::assert_nothing_lost(&normalized.events, row, &format!("{folder} {row}"));
            agree(&normalized.events, row, expected, folder);
        }
        *counts.entry(log_type.to_string()).or_default() += texts.len();
    }
    println!("{counts:?}");
}

/// What another's parser found in the same record; both must have found the same.
fn agree(events: &EventBatch, row: usize, expected: &Value, folder: &str) {
    let at = |path: &str| path.split('.').try_fold(expected, |value, key| value.get(key)).cloned();
    for (path, col) in [
        ("source.ip", Col::SrcEndpointIp),
        ("destination.ip", Col::DstEndpointIp),
        ("source.port", Col::SrcEndpointPort),
        ("destination.port", Col::DstEndpointPort),
        ("network.iana_number", Col::ConnectionInfoProtocolNum),
        ("network.bytes", Col::TrafficBytes),
        ("cloud.account.id", Col::CloudAccountUid),
        ("cloud.project.id", Col::CloudAccountUid),
        ("aws.flowlogs.tcp_flags", Col::ConnectionInfoTcpFlags),
        ("http.request.method", Col::HttpRequestHttpMethod),
        ("url.path", Col::HttpRequestUrlPath),
        ("user_agent.original", Col::HttpRequestUserAgent),
        ("observer.ingress.interface.name", Col::ResourceUid),
    ] {
        let Some(theirs) = at(path).filter(|value| !value.is_null()) else { continue };
        let ours = events
            .str_at(col, row)
            .map(ToOwned::to_owned)
            .or_else(|| events.int_at(col, row).map(|number| number.to_string()));
        let theirs = theirs.as_str().map_or_else(|| theirs.to_string(), ToOwned::to_owned);
        assert_eq!(ours.as_deref(), Some(theirs.as_str()), "{folder} {row}: `{path}`");
    }
}

#[test]
fn the_same_line_is_the_same_event_however_it_came() {
    let line = "2 111122223333 eni-0a1b2c3d 192.0.2.1 198.51.100.2 443 50000 6 10 840 1772445600 1772445660 ACCEPT OK";
    let wrapped = format!(r#"{{"id":"7","timestamp":1772445600000,"message":"{line}"}}"#);
    let events = sample::map(&[line, &format!("{line}\r\n"), &wrapped]).events;
    let uid = |row| events.str_at(Col::EventUid, row);
    assert_eq!(uid(0), uid(1));
    assert_eq!(uid(0), uid(2));
    assert_eq!(events.str_at(Col::RawData, 2), Some(line));
}

#[test]
fn lines_that_fit_no_form_are_told_what_they_lack() {
    for (log_type, text, word) in [
        (LogType::AwsVpcFlow, "192.0.2.1 198.51.100.2 1772445600", "no header"),
        (LogType::AwsVpcFlow, "srcaddr start\n192.0.2.1", "fewer values"),
        (LogType::AwsVpcFlow, "srcaddr start\n192.0.2.1 1772445600 5", "more values"),
        (LogType::AwsVpcFlow, "srcaddr dstaddr\n192.0.2.1 192.0.2.2", "no `start`"),
        (LogType::AwsElb, "hello", "begins as no access log"),
        (LogType::AwsS3Access, "hello", "does not begin as S3"),
        (LogType::AwsCloudfront, "2026-03-02\t10:00:00", "`#Fields:`"),
        (LogType::IstioAccess, "hello", "neither Envoy's nor Istio's"),
        (LogType::AwsElb, r#"{"a":1}"#, "lines of text"),
    ] {
        let raw = sample::batch(&[text], Some(log_type));
        let rejects = Normalizer::new().map(&raw, 0).rejects;
        assert_eq!(rejects.len(), 1, "{text}");
        assert!(rejects[0].detail.contains(word), "{text}: {}", rejects[0].detail);
    }
    let rejects = sample::map(&["hello world"]).rejects;
    assert_eq!(rejects[0].reason, Reason::NotJson);
}

#[test]
fn a_line_of_a_fixed_log_type_may_lie_in_an_envelope() {
    let record = r#"{"timestamp":1772445600000,"message":"[2026-03-02T10:00:00Z] \"GET / HTTP/1.1\" 200 - 0 5 1 0 \"-\" \"-\" \"-\" \"a.example.com\" \"-\""}"#;
    let raw = sample::batch(&[record], Some(LogType::IstioAccess));
    let events = Normalizer::new().map(&raw, 0).events;
    assert_eq!(events.str_at(Col::HttpRequestUrlHostname, 0), Some("a.example.com"));
}

/// Our own samples that are text, and a few lines of nothing.
fn lines() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut lines: Vec<String> = files(&root)
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "log"))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    lines.extend([String::new(), "\n".into(), "#Fields:\n".into(), "[\"".into(), "start\n\n".into()]);
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever stands in a line, and whatever log it is said to be from, it is one row or one reject.
    #[test]
    fn any_line_under_any_log_type(
        line in prop::sample::select(lines()),
        log_type in prop::sample::select(LogType::ALL.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[ \t\n\"\\[\\]:.,|?#-]|é|[0-9]{1,20}"), 0..6),
        told in any::<bool>(),
    ) {
        let mut line = line;
        for (at, text) in changes {
            let mut at = at.index(line.len() + 1);
            while !line.is_char_boundary(at) {
                at -= 1;
            }
            line.insert_str(at, &text);
        }
        let raw = sample::batch(&[&line], told.then_some(log_type));
        let normalized = Normalizer::new().map(&raw, 0);
        prop_assert_eq!(normalized.events.len() + normalized.rejects.len(), 1);
        for reject in &normalized.rejects {
            prop_assert_ne!(reject.reason, Reason::MapperPanicked, "{}", line);
        }
        for row in 0..normalized.events.len() {
            for column in event::COLUMNS.iter().filter(|column| column.kind == event::Kind::Json) {
                if let Some(json) = normalized.events.str_at(column.col, row) {
                    prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(json).is_ok(), "{}", json);
                }
            }
        }
    }
}
