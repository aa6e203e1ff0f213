//! What others pushed: syslog, OpenTelemetry's logs, Splunk's HTTP Event Collector.
//!
//! The receivers write `{"syslog": {…}, "message": …}`, `{"otlp": {…}, "body": …}` and
//! `{"hec": {…}, "event": …}` (`ingest::push`). What is carried may be the record of a known log, as text or
//! as JSON: then that is the record, and the rest lies in its `unmapped` under `envelope`. Anything else
//! becomes a Base Event with the words of the message.

pub(crate) mod hec;
pub(crate) mod otlp;
pub(crate) mod syslog;

use core::net::IpAddr;
use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use crate::class::{Severity, base_event};
use crate::detect;
use crate::envelope::{self, Content, Envelope};
use crate::json::{Embedded, Member, Object, Value};
use crate::reason::{MapError, Reason};
use crate::row::{Row, UNKNOWN};

/// What a member of a record says of the protocol that it came by, if it is that member.
pub(crate) fn log_type(member: &Member<'_>) -> Option<LogType> {
    let log_type = match member.key.as_ref() {
        "syslog" => LogType::Syslog,
        "otlp" => LogType::Otlp,
        "hec" => LogType::Hec,
        _ => return None,
    };
    let said = member.value.as_object()?;
    (said.get("id").is_some() && said.get("received").is_some()).then_some(log_type)
}

/// The member that carries the message.
fn carrier(log_type: LogType) -> Option<&'static str> {
    Some(match log_type {
        LogType::Syslog => "message",
        LogType::Otlp => "body",
        LogType::Hec => "event",
        _ => return None,
    })
}

/// The envelope around a record of a known log; `None` if what is carried is none.
pub(crate) fn open<'a>(log_type: LogType, record: &Object<'a>) -> Option<Envelope<'a>> {
    let carrier = carrier(log_type)?;
    let value = record.get(carrier)?;
    if let Some(object) = value.as_object() {
        return is_known(&object).then(|| Envelope::new(Content::Object(object), carrier));
    }
    let text = json_text(value.as_str()?)?;
    let embedded = Embedded::parse(&text)?;
    let is_record = embedded.value().as_object().is_some_and(|object| is_known(&object));
    is_record.then(|| Envelope::new(Content::Text(text.clone()), carrier))
}

/// The text without the cookie that announces JSON in syslog (`@cee:`, the Common Event Expression's).
fn json_text(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let json = |text: &str| text.trim_start().strip_prefix("@cee:").map_or(0, |rest| text.len() - rest.len());
    let start = json(&text);
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(start..)?.trim_start()),
        Cow::Owned(text) => Cow::Owned(text.get(start..)?.trim_start().to_owned()),
    };
    text.starts_with('{').then_some(text)
}

fn is_known(object: &Object<'_>) -> bool {
    detect::log_type(object).is_ok() || matches!(envelope::open(object, None), Ok(Some(_)))
}

/// What is said about a message, and the message.
struct Said<'a> {
    said: Object<'a>,
    carried: Option<Value<'a>>,
}

/// Takes a record apart; other members than the two are kept.
fn said<'a>(
    record: &Object<'a>,
    name: &'static str,
    carrier: &'static str,
    row: &mut Row<'_>,
) -> Result<Said<'a>, MapError> {
    let (mut said, mut carried) = (None, None);
    for member in record.members() {
        match member.key.as_ref() {
            key if key == name && said.is_none() => said = member.value.as_object(),
            key if key == carrier && carried.is_none() => carried = Some(member.value),
            _ => row.keep("", &member),
        }
    }
    let missing = || MapError::new(Reason::WrongType, format!("`{name}` is no object"));
    Ok(Said { said: said.ok_or_else(missing)?, carried })
}

/// The identity that the receiver gave, and the columns that are the same for all three; to be called last.
fn base(
    log_type: LogType,
    said: &Object<'_>,
    severity: Severity,
    row: &mut Row<'_>,
) -> Result<EventKey, MapError> {
    row.class(&base_event::UNKNOWN);
    row.severity(severity);
    if !row.has(Col::MetadataProductName) {
        row.text(Col::MetadataProductName, UNKNOWN);
    }
    let id = said.get("id").and_then(|id| id.filled_text()).unwrap_or_default();
    row.text(Col::MetadataUid, &id);
    Ok(EventKey::from_parts(log_type, &[id.as_bytes()]))
}

/// Sets the machine that the event is from: by address if that is what it says.
fn host(row: &mut Row<'_>, path: &str, member: &Member<'_>) {
    let is_address = member.value.as_str().is_some_and(|host| host.parse::<IpAddr>().is_ok());
    let col = if is_address { Col::SrcEndpointIp } else { Col::SrcEndpointName };
    row.put_filled(col, path, member);
}

/// Sets the message to what is carried, in its own words or as JSON.
fn message(row: &mut Row<'_>, carried: Option<Value<'_>>) {
    let Some(value) = carried.filter(|value| !value.is_null()) else { return };
    match value.text() {
        Some(text) => row.text_if(Col::Message, Some(text)),
        None => row.text(Col::Message, &value.compact()),
    }
}

#[cfg(test)]
mod tests;
