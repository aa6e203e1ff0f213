//! The two layers of a record: Cloud Logging's LogEntry and the AuditLog in its `protoPayload`.
//!
//! The same record arrives under several spellings: camel case from Cloud Logging, Pub/Sub and Cloud
//! Storage; `protopayload_auditlog` with `requestJson` and its like from tables in BigQuery; all lower
//! or snake case after other collectors. Members that no column takes are kept where they are found.
//!
//! Cloud Logging's reference: LogEntry and AuditLog (`google.logging.v2`, `google.cloud.audit`).

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use crate::class::Severity;
use crate::json::{Embedded, Member, Object, Value};
use crate::row::Row;

/// What of a LogEntry decides something.
#[derive(Debug, Default)]
pub(super) struct Entry<'a> {
    pub(super) payload: Option<Object<'a>>,
    /// The name that the payload had.
    pub(super) payload_key: Cow<'a, str>,
    pub(super) timestamp: Option<Value<'a>>,
    pub(super) received: Option<Value<'a>>,
    pub(super) insert_id: Option<Cow<'a, str>>,
    pub(super) log_name: Option<Cow<'a, str>>,
    pub(super) severity: Option<Cow<'a, str>>,
    /// The monitored resource: `type` and `labels`.
    pub(super) resource_type: Option<Cow<'a, str>>,
    pub(super) labels: Option<Object<'a>>,
    pub(super) operation_id: Option<Cow<'a, str>>,
    /// The entry reports the end of an operation that began with another entry.
    pub(super) is_end: bool,
}

impl<'a> Entry<'a> {
    pub(super) fn read(record: &Object<'a>, row: &mut Row<'_>) -> Self {
        let mut entry = Self::default();
        for member in record.members() {
            entry.read_member(&member, row);
        }
        entry
    }

    pub(super) fn read_member(&mut self, member: &Member<'a>, row: &mut Row<'_>) {
        let value = member.value;
        match member.key.as_ref() {
            "protoPayload" | "protopayload" | "proto_payload" | "protopayload_auditlog"
                if self.payload.is_none() && value.as_object().is_some() =>
            {
                self.payload = value.as_object();
                self.payload_key = member.key.clone();
            }
            "timestamp" => self.timestamp = Some(value).filter(|value| !value.is_null()),
            "receiveTimestamp" | "receivetimestamp" | "receive_timestamp" => {
                self.received = Some(value).filter(|value| !value.is_null());
                row.keep("", member);
            }
            "insertId" | "insertid" | "insert_id" if self.insert_id.is_none() => {
                self.insert_id = value.filled_text();
                row.put_filled(Col::MetadataUid, "", member);
            }
            "logName" | "logname" | "log_name" => {
                self.log_name = value.as_str().filter(|name| !name.is_empty()).or(self.log_name.take());
                keep(row, "", member);
            }
            "severity" => {
                self.severity = value.as_str();
                keep(row, "", member);
            }
            "resource" => self.read_resource(member, row),
            "operation" => self.read_operation(member, row),
            "httpRequest" | "http_request" => read_http_request(member, row),
            _ => keep(row, "", member),
        }
    }

    fn read_resource(&mut self, member: &Member<'a>, row: &mut Row<'_>) {
        let Some(resource) = member.value.as_object() else { return row.keep("", member) };
        for part in resource.members() {
            match part.key.as_ref() {
                "type" => {
                    self.resource_type = part.value.filled_text();
                    row.put_filled(Col::ResourceType, "resource", &part);
                }
                "labels" if part.value.as_object().is_some() => self.labels = part.value.as_object(),
                _ => keep(row, "resource", &part),
            }
        }
        for label in self.labels.iter().flat_map(Object::members) {
            match label.key.as_ref() {
                "project_id" => row.put_filled(Col::CloudAccountUid, "resource.labels", &label),
                _ => keep(row, "resource.labels", &label),
            }
        }
    }

    fn read_operation(&mut self, member: &Member<'a>, row: &mut Row<'_>) {
        let Some(operation) = member.value.as_object() else { return row.keep("", member) };
        let says = |key| operation.get(key).and_then(|value| value.boolean()) == Some(true);
        self.is_end = says("last") && !says("first");
        for part in operation.members() {
            match part.key.as_ref() {
                "id" => {
                    self.operation_id = part.value.filled_text();
                    row.put_filled(Col::MetadataCorrelationUid, "operation", &part);
                }
                _ => keep(row, "operation", &part),
            }
        }
    }

