//! What a message in a queue says: which objects there are.
//!
//! Six envelopes are read:
//! 1. S3's event notification, `{"Records":[{"eventSource":"aws:s3",…}]}`; its keys are form-encoded
//!    (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>);
//! 2. the test event that S3 sends when a notification is set up;
//! 3. an SNS notification that holds one of the others as text;
//! 4. EventBridge's `Object Created`; its keys are as they are
//!    (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>);
//! 5. CloudTrail's own topic, `{"s3Bucket":"…","s3ObjectKey":["…"]}`;
//! 6. Security Lake's subscriber queue, which is 1 or 4.
//!
//! Any other event of EventBridge is a record itself: a rule may send findings of GuardDuty and Security Hub, or
//! CloudTrail's events, to a queue without S3 between
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>).

use std::fmt;

use serde_json::Value;

/// An object in S3.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectAddress {
    /// The bucket's name.
    pub bucket: String,
    /// The key as it is, nothing encoded.
    pub key: String,
}

impl fmt::Display for ObjectAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// An object that a message announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Which one.
    pub object: ObjectAddress,
    /// Its entity tag without quotes, where the message has it.
    pub e_tag: Option<String>,
    /// The bucket's region, where the message has it.
    pub region: Option<String>,
}

/// What a message says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notification {
    /// Objects that were written.
    pub objects: Vec<Announced>,
    /// Events that the message holds itself, as they were written.
    pub records: Vec<String>,
    /// Parts that cannot be understood: why.
    pub rejects: Vec<String>,
}

/// How deep envelopes may lie in each other: SNS around one other, and one to spare.
const MAX_DEPTH: usize = 3;

/// Reads the body of a message. Whatever it is, the answer is objects, records, rejects, or nothing, where
/// the message announces nothing that was written: a test, a removal.
pub fn decode_notification(body: &[u8]) -> Notification {
    let mut told = Notification::default();
    match std::str::from_utf8(body).map_err(|error| error.to_string()).and_then(parsed) {
        Ok((text, value)) => decode(text, &value, MAX_DEPTH, &mut told),
        Err(error) => told.rejects.push(format!("not_json: the message is no JSON: {error}")),
    }
    told
}

fn parsed(text: &str) -> Result<(&str, Value), String> {
    serde_json::from_str(text).map(|value| (text, value)).map_err(|error| error.to_string())
}

/// `message_text` is what `value` was read from.
fn decode(message_text: &str, value: &Value, depth: usize, told: &mut Notification) {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    if let Some(Value::Array(records)) = value.get("Records") {
        for record in records {
            if let Err(problem) = s3_record(record, told) {
                told.rejects.push(problem);
            }
        }
    } else if text("Event") == Some("s3:TestEvent") {
        // It says that S3 may send to this queue, and no more.
    } else if let (Some("Notification"), Some(message)) = (text("Type"), text("Message")) {
        match serde_json::from_str(message) {
            Ok(inner) if depth > 0 => decode(message, &inner, depth - 1, told),
            Ok(_) => told.rejects.push("too_deep: SNS notifications lie in each other".into()),
            // CloudTrail's topic says in words that it was set up.
            Err(_) if message.starts_with("CloudTrail validation message") => {}
            Err(error) => {
                told.rejects.push(format!("not_json: the SNS message holds no JSON: {error}"));
            }
        }
    } else if let (Some(source), Some(kind), Some(detail)) =
        (text("source"), text("detail-type"), value.get("detail"))
    {
        // CloudTrail's own event of a call on S3 comes from `aws.s3`, too.
        if source != "aws.s3" || kind.ends_with("via CloudTrail") {
            told.records.push(message_text.to_owned());
        } else if kind == "Object Created" {
            let region = text("region").map(str::to_owned);
            if let Err(problem) = event_bridge(detail, region, told) {
                told.rejects.push(problem);
            }
        }
    } else if let (Some(bucket), Some(keys)) = (text("s3Bucket"), value.get("s3ObjectKey")) {
        // A list, and for good measure a single text.
        for key in keys.as_array().map_or(std::slice::from_ref(keys), Vec::as_slice) {
            match key.as_str() {
                Some(key) => announce(bucket, key, None, None, told),
                None => told.rejects.push("wrong_type: a member of `s3ObjectKey` is no text".into()),
            }
        }
    } else {
        told.rejects
            .push("unknown_message: this is no notification of S3, SNS, EventBridge or CloudTrail".into());
    }
}

