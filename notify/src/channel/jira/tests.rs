use proptest::prelude::*;

use super::*;
use crate::channel::hostile::{each_text, is_clean};
use crate::channel::sample::{KINDS, any_notification, delivery, every, told};
use crate::channel::tests::{client, fate, fixed, lines, node_module, python, run, run_node};
use cloudfake::notify::Receiver;

fn settings(site: &str) -> JiraSettings {
    JiraSettings {
        site: site.into(),
        edition: JiraEdition::Cloud { user: "stormglass@example.com".into() },
        token: fixed("hunter2"),
        project: "SEC".into(),
        issue_type: "Task".into(),
        close_transition: "done".into(),
        reopen_transition: "to do".into(),
    }
}

fn data_center(site: &str) -> JiraSettings {
    JiraSettings { edition: JiraEdition::DataCenter, ..settings(site) }
}

#[test]
fn every_kind_as_an_issue() {
    for kind in KINDS {
        insta::assert_json_snapshot!(format!("{kind:?}"), issue(&told(kind), &settings("")));
    }
}

fn check(told: &Notification) {
    let issue = issue(told, &settings(""));
    let summary = issue["fields"]["summary"].as_str().unwrap();
    assert!(summary.encode_utf16().count() <= 255 && summary.starts_with('[') && !summary.contains('\n'));
    assert!(issue["fields"]["description"].to_string().len() <= 32_767);
    only_plain(&issue["fields"]["description"]);
    each_text(&issue, &mut |at, text| assert!(is_clean(text), "{at}: {text:?}"));
}

/// Nodes of four kinds; no mention, no card, and one link that is ours.
fn only_plain(node: &Value) {
    let kind = node["type"].as_str().unwrap();
    assert!(["doc", "paragraph", "bulletList", "listItem", "text"].contains(&kind), "{kind}");
    if kind == "text" {
        assert!(!node["text"].as_str().unwrap().is_empty());
        for mark in node["marks"].as_array().into_iter().flatten() {
            assert!(mark["attrs"]["href"].as_str().unwrap().starts_with("https://stormglass.example.com/"));
        }
    }
    node["content"].as_array().into_iter().flatten().for_each(only_plain);
}