    /// Cloud Logging holds two entries with the same log name, time and `insertId` for the same. The time
    /// goes in as a number, because BigQuery writes it otherwise than the API does. Without all of them the
    /// record stands for itself.
    pub(super) fn identity(&self, log_type: LogType, record: &Object<'_>, time: i64) -> EventKey {
        match (&self.log_name, &self.insert_id) {
            (Some(log_name), Some(insert_id)) => {
                let parts = [log_name.as_bytes(), &time.to_be_bytes(), insert_id.as_bytes()];
                EventKey::from_parts(log_type, &parts)
            }
            _ => EventKey::from_content(log_type, record.raw().as_bytes()),
        }
    }

    /// LogEntry's `severity`, in words of `google.logging.type.LogSeverity`. A call that failed is an ERROR
    /// there.
    pub(super) fn severity(&self) -> Severity {
        match self.severity.as_deref() {
            Some("WARNING") => Severity::Low,
            Some("ERROR") => Severity::Medium,
            Some("CRITICAL") => Severity::High,
            Some("ALERT") => Severity::Critical,
            Some("EMERGENCY") => Severity::Fatal,
            _ => Severity::Informational,
        }
    }

    /// A label of the monitored resource, unless it is empty.
    pub(super) fn label(&self, name: &str) -> Option<Cow<'a, str>> {
        self.labels?.get(name)?.filled_text()
    }
}

/// LogEntry's own `httpRequest`, which few audit logs have.
fn read_http_request(member: &Member<'_>, row: &mut Row<'_>) {
    let Some(request) = member.value.as_object() else { return row.keep("", member) };
    for part in request.members() {
        match part.key.as_ref() {
            "requestMethod" => row.put_filled(Col::HttpRequestHttpMethod, "httpRequest", &part),
            "requestUrl" => row.put_filled(Col::HttpRequestUrl, "httpRequest", &part),
            _ => keep(row, "httpRequest", &part),
        }
    }
}

/// What of an AuditLog decides something.
#[derive(Debug, Default, Clone)]
pub(super) struct AuditLog<'a> {
    /// The name under which its members are kept: `protoPayload`.
    pub(super) path: Cow<'a, str>,
    /// `@type`: what the payload is.
    pub(super) kind: Option<Cow<'a, str>>,
    pub(super) service: Cow<'a, str>,
    pub(super) method: Cow<'a, str>,
    pub(super) resource_name: Option<Cow<'a, str>>,
    pub(super) authentication: Option<Object<'a>>,
    pub(super) authorization: Option<Value<'a>>,
    pub(super) request_metadata: Option<Object<'a>>,
    pub(super) status: Option<Object<'a>>,
    pub(super) location: Option<Object<'a>>,
    pub(super) request: Option<Value<'a>>,
    pub(super) response: Option<Value<'a>>,
    pub(super) metadata: Option<Value<'a>>,
    pub(super) service_data: Option<Object<'a>>,
    /// JSON in strings, as BigQuery holds what has no fixed form.
    request_json: Option<Cow<'a, str>>,
    response_json: Option<Cow<'a, str>>,
    metadata_json: Option<Cow<'a, str>>,
}

/// The JSON values that an AuditLog held in strings.
#[derive(Debug)]
pub(super) struct Strings<'t> {
    request: Option<Embedded<'t>>,
    response: Option<Embedded<'t>>,
    metadata: Option<Embedded<'t>>,
}

impl<'a> AuditLog<'a> {
    pub(super) fn read(payload: &Object<'a>, path: Cow<'a, str>, row: &mut Row<'_>) -> Self {
        let mut log = Self { path, ..Self::default() };
        for member in payload.members() {
            log.read_member(&member, row);
        }
        log
    }

