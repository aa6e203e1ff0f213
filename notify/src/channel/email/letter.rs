//! A notification as a letter: text and HTML.

use std::time::{Duration, UNIX_EPOCH};

use lettre::Message as Letter;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};

use crate::channel::Delivery;
use crate::channel::message::Message;
use crate::channel::text::{cut, defanged, html, plain};

/// The most characters of a subject; longer ones are cut by clients anyway.
const SUBJECT: usize = 200;

/// The id of the letter that a delivery becomes: the same over all attempts, so that a client shows one.
pub(super) fn message_id(key: &str, from: &Mailbox) -> String {
    let name = blake3::hash(key.as_bytes()).to_hex();
    let short: String = name.chars().take(40).collect();
    format!("<stormglass.{short}@{}>", domain(from))
}

/// The domain of an address.
pub(super) fn domain(from: &Mailbox) -> &str {
    from.email.domain()
}

/// Whether a text is an id as [`message_id`] makes it: what is remembered goes into a header.
pub(super) fn is_message_id(text: &str) -> bool {
    text.len() <= 320
        && text.starts_with("<stormglass.")
        && text.ends_with('>')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The letter, in the thread that the letter `first` began.
///
/// # Errors
/// What mail has against it.
pub(super) fn letter(
    delivery: Delivery<'_>,
    from: &Mailbox,
    to: &[Mailbox],
    first: Option<&str>,
) -> Result<Letter, String> {
    let message = Message::of(delivery.notification);
    let subject = cut(&defanged(&message.headline()), SUBJECT, plain);
    let seconds = u64::try_from(delivery.now_us.div_euclid(1_000_000)).unwrap_or_default().min(LAST_S);
    let mut builder = Letter::builder()
        .from(from.clone())
        .message_id(Some(message_id(delivery.key, from)))
        .date(UNIX_EPOCH + Duration::from_secs(seconds))
        .subject(subject);
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    if let Some(first) = first {
        builder = builder.in_reply_to(first.to_owned()).references(first.to_owned());
    }
    let boundary = blake3::hash(format!("boundary {}", delivery.key).as_bytes()).to_hex();
    let parts = MultiPart::alternative()
        .boundary(boundary.chars().take(32).collect::<String>())
        .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text(&message)))
        .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(page(&message)));
    builder.multipart(parts).map_err(|error| error.to_string())
}

/// The last second of the year 9999.
const LAST_S: u64 = 253_402_300_799;

/// The text: only our own link is one.
fn text(message: &Message) -> String {
    let words = Message { link: None, ..message.clone() };
    let mut text = defanged(&words.text());
    if let Some(link) = &message.link {
        text.push_str(&format!("\n{link}\n"));
    }
    text
}

/// The HTML: texts of others stand in text nodes alone; no picture, no style from elsewhere, no script.
fn page(message: &Message) -> String {
    let told = |text: &str| cut(&defanged(text), usize::MAX, html);
    let mut out = String::from("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n");
    out.push_str(&format!("<h2>{}</h2>\n", told(&message.headline())));
    for line in message.description.lines().filter(|line| !line.is_empty()) {
        out.push_str(&format!("<p>{}</p>\n", told(line)));
    }
    out.push_str("<table>\n");
    for (name, value) in &message.facts {
        out.push_str(&format!("<tr><th align=\"left\">{name}</th><td>{}</td></tr>\n", told(value)));
    }
    out.push_str("</table>\n");
    for (heading, lines) in [(message.records_name, &message.records), ("What to do", &message.steps)] {
        if lines.is_empty() {
            continue;
        }
        out.push_str(&format!("<h3>{heading}</h3>\n<ul>\n"));
        for line in lines {
            out.push_str(&format!("<li>{}</li>\n", told(line)));
        }
        out.push_str("</ul>\n");
    }
    if let Some(link) = &message.link {
        out.push_str(&format!("<p><a href=\"{}\">Open in Stormglass</a></p>\n", cut(link, usize::MAX, html)));
    }
    out.push_str("</body></html>\n");
    out
}
