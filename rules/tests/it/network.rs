//! Rules over logs that are lines of text, by their vendors' names, Sigma's generic ones, OCSF's, and words.

use rules::{RuleSource, Scratch};

use crate::events;

const FLOW: &str =
    "2 111122223333 eni-0a1b2c3d 192.0.2.77 198.51.100.14 51514 3389 6 3 180 1772445600 1772445658 REJECT OK";
const QUERY: &str = r#"{"version":"1.100000","query_timestamp":"2026-03-02T10:00:00Z","query_name":"c2.example.net.","query_type":"TXT","rcode":"NOERROR","answers":[{"Rdata":"aGVsbG8=","Type":"TXT","Class":"IN"}],"srcaddr":"198.51.100.14","srcport":"5353","transport":"UDP"}"#;
const WAF: &str = r#"{"timestamp":1772445600123,"webaclId":"x","terminatingRuleId":"sqli","action":"BLOCK","httpRequest":{"clientIp":"192.0.2.77","uri":"/login","args":"a=1","httpMethod":"GET","headers":[{"name":"User-Agent","value":"sqlmap"}]}}"#;
const PROXY: &str = r#"[2026-03-02T10:00:00.123Z] "GET /admin?x=1 HTTP/2" 403 UAEX 0 91 12 - "203.0.113.7" "curl/8.5.0" "1-2" "api.example.com" "198.51.100.20:443""#;

/// The records that a rule matches, by their place.
fn matches(logsource: &str, detection: &str) -> Vec<u32> {
    let text = format!(
        "title: T\nid: 00000000-0000-4000-8000-00000000000a\nlogsource: {logsource}\ndetection: {detection}\nlevel: low\n"
    );
    let loaded = rules::load(&[RuleSource { path: "t.yml".into(), text }]);
    assert_eq!(loaded.rules.len(), 1, "{:?}", loaded.diagnostics);
    let records = [FLOW, QUERY, WAF, PROXY].map(str::to_owned);
    let normalized = events::normalized(&records);
    assert!(normalized.rejects.is_empty(), "{:?}", normalized.rejects);
    loaded.rules.matches(&normalized.events, &mut Scratch::default()).iter().map(|found| found.row).collect()
}

#[test]
fn every_name_of_a_field_is_known() {
    let flow = "{product: aws, service: vpcflow}";
    for (logsource, detection, expected) in [
        (flow, "{s: {dstport: 3389, action: REJECT, srcaddr|cidr: 192.0.2.0/24}, condition: s}", &[0][..]),
        (flow, "{s: {interface_id: eni-0a1b2c3d, log_status: OK}, condition: s}", &[0]),
        (flow, "{s: {dst_port: 3389, src_ip: 192.0.2.77}, condition: s}", &[0]),
        (flow, "{s: {dst_endpoint.port: 3389, disposition: Blocked}, condition: s}", &[0]),
        (flow, "{s: {dstport: 22}, condition: s}", &[]),
        (flow, "{s: ['*REJECT*'], condition: s}", &[0]),
        (flow, "{s: ['*srcaddr*'], condition: s}", &[]),
        ("{category: firewall}", "{s: {dst_port: 3389}, condition: s}", &[0]),
        ("{category: dns}", "{s: {query|endswith: '.example.net.', record_type: TXT}, condition: s}", &[1]),
        ("{product: aws, service: route53}", "{s: {answers.Rdata|startswith: aGVs}, condition: s}", &[1]),
        ("{product: aws, service: waf}", "{s: {action: BLOCK, httpRequest.uri: /login}, condition: s}", &[2]),
        ("{category: webserver}", "{s: {cs-method: GET}, condition: s}", &[2, 3]),
        ("{category: proxy}", "{s: {c-useragent|contains: sqlmap}, condition: s}", &[2]),
        (
            "{product: istio, service: access}",
            "{s: {response_flags: UAEX, path: /admin}, condition: s}",
            &[3],
        ),
        ("{product: ocsf}", "{s: {src_endpoint_ip: 192.0.2.77}, condition: s}", &[0, 2]),
        ("{product: aws, service: cloudtrail}", "{s: {src_endpoint_ip: 192.0.2.77}, condition: s}", &[]),
    ] {
        assert_eq!(matches(logsource, detection), expected, "{logsource} {detection}");
    }
}
