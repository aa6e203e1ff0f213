//! A notification as an event of the Common Event Format, version 0 (ArcSight, "Common Event Format", revision 26).

use alerts::EntityKind;

use super::message::{Message, value};
use super::text::{Budget, Write, plain};
use crate::Notification;

/// Bytes for texts of others: with the names, a message stays below 8 KiB.
const TEXTS: usize = 5_000;

/// In the header, bars and backslashes are escaped.
fn header(character: char, out: &mut String) {
    if matches!(character, '|' | '\\') {
        out.push('\\');
    }
    out.push(character);
}

/// In the extension, equals signs and backslashes are escaped, and line breaks written as `\n`.
fn extension(character: char, out: &mut String) {
    match character {
        '=' | '\\' => out.extend(['\\', character]),
        '\n' => out.push_str("\\n"),
        _ => out.push(character),
    }
}

/// One line of CEF.
pub(super) fn event(told: &Notification) -> String {
    let message = Message::of(told);
    let mut budget = Budget(TEXTS);
    let mut take = |text: &str, max: usize, write: Write| budget.take(text, max, write);
    // 0 to 10, of five.
    let severity = match told.severity_id {
        5 => 10,
        4 => 8,
        3 => 5,
        2 => 3,
        _ => 1,
    };
    let class = match value(&told.rule_id, 120) {
        rule if rule.is_empty() => told.kind.as_str().to_owned(),
        rule => rule,
    };
    let mut out = format!(
        "CEF:0|Stormglass|Stormglass|{}|{}|{}|{severity}|",
        env!("CARGO_PKG_VERSION"),
        take(&class, 200, header),
        take(&message.title, 500, header),
    );
    let mut pairs: Vec<(&str, String, usize)> = vec![
        ("rt", (told.time_us.clamp(0, i64::MAX) / 1_000).to_string(), 40),
        ("externalId", value(&told.subject_id, 40), 40),
        ("act", told.kind.as_str().to_owned(), 40),
        ("outcome", value(&told.status, 40), 63),
        ("cat", value(&told.provider, 40), 80),
    ];
    if told.events > 0 {
        pairs.push(("cnt", told.events.min(i32::MAX as u64).to_string(), 40));
    }
    // The dictionary has names for these; each may be there once.
    for (kind, name) in
        [(EntityKind::Actor, "suser"), (EntityKind::User, "duser"), (EntityKind::Resource, "fname")]
    {
        if let Some(entity) = told.entities.iter().find(|entity| entity.kind == kind) {
            pairs.push((name, value(&entity.value, 240), 500));
        }
    }
    // These two must be addresses: anything else would not be taken.
    let address = told.entities.iter().filter(|entity| entity.kind == EntityKind::Address);
    if let Some(address) = address.filter_map(|entity| entity.value.parse::<std::net::IpAddr>().ok()).next() {
        let name = if address.is_ipv4() { "src" } else { "c6a2" };
        if address.is_ipv6() {
            pairs.push(("c6a2Label", "Source IPv6 Address".into(), 40));
        }
        pairs.push((name, address.to_string(), 64));
    }
    let account = told.entities.iter().find(|entity| entity.kind == EntityKind::Account);
    if let Some(account) = account {
        pairs.push(("cs1Label", "Account".into(), 40));
        pairs.push(("cs1", value(&account.value, 240), 500));
    }
    pairs.push(("cs2Label", "Tags".into(), 40));
    pairs.push(("cs2", message.tags.join(" "), 800));
    if let Some(link) = &message.link {
        pairs.push(("cs3Label", "Link".into(), 40));
        pairs.push(("cs3", link.clone(), 2_000));
    }
    pairs.push(("msg", format!("{}: {}", message.what, message.description), 1_000));
    for (name, value, max) in pairs {
        let value = take(&value, max, extension);
        if !value.is_empty() {
            out.push_str(&format!("{name}={value} "));
        }
    }
    let end = out.trim_end_matches(' ').len();
    out.truncate(end);
    out
}

/// A text of a header of syslog: RFC 5424, section 6: printable ASCII without blanks, or `-`.
pub(super) fn syslog_name(text: &str, max: usize) -> String {
    let name: String = text.chars().filter(char::is_ascii_graphic).take(max).collect();
    if name.is_empty() { "-".into() } else { super::text::cut(&name, max, plain) }
}
