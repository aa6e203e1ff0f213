//! Access logs of Elastic Load Balancing: requests to application and classic load balancers, TLS connections to
//! network load balancers.
//!
//! Lines of words between blanks, some in quotes. Fields: "Access log entries" in the guides of the three kinds
//! of load balancer; new ones are added at the end, and what is beyond the last that we know is kept as
//! `field-N`. The time of the event is when the request or connection came, where the line says that, else when
//! the load balancer answered.

use event::{Col, EventKey, LogType};

use super::arn::Arn;
use crate::class::{Severity, Status, network_activity};
use crate::http;
use crate::network::{self, DESTINATION, Direction, SOURCE};
use crate::reason::{MapError, Reason};
use crate::row::{Row, UNKNOWN};
use crate::time;
use crate::words::{self, Words};

/// The mapping's reference: one line per column. Classic load balancers say `backend` for `target`.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`request_creation_time`, `tls_connection_creation_time`, else `time`"),
    (Col::StartTime, "the same"),
    (Col::EndTime, "`time`"),
    (Col::Duration, "the time between the two"),
    (Col::ClassUid, "4002 HTTP Activity; 4001 Network Activity for TLS and TCP connections"),
    (Col::ActivityId, "by the method in `request`; of connections 6 Traffic"),
    (Col::ActivityName, "the activity's name; the method where it is 99 Other"),
    (Col::SeverityId, "1 Informational"),
    (Col::StatusId, "2 Failure from `elb_status_code` 400 on, and where `incoming_tls_alert` is there"),
    (Col::StatusCode, "`elb_status_code`; `incoming_tls_alert`"),
    (Col::StatusDetail, "`error_reason`"),
    (Col::MetadataEventCode, "`type`: http, https, h2, grpcs, ws, wss, tls"),
    (Col::MetadataCorrelationUid, "`trace_id`"),
    (Col::MetadataLogVersion, "the version of a network load balancer's line"),
    (Col::MetadataOriginalTime, "`time`"),
    (Col::MetadataProductName, "`Elastic Load Balancing`"),
    (Col::MetadataProductVendorName, "`AWS`"),
    (Col::CloudAccountUid, "the account in `target_group_arn`, else in `chosen_cert_arn`"),
    (Col::CloudAccountType, "`AWS Account`"),
    (Col::CloudAccountTypeId, "10 AWS Account"),
    (Col::CloudRegion, "the region in the same"),
    (Col::SrcEndpointIp, "the address in `client:port`"),
    (Col::SrcEndpointName, "the same, if no address; `Unknown` without one"),
    (Col::SrcEndpointPort, "the port in `client:port`"),
    (Col::DstEndpointIp, "the address in `target:port`, `destination:port`"),
    (Col::DstEndpointName, "the same, if no address"),
    (Col::DstEndpointPort, "the port in the same"),
    (Col::LoadBalancerUid, "`elb`"),
    (Col::LoadBalancerName, "the name in `elb`"),
    (Col::ConnectionInfoDirectionId, "0 Unknown, of connections"),
    (Col::ConnectionInfoDirection, "`Unknown`"),
    (Col::ConnectionInfoProtocolNum, "6 TCP, of connections"),
    (Col::ConnectionInfoProtocolName, "`tcp`"),
    (Col::ConnectionInfoUid, "`conn_trace_id`"),
    (Col::TrafficBytesOut, "`received_bytes`"),
    (Col::TrafficBytesIn, "`sent_bytes`"),
    (Col::HttpRequestHttpMethod, "the method in `request`, if OCSF knows it"),
    (Col::HttpRequestVersion, "the version in `request`"),
    (Col::HttpRequestUrl, "the address in `request`"),
    (Col::HttpRequestUrlScheme, "its scheme"),
    (Col::HttpRequestUrlHostname, "its host"),
    (Col::HttpRequestUrlPort, "its port"),
    (Col::HttpRequestUrlPath, "its path"),
    (Col::HttpRequestUrlQueryString, "its query string"),
    (Col::HttpRequestUserAgent, "`user_agent`"),
    (Col::HttpResponseCode, "`elb_status_code`"),
    (
        Col::TlsVersion,
        "`ssl_protocol`, `tls_protocol_version`; `Unknown` where only the cipher or name is known",
    ),
    (Col::TlsCipher, "`ssl_cipher`, `tls_cipher`"),
    (Col::TlsSni, "`domain_name`"),
];

