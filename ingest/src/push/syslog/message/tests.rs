//! Lines of syslog and what they say.

use super::*;

/// 2026-11-28T10:00:00Z.
const NOW: i64 = 1_795_860_000_000_000;

/// `facility.severity version time host app procid msgid [structured] text`, `-` for what is missing.
fn shown(line: &str) -> String {
    let m = parse(line, NOW);
    let version = m.version.map_or("-".into(), |version| version.to_string());
    let or = |text: Option<&str>| text.unwrap_or("-").to_owned();
    format!(
        "{}.{} {version} {} {} {} {} {} {:?} {}",
        m.facility,
        m.severity,
        or(m.timestamp.as_deref()),
        or(m.host),
        or(m.app),
        or(m.procid),
        or(m.msgid),
        m.structured,
        m.text
    )
}

#[test]
fn lines_of_rfc_5424() {
    for (line, expected) in [
        (
            "<38>1 2026-11-28T09:59:58.003Z web-1.example.com sshd 812 LOGIN - Accepted key for dana",
            "4.6 1 2026-11-28T09:59:58.003Z web-1.example.com sshd 812 LOGIN [] Accepted key for dana",
        ),
        (
            "<165>1 2026-11-28T09:59:58+01:00 192.0.2.7 app - ID47 [a@32473 k=\"v\" n=\"2\"][b x=\"\\\"\\]\\\\ \\n\"] \u{feff}text",
            r#"20.5 1 2026-11-28T09:59:58+01:00 192.0.2.7 app - ID47 [("a@32473", [("k", "v"), ("n", "2")]), ("b", [("x", "\"]\\ \\n")])] text"#,
        ),
        ("<13>1 - h a - - -  from rsyslog", "1.5 1 - h a - - [] from rsyslog"),
        ("<0>1 - - - - - -", "0.0 1 - - - - - [] "),
        ("<191>1 - h a - - [a]", r#"23.7 1 - h a - - [("a", [])] "#),
        ("<13>1 - h a - - [a k=\"v] broken", r#"1.5 1 - h a - - [] [a k="v] broken"#),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
}

#[test]
fn lines_of_rfc_3164_and_worse() {
    for (line, expected) in [
        (
            "<34>Oct 11 22:14:15 web-1 su[42]: 'su root' failed for dana on /dev/pts/8",
            "4.2 - 2026-10-11T22:14:15.000000Z web-1 su 42 - [] 'su root' failed for dana on /dev/pts/8",
        ),
        (
            "<13>2026-11-28T09:59:58.123456+00:00 web-1 CRON[7]: (root) CMD (true)",
            "1.5 - 2026-11-28T09:59:58.123456+00:00 web-1 CRON 7 - [] (root) CMD (true)",
        ),
        ("<13>Oct 11 22:14:15 dana: no host", "1.5 - 2026-10-11T22:14:15.000000Z - dana - - [] no host"),
        (
            "<13>Oct 11 22:14:15 web-1 no tag here",
            "1.5 - 2026-10-11T22:14:15.000000Z web-1 - - - [] no tag here",
        ),
        (
            "<189>Mar  1 2026 12:00:00: %SYS-5-CONFIG_I: Configured from console",
            "23.5 - 2026-03-01T12:00:00.000000Z - %SYS-5-CONFIG_I - - [] Configured from console",
        ),
        ("<30>dockerd[1]: local", "3.6 - - - dockerd 1 - [] local"),
        ("no priority at all", "1.5 - - - - - - [] no priority at all"),
        ("<192>too large", "1.5 - - - - - - [] <192>too large"),
        ("<+1>x", "1.5 - - - - - - [] <+1>x"),
        ("<13>1 yesterday h a - - - text", "1.5 - - - - - - [] 1 yesterday h a - - - text"),
        ("", "1.5 - - - - - - [] "),
        ("<13>{\"a\": 1}", "1.5 - - - - - - [] {\"a\": 1}"),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
}

#[test]
fn a_record_says_all_of_it() {
    let line = "<38>1 2026-11-28T09:59:58Z web-1 sshd 812 LOGIN [a@32473 k=\"\\\"v\"] in \u{1F511}";
    let origin = Origin { id: "f-0", received: "r", peer: "192.0.2.7:514", transport: "udp", is_cut: true };
    let record: serde_json::Value = serde_json::from_str(&parse(line, NOW).record(line, &origin)).unwrap();
    let expected = serde_json::json!({
        "syslog": {
            "id": "f-0", "received": "r", "peer": "192.0.2.7:514", "transport": "udp", "cut": true,
            "facility": 4, "severity": 6, "version": 1, "timestamp": "2026-11-28T09:59:58Z", "host": "web-1",
            "app": "sshd", "procid": "812", "msgid": "LOGIN",
            "structured_data": {"a@32473": {"k": "\"v"}}, "raw": line,
        },
        "message": "in \u{1F511}",
    });
    assert_eq!(record, expected);
}

proptest::proptest! {
    #[test]
    fn any_line_becomes_a_record(line in "(<[0-9]{0,4}>)?(1 )?([a-zA-Z0-9 :\\[\\]=\"\\\\\u{e9}<>-]|\\PC){0,60}") {
        let origin = Origin { id: "i", received: "r", peer: "p", transport: "tcp", is_cut: false };
        let message = parse(&line, NOW);
        let record: serde_json::Value = serde_json::from_str(&message.record(&line, &origin)).unwrap();
        proptest::prop_assert_eq!(&record["syslog"]["raw"], &line);
        proptest::prop_assert_eq!(&record["message"], message.text);
    }

    /// What RFC 5424 allows is read back field by field.
    #[test]
    fn a_message_reads_back(priority in 0_u8..192, host in "[!-~]{1,20}", value in "\\PC{0,20}", text in "[^\u{feff} ]\\PC{0,30}") {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
        let line = format!("<{priority}>1 2026-11-28T09:59:58Z {host} app 1 m [id k=\"{escaped}\"] {text}");
        let message = parse(&line, NOW);
        proptest::prop_assert_eq!(message.facility * 8 + message.severity, priority);
        proptest::prop_assert_eq!(message.host, (host != "-").then_some(host.as_str()));
        proptest::prop_assert_eq!(&message.structured, &vec![("id", vec![("k", value)])]);
        proptest::prop_assert_eq!(message.text, text.as_str());
    }
}
