//! OTLP's `ExportLogsServiceRequest` in protobuf (opentelemetry-proto 1.x, `logs/v1/logs.proto`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::wire::Fields;
use super::{BadRequest, Export, LogRecord, MAX_DEPTH, Resource, Scope, hex};

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
    let mut resource = Resource::default();
    let mut scopes = Vec::new();
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => {
                let mut inner = Fields::of(field.bytes()?);
                while let Some((number, field)) = inner.next()? {
                    if number == 1 {
                        key_value(field.bytes()?, &mut resource.attributes, 0)?;
                    }
                }
            }
            2 => scopes.push(field.bytes()?),
            3 => resource.schema_url = field.text()?.to_owned(),
            _ => {}
        }
    }
    for message in scopes {
        scope_logs(message, &resource, export)?;
    }
    Ok(())
}

fn scope_logs(message: &[u8], resource: &Resource, export: &mut Export<'_>) -> Result<(), BadRequest> {
    let mut scope = Scope::default();
    let mut records = Vec::new();
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => {
                let mut inner = Fields::of(field.bytes()?);
                while let Some((number, field)) = inner.next()? {
                    match number {
                        1 => scope.name = field.text()?.to_owned(),
                        2 => scope.version = field.text()?.to_owned(),
                        3 => key_value(field.bytes()?, &mut scope.attributes, 0)?,
                        _ => {}
                    }
                }
            }
            2 => records.push(field.bytes()?),
            _ => {}
        }
    }
    for message in records {
        export.add(resource, &scope, log_record(message)?);
    }
    Ok(())
}

fn log_record(message: &[u8]) -> Result<LogRecord, BadRequest> {
    let mut record = LogRecord::default();
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => record.time_ns = field.number()?,
            2 => record.severity_number = field.number()?.cast_signed(),
            3 => record.severity_text = field.text()?.to_owned(),
            5 => record.body = any_value(field.bytes()?, 0)?,
            6 => key_value(field.bytes()?, &mut record.attributes, 0)?,
            7 => record.dropped_attributes = field.number()?,
            8 => record.flags = field.number()?,
            9 => record.trace_id = hex(field.bytes()?),
            10 => record.span_id = hex(field.bytes()?),
            11 => record.observed_ns = field.number()?,
            12 => record.event_name = field.text()?.to_owned(),
            _ => {}
        }
    }
    Ok(record)
}

fn key_value(message: &[u8], into: &mut Map<String, Value>, depth: usize) -> Result<(), BadRequest> {
    let (mut key, mut value) = ("", Value::Null);
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => key = field.text()?,
            2 => value = any_value(field.bytes()?, depth)?,
            _ => {}
        }
    }
    into.insert(key.to_owned(), value);
    Ok(())
}

fn any_value(message: &[u8], depth: usize) -> Result<Value, BadRequest> {
    if depth > MAX_DEPTH {
        return Err(BadRequest::new("a value is nested too deeply"));
    }
    let mut value = Value::Null;
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        value = match number {
            1 => field.text()?.into(),
            2 => (field.number()? != 0).into(),
            3 => field.number()?.cast_signed().into(),
            4 => super::double(f64::from_bits(field.number()?)),
            5 => {
                let mut list = Vec::new();
                let mut inner = Fields::of(field.bytes()?);
                while let Some((number, field)) = inner.next()? {
                    if number == 1 {
                        list.push(any_value(field.bytes()?, depth + 1)?);
                    }
                }
                list.into()
            }
            6 => {
                let mut map = Map::new();
                let mut inner = Fields::of(field.bytes()?);
                while let Some((number, field)) = inner.next()? {
                    if number == 1 {
                        key_value(field.bytes()?, &mut map, depth + 1)?;
                    }
                }
                map.into()
            }
            7 => STANDARD.encode(field.bytes()?).into(),
            _ => value,
        };
    }
    Ok(value)
}
