//! Jira's wiki markup, as Data Center has it ("Text Formatting Notation Help" of every instance).
//!
//! Texts of others never begin a line, and hold no character that means anything in the markup: most are written
//! as numeric entities, which the renderer leaves alone. A backslash before a bracket would not do: one that stands
//! there already makes a line break of the two, and a bracket that counts again. Only what names and addresses are
//! full of has a backslash, so that they are still found by a search.

use std::fmt::Write as _;

use crate::channel::message::Message;
use crate::channel::text::Budget;

/// Characters for texts of others; a field has 32,767 as Jira is installed (`jira.text.field.character.limit`).
const TEXTS: usize = 24_000;

/// A character that formats nothing, links nothing and mentions nobody.
fn escaped(character: char, out: &mut String) {
    match character {
        '-' | '_' | '@' => out.extend(['\\', character]),
        '\\' | '{' | '}' | '[' | ']' | '(' | ')' | '<' | '>' | '&' | '|' | '!' | '?' | '*' | '+' | '^'
        | '~' | '#' | '%' | ':' => {
            // Writing into a text does not fail.
            write!(out, "&#{};", u32::from(character)).ok();
        }
        _ => out.push(character),
    }
}

/// A text that begins what a list or quote holds: headings and quotes are told by their first letters there.
fn beginning(text: &str, mut take: impl FnMut(&str, usize) -> String, max: usize) -> String {
    let taken = take(text, max);
    let word = taken.split('.').next().unwrap_or_default();
    let is_markup = taken.contains('.') && matches!(word, "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "bq");
    match taken.chars().next() {
        Some(first) if is_markup => {
            let rest: String = taken.chars().skip(1).collect();
            format!("&#{};{rest}", u32::from(first))
        }
        _ => taken,
    }
}

/// A message as paragraphs, quoted lines, lists and one link.
pub(super) fn markup(message: &Message) -> String {
    let mut budget = Budget(TEXTS);
    let mut take = |text: &str, max: usize| budget.take(text, max, escaped);
    let mut out = take(&message.headline(), 2_000);
    out.push('\n');
    for line in message.description.lines().take(30) {
        let text = beginning(line.trim(), &mut take, 8_000);
        if !text.is_empty() {
            out.push_str(&format!("\nbq. {text}\n"));
        }
    }
    out.push('\n');
    for (name, value) in &message.facts {
        item(&mut out, &format!("{name}: "), &take(value, 2_000));
    }
    for (heading, lines) in [(message.records_name, &message.records), ("What to do", &message.steps)] {
        if !lines.is_empty() {
            out.push_str(&format!("\nh4. {heading}\n\n"));
        }
        for line in lines {
            item(&mut out, "", &beginning(line, &mut take, 2_000));
        }
    }
    // What would end the link's markup is in no address that is configured in good faith.
    let is_link = |link: &&String| !link.contains(|c: char| "|[]{}\\".contains(c) || c.is_whitespace());
    if let Some(link) = message.link.as_ref().filter(is_link) {
        out.push_str(&format!("\n[Open in Stormglass|{link}]\n"));
    }
    out
}

fn item(out: &mut String, name: &str, text: &str) {
    if !text.is_empty() {
        out.push_str(&format!("* {name}{text}\n"));
    }
}