const APPLICATION: &[&str] = &[
    "type",
    "time",
    "elb",
    "client:port",
    "target:port",
    "request_processing_time",
    "target_processing_time",
    "response_processing_time",
    "elb_status_code",
    "target_status_code",
    "received_bytes",
    "sent_bytes",
    "request",
    "user_agent",
    "ssl_cipher",
    "ssl_protocol",
    "target_group_arn",
    "trace_id",
    "domain_name",
    "chosen_cert_arn",
    "matched_rule_priority",
    "request_creation_time",
    "actions_executed",
    "redirect_url",
    "error_reason",
    "target:port_list",
    "target_status_code_list",
    "classification",
    "classification_reason",
    "conn_trace_id",
    "transformed_host",
    "transformed_uri",
    "request_transform_status",
];

const NETWORK: &[&str] = &[
    "type",
    "version",
    "time",
    "elb",
    "listener",
    "client:port",
    "destination:port",
    "connection_time",
    "tls_handshake_time",
    "received_bytes",
    "sent_bytes",
    "incoming_tls_alert",
    "chosen_cert_arn",
    "chosen_cert_serial",
    "tls_cipher",
    "tls_protocol_version",
    "tls_named_group",
    "domain_name",
    "alpn_fe_protocol",
    "alpn_be_protocol",
    "alpn_client_preference_list",
    "tls_connection_creation_time",
];

const CLASSIC: &[&str] = &[
    "time",
    "elb",
    "client:port",
    "backend:port",
    "request_processing_time",
    "backend_processing_time",
    "response_processing_time",
    "elb_status_code",
    "backend_status_code",
    "received_bytes",
    "sent_bytes",
    "request",
    "user_agent",
    "ssl_cipher",
    "ssl_protocol",
];

/// The fields of a line, by how it begins; `None` where it is no line of a load balancer.
fn names(line: &str) -> Option<&'static [&'static str]> {
    let mut words = line.split(' ');
    let (first, second, third) = (words.next()?, words.next()?, words.next()?);
    let fourth = words.next()?;
    match first {
        "tls" if third.starts_with("20") && fourth.starts_with("net/") => Some(NETWORK),
        "http" | "https" | "h2" | "grpcs" | "ws" | "wss" if third.starts_with("app/") => Some(APPLICATION),
        _ => {
            let numbers = words.next()?.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'));
            let is_line = time::of_text(first).is_ok()
                && first.ends_with('Z')
                && !second.contains(['/', '"'])
                && network::is_address(third)
                && (fourth == "-" || network::is_address(fourth))
                && numbers;
            is_line.then_some(CLASSIC)
        }
    }
}

/// Whether a line is one of a load balancer.
pub(crate) fn is_line(line: &str) -> bool {
    names(line).is_some()
}

/// What is placed when all of the line is read.
#[derive(Debug, Default)]
struct Entry<'a> {
    time: Option<&'a str>,
    created: Option<&'a str>,
    request: Option<&'a str>,
    is_connection: bool,
    arn: Option<Arn<'a>>,
}

/// Fills `row` from one line.
///
/// # Errors
/// It is no line of a load balancer, or does not say when it was.
pub(crate) fn map_line(line: &str, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let line = line.trim_end();
    let names = names(line).ok_or_else(|| {
        MapError::new(
            Reason::MalformedLine,
            "the line begins as no access log of an application, network or classic load balancer does",
        )
    })?;
    let mut entry = Entry { is_connection: std::ptr::eq(names, NETWORK), ..Entry::default() };
    let mut words = Words::of(line);
    for (name, word) in names.iter().zip(words.by_ref()) {
        if !matches!(word, "-" | "") && !entry.take(name, word, row) {
            row.keep_text("", name, word);
        }
    }
    words::keep_more(words, names.len(), row);
    entry.map(row)?;
    Ok(EventKey::from_content(LogType::AwsElb, line.as_bytes()))
}