fn s3_record(record: &Value, told: &mut Notification) -> Result<(), String> {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let event = text("/eventName").ok_or("wrong_type: a record of the message has no `eventName`")?;
    if text("/eventSource") != Some("aws:s3") {
        return Err("unknown_message: a record of the message is not from S3".into());
    }
    if !event.trim_start_matches("s3:").starts_with("ObjectCreated:") {
        return Ok(());
    }
    let bucket = text("/s3/bucket/name").ok_or("wrong_type: a record of the message names no bucket")?;
    let key = text("/s3/object/key").ok_or("wrong_type: a record of the message names no key")?;
    let key =
        form_decode(key).ok_or_else(|| format!("not_utf8: the key `{key}` is no UTF-8 once decoded"))?;
    announce(bucket, &key, text("/s3/object/eTag"), text("/awsRegion"), told);
    Ok(())
}

fn event_bridge(detail: &Value, region: Option<String>, told: &mut Notification) -> Result<(), String> {
    let text = |pointer: &str| detail.pointer(pointer).and_then(Value::as_str);
    let bucket = text("/bucket/name").ok_or("wrong_type: the event names no bucket")?;
    let key = text("/object/key").ok_or("wrong_type: the event names no key")?;
    announce(bucket, key, text("/object/etag"), region.as_deref(), told);
    Ok(())
}

fn announce(bucket: &str, key: &str, e_tag: Option<&str>, region: Option<&str>, told: &mut Notification) {
    let is_bucket = (1..=255).contains(&bucket.len())
        && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && !bucket.starts_with('.');
    if !is_bucket || key.is_empty() || key.len() > 1024 {
        told.rejects.push(format!(
            "wrong_type: `s3://{}/{}` cannot be an object",
            shorten(bucket),
            shorten(key)
        ));
        return;
    }
    let quoted = |tag: &str| tag.trim_matches('"').to_owned();
    told.objects.push(Announced {
        object: ObjectAddress { bucket: bucket.to_owned(), key: key.to_owned() },
        e_tag: e_tag.map(quoted).filter(|tag| !tag.is_empty()),
        region: region.filter(|region| super::endpoint::is_region(region)).map(str::to_owned),
    });
}

fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Undoes `application/x-www-form-urlencoded`: `+` is a space, `%XX` a byte. `None`: not UTF-8.
fn form_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            None if first == b'+' => bytes.push(b' '),
            None => bytes.push(first),
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// What a key of AWS's logs says that the object holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// CloudTrail's digest of an hour's log files; no events.
    TrailDigest,
    /// CloudTrail Insights events.
    TrailInsight,
    /// CloudTrail events.
    TrailEvents,
    /// The empty object that a console makes for a folder.
    Folder,
    /// Anything else: what it is shows in its bytes.
    Other,
}

impl ObjectKind {
    /// The kind that a key tells, as
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-find-log-files.html> has it.
    pub fn of_key(key: &str) -> Self {
        let has = |part: &str| key.split('/').any(|segment| segment == part);
        match key {
            _ if key.ends_with('/') => Self::Folder,
            _ if !has("AWSLogs") => Self::Other,
            _ if has("CloudTrail-Digest") => Self::TrailDigest,
            _ if has("CloudTrail-Insight") => Self::TrailInsight,
            _ if has("CloudTrail") => Self::TrailEvents,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests;
