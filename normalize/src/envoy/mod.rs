//! Envoy, the proxy within Istio and many gateways: its access log.
//!
//! It is written as JSON or as text, both in formats that can be set; known are Istio's JSON, Envoy's default
//! text and Istio's default text, whose fields are the same under one set of names. Fields: "Access logging",
//! Envoy documentation; "Envoy Access Logs", Istio documentation. The time of the event is when the request came
//! (`start_time`).

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use crate::class::{Severity, Status, network_activity};
use crate::http::{self, note};
use crate::json::Object;
use crate::network::{self, DESTINATION, Direction, SOURCE, put};
use crate::reason::{MapError, Reason};
use crate::row::{Row, UNKNOWN};
use crate::time;
use crate::words::Words;

/// The mapping's reference: one line per column.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`start_time`"),
    (Col::StartTime, "`start_time`"),
    (Col::EndTime, "`start_time` and `duration`"),
    (Col::Duration, "`duration`"),
    (Col::ClassUid, "4002 HTTP Activity; 4001 Network Activity for connections without a request"),
    (Col::ActivityId, "by `method`; of connections 6 Traffic"),
    (Col::ActivityName, "the activity's name; `method` where it is 99 Other"),
    (Col::SeverityId, "1 Informational"),
    (
        Col::StatusId,
        "2 Failure from `response_code` 400 on, else 1 Success; of connections 2 with `response_flags`",
    ),
    (Col::StatusCode, "`response_code`; of connections `response_flags`"),
    (Col::StatusDetail, "`response_code_details`"),
    (Col::MetadataCorrelationUid, "`request_id`"),
    (Col::MetadataOriginalTime, "`start_time`"),
    (Col::MetadataProductName, "`Envoy`"),
    (Col::MetadataProductVendorName, "`Envoy`"),
    (Col::SrcEndpointIp, "the address in `downstream_remote_address`, else the first of `x_forwarded_for`"),
    (Col::SrcEndpointName, "the same, if no address; `Unknown` without one"),
    (Col::SrcEndpointPort, "the port in `downstream_remote_address`"),
    (Col::DstEndpointIp, "the address in `upstream_host`, else in `downstream_local_address`"),
    (Col::DstEndpointName, "the same, if no address"),
    (Col::DstEndpointPort, "its port"),
    (Col::DstEndpointSvcName, "`upstream_cluster`"),
    (
        Col::ConnectionInfoDirectionId,
        "of connections, by `upstream_cluster`: `inbound|` 1, `outbound|` 2, else 0",
    ),
    (Col::ConnectionInfoDirection, "the same in words"),
    (Col::ConnectionInfoProtocolNum, "6 TCP, of connections"),
    (Col::ConnectionInfoProtocolName, "`tcp`"),
    (Col::TrafficBytesOut, "`bytes_received`"),
    (Col::TrafficBytesIn, "`bytes_sent`"),
    (Col::HttpRequestUid, "`request_id`"),
    (Col::HttpRequestHttpMethod, "`method`, if OCSF knows it"),
    (Col::HttpRequestVersion, "`protocol`"),
    (Col::HttpRequestUrlHostname, "`authority`"),
    (Col::HttpRequestUrlPort, "the port in `authority`"),
    (Col::HttpRequestUrlPath, "`path`"),
    (Col::HttpRequestUrlQueryString, "the query string in `path`"),
    (Col::HttpRequestUserAgent, "`user_agent`"),
    (Col::HttpRequestXForwardedFor, "`x_forwarded_for`, if it holds addresses"),
    (Col::HttpResponseCode, "`response_code`"),
    (Col::TlsSni, "`requested_server_name`"),
    (Col::TlsVersion, "`downstream_tls_version`; `Unknown` with `requested_server_name` alone"),
    (Col::TlsCipher, "`downstream_tls_cipher`"),
];

/// What follows time and request in either format.
const ANSWER: &[&str] = &["response_code", "response_flags"];

