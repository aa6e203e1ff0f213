//! Atlassian Document Format.

use serde_json::{Value, json};

use crate::channel::message::Message;
use crate::channel::text::{Budget, plain};

/// Bytes for texts of others; a document with its structure has at most 32,767 characters.
const TEXTS: usize = 9_000;

/// A message as a document of paragraphs, lists and text nodes.
pub(super) fn document(message: &Message) -> Value {
    let mut budget = Budget(TEXTS);
    let mut take = |text: &str, max: usize| budget.take(text, max, plain);
    let mut content = Vec::new();
    paragraph(&mut content, take(&message.headline(), 500));
    for line in message.description.lines().take(30) {
        paragraph(&mut content, take(line, 1_600));
    }
    let facts: Vec<_> =
        message.facts.iter().map(|(name, value)| take(&format!("{name}: {value}"), 400)).collect();
    list(&mut content, facts);
    for (heading, lines) in [(message.records_name, &message.records), ("What to do", &message.steps)] {
        if !lines.is_empty() {
            paragraph(&mut content, heading.to_owned());
            list(&mut content, lines.iter().map(|line| take(line, 400)).collect());
        }
    }
    if let Some(link) = &message.link {
        let marks = json!([{"type": "link", "attrs": {"href": link}}]);
        let text = json!({"type": "text", "text": "Open in Stormglass", "marks": marks});
        content.push(json!({"type": "paragraph", "content": [text]}));
    }
    json!({"type": "doc", "version": 1, "content": content})
}

/// A text node must not be empty.
fn paragraph(content: &mut Vec<Value>, text: String) {
    if !text.is_empty() {
        content.push(json!({"type": "paragraph", "content": [{"type": "text", "text": text}]}));
    }
}

fn list(content: &mut Vec<Value>, lines: Vec<String>) {
    let mut items = Vec::new();
    for line in lines {
        let mut item = Vec::new();
        paragraph(&mut item, line);
        if !item.is_empty() {
            items.push(json!({"type": "listItem", "content": item}));
        }
    }
    if !items.is_empty() {
        content.push(json!({"type": "bulletList", "content": items}));
    }
}