    fn read_member(&mut self, member: &Member<'a>, row: &mut Row<'_>) {
        let value = member.value;
        match member.key.as_ref() {
            // BigQuery allows no `@` in a column's name, other collectors neither.
            "@type" | "at_sign_type" | "at_type" => {
                self.kind = value.filled_text();
                keep(row, &self.path, member);
            }
            "serviceName" | "service_name" => {
                self.service = value.text().unwrap_or_default();
                row.put_filled(Col::ApiServiceName, &self.path, member);
            }
            "methodName" | "method_name" => {
                self.method = value.text().unwrap_or_default();
                row.put_filled(Col::ApiOperation, &self.path, member);
            }
            "resourceName" | "resource_name" if value.text().is_some() && self.resource_name.is_none() => {
                self.resource_name = value.filled_text();
            }
            "authenticationInfo" | "authentication_info" if value.as_object().is_some() => {
                self.authentication = value.as_object();
            }
            "authorizationInfo" | "authorization_info" if value.as_array().is_some() => {
                self.authorization = Some(value);
            }
            "requestMetadata" | "request_metadata" if value.as_object().is_some() => {
                self.request_metadata = value.as_object();
            }
            "status" if value.as_object().is_some() => self.status = value.as_object(),
            "resourceLocation" | "resource_location" => {
                self.location = value.as_object();
                keep(row, &self.path, member);
            }
            "request" => self.request = Some(value).filter(|value| !value.is_null()),
            "response" => self.response = Some(value).filter(|value| !value.is_null()),
            "requestJson" if value.is_string() => self.request_json = value.as_str(),
            "responseJson" if value.is_string() => self.response_json = value.as_str(),
            "metadataJson" => {
                self.metadata_json = value.as_str();
                keep(row, &self.path, member);
            }
            "metadata" => {
                self.metadata = value.as_object().map(|_| value);
                keep(row, &self.path, member);
            }
            "serviceData"
            | "servicedata"
            | "service_data"
            | "servicedata_v1_iam"
            | "servicedata_v1_bigquery" => {
                self.service_data = self.service_data.or(value.as_object());
                keep(row, &self.path, member);
            }
            _ => keep(row, &self.path, member),
        }
    }

    /// Reads the JSON in strings; it must live as long as the log that [`with`](Self::with) gives.
    pub(super) fn strings(&self) -> Strings<'_> {
        Strings {
            request: self.request_json.as_deref().and_then(Embedded::parse),
            response: self.response_json.as_deref().and_then(Embedded::parse),
            metadata: self.metadata_json.as_deref().and_then(Embedded::parse),
        }
    }

    /// Keeps the strings that should have held JSON but did not.
    pub(super) fn keep_unread(&self, strings: &Strings<'_>, row: &mut Row<'_>) {
        if let (Some(text), None) = (&self.request_json, &strings.request) {
            row.keep_text(&self.path, "requestJson", text);
        }
        if let (Some(text), None) = (&self.response_json, &strings.response) {
            row.keep_text(&self.path, "responseJson", text);
        }
    }

    /// The same with what lay in strings in its place.
    pub(super) fn with<'s>(&self, strings: &'s Strings<'_>) -> AuditLog<'s>
    where
        'a: 's,
    {
        let value = |json: &'s Option<Embedded<'_>>| json.as_ref().map(Embedded::value);
        let log: AuditLog<'s> = self.clone();
        AuditLog {
            request: log.request.or(value(&strings.request)),
            response: log.response.or(value(&strings.response)),
            metadata: log.metadata.or(value(&strings.metadata)),
            ..log
        }
    }

    /// The text at a path of the request.
    pub(super) fn request_text(&self, path: &[&str]) -> Option<Cow<'a, str>> {
        self.request?.as_object()?.at(path)?.filled_text()
    }

    /// The text at a path of the response.
    pub(super) fn response_text(&self, path: &[&str]) -> Option<Cow<'a, str>> {
        self.response?.as_object()?.at(path)?.filled_text()
    }

    /// The object at a path of the metadata.
    pub(super) fn metadata_at(&self, path: &[&str]) -> Option<Value<'a>> {
        self.metadata?.as_object()?.at(path)
    }

    /// The last word of the method: `CreateRole` of `google.iam.admin.v1.CreateRole`.
    pub(super) fn method_word(&self) -> &str {
        self.method.rsplit(['.', '/']).next().unwrap_or_default()
    }
}

/// Keeps a member unless it is empty: protobuf's JSON writes `{}` for "nothing said".
pub(super) fn keep(row: &mut Row<'_>, path: &str, member: &Member<'_>) {
    if !matches!(member.value.raw(), "{}" | "[]" | "\"\"") {
        row.keep(path, member);
    }
}