/// What follows then in Istio's alone.
const DETAILS: &[&str] =
    &["response_code_details", "connection_termination_details", "upstream_transport_failure_reason"];

/// What follows in both.
const TRAFFIC: &[&str] = &[
    "bytes_received",
    "bytes_sent",
    "duration",
    "upstream_service_time",
    "x_forwarded_for",
    "user_agent",
    "request_id",
    "authority",
    "upstream_host",
];

/// What ends a line of Istio's.
const MESH: &[&str] = &[
    "upstream_cluster",
    "upstream_local_address",
    "downstream_local_address",
    "downstream_remote_address",
    "requested_server_name",
    "route_name",
];

/// The fields of a format behind time and request, in groups.
type Names = [&'static [&'static str]; 4];

const ENVOY: Names = [ANSWER, &[], TRAFFIC, &[]];
const ISTIO: Names = [ANSWER, DETAILS, TRAFFIC, MESH];

/// The fields behind time and request, by their number; `None` where it is no line of a known format.
fn names(line: &str) -> Option<Names> {
    let mut words = Words::of(line);
    let (written, request) = (words.next()?, words.next()?);
    if !line.starts_with('[') || time::of_text(written).is_err() || request.split(' ').count() < 3 {
        return None;
    }
    // One more than the longest format has is enough to know that it is none.
    match words.take(21).count() {
        11 => Some(ENVOY),
        20 => Some(ISTIO),
        _ => None,
    }
}

/// Whether a line is one of Envoy's or Istio's default format.
pub(crate) fn is_line(line: &str) -> bool {
    names(line.trim_end()).is_some()
}

/// Fills `row` from a line of text.
///
/// # Errors
/// It is of neither default format.
pub(crate) fn map_line(line: &str, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let line = line.trim_end();
    let names = names(line).ok_or_else(|| {
        MapError::new(
            Reason::MalformedLine,
            "the line is of neither Envoy's nor Istio's default format; let it be written as JSON",
        )
    })?;
    let mut entry = Entry::default();
    let mut words = Words::of(line);
    entry.take("start_time", words.next().unwrap_or_default().into(), row);
    let request = words.next().unwrap_or_default();
    match http::request_line(request) {
        Some((method, path, version)) => {
            entry.take("method", method.into(), row);
            entry.take("path", path.into(), row);
            entry.take("protocol", version.into(), row);
        }
        None => row.keep_text("", "request", request),
    }
    for (name, word) in names.into_iter().flatten().zip(words) {
        entry.take(name, word.into(), row);
    }
    entry.map(row)?;
    Ok(EventKey::from_content(LogType::IstioAccess, line.as_bytes()))
}

/// Fills `row` from the JSON form.
///
/// # Errors
/// It does not say when the request came.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut entry = Entry::default();
    http::each_text(record, row, |name, value, row| entry.take(name, value, row));
    entry.map(row)?;
    Ok(EventKey::from_content(LogType::IstioAccess, record.raw().as_bytes()))
}

/// What is placed when all of the record is read.
#[derive(Debug, Default)]
struct Entry<'a> {
    start: Cow<'a, str>,
    method: Cow<'a, str>,
    code: Cow<'a, str>,
    flags: Cow<'a, str>,
    cluster: Cow<'a, str>,
    forwarded_for: Cow<'a, str>,
    upstream: Cow<'a, str>,
    local: Cow<'a, str>,
    duration: Option<i64>,
}

