//! Amazon CloudFront standard logs: requests to a distribution.
//!
//! A line holds values between tabs, and the file's line `#Fields:` names them; it stands above each record that
//! the splitter cut out of the file. The newer form (version 2 of standard logging) is JSON with the same names.
//! Values are URL-encoded and stay so. Fields: "Log file fields", Amazon CloudFront Developer Guide. The time of
//! the event is when the edge finished its answer; the log has seconds only.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use crate::class::Severity;
use crate::http::{self, note};
use crate::json::Object;
use crate::network::{self, SOURCE, put};
use crate::reason::{MapError, Reason};
use crate::row::{Row, UNKNOWN};
use crate::time;

/// The mapping's reference: one line per column.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`date` and `time`, else `timestamp(ms)`, `timestamp`"),
    (Col::Duration, "`time-taken`"),
    (Col::ClassUid, "4002 HTTP Activity"),
    (Col::ActivityId, "by `cs-method`"),
    (Col::ActivityName, "the activity's name; `cs-method` where it is 99 Other"),
    (Col::SeverityId, "1 Informational"),
    (Col::StatusId, "2 Failure from `sc-status` 400 on, else 1 Success"),
    (Col::StatusCode, "`sc-status`"),
    (Col::StatusDetail, "`x-edge-detailed-result-type`"),
    (Col::MetadataUid, "`x-edge-request-id`"),
    (Col::MetadataOriginalTime, "as `time`"),
    (Col::MetadataProductName, "`Amazon CloudFront`"),
    (Col::MetadataProductVendorName, "`AWS`"),
    (Col::SrcEndpointIp, "`c-ip`"),
    (Col::SrcEndpointName, "`c-ip`, if no address; `Unknown` without one"),
    (Col::SrcEndpointPort, "`c-port`"),
    (Col::DstEndpointHostname, "`cs(Host)`: the distribution's own name"),
    (Col::TrafficBytesIn, "`sc-bytes`"),
    (Col::TrafficBytesOut, "`cs-bytes`"),
    (Col::HttpRequestUid, "`x-edge-request-id`"),
    (Col::HttpRequestHttpMethod, "`cs-method`, if OCSF knows it"),
    (Col::HttpRequestVersion, "`cs-protocol-version`"),
    (Col::HttpRequestUrl, "put together of `cs-protocol`, `x-host-header`, `cs-uri-stem` and `cs-uri-query`"),
    (Col::HttpRequestUrlScheme, "`cs-protocol`"),
    (Col::HttpRequestUrlHostname, "`x-host-header`"),
    (Col::HttpRequestUrlPort, "the port in the same"),
    (Col::HttpRequestUrlPath, "`cs-uri-stem`"),
    (Col::HttpRequestUrlQueryString, "`cs-uri-query`"),
    (Col::HttpRequestReferrer, "`cs(Referer)`"),
    (Col::HttpRequestUserAgent, "`cs(User-Agent)`"),
    (Col::HttpRequestXForwardedFor, "`x-forwarded-for`, if it holds addresses"),
    (Col::HttpResponseCode, "`sc-status`"),
    (Col::TlsVersion, "`ssl-protocol`"),
    (Col::TlsCipher, "`ssl-cipher`"),
];

/// Fills `row` from a line with the file's `#Fields:` above it.
///
/// # Errors
/// Nothing names the fields, or there are more or fewer values, or the line does not say when it was.
pub(crate) fn map_line(text: &str, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let text = text.trim_end();
    let (header, line) = text.rsplit_once('\n').unwrap_or(("", text));
    let names = header
        .lines()
        .find_map(|line| line.strip_prefix("#Fields:"))
        .ok_or_else(|| malformed("no line `#Fields:` above it; give the file with its first lines"))?;
    let (mut entry, mut values) = (Entry::default(), line.split('\t'));
    for name in names.split_ascii_whitespace() {
        let value = values.next().ok_or_else(|| malformed("fewer values than `#Fields:` has names"))?;
        entry.take(name, value.trim_end_matches('\r').into(), row);
    }
    if values.next().is_some() {
        return Err(malformed("more values than `#Fields:` has names"));
    }
    entry.map(row)?;
    Ok(entry.identity(line))
}

/// Fills `row` from the JSON form.
///
/// # Errors
/// It does not say when it was.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut entry = Entry::default();
    http::each_text(record, row, |name, value, row| entry.take(name, value, row));
    entry.map(row)?;
    Ok(entry.identity(record.raw()))
}

