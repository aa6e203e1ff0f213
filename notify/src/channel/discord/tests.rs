use proptest::prelude::*;

use super::*;
use crate::NotificationKind;
use crate::channel::hostile::{TEXTS, each_text, is_clean};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, every, of_incident, told};
use crate::channel::tests::{client, fate, fixed, lines, node_module, run_node};
use cloudfake::notify::Receiver;

#[test]
fn every_kind_as_an_embed() {
    for kind in KINDS {
        insta::assert_json_snapshot!(format!("{kind:?}"), message(&told(kind)));
    }
}

fn check(told: &Notification) {
    let body = message(told);
    assert_eq!(body["allowed_mentions"], json!({"parse": []}));
    let embed = &body["embeds"][0];
    let mut all = 0;
    each_text(embed, &mut |at, text| {
        if !at.ends_with("/url") && !at.ends_with("/timestamp") {
            all += text.encode_utf16().count();
            assert!(!text.contains("://") && !text.to_lowercase().contains("www."), "{text}");
            // A marker that is not escaped would format; ours are the two headings.
            let text = text.replace("**Events**", "").replace("**Alerts**", "").replace("**What to do**", "");
            let mut characters = text.chars();
            while let Some(character) = characters.next() {
                if character == '\\' {
                    characters.next();
                    continue;
                }
                assert!(!"*_~`|<>#[]()@".contains(character), "{at}: {text}");
            }
        }
        assert!(is_clean(text), "{at}: {text:?}");
    });
    let units = |path: &str| {
        embed.pointer(path).and_then(Value::as_str).map_or(0, |text| text.encode_utf16().count())
    };
    assert!(units("/title") <= 256 && units("/description") <= 4_096 && all <= 6_000, "{all}");
    let fields = embed["fields"].as_array().unwrap();
    assert!(fields.len() <= 25);
    for field in fields {
        assert!((1..=1_024).contains(&field["value"].as_str().unwrap().encode_utf16().count()));
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
async fn it_is_sent_and_changed() {
    let receiver = Receiver::start(cloudfake::notify::discord()).await;
    let discord = Discord::new(client(), fixed(&format!("{}/api/webhooks/1/hunter2", receiver.url())));
    let first = told(NotificationKind::Raised);
    let Outcome::Delivered { remember: Some(thread) } = discord.send(delivery(&first)).await else {
        panic!()
    };
    let second = told(NotificationKind::Closed);
    let later = |told| Delivery { remembered: Some(&thread), ..delivery(told) };
    assert_eq!(discord.send(later(&second)).await, Outcome::Delivered { remember: None });
    let other = Notification { subject_id: "feed".into(), ..told(NotificationKind::Raised) };
    assert!(matches!(discord.send(later(&other)).await, Outcome::Delivered { remember: Some(_) }));
    // Deleted: told anew.
    receiver.answer(404, "", r#"{"code":10008}"#);
    assert!(matches!(discord.send(later(&second)).await, Outcome::Delivered { remember: Some(_) }));
    let methods: Vec<_> = receiver.seen().iter().map(|one| one.method.clone()).collect();
    assert_eq!(methods, ["POST", "PATCH", "POST", "PATCH", "POST"]);
    for (status, headers, body, wanted) in [
        (404, "", r#"{"code":10015,"message":"Unknown Webhook"}"#, "disabled"),
        (401, "", "", "disabled"),
        (429, "retry-after: 0.65\r\n", "", "retry 1.15s"),
        (400, "", "", "refused"),
    ] {
        receiver.answer(status, headers, body);
        let outcome = discord.send(delivery(&first)).await;
        assert_eq!(fate(&outcome), wanted, "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn an_incident_of_which_its_alert_has_told_all_takes_over_its_message() {
    let receiver = Receiver::start(cloudfake::notify::discord()).await;
    let discord = Discord::new(client(), fixed(&format!("{}/api/webhooks/1/hunter2", receiver.url())));
    let first = told(NotificationKind::Raised);
    let Outcome::Delivered { remember: Some(thread) } = discord.send(delivery(&first)).await else {
        panic!()
    };
    let first_thread = thread.clone();
    let amended = of_incident(NotificationKind::Amended);
    let incident = Notification { takes_over: true, ..amended.clone() };
    let sent = discord.send(Delivery { remembered: Some(&thread), ..delivery(&incident) }).await;
    let Outcome::Delivered { remember: Some(thread) } = sent else { panic!("{sent:?}") };
    assert!(thread.ends_with(" incident"), "{thread}");
    let closed = of_incident(NotificationKind::Closed);
    let later = Delivery { remembered: Some(&thread), ..delivery(&closed) };
    assert_eq!(discord.send(later).await, Outcome::Delivered { remember: None });
    // What changes an incident otherwise, or is an incident without this alert, leaves the alert's message alone.
    let stranger = Notification { thread: "t-1".into(), records: Vec::new(), ..incident.clone() };
    for other in [amended, stranger] {
        let thread = first_thread.clone();
        let sent = discord.send(Delivery { remembered: Some(&thread), ..delivery(&other) }).await;
        let Outcome::Delivered { remember: Some(own) } = sent else { panic!("{sent:?}") };
        assert_ne!(own.split_once(' ').unwrap().0, thread.split_once(' ').unwrap().0);
    }
    let methods: Vec<_> = receiver.seen().iter().map(|one| one.method.clone()).collect();
    assert_eq!(methods, ["POST", "PATCH", "PATCH", "POST", "POST"]);
}

/// Discord's published description of its API takes every message, and knows all that is in it: what it does not
/// know, it leaves out of what it has read.
#[test]
fn the_published_schema_takes_every_message() {
    let Some(schemas) = node_module("discord-api-spec/build/discord-api-spec.zod.js") else { return };
    let script = format!(
        r#"
import({schemas:?}).then(schemas => {{
    const {{ isDeepStrictEqual }} = require('util');
    const takes = (schema, body) => {{
        const read = schema.safeParse(body);
        return read.success && isDeepStrictEqual(read.data, body);
    }};
    const {{ IncomingWebhookRequestPartialSchema: sent, IncomingWebhookUpdateRequestPartialSchema: changed }} = schemas;
    const lines = require('fs').readFileSync(0, 'utf8').split('\n').filter(line => line);
    for (const line of lines) {{
        const [kind, body] = JSON.parse(line);
        if (!takes(kind == 'PATCH' ? changed : sent, body)) throw new Error(kind + ' ' + JSON.stringify(body));
    }}
    for (const flaw of [{{ content: 'x'.repeat(2001) }}, {{ embeds: [{{ title: 7 }}] }}, {{ colour: 'red' }}, {{ embeds: [{{ colour: 1 }}] }}])
        if (takes(sent, flaw)) throw new Error('a flaw was taken: ' + JSON.stringify(flaw));
    console.log(lines.length);
}}).catch(error => {{ console.error(error); process.exit(1); }});
"#
    );
    let every = every();
    let bodies = every.iter().flat_map(|told| {
        [json!(["POST", message(told)]), json!(["PATCH", change(told)]), json!(["POST", news(told)])]
    });
    let count = run_node(&script, &lines(bodies));
    assert_eq!(count.trim(), (3 * every.len()).to_string());
}
