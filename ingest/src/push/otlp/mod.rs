//! OpenTelemetry's logs (OTLP): requests in protobuf or JSON into records, and the answers.
//!
//! Each log record becomes one JSON record. Attributes, which on the wire are lists of pairs with typed
//! values, become plain JSON objects; names are those of OTLP's JSON:
//!
//! ```json
//! {"otlp":{"id":"…","received":"…","timeUnixNano":"…","severityNumber":9,"severityText":"INFO",
//!  "traceId":"…","spanId":"…","attributes":{…},"resource":{…},"scope":{…}},"body":…}
//! ```

mod json;
mod protobuf;
mod wire;

use event::JsonText;
use serde_json::{Map, Value};

use super::{Reception, Records};
use crate::Limits;

/// A request that cannot be read; sending it again is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct BadRequest {
    problem: &'static str,
}

impl BadRequest {
    const fn new(problem: &'static str) -> Self {
        Self { problem }
    }
}

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`, and gRPC's messages.
    Protobuf,
    /// `application/json`
    Json,
}

/// How deep the values of a body or attribute may nest.
const MAX_DEPTH: usize = 32;

/// What a request holds.
#[derive(Debug)]
pub struct Logs {
    /// The records to make durable.
    pub records: Records,
    /// Log records that are refused for good, to be told to the sender.
    pub rejected: u64,
    /// Why; empty if none is.
    pub reason: String,
}

/// Reads a request.
///
/// # Errors
/// It cannot be read as a whole.
pub fn logs(
    body: &[u8],
    encoding: Encoding,
    reception: &mut Reception,
    limits: &Limits,
) -> Result<Logs, BadRequest> {
    let logs = Logs { records: Records::new(limits), rejected: 0, reason: String::new() };
    let mut export = Export { logs, reception, record_bytes: limits.record_bytes };
    match encoding {
        Encoding::Protobuf => protobuf::read(body, &mut export)?,
        Encoding::Json => json::read(body, &mut export)?,
    }
    Ok(export.logs)
}

/// The answer `ExportLogsServiceResponse`. Without rejects it is the empty message.
pub fn answer(rejected: u64, reason: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Json if rejected == 0 => b"{}".to_vec(),
        Encoding::Json => {
            let partial = serde_json::json!({
                "partialSuccess": {"rejectedLogRecords": rejected.to_string(), "errorMessage": reason}
            });
            partial.to_string().into_bytes()
        }
        Encoding::Protobuf => {
            let (mut partial, mut out) = (Vec::new(), Vec::new());
            if rejected > 0 {
                wire::put_number(&mut partial, 1, rejected);
                wire::put_bytes(&mut partial, 2, reason.as_bytes());
                wire::put_bytes(&mut out, 1, &partial);
            }
            out
        }
    }
}

/// The answer to a request that failed: `google.rpc.Status`.
pub fn status(code: u32, message: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Json => serde_json::json!({"code": code, "message": message}).to_string().into_bytes(),
        Encoding::Protobuf => {
            let mut out = Vec::new();
            wire::put_number(&mut out, 1, code.into());
            wire::put_bytes(&mut out, 2, message.as_bytes());
            out
        }
    }
}

#[derive(Debug, Default)]
struct Resource {
    attributes: Map<String, Value>,
    schema_url: String,
}

#[derive(Debug, Default)]
struct Scope {
    name: String,
    version: String,
    attributes: Map<String, Value>,
}

/// A log record; 0 and empty are "not said", as in protobuf.
#[derive(Debug, Default)]
struct LogRecord {
    time_ns: u64,
    observed_ns: u64,
    severity_number: i64,
    severity_text: String,
    body: Value,
    attributes: Map<String, Value>,
    dropped_attributes: u64,
    flags: u64,
    trace_id: String,
    span_id: String,
    event_name: String,
}

/// Takes the log records of a request.
struct Export<'a> {
    logs: Logs,
    reception: &'a mut Reception,
    record_bytes: usize,
}

impl Export<'_> {
    fn add(&mut self, resource: &Resource, scope: &Scope, record: LogRecord) {
        let body = record.body.to_string();
        let said = record.said(resource, scope);
        let id = match (record.time_ns, record.observed_ns) {
            (0, 0) => self.reception.next_id(),
            _ => self.reception.id_of("otlp", format!("{said}\n{body}").as_bytes()),
        };
        let mut out = String::with_capacity(said.len() + body.len() + 96);
        let mut json = JsonText::new(&mut out);
        json.begin_object();
        json.key("otlp");
        json.begin_object();
        json.text_member("id", &id);
        json.text_member("received", self.reception.received());
        if !said.is_empty() {
            out.push(',');
            out.push_str(&said);
        }
        out.push('}');
        let mut json = JsonText::new(&mut out);
        json.raw_member("body", &body);
        json.end_object();
        if out.len() > self.record_bytes {
            self.logs.rejected += 1;
            self.logs.reason =
                format!("a log record of {} bytes is larger than `ingest.record` allows", out.len());
            return;
        }
        self.logs.records.push(&out);
    }
}

impl LogRecord {
    /// Members without braces.
    fn said(&self, resource: &Resource, scope: &Scope) -> String {
        let mut out = String::new();
        let mut json = JsonText::new(&mut out);
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
            ("severityText", &self.severity_text),
            ("eventName", &self.event_name),
            ("traceId", &self.trace_id),
            ("spanId", &self.span_id),
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
        object(&mut json, "attributes", &self.attributes);
        object(&mut json, "resource", &resource.attributes);
        if !resource.schema_url.is_empty() {
            json.text_member("resourceSchemaUrl", &resource.schema_url);
        }
        if !scope.name.is_empty() || !scope.version.is_empty() || !scope.attributes.is_empty() {
            json.key("scope");
            json.begin_object();
            for (name, text) in [("name", &scope.name), ("version", &scope.version)] {
                if !text.is_empty() {
                    json.text_member(name, text);
                }
            }
            object(&mut json, "attributes", &scope.attributes);
            json.end_object();
        }
        out
    }
}

fn object(json: &mut JsonText<'_>, name: &str, map: &Map<String, Value>) {
    if !map.is_empty() {
        let text = serde_json::to_string(map).unwrap_or_default();
        json.raw_member(name, if text.is_empty() { "{}" } else { &text });
    }
}

/// JSON has no numbers that are none.
fn double(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
