use proptest::prelude::*;

use super::*;
use crate::channel::hostile::{TEXTS, each_text, is_clean};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, every, told};
use crate::channel::tests::{client, fate, fixed};
use crate::{Notification, NotificationKind};
use cloudfake::notify::Receiver;

#[test]
fn every_kind_as_a_card() {
    for kind in KINDS {
        insta::assert_json_snapshot!(format!("{kind:?}"), message(&told(kind)));
    }
}

/// 28 KB; texts of others in runs alone, which know no Markdown; no address that becomes a link.
fn check(told: &Notification) {
    let body = message(told);
    assert!(body.to_string().len() <= 28_000, "{}", body.to_string().len());
    let card = &body["attachments"][0]["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    for block in card["body"].as_array().unwrap() {
        assert_eq!(block["type"], "RichTextBlock");
        for run in block["inlines"].as_array().unwrap() {
            assert_eq!(run["type"], "TextRun");
            assert!(run["text"].is_string());
        }
    }
    each_text(&card["body"], &mut |at, text| {
        assert!(is_clean(text), "{at}: {text:?}");
        assert!(
            !text.contains("://")
                && !text.to_lowercase().contains("www.")
                && !text.to_lowercase().contains("mailto:"),
            "{text}"
        );
    });
    let links = card["actions"].as_array();
    for action in links.into_iter().flatten() {
        assert!(action["url"].as_str().unwrap().starts_with("https://stormglass.example.com/"));
    }
}

#[test]
fn hostile_texts_mention_nobody_and_are_no_links() {
    for text in TEXTS {
        check(&all_of(text));
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
async fn a_workflow_takes_it_or_has_its_reasons() {
    let receiver = Receiver::start(cloudfake::notify::teams("hunter2")).await;
    let teams = |signature: &str| {
        Teams::new(
            client(),
            fixed(&format!(
                "{}/workflows/a/triggers/manual/paths/invoke?api-version=1&sig={signature}",
                receiver.url()
            )),
        )
    };
    for kind in KINDS {
        assert_eq!(teams("hunter2").send(delivery(&told(kind))).await, Outcome::Delivered { remember: None });
    }
    let told = told(NotificationKind::Raised);
    assert_eq!(fate(&teams("hunter1").send(delivery(&told)).await), "disabled");
    for (status, headers, wanted) in [
        (429, "retry-after: 9\r\n", "retry 9.5s"),
        (502, "", "retry"),
        (413, "", "refused"),
        (404, "", "disabled"),
        (400, "", "refused"),
    ] {
        receiver.answer(status, headers, "");
        let outcome = teams("hunter2").send(delivery(&told)).await;
        assert_eq!(fate(&outcome), wanted, "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
    }
}

/// Microsoft's own library reads every card and finds nothing wrong with it.
#[test]
fn microsofts_library_takes_every_card() {
    let Some(library) = crate::channel::tests::node_module("adaptivecards/dist/adaptivecards.js") else {
        return;
    };
    let script = format!(
        r#"
const AC = require({library:?});
const lines = require('fs').readFileSync(0, 'utf8').split('\n').filter(line => line);
const problems = content => {{
    const context = new AC.SerializationContext(AC.Versions.v1_4);
    const card = new AC.AdaptiveCard();
    card.parse(content, context);
    return [...Array(context.eventCount).keys()].map(i => context.getEventAt(i).message)
        .concat(card.validateProperties().validationEvents.map(event => event.message));
}};
for (const line of lines) {{
    const found = problems(JSON.parse(line).attachments[0].content);
    if (found.length) throw new Error(found + ' ' + line);
}}
const flawed = {{type: 'AdaptiveCard', version: '1.4', body: [{{type: 'RichTextBlock', inlines: [{{type: 'TextRun', text: 'x', weight: 'fat'}}]}}]}};
if (!problems(flawed).length) throw new Error('a flaw was not found');
console.log(lines.length);
"#
    );
    let every = every();
    let count =
        crate::channel::tests::run_node(&script, &crate::channel::tests::lines(every.iter().map(message)));
    assert_eq!(count.trim(), every.len().to_string());
}
