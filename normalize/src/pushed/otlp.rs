//! OpenTelemetry's log records.

use event::{Col, EventKey, LogType};

use crate::class::Severity;
use crate::json::Object;
use crate::reason::MapError;
use crate::row::Row;
use crate::time;

/// Where each column's value comes from.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`timeUnixNano`, else `observedTimeUnixNano`, else `received`"),
    (Col::MetadataUid, "`id`, given at reception"),
    (Col::ClassUid, "0, Base Event"),
    (Col::ActivityId, "0"),
    (Col::SeverityId, "`severityNumber`: to 12 Informational, to 16 Medium, to 20 High, to 24 Fatal"),
    (Col::Message, "`body`, as JSON where it is no text"),
    (Col::MetadataEventCode, "`eventName`"),
    (Col::MetadataCorrelationUid, "`traceId`"),
    (Col::MetadataLogName, "`scope.name`"),
    (Col::MetadataProductName, "`resource`: `service.name`"),
    (Col::CloudAccountUid, "`resource`: `cloud.account.id`"),
    (Col::CloudRegion, "`resource`: `cloud.region`"),
    (Col::SrcEndpointName, "`resource`: `host.name`"),
    (Col::SrcEndpointIp, "`resource`: `host.name` where it is an address"),
];

pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let super::Said { said, carried } = super::said(record, "otlp", "body", row)?;
    super::message(row, carried);
    let mut severity = Severity::Informational;
    let (mut happened, mut observed, mut received) = (None, None, None);
    for member in said.members() {
        match member.key.as_ref() {
            "id" => {}
            "timeUnixNano" => {
                happened = time::of_value(&member.value).ok();
                row.keep("otlp", &member);
            }
            "observedTimeUnixNano" => {
                observed = time::of_value(&member.value).ok();
                row.keep("otlp", &member);
            }
            "received" => {
                received = time::of_value(&member.value).ok();
                row.keep("otlp", &member);
            }
            "severityNumber" => {
                severity = member.value.integer().map_or(severity, level);
                row.keep("otlp", &member);
            }
            "eventName" => row.put(Col::MetadataEventCode, "otlp", &member),
            "traceId" => row.put(Col::MetadataCorrelationUid, "otlp", &member),
            "resource" => match member.value.as_object() {
                Some(resource) => attributes(&resource, row),
                None => row.keep("otlp", &member),
            },
            "scope" => {
                for inner in member.value.as_object().iter().flat_map(|scope| scope.members()) {
                    match inner.key.as_ref() {
                        "name" => row.put_filled(Col::MetadataLogName, "otlp.scope", &inner),
                        _ => row.keep("otlp.scope", &inner),
                    }
                }
            }
            _ => row.keep("otlp", &member),
        }
    }
    if let Some(micros) = happened.or(observed).or(received) {
        row.time(Col::Time, micros);
    }
    super::base(LogType::Otlp, &said, severity, row)
}

/// By OpenTelemetry's semantic conventions for resources.
fn attributes(resource: &Object<'_>, row: &mut Row<'_>) {
    for member in resource.members() {
        match member.key.as_ref() {
            "service.name" => row.put_filled(Col::MetadataProductName, "otlp.resource", &member),
            "host.name" => super::host(row, "otlp.resource", &member),
            "cloud.account.id" => row.put_filled(Col::CloudAccountUid, "otlp.resource", &member),
            "cloud.region" => row.put_filled(Col::CloudRegion, "otlp.resource", &member),
            _ => row.keep("otlp.resource", &member),
        }
    }
}

/// The ranges of the log data model: TRACE, DEBUG and INFO to 12, WARN to 16, ERROR to 20, FATAL to 24.
fn level(number: i64) -> Severity {
    match number {
        13..=16 => Severity::Medium,
        17..=20 => Severity::High,
        21..=24 => Severity::Fatal,
        _ => Severity::Informational,
    }
}
