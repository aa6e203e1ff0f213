use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::channel::hostile::{TEXTS, each_text};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, every, told};
use crate::channel::tests::{client, fate, fixed};
use cloudfake::notify::{Receiver, Reply};

fn settings(url: &str) -> WebhookSettings {
    WebhookSettings {
        url: fixed(url),
        method: "POST",
        keys: Vec::new(),
        headers: Vec::new(),
        cloud_events: None,
        source: "/stormglass".into(),
        origin: String::new(),
        template: None,
        content_type: "application/json".into(),
    }
}

#[test]
fn every_kind_as_json() {
    for kind in KINDS {
        insta::assert_json_snapshot!(format!("{kind:?}"), document(&told(kind)));
    }
}

fn check(told: &Notification) {
    let bytes = document(told).to_string().into_bytes();
    assert!(bytes.len() < 20_000, "{}", bytes.len());
    for mode in [CloudEvents::Structured, CloudEvents::Binary] {
        let (headers, body) = cloud_event::request(mode, told, "k", "/stormglass");
        assert!(body.to_string().len() < 22_000);
        for (name, value) in headers {
            assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value}");
            assert!(!value.is_empty() && value.len() < 2_000, "{name}");
        }
    }
    let text = "{\"a\":\"{{ title }}{{description}}\",\"b\":{{ count }},\"c\":{{json}},\"d\":\"{{ text }} {{ entities }}\"}";
    let template = Template::parse(text, "application/json").unwrap();
    let body: Value = serde_json::from_str(&template.render(told, "k")).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    let template =
        Template::parse("a={{ title }}&b={{ description }}", "application/x-www-form-urlencoded").unwrap();
    let rendered = template.render(told, "k");
    let pairs: Vec<_> = url::form_urlencoded::parse(rendered.as_bytes()).collect();
    assert_eq!(pairs.len(), 2, "{rendered}");
    let template = Template::parse("<a b=\"{{ title }}\">{{ text }}</a>", "application/xml").unwrap();
    let rendered = template.render(told, "k");
    assert_eq!((rendered.matches('<').count(), rendered.matches('"').count()), (2, 2), "{rendered}");
}

