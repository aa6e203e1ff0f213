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
mod pairs;
mod protobuf;
mod record;
mod wire;

use event::{JsonSink, JsonText};
use pairs::Pairs;
use record::LogRecord;

use super::records::Pushed;
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
    let logs = Logs { records: Records::of_body(body.len(), limits), rejected: 0, reason: String::new() };
    let mut export = Export {
        logs,
        reception,
        record_bytes: limits.record_bytes,
        bytes_left: body.len().saturating_mul(MOST_TIMES).clamp(LEAST_BYTES, MOST_BYTES),
        said: Vec::new(),
    };
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

/// How many times its bytes a request may grow to, as what is said once of a thousand log records is written into
/// each of them.
const MOST_TIMES: usize = 64;
/// What it may grow to, however small it is.
const LEAST_BYTES: usize = 64 << 20;
/// The most that it may grow to.
const MOST_BYTES: usize = 512 << 20;

/// Takes the log records of a request.
struct Export<'r> {
    logs: Logs,
    reception: &'r mut Reception,
    record_bytes: usize,
    /// What the records to come may have.
    bytes_left: usize,
    /// Memory that is used again and again.
    said: Vec<u8>,
}

impl Export<'_> {
    /// Whether a scope has log records to be read. What its `resource` says is written once for each scope, so a scope
    /// without any costs nothing, and one whose records are all too large is refused before.
    fn begins_scope(&mut self, resource: &[u8], records: usize) -> Result<bool, BadRequest> {
        if records == 0 {
            return Ok(false);
        }
        if resource.len() > self.record_bytes {
            self.reject(records as u64, resource.len());
            return Ok(false);
        }
        charge(&mut self.bytes_left, resource.len())?;
        Ok(true)
    }

    /// Adds a log record; `shared` is what all of its scope say.
    fn add(&mut self, shared: &[u8], record: &mut LogRecord<'_>) -> Result<(), BadRequest> {
        // One that is too large alone is refused alone, before it is written and counted.
        let least = shared.len() + record.body.len();
        if least > self.record_bytes {
            self.reject(1, least);
            return Ok(());
        }
        self.said.clear();
        record.say(shared, &mut self.said);
        let body = if record.body.is_empty() { b"null" } else { record.body.as_slice() };
        let id = match (record.time_ns, record.observed_ns) {
            (0, 0) => self.reception.next_id(),
            _ => self.reception.id_of("otlp", &[&self.said, b"\n", body]),
        };
        let event = Pushed {
            protocol: "otlp",
            id: &id,
            received: self.reception.received(),
            said: &self.said,
            carries: "body",
            payload: body,
        };
        let bytes = event.byte_len();
        charge(&mut self.bytes_left, bytes)?;
        if bytes > self.record_bytes {
            self.reject(1, bytes);
            return Ok(());
        }
        self.logs.records.push_event(event);
        Ok(())
    }

    fn reject(&mut self, records: u64, bytes: usize) {
        self.logs.rejected += records;
        self.logs.reason =
            format!("a log record of at least {bytes} bytes is larger than `ingest.record` allows");
    }
}

fn charge(bytes_left: &mut usize, bytes: usize) -> Result<(), BadRequest> {
    *bytes_left = bytes_left
        .checked_sub(bytes)
        .ok_or(BadRequest::new("what all log records share makes the request too large"))?;
    Ok(())
}

/// Writes a number as JSON, which has none for what is not finite.
fn put_double(out: &mut Vec<u8>, number: f64) {
    match serde_json::Number::from_f64(number) {
        Some(number) => out.put(&number.to_string()),
        None => JsonText::new(out).text(&number.to_string()),
    }
}

#[cfg(test)]
mod tests;