impl<'a> Entry<'a> {
    /// `false`: no column takes the field.
    fn take(&mut self, name: &str, word: &'a str, row: &mut Row<'_>) -> bool {
        match name {
            "type" => row.text(Col::MetadataEventCode, word),
            "version" => row.text(Col::MetadataLogVersion, word),
            "time" => self.time = Some(word),
            "request_creation_time" | "tls_connection_creation_time" => self.created = Some(word),
            "elb" => {
                row.text(Col::LoadBalancerUid, word);
                row.text_if(Col::LoadBalancerName, Some(word.split('/').nth(1).unwrap_or(word)));
            }
            "client:port" => SOURCE.socket(word, row),
            "target:port" | "backend:port" | "destination:port" => DESTINATION.socket(word, row),
            "elb_status_code" => return http::code(word, row),
            "received_bytes" => return network::put_long(Col::TrafficBytesOut, word, row),
            "sent_bytes" => return network::put_long(Col::TrafficBytesIn, word, row),
            "request" => self.request = Some(word),
            "user_agent" => row.text(Col::HttpRequestUserAgent, word),
            "ssl_cipher" | "tls_cipher" => row.text(Col::TlsCipher, word),
            "ssl_protocol" | "tls_protocol_version" => row.text(Col::TlsVersion, word),
            "domain_name" => row.text(Col::TlsSni, word),
            "trace_id" => row.text(Col::MetadataCorrelationUid, word),
            "conn_trace_id" => row.text(Col::ConnectionInfoUid, word),
            "error_reason" => row.text(Col::StatusDetail, word),
            "incoming_tls_alert" => {
                row.text(Col::StatusCode, word);
                row.status(Status::Failure);
            }
            "target_group_arn" | "chosen_cert_arn" => {
                self.arn = self.arn.or_else(|| Arn::parse(word));
                return false;
            }
            _ => return false,
        }
        true
    }

    fn map(self, row: &mut Row<'_>) -> Result<(), MapError> {
        let written = self
            .time
            .ok_or_else(|| MapError::new(Reason::MissingTime, "the line does not say when it was"))?;
        let end = time::of_text(written)?;
        let start = match self.created {
            Some(created) => time::of_text(created)?,
            None => end,
        };
        row.time(Col::Time, start);
        row.time(Col::StartTime, start);
        row.time(Col::EndTime, end);
        row.text(Col::MetadataOriginalTime, written);
        if self.created.is_some() && end >= start {
            row.long(Col::Duration, (end - start) / 1000);
        }
        self.map_request(row);
        if (row.has(Col::TlsCipher) || row.has(Col::TlsSni)) && !row.has(Col::TlsVersion) {
            row.text(Col::TlsVersion, UNKNOWN);
        }
        if let Some(arn) = self.arn {
            row.text_if(Col::CloudRegion, Some(arn.region));
            row.text_if(Col::CloudAccountUid, Some(arn.account));
        }
        if row.has(Col::CloudAccountUid) {
            row.text(Col::CloudAccountType, "AWS Account");
            row.int(Col::CloudAccountTypeId, 10);
        }
        if row.has(Col::ConnectionInfoUid) {
            Direction::Unknown.put(row);
        }
        SOURCE.require(row);
        row.severity(Severity::Informational);
        row.text(Col::MetadataProductName, "Elastic Load Balancing");
        row.text(Col::MetadataProductVendorName, "AWS");
        Ok(())
    }

    /// The request; a classic load balancer's listener for TCP writes `- - - ` in its place.
    fn map_request(&self, row: &mut Row<'_>) {
        let request = self.request.filter(|request| !request.starts_with("- - -"));
        if self.is_connection || (request.is_none() && !row.has(Col::HttpResponseCode)) {
            row.class(&network_activity::TRAFFIC);
            network::protocol(6, row);
            Direction::Unknown.put(row);
            if !row.has(Col::StatusId) {
                row.status(Status::Success);
            }
            if let Some(request) = self.request {
                row.keep_text("", "request", request);
            }
            return;
        }
        match request.and_then(http::request_line) {
            Some((method, url, version)) => {
                http::method(method, row);
                row.text_if(Col::HttpRequestVersion, Some(version).filter(|version| *version != "-"));
                if method == "-" {
                    // What was sent was no request: `- http://www.example.com:80- -`.
                    row.keep_text("", "request", request.unwrap_or_default());
                }
                http::url(if method == "-" { url.trim_end_matches('-') } else { url }, row);
            }
            None => {
                http::method("", row);
                if let Some(request) = request {
                    row.keep_text("", "request", request);
                }
            }
        }
        http::require_path(row);
    }
}
