//! Every file of the corpus gives as many records as its list says, and each is whole JSON.

use std::collections::BTreeMap;

use ingest::expand;

use super::{corpus, options, read_all};

/// Events by folder, as the corpus's own list counts them, but for `flaws_two_hours`, whose five files hold
/// 185 and not 186. The three folders `stratus_doc_excerpts`
/// hold 18 together.
const EVENTS: [(&str, usize); 19] = [
    ("cloudtrail/sans504_lab", 30_477),
    ("cloudtrail/stratus_detonation", 211),
    ("cloudtrail/traildiscover", 186),
    ("cloudtrail/permiso_console_sessions", 4_819),
    ("cloudtrail/opensearch_catalog", 840),
    ("cloudtrail/flaws_two_hours", 185),
    ("cloudtrail/eventbridge_custodian", 14),
    ("cloudtrail/plaso", 6),
    ("azure_activity/msticpy_tables", 50),
    ("azure_activity/eventhub_forwarder", 2),
    ("azure_activity/plaso", 4),
    ("entra_signin/msticpy_tables", 386),
    ("gcp_audit/gcp_community_security_analytics", 10),
    ("gcp_audit/plaso", 11),
    ("m365/invictus_o365", 9_608),
    ("m365/msticpy_tables", 300),
    ("*/tenzir_graph", 9),
    ("*/otrf_golden_saml", 5),
    ("*/stratus_doc_excerpts", 18),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_file_gives_its_records() {
    let Some(folder) = corpus() else { return };
    let mut counts = BTreeMap::new();
    for (pattern, events) in EVENTS {
        let inputs = expand(&[folder.join(pattern).display().to_string()]).await.unwrap();
        let (batches, failed) = read_all(inputs, options(2)).await;
        assert!(failed.is_empty(), "{failed:?}");
        for record in batches.iter().flat_map(|batch| batch.records()) {
            assert_eq!(record.reject, None, "{pattern}");
            let json: serde_json::Value = serde_json::from_slice(record.bytes).unwrap();
            assert!(json.is_object(), "{pattern}: {json}");
        }
        let records = batches.iter().map(event::RawBatch::len).sum::<usize>();
        counts.insert(pattern, (records, events));
    }
    let wrong: Vec<_> = counts.iter().filter(|(_, (records, events))| records != events).collect();
    assert!(wrong.is_empty(), "(folder, (records, events)): {wrong:?}");
}
