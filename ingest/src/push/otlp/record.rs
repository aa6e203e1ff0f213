//! A log record of either encoding, and what it becomes.

use std::borrow::Cow;

use event::{JsonSink, JsonText};

use super::Pairs;

/// A log record; 0 and empty are "not said", as in protobuf. One after another is read into the same one, for
/// the sake of its memory.
#[derive(Debug, Default)]
pub(super) struct LogRecord<'a> {
    pub(super) time_ns: u64,
    pub(super) observed_ns: u64,
    pub(super) severity_number: i64,
    pub(super) severity_text: &'a str,
    /// JSON.
    pub(super) body: Vec<u8>,
    pub(super) attributes: Pairs<'a>,
    pub(super) dropped_attributes: u64,
    pub(super) flags: u64,
    pub(super) trace_id: Cow<'a, str>,
    pub(super) span_id: Cow<'a, str>,
    pub(super) event_name: &'a str,
}

impl LogRecord<'_> {
    /// Makes it one of which nothing is said.
    pub(super) fn clear(&mut self) {
        let (mut body, mut attributes) =
            (std::mem::take(&mut self.body), std::mem::take(&mut self.attributes));
        body.clear();
        attributes.clear();
        *self = Self { body, attributes, ..Self::default() };
    }

    /// What it says of its body, and `shared`, as members without braces.
    pub(super) fn say(&mut self, shared: &[u8], out: &mut Vec<u8>) {
        let mut json = JsonText::new(out);
        // As text, as OTLP's JSON has them: they have more digits than many readers keep.
        for (name, ns) in [("timeUnixNano", self.time_ns), ("observedTimeUnixNano", self.observed_ns)] {
            if ns > 0 {
                json.text_member(name, &ns.to_string());
            }
        }
        if self.severity_number > 0 {
            json.raw_member("severityNumber", &self.severity_number.to_string());
        }
        for (name, text) in [
            ("severityText", self.severity_text),
            ("eventName", self.event_name),
            ("traceId", &*self.trace_id),
            ("spanId", &*self.span_id),
        ] {
            if !text.is_empty() {
                json.text_member(name, text);
            }
        }
        for (name, number) in [("flags", self.flags), ("droppedAttributesCount", self.dropped_attributes)] {
            if number > 0 {
                json.raw_member(name, &number.to_string());
            }
        }
        object(out, "attributes", &mut self.attributes);
        members(out, shared);
    }
}

/// What all log records of a resource say, as members without braces.
pub(super) fn resource(attributes: &mut Pairs<'_>, schema_url: &str) -> Vec<u8> {
    let mut out = Vec::new();
    object(&mut out, "resource", attributes);
    if !schema_url.is_empty() {
        JsonText::new(&mut out).text_member("resourceSchemaUrl", schema_url);
    }
    out
}

/// What all log records of a scope say: what those of its `resource` do, and more.
pub(super) fn scope(resource: &[u8], name: &str, version: &str, attributes: &mut Pairs<'_>) -> Vec<u8> {
    let mut out = resource.to_vec();
    if name.is_empty() && version.is_empty() && attributes.is_empty() {
        return out;
    }
    let mut json = JsonText::new(&mut out);
    json.key("scope");
    json.begin_object();
    for (name, text) in [("name", name), ("version", version)] {
        if !text.is_empty() {
            json.text_member(name, text);
        }
    }
    object(&mut out, "attributes", attributes);
    out.put("}");
    out
}

/// Appends a member, if there is any attribute.
fn object(out: &mut Vec<u8>, name: &str, attributes: &mut Pairs<'_>) {
    if !attributes.is_empty() {
        JsonText::new(out).key(name);
        attributes.write(out);
    }
}

/// Appends members without braces.
fn members(out: &mut Vec<u8>, members: &[u8]) {
    if !members.is_empty() {
        if !out.is_empty() {
            out.put(",");
        }
        out.extend_from_slice(members);
    }
}