fn malformed(what: &str) -> MapError {
    MapError::new(Reason::MalformedLine, format!("the line of a CloudFront log has {what}"))
}

/// What is placed when all of the record is read.
#[derive(Debug, Default)]
struct Entry<'a> {
    date: Cow<'a, str>,
    time: Cow<'a, str>,
    timestamp: Cow<'a, str>,
    request: http::Request<'a>,
}

impl<'a> Entry<'a> {
    fn take(&mut self, name: &str, value: Cow<'a, str>, row: &mut Row<'_>) {
        if matches!(value.as_ref(), "-" | "") {
            return;
        }
        let is_placed = match name {
            "date" => note(&mut self.date, value.clone()),
            "time" => note(&mut self.time, value.clone()),
            "timestamp(ms)" | "timestamp" => note(&mut self.timestamp, value.clone()),
            "c-ip" => {
                SOURCE.address(&value, row);
                true
            }
            "c-port" => SOURCE.port(&value, row),
            "sc-bytes" => network::put_long(Col::TrafficBytesIn, &value, row),
            "cs-bytes" => network::put_long(Col::TrafficBytesOut, &value, row),
            "cs-method" => note(&mut self.request.method, value.clone()),
            "cs(Host)" => put(Col::DstEndpointHostname, &value, row),
            "cs-uri-stem" => note(&mut self.request.path, value.clone()),
            "cs-uri-query" => note(&mut self.request.query, value.clone()),
            "sc-status" => http::code(&value, row),
            "cs(Referer)" => put(Col::HttpRequestReferrer, &value, row),
            "cs(User-Agent)" => put(Col::HttpRequestUserAgent, &value, row),
            "x-edge-request-id" => note(&mut self.request.id, value.clone()),
            "x-host-header" => note(&mut self.request.host, value.clone()),
            "cs-protocol" => note(&mut self.request.scheme, value.clone()),
            "time-taken" => milliseconds(&value, row),
            "x-forwarded-for" => http::forwarded_for(&value, row),
            "ssl-protocol" => put(Col::TlsVersion, &value, row),
            "ssl-cipher" => put(Col::TlsCipher, &value, row),
            "cs-protocol-version" => put(Col::HttpRequestVersion, &value, row),
            "x-edge-detailed-result-type" => put(Col::StatusDetail, &value, row),
            _ => false,
        };
        if !is_placed || name == "time-taken" {
            row.keep_text("", name, &value);
        }
    }

    fn map(&self, row: &mut Row<'_>) -> Result<(), MapError> {
        let written = match (self.date.as_ref(), self.time.as_ref()) {
            ("", _) | (_, "") => self.timestamp.to_string(),
            (date, time) => format!("{date}T{time}Z"),
        };
        if written.is_empty() {
            return Err(MapError::new(
                Reason::MissingTime,
                "the record has neither `date` and `time` nor `timestamp`",
            ));
        }
        row.time(Col::Time, time::of_text(&written)?);
        row.text(Col::MetadataOriginalTime, &written);
        if !self.date.is_empty() && !self.time.is_empty() && !self.timestamp.is_empty() {
            row.keep_text("", "timestamp", &self.timestamp);
        }
        let request = &self.request;
        row.text_if(Col::HttpRequestUrlScheme, Some(&request.scheme));
        row.text_if(Col::HttpRequestUrlPath, Some(&request.path));
        row.text_if(Col::HttpRequestUrlQueryString, Some(&request.query));
        request.map(row);
        row.text_if(Col::MetadataUid, Some(&request.id));
        row.text_if(Col::HttpRequestUid, Some(&request.id));
        if row.has(Col::TlsCipher) && !row.has(Col::TlsVersion) {
            row.text(Col::TlsVersion, UNKNOWN);
        }
        SOURCE.require(row);
        row.severity(Severity::Informational);
        row.text(Col::MetadataProductName, "Amazon CloudFront");
        row.text(Col::MetadataProductVendorName, "AWS");
        Ok(())
    }

    /// "An opaque string that uniquely identifies a request".
    fn identity(&self, record: &str) -> EventKey {
        let id = &self.request.id;
        if id.is_empty() {
            return EventKey::from_content(LogType::AwsCloudfront, record.as_bytes());
        }
        EventKey::from_parts(LogType::AwsCloudfront, &[id.as_bytes()])
    }
}

/// Seconds with their fraction.
fn milliseconds(text: &str, row: &mut Row<'_>) -> bool {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..1e9).contains(seconds));
    let Some(seconds) = seconds else { return false };
    row.long(Col::Duration, (seconds * 1000.0).round() as i64);
    true
}