impl<'a> Entry<'a> {
    fn take(&mut self, name: &str, value: Cow<'a, str>, row: &mut Row<'_>) {
        if matches!(value.as_ref(), "-" | "") {
            return;
        }
        let is_placed = match name {
            "start_time" => note(&mut self.start, value.clone()),
            "method" => note(&mut self.method, value.clone()),
            "path" => {
                http::path(&value, row);
                true
            }
            "protocol" => put(Col::HttpRequestVersion, &value, row),
            "response_code" => note(&mut self.code, value.clone()),
            "response_flags" => note(&mut self.flags, value.clone()),
            "response_code_details" => put(Col::StatusDetail, &value, row),
            "bytes_received" => network::put_long(Col::TrafficBytesOut, &value, row),
            "bytes_sent" => network::put_long(Col::TrafficBytesIn, &value, row),
            "duration" => {
                self.duration = value.parse().ok().filter(|millis| (0..1 << 40).contains(millis));
                self.duration.is_some()
            }
            "x_forwarded_for" => {
                note(&mut self.forwarded_for, value.clone());
                http::forwarded_for(&value, row)
            }
            "user_agent" => put(Col::HttpRequestUserAgent, &value, row),
            "request_id" => {
                row.text(Col::MetadataCorrelationUid, &value);
                put(Col::HttpRequestUid, &value, row)
            }
            "authority" => {
                http::host(&value, row);
                true
            }
            "upstream_host" => note(&mut self.upstream, value.clone()),
            "upstream_cluster" => note(&mut self.cluster, value.clone()),
            "downstream_remote_address" => {
                SOURCE.socket(&value, row);
                true
            }
            "downstream_local_address" => {
                note(&mut self.local, value.clone());
                false
            }
            "requested_server_name" => put(Col::TlsSni, &value, row),
            "downstream_tls_version" => put(Col::TlsVersion, &value, row),
            "downstream_tls_cipher" => put(Col::TlsCipher, &value, row),
            _ => false,
        };
        if !is_placed || name == "response_flags" {
            row.keep_text("", name, &value);
        }
    }

    fn map(&self, row: &mut Row<'_>) -> Result<(), MapError> {
        if self.start.is_empty() {
            return Err(MapError::new(Reason::MissingTime, "the record has no `start_time`"));
        }
        let start = time::of_text(&self.start)?;
        row.time(Col::Time, start);
        row.time(Col::StartTime, start);
        row.text(Col::MetadataOriginalTime, &self.start);
        if let Some(millis) = self.duration {
            row.long(Col::Duration, millis);
            row.time(Col::EndTime, start + millis * 1000);
        }
        self.map_ends(row);
        self.map_request(row);
        if (row.has(Col::TlsSni) || row.has(Col::TlsCipher)) && !row.has(Col::TlsVersion) {
            row.text(Col::TlsVersion, UNKNOWN);
        }
        row.severity(Severity::Informational);
        row.text(Col::MetadataProductName, "Envoy");
        row.text(Col::MetadataProductVendorName, "Envoy");
        Ok(())
    }

    fn map_ends(&self, row: &mut Row<'_>) {
        if !row.has(Col::SrcEndpointIp) {
            let first = self.forwarded_for.split(',').next().unwrap_or_default().trim();
            SOURCE.socket(first, row);
        }
        SOURCE.require(row);
        let answering = if self.upstream.is_empty() { &self.local } else { &self.upstream };
        DESTINATION.socket(answering, row);
        row.text_if(Col::DstEndpointSvcName, Some(&self.cluster));
    }

    /// A connection that carried no request has no method, and 0 for a code.
    fn map_request(&self, row: &mut Row<'_>) {
        let has_code = http::code(&self.code, row);
        if !self.method.is_empty() || has_code {
            if !has_code && !self.code.is_empty() {
                row.keep_text("", "response_code", &self.code);
                row.status(Status::Failure);
            }
            http::method(&self.method, row);
            http::require_path(row);
            return;
        }
        if !self.code.is_empty() {
            row.keep_text("", "response_code", &self.code);
        }
        row.class(&network_activity::TRAFFIC);
        network::protocol(6, row);
        match self.cluster.split_once('|') {
            Some(("inbound", _)) => Direction::Inbound.put(row),
            Some(("outbound", _)) => Direction::Outbound.put(row),
            _ => Direction::Unknown.put(row),
        }
        row.text_if(Col::StatusCode, Some(&self.flags));
        row.status(if self.flags.is_empty() { Status::Success } else { Status::Failure });
    }
}