#[test]
fn hostile_texts_are_text_nodes() {
    for told in every() {
        check(&told);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn limits_hold(told in any_notification()) {
        check(&told);
    }
}

#[tokio::test]
async fn one_issue_a_thread_comments_and_transitions() {
    let cloud = Receiver::start(cloudfake::notify::jira("stormglass@example.com", "hunter2")).await;
    follow_a_thread(&cloud, Jira::new(client(), settings(&cloud.url()))).await;
    let own = Receiver::start(cloudfake::notify::jira_data_center("hunter2")).await;
    follow_a_thread(&own, Jira::new(client(), data_center(&own.url()))).await;
}

async fn follow_a_thread(receiver: &Receiver, jira: Jira) {
    let raised = told(NotificationKind::Raised);
    let sent = jira.send(delivery(&raised)).await;
    assert_eq!(sent, Outcome::Delivered { remember: Some("SEC-1".into()) });
    // The answer was lost: the issue is found, and neither made nor commented again.
    let again = jira.send(Delivery { attempt: 2, ..delivery(&raised) }).await;
    assert_eq!(again, Outcome::Delivered { remember: Some("SEC-1".into()) });
    let closed = told(NotificationKind::Closed);
    let later = Delivery { remembered: Some("SEC-1"), key: "k-2", ..delivery(&closed) };
    assert_eq!(jira.send(later).await, Outcome::Delivered { remember: None });
    // The comment is there: it is not made again.
    assert_eq!(jira.send(Delivery { attempt: 2, ..later }).await, Outcome::Delivered { remember: None });
    let seen = receiver.seen();
    let count = |method: &str, end: &str| {
        seen.iter().filter(|one| one.method == method && one.path.ends_with(end)).count()
    };
    assert_eq!(
        (count("POST", "/issue"), count("POST", "/comment"), count("POST", "/transitions")),
        (1, 1, 2)
    );
    let transition = seen.iter().rev().find(|one| one.path.ends_with("/transitions")).unwrap();
    assert_eq!(transition.json(), json!({"transition": {"id": "31"}}));
    // Another alert of the thread is a comment, and its end is not the thread's.
    let other = Notification { subject_id: "feed".into(), is_part: true, ..told(NotificationKind::Closed) };
    assert_eq!(
        fate(&jira.send(Delivery { remembered: Some("SEC-1"), ..delivery(&other) }).await),
        "delivered"
    );
    assert_eq!(receiver.seen().iter().filter(|one| one.path.ends_with("/transitions")).count(), 4);
    // Deleted there: told anew.
    for attempt in [1, 2] {
        let sent = jira.send(Delivery { remembered: Some("SEC-99"), attempt, ..delivery(&closed) }).await;
        assert!(
            matches!(&sent, Outcome::Delivered { remember: Some(issue) } if issue != "SEC-99"),
            "{sent:?}"
        );
    }
    for (status, wanted) in [(429, "retry"), (500, "retry"), (401, "disabled"), (400, "refused")] {
        receiver.answer(status, "", "");
        let outcome = jira.send(delivery(&raised)).await;
        assert_eq!(fate(&outcome), wanted, "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("hunter2"));
    }
}

/// Others have written long comments since: what is looked for is found behind them.
#[tokio::test]
async fn a_comment_is_found_among_the_longest_of_others() {
    let cloud = Receiver::start(cloudfake::notify::jira("stormglass@example.com", "hunter2")).await;
    let own = Receiver::start(cloudfake::notify::jira_data_center("hunter2")).await;
    for (receiver, settings) in [(&cloud, settings(&cloud.url())), (&own, data_center(&own.url()))] {
        let edition = settings.edition.clone();
        let jira = Jira::new(client(), settings);
        let raised = told(NotificationKind::Raised);
        assert_eq!(fate(&jira.send(delivery(&raised)).await), "delivered");
        let closed = told(NotificationKind::Closed);
        let later = Delivery { remembered: Some("SEC-1"), key: "k-2", ..delivery(&closed) };
        assert_eq!(jira.send(later).await, Outcome::Delivered { remember: None });
        let of_others = |n: usize| -> Value {
            let text = format!("{n} {}", "x".repeat(2_000));
            let paragraph = json!({"type": "paragraph", "content": [{"type": "text", "text": text}]});
            match edition {
                JiraEdition::Cloud { .. } => {
                    json!({"body": {"type": "doc", "version": 1, "content": [paragraph]}})
                }
                JiraEdition::DataCenter => json!({"body": text}),
            }
        };
        let version = if edition == JiraEdition::DataCenter { 2 } else { 3 };
        let url = format!("{}/rest/api/{version}/issue/SEC-1/comment", receiver.url());
        for n in 0..45 {
            let headers = vec![
                ("authorization".to_owned(), edition.authorization("hunter2")),
                ("content-type".to_owned(), "application/json".to_owned()),
            ];
            let body = of_others(n).to_string().into_bytes();
            let answer = http::send(&client(), "POST", &url, headers, body).await.unwrap();
            assert_eq!(answer.status, 201, "{:?}", String::from_utf8_lossy(&answer.body));
        }
        let comments = |receiver: &Receiver| {
            let seen = receiver.seen();
            seen.iter().filter(|one| one.method == "POST" && one.path.ends_with("/comment")).count()
        };
        assert_eq!(comments(receiver), 46);
        let again = jira.send(Delivery { attempt: 2, ..later }).await;
        assert_eq!(again, Outcome::Delivered { remember: None });
        assert_eq!(comments(receiver), 46, "it is there, and not made again");
    }
}

#[tokio::test]
async fn every_issue_is_taken() {
    let cloud = Receiver::start(cloudfake::notify::jira("stormglass@example.com", "hunter2")).await;
    let own = Receiver::start(cloudfake::notify::jira_data_center("hunter2")).await;
    for settings in [settings(&cloud.url()), data_center(&own.url())] {
        let jira = Jira::new(client(), settings);
        for (number, told) in every().into_iter().enumerate() {
            let told = Notification { thread: format!("t{number}"), ..told };
            let remembered = Delivery { remembered: Some("SEC-1"), ..delivery(&told) };
            assert_eq!(fate(&jira.send(delivery(&told)).await), "delivered", "{told:?}");
            assert_eq!(fate(&jira.send(remembered).await), "delivered", "{told:?}");
        }
    }
}

#[test]
fn every_kind_as_markup() {
    for kind in KINDS {
        let fields = issue(&told(kind), &data_center(""));
        insta::assert_snapshot!(
            format!("markup-{kind:?}"),
            fields["fields"]["description"].as_str().unwrap()
        );
    }
}

/// What is left of markup when what is ours is taken away: no character that means anything.
fn check_markup(told: &Notification) {
    let text = JiraEdition::DataCenter.text(&Message::of(told));
    let text = text.as_str().unwrap();
    assert!(text.encode_utf16().count() <= 32_000, "{}", text.encode_utf16().count());
    assert!(is_clean(text), "{text:?}");
    for line in text.lines().filter(|line| !line.is_empty()) {
        let ours = ["h4. Events", "h4. Alerts", "h4. What to do"];
        let is_link =
            line.starts_with("[Open in Stormglass|https://stormglass.example.com/") && line.ends_with(']');
        if ours.contains(&line) || is_link && line.matches(['[', ']', '|']).count() == 3 {
            continue;
        }
        let rest = line.strip_prefix("* ").or_else(|| line.strip_prefix("bq. ")).unwrap_or(line);
        let rest = match rest.split_once(": ") {
            Some((name, value)) if name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b' ') => {
                value
            }
            _ => rest,
        };
        let mut rest = rest;
        while let Some(at) = rest.find(|c: char| "\\{}[]()<>&|!?*+^~#%:-_@".contains(c)) {
            let mut characters = rest.split_at(at).1.chars();
            let mark = characters.next().unwrap();
            let after = characters.as_str();
            rest = match mark {
                '\\' => after.strip_prefix(['-', '_', '@']).unwrap_or_else(|| panic!("{line}")),
                '&' => {
                    let (digits, after) =
                        after.strip_prefix('#').and_then(|after| after.split_once(';')).unwrap();
                    assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{line}");
                    after
                }
                _ => panic!("{line}"),
            };
        }
    }
}

#[test]
fn hostile_texts_are_no_markup() {
    for told in every() {
        check_markup(&told);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn limits_hold_in_markup(told in any_notification()) {
        check_markup(&told);
    }
}

/// Atlassian's own parser of wiki markup finds paragraphs, quotes, lists, our headings and our link, and no word
/// of others is missing.
#[test]
fn atlassians_parser_finds_nothing_of_others_in_markup() {
    let Some(parser) = node_module("@atlaskit/editor-wikimarkup-transformer") else { return };
    let script = format!(
        r#"
const {{ WikiMarkupTransformer }} = require({parser:?});
const transformer = new WikiMarkupTransformer();
const known = ['doc', 'paragraph', 'text', 'bulletList', 'listItem', 'heading', 'blockquote', 'hardBreak'];
const read = text => {{
    const found = {{ text: '', foreign: [] }};
    const walk = node => {{
        if (!known.includes(node.type)) found.foreign.push(node.type);
        for (const mark of node.marks || [])
            if (mark.type != 'link' || !mark.attrs.href.startsWith('https://stormglass.example.com/')) found.foreign.push(mark);
        found.text += node.text || '';
        (node.content || []).forEach(walk);
    }};
    walk(transformer.parse(text).toJSON());
    found.text = found.text.replace(/&#(\d+);/g, (_, number) => String.fromCodePoint(number));
    return found;
}};
const lines = require('fs').readFileSync(0, 'utf8').split('\n').filter(line => line);
const squeezed = text => text.replace(/\s+/g, '');
for (const line of lines) {{
    const [text, words] = JSON.parse(line);
    const found = read(text);
    if (found.foreign.length) throw new Error(JSON.stringify(found.foreign) + ' ' + line);
    for (const word of words)
        if (!squeezed(found.text).includes(squeezed(word))) throw new Error(word + ' is not in ' + found.text);
}}
for (const flaw of ['[~ann]', '{{code}}x{{code}}', '[x|https://evil.example.com]', 'http://evil.example.com', '!https://evil.example.com/x.png!', '*x*', '|a|b|', '\\\\{{noformat}}x{{noformat}}'])
    if (!read(flaw).foreign.length) throw new Error('nothing was found in ' + flaw);
console.log(lines.length);
"#
    );
    let every = every();
    let rows = every.iter().map(|told| {
        let message = Message::of(told);
        let words = message.facts.iter().map(|(_, value)| value.clone());
        let words: Vec<_> = words.chain([message.headline()]).chain(message.records).collect();
        json!([JiraEdition::DataCenter.text(&Message::of(told)), words])
    });
    assert_eq!(run_node(&script, &lines(rows)).trim(), every.len().to_string());
}

/// Atlassian's published schema takes every document.
#[test]
fn the_published_schema_takes_every_document() {
    let (Some(schema), Some(python)) =
        (node_module("@atlaskit/adf-schema/dist/json-schema/v1/full.json"), python("jsonschema_rs"))
    else {
        return;
    };
    let script = format!(
        r#"
import json, sys
from jsonschema_rs import Draft4Validator
validator = Draft4Validator(json.load(open({schema:?})))
count = 0
for line in sys.stdin:
    validator.validate(json.loads(line))
    count += 1
text = lambda *nodes: {{'type': 'doc', 'version': 1, 'content': [{{'type': 'paragraph', 'content': list(nodes)}}]}}
assert validator.is_valid(text({{'type': 'text', 'text': 'x'}}))
for flaw in (text({{'type': 'text', 'text': ''}}), text({{'type': 'text', 'text': 'x', 'colour': 'red'}}), text(text())):
    assert not validator.is_valid(flaw), flaw
print(count)
"#
    );
    let every = every();
    let documents = every.iter().map(|told| issue(told, &settings(""))["fields"]["description"].clone());
    assert_eq!(run(&python, &script, &lines(documents)).trim(), every.len().to_string());
}
