//! OTLP's `ExportLogsServiceRequest` in protobuf (opentelemetry-proto 1.x, `logs/v1/logs.proto`).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use event::{JsonSink, JsonText};

use super::wire::Fields;
use super::{BadRequest, Export, LogRecord, MAX_DEPTH, Pairs, record};

/// Reads all log records of a request into `export`.
pub(super) fn read(request: &[u8], export: &mut Export<'_>) -> Result<(), BadRequest> {
    let mut fields = Fields::of(request);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            resource_logs(field.bytes()?, export)?;
        }
    }
    Ok(())
}

fn resource_logs(message: &[u8], export: &mut Export<'_>) -> Result<(), BadRequest> {
    // A field may stand behind those that it is about.
    let (mut attributes, mut schema_url) = (Pairs::default(), "");
    let mut scopes = Vec::new();
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => {
                let mut inner = Fields::of(field.bytes()?);
                while let Some((number, field)) = inner.next()? {
                    if number == 1 {
                        key_value(field.bytes()?, &mut attributes, 0)?;
                    }
                }
            }
            2 => scopes.push(field.bytes()?),
            3 => schema_url = field.text()?,
            _ => {}
        }
    }
    let resource = record::resource(&mut attributes, schema_url);
    for message in scopes {
        scope_logs(message, &resource, export)?;
    }
    Ok(())
}

fn scope_logs(message: &[u8], resource: &[u8], export: &mut Export<'_>) -> Result<(), BadRequest> {
    let (mut name, mut version, mut attributes) = ("", "", Pairs::default());
    let mut records = Vec::new();
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => {
                let mut inner = Fields::of(field.bytes()?);
                while let Some((number, field)) = inner.next()? {
                    match number {
                        1 => name = field.text()?,
                        2 => version = field.text()?,
                        3 => key_value(field.bytes()?, &mut attributes, 0)?,
                        _ => {}
                    }
                }
            }
            2 => records.push(field.bytes()?),
            _ => {}
        }
    }
    if !export.begins_scope(resource, records.len())? {
        return Ok(());
    }
    let shared = record::scope(resource, name, version, &mut attributes);
    let mut record = LogRecord::default();
    for message in records {
        log_record(message, &mut record)?;
        export.add(&shared, &mut record)?;
    }
    Ok(())
}

fn log_record<'a>(message: &'a [u8], record: &mut LogRecord<'a>) -> Result<(), BadRequest> {
    record.clear();
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => record.time_ns = field.number()?,
            2 => record.severity_number = field.number()?.cast_signed(),
            3 => record.severity_text = field.text()?,
            5 => {
                record.body.clear();
                any_value(field.bytes()?, &mut record.body, 0)?;
            }
            6 => key_value(field.bytes()?, &mut record.attributes, 0)?,
            7 => record.dropped_attributes = field.number()?,
            8 => record.flags = field.number()?,
            9 => record.trace_id = hex(field.bytes()?),
            10 => record.span_id = hex(field.bytes()?),
            11 => record.observed_ns = field.number()?,
            12 => record.event_name = field.text()?,
            _ => {}
        }
    }
    Ok(())
}

fn hex<'a>(bytes: &[u8]) -> Cow<'a, str> {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect::<String>().into()
}

fn key_value<'a>(message: &'a [u8], into: &mut Pairs<'a>, depth: usize) -> Result<(), BadRequest> {
    into.add(|out| {
        let (start, mut key) = (out.len(), "");
        out.put("null");
        let mut fields = Fields::of(message);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => key = field.text()?,
                2 => {
                    out.truncate(start);
                    any_value(field.bytes()?, out, depth)?;
                }
                _ => {}
            }
        }
        Ok(key)
    })
}

/// Appends a value as JSON.
fn any_value(message: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), BadRequest> {
    if depth > MAX_DEPTH {
        return Err(BadRequest::new("a value is nested too deeply"));
    }
    let start = out.len();
    out.put("null");
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        // Of several values the last holds; the others must be good all the same.
        if (1..=7).contains(&number) {
            out.truncate(start);
        }
        match number {
            1 => JsonText::new(out).text(field.text()?),
            2 => out.put(if field.number()? == 0 { "false" } else { "true" }),
            3 => out.put(&field.number()?.cast_signed().to_string()),
            4 => super::put_double(out, f64::from_bits(field.number()?)),
            5 => list(field.bytes()?, out, depth + 1)?,
            6 => {
                let mut map = Pairs::default();
                let mut inner = Fields::of(field.bytes()?);
                while let Some((number, field)) = inner.next()? {
                    if number == 1 {
                        key_value(field.bytes()?, &mut map, depth + 1)?;
                    }
                }
                map.write(out);
            }
            7 => JsonText::new(out).text(&STANDARD.encode(field.bytes()?)),
            _ => {}
        }
    }
    Ok(())
}

fn list(message: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), BadRequest> {
    out.put("[");
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            JsonText::new(out).item();
            any_value(field.bytes()?, out, depth)?;
        }
    }
    out.put("]");
    Ok(())
}