#[test]
fn hostile_texts_stay_texts() {
    for text in TEXTS {
        check(&all_of(text));
        // Whoever reads the JSON reads the text as it was.
        let mut found = false;
        each_text(&document(&all_of(text)), &mut |_, seen| found |= seen == *text);
        assert!(found, "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn limits_hold(told in any_notification()) {
        check(&told);
    }

    #[test]
    fn any_template_is_read_or_refused(text in "(\\{\\{|\\}\\}|title|json| |\\PC){0,20}") {
        drop(Template::parse(&text, "application/json"));
    }
}

#[test]
fn a_template_says_what_is_wrong() {
    let problems = |template: &str, content_type: &str| {
        let settings = WebhookSettings {
            template: Some(template.into()),
            content_type: content_type.into(),
            ..settings("https://hooks.example.com/")
        };
        let told: Vec<_> = settings.problems().iter().map(ToString::to_string).collect();
        told.join(" ")
    };
    assert_eq!(problems("{\"text\":\"{{ title }}\"}", "application/json"), "");
    assert!(problems("{\"text\":{{ title }}}", "application/json").contains("what it makes is no JSON"));
    assert!(
        problems("{{ titel }}", "text/plain").contains("nothing is called `titel`; use one of json, id,")
    );
    assert!(problems("{{ title", "text/plain").contains("`{{` without `}}`"));
    assert!(problems(&"{{id}}".repeat(65), "text/plain").contains("at most 64"));
    // What is put in is not read as a template again.
    let template = Template::parse("{{ title }}", "text/plain").unwrap();
    assert_eq!(template.render(&all_of("{{ severity }}"), "k"), "{{ severity }}");
}

#[test]
fn headers_of_the_connection_cannot_be_set() {
    for (name, count) in [
        ("X-Api-Key", 0),
        ("Authorization", 0),
        ("Host", 1),
        ("content-length", 1),
        ("webhook-id", 1),
        ("a b", 1),
        ("", 1),
        ("x\r\ny", 1),
    ] {
        let settings =
            WebhookSettings { headers: vec![(name.into(), fixed("x"))], ..settings("https://a.example.com") };
        assert_eq!(settings.problems().len(), count, "{name}");
    }
}

#[tokio::test]
async fn it_is_signed_by_both_keys_and_has_one_id() {
    let receiver = Receiver::start(Box::new(|_| Reply::new(204, ""))).await;
    let mut wanted = settings(&format!("{}/hook?token=secret", receiver.url()));
    wanted.keys = vec![
        fixed("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        fixed("whsk_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="),
    ];
    wanted.headers = vec![("X-Api-Key".into(), fixed("k3y"))];
    let webhook = Webhook::new(client(), wanted).unwrap();
    let told = told(NotificationKind::Raised);
    assert_eq!(fate(&webhook.send(delivery(&told)).await), "delivered");
    let again = Delivery { attempt: 2, now_us: 1_772_445_800_000_000, ..delivery(&told) };
    assert_eq!(fate(&webhook.send(again).await), "delivered");
    let seen = receiver.seen();
    let id = |number: usize| seen[number].header("webhook-id").to_owned();
    assert_eq!((id(0).as_str(), id(1).as_str()), ("k-5f2e9a77", "k-5f2e9a77"));
    assert_eq!(seen[0].header("webhook-timestamp"), "1772445700");
    assert_eq!(seen[1].header("webhook-timestamp"), "1772445800");
    assert_eq!(seen[0].header("x-api-key"), "k3y");
    assert_eq!(seen[0].body, seen[1].body);
    let signatures: Vec<_> = seen[0].header("webhook-signature").split(' ').collect();
    assert!(signatures[0].starts_with("v1,") && signatures[1].starts_with("v1a,"), "{signatures:?}");
    assert_eq!(seen[0].json()["type"], "alert.raised");
}

#[tokio::test]
async fn errors_have_their_fate() {
    let receiver = Receiver::start(Box::new(|_| Reply::new(200, "hunter2"))).await;
    let webhook =
        Webhook::new(client(), settings(&format!("{}/hook?token=hunter2", receiver.url()))).unwrap();
    let told = told(NotificationKind::Raised);
    for (status, headers, wanted) in [
        (410, "", "disabled"),
        (429, "retry-after: 5\r\n", "retry 5.5s"),
        (502, "", "retry"),
        (504, "", "retry"),
        (307, "location: http://127.0.0.1/\r\n", "disabled"),
        (400, "", "refused"),
    ] {
        receiver.answer(status, headers, "hunter2");
        let outcome = webhook.send(delivery(&told)).await;
        assert_eq!(fate(&outcome), wanted, "{status}");
        assert!(!format!("{outcome:?}{webhook:?}").contains("hunter2"), "{outcome:?}");
    }
    let mut unreadable = settings(&receiver.url());
    unreadable.keys = vec![fixed("hunter2")];
    let outcome = Webhook::new(client(), unreadable).unwrap().send(delivery(&told)).await;
    assert_eq!(fate(&outcome), "disabled");
    assert!(!format!("{outcome:?}").contains("hunter2"));
    let gone =
        Webhook::new(client(), settings("http://127.0.0.1:9/hunter2")).unwrap().send(delivery(&told)).await;
    assert_eq!(fate(&gone), "retry", "{gone:?}");
    assert!(!format!("{gone:?}").contains("hunter2"));
}

#[tokio::test]
async fn cloud_events_come_as_either() {
    let receiver = Receiver::start(Box::new(|_| Reply::new(200, ""))).await;
    let told = told(NotificationKind::Closed);
    for mode in [CloudEvents::Structured, CloudEvents::Binary] {
        let wanted = WebhookSettings { cloud_events: Some(mode), ..settings(&receiver.url()) };
        assert_eq!(fate(&Webhook::new(client(), wanted).unwrap().send(delivery(&told)).await), "delivered");
    }
    let seen = receiver.seen();
    let event = seen[0].json();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], "k-5f2e9a77");
    assert_eq!(event["type"], "stormglass.alert.closed");
    assert_eq!(event["data"], seen[1].json());
    assert_eq!(seen[1].header("ce-type"), "stormglass.alert.closed");
    assert_eq!(seen[1].header("ce-source"), "/stormglass");
    assert_eq!(seen[1].json()["verdict"], json!({"verdict": "false_positive", "reason": "A drill."}));
}

#[tokio::test]
async fn a_receiver_of_cloud_events_is_asked_first_and_again() {
    let receiver = Receiver::start(Box::new(|request| match request.method.as_str() {
        "OPTIONS" => Reply {
            headers: "webhook-allowed-origin: siem.example.com\r\nallow: POST\r\n".into(),
            ..Reply::new(200, "")
        },
        _ => Reply::new(200, ""),
    }))
    .await;
    let wanted = |origin: &str| WebhookSettings {
        cloud_events: Some(CloudEvents::Binary),
        origin: origin.into(),
        headers: vec![("x-tenant".into(), fixed("t1"))],
        ..settings(&receiver.url())
    };
    let told = told(NotificationKind::Raised);
    let hook = Webhook::new(client(), wanted("siem.example.com")).unwrap();
    let begin = delivery(&told);
    for after_s in [0, 3_599, 3_601] {
        let delivery = Delivery { now_us: begin.now_us + after_s * 1_000_000, ..begin };
        assert_eq!(fate(&hook.send(delivery).await), "delivered");
    }
    let seen = receiver.seen();
    let methods: Vec<_> = seen.iter().map(|one| one.method.as_str()).collect();
    assert_eq!(methods, ["OPTIONS", "POST", "POST", "OPTIONS", "POST"]);
    assert_eq!(seen[0].header("webhook-request-origin"), "siem.example.com");
    assert_eq!((seen[0].header("x-tenant"), seen[0].body.len()), ("t1", 0));
    assert_eq!(seen[1].header("origin"), "siem.example.com");
    // Another is not allowed, and nothing is sent to it.
    let other = Webhook::new(client(), wanted("other.example.com")).unwrap();
    assert_eq!(fate(&other.send(begin).await), "disabled");
    receiver.answer(503, "", "");
    assert_eq!(fate(&other.send(begin).await), "retry");
    assert_eq!(receiver.seen().len(), 7);
    for (settings, count) in [
        (wanted("siem.example.com"), 0),
        (wanted("siem example"), 1),
        (WebhookSettings { cloud_events: None, ..wanted("siem.example.com") }, 1),
    ] {
        assert_eq!(settings.problems().len(), count, "{settings:?}");
    }
}

fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

/// What came, a line of JSON each: headers and the body as text.
fn lines(receiver: &Receiver) -> String {
    let mut lines = String::new();
    for one in receiver.seen() {
        let headers: std::collections::BTreeMap<_, _> =
            one.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let body = String::from_utf8(one.body.to_vec()).unwrap();
        lines.push_str(&format!("{}\n", json!({"headers": headers, "body": body})));
    }
    lines
}

/// The official verifiers of Standard Webhooks take every signature, and refuse a changed body.
#[tokio::test]
async fn official_verifiers_take_every_signature() {
    let receiver = Receiver::start(Box::new(|_| Reply::new(200, ""))).await;
    let new = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let old = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let mut wanted = settings(&receiver.url());
    wanted.keys = vec![fixed(new), fixed(old), fixed("whsk_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=")];
    let webhook = Webhook::new(client(), wanted).unwrap();
    for told in every() {
        let sent = webhook.send(Delivery { now_us: now_us(), ..delivery(&told) }).await;
        assert_eq!(fate(&sent), "delivered");
    }
    let (lines, count) = (lines(&receiver), every().len().to_string());
    if let Some(python) = crate::channel::tests::python("standardwebhooks, cryptography") {
        let script = format!(
            r#"
import base64, json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
public = Ed25519PrivateKey.from_private_bytes(b'\x07' * 32).public_key()
count = 0
for line in sys.stdin:
    came = json.loads(line)
    for secret in ({new:?}, {old:?}):
        Webhook(secret).verify(came['body'], came['headers'])
        try:
            Webhook(secret).verify(came['body'] + ' ', came['headers']); raise SystemExit('a changed body was taken')
        except WebhookVerificationError: pass
    h = came['headers']
    asymmetric = [s for s in h['webhook-signature'].split(' ') if s.startswith('v1a,')]
    signed = '.'.join([h['webhook-id'], h['webhook-timestamp'], came['body']]).encode()
    public.verify(base64.b64decode(asymmetric[0][4:]), signed)
    count += 1
print(count)
"#
        );
        assert_eq!(crate::channel::tests::run(&python, &script, &lines).trim(), count);
    }
    if let Some(library) = crate::channel::tests::node_module("standardwebhooks") {
        let script = format!(
            r#"
const {{ Webhook }} = require({library:?});
const lines = require('fs').readFileSync(0, 'utf8').split('\n').filter(line => line);
for (const line of lines) {{
    const came = JSON.parse(line);
    for (const secret of [{new:?}, {old:?}]) {{
        new Webhook(secret).verify(came.body, came.headers);
        let taken = true;
        try {{ new Webhook(secret).verify(came.body + ' ', came.headers); }} catch {{ taken = false; }}
        if (taken) throw new Error('a changed body was taken');
    }}
}}
console.log(lines.length);
"#
        );
        assert_eq!(crate::channel::tests::run_node(&script, &lines).trim(), count);
    }
}

/// CloudEvents' own SDK reads both modes, and both say the same.
#[tokio::test]
async fn the_sdk_of_cloud_events_reads_both_modes() {
    let Some(python) = crate::channel::tests::python("cloudevents.v1.http") else { return };
    let receiver = Receiver::start(Box::new(|_| Reply::new(200, ""))).await;
    let modes = [CloudEvents::Structured, CloudEvents::Binary].map(|mode| {
        let wanted = WebhookSettings { cloud_events: Some(mode), ..settings(&receiver.url()) };
        Webhook::new(client(), wanted).unwrap()
    });
    for told in every() {
        for webhook in &modes {
            assert_eq!(fate(&webhook.send(delivery(&told)).await), "delivered");
        }
    }
    let script = r#"
import json, sys
from cloudevents.v1.http import from_http
came = [json.loads(line) for line in sys.stdin]
for structured, binary in zip(came[::2], came[1::2]):
    one, two = (from_http(c['headers'], c['body']) for c in (structured, binary))
    names = ['specversion', 'id', 'source', 'type', 'subject', 'time']
    assert [one[n] for n in names] == [two[n] for n in names], (one, two)
    assert one.data == two.data and one['specversion'] == '1.0'
print(len(came))
"#;
    let count = crate::channel::tests::run(&python, script, &lines(&receiver));
    assert_eq!(count.trim(), (2 * every().len()).to_string());
}
