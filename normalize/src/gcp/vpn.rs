//! Cloud VPN: LogEntries of the gateway, whose `textPayload` says in IKE's words what became of a tunnel.
//!
//! There are no fields to tell an event by, so a few phrases decide: those of strongSwan, which Cloud VPN runs,
//! and of Google's list ("View logs and metrics", Cloud VPN documentation). What is none of them is of activity
//! 99 Other.

use event::{Col, EventKey, LogType};

use super::entry::Entry;
use super::vpc_flow::map_entry;
use crate::class::{Activity, Status, tunnel_activity};
use crate::json::Object;
use crate::network::{DESTINATION, SOURCE};
use crate::reason::{MapError, Reason};
use crate::row::Row;
use crate::time;

/// The mapping's reference: one line per column.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`timestamp`, else `receiveTimestamp`"),
    (Col::ClassUid, "4014 Tunnel Activity"),
    (
        Col::ActivityId,
        "by `textPayload`: `established` 1 Open, `deleting`, `closing` 2 Close, `rekey` 3 Renew; else 99 Other",
    ),
    (Col::ActivityName, "the activity's name; `IKE Message` where it is 99 Other"),
    (Col::SeverityId, "by `severity`: WARNING 2 Low, ERROR 3 Medium, CRITICAL 4 High, ALERT 5, EMERGENCY 6"),
    (
        Col::StatusId,
        "2 Failure where `textPayload` says `failed` or `error`, or `severity` is ERROR or above; else 1 Success",
    ),
    (Col::Message, "`textPayload`"),
    (Col::MetadataUid, "`insertId`"),
    (Col::MetadataLogName, "the end of `logName`"),
    (Col::MetadataOriginalTime, "as `time`"),
    (Col::MetadataCorrelationUid, "`operation.id`"),
    (Col::MetadataProductName, "`Cloud VPN`"),
    (Col::MetadataProductVendorName, "`Google`"),
    (Col::CloudAccountUid, "`resource.labels.project_id`"),
    (Col::CloudAccountType, "`GCP Project`"),
    (Col::CloudAccountTypeId, "11 GCP Project"),
    (Col::CloudRegion, "`resource.labels.region`"),
    (Col::SrcEndpointIp, "the second address of `between A...B` in `textPayload`: the peer"),
    (Col::SrcEndpointName, "`Unknown` without one"),
    (Col::DstEndpointIp, "the first address of the same: Google's gateway"),
    (Col::DstEndpointUid, "`resource.labels.gateway_id`"),
    (Col::ProtocolName, "`IPSec`"),
    (Col::TunnelInterfaceUid, "`labels.tunnel_id`"),
    (Col::ResourceUid, "`resource.labels.gateway_id`"),
    (Col::ResourceType, "`resource.type`"),
    (Col::HttpRequestHttpMethod, "`httpRequest.requestMethod`, which these entries have not"),
    (Col::HttpRequestUrl, "`httpRequest.requestUrl`, which these entries have not"),
];

/// Fills `row` from one record.
///
/// # Errors
/// It does not say when it happened.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut entry = Entry::default();
    let mut message = None;
    for member in record.members() {
        match (member.key.as_ref(), member.value.as_object()) {
            ("textPayload" | "textpayload" | "text_payload", None) => {
                message = member.value.text();
                row.put_filled(Col::Message, "", &member);
            }
            ("labels", Some(labels)) => {
                for label in labels.members() {
                    match label.key.as_ref() {
                        "tunnel_id" => row.put_filled(Col::TunnelInterfaceUid, "labels", &label),
                        _ => row.keep("labels", &label),
                    }
                }
            }
            _ => entry.read_member(&member, row),
        }
    }
    let value = entry.timestamp.or(entry.received).ok_or_else(|| {
        MapError::new(Reason::MissingTime, "the log entry has neither `timestamp` nor `receiveTimestamp`")
    })?;
    let time = time::of_value(&value)?;
    row.time(Col::Time, time);
    row.text_if(Col::MetadataOriginalTime, value.text());
    map_message(&message.unwrap_or_default(), &entry, row);
    row.text_if(Col::CloudRegion, entry.label("region"));
    row.text_if(Col::DstEndpointUid, entry.label("gateway_id"));
    row.text_if(Col::ResourceUid, entry.label("gateway_id"));
    row.text(Col::ProtocolName, "IPSec");
    map_entry(&entry, row);
    SOURCE.require(row);
    row.text(Col::MetadataProductName, "Cloud VPN");
    row.text(Col::MetadataProductVendorName, "Google");
    Ok(entry.identity(LogType::GcpVpn, record, time))
}

fn map_message(message: &str, entry: &Entry<'_>, row: &mut Row<'_>) {
    let severity = entry.severity();
    row.severity(severity);
    let words = message.to_ascii_lowercase();
    let failed = words.contains("failed") || words.contains("error") || severity.id() > 2;
    row.status(if failed { Status::Failure } else { Status::Success });
    match activity(&words).filter(|_| !failed) {
        Some(activity) => row.class(&activity),
        None => row.class_named(&tunnel_activity::OTHER, "IKE Message"),
    }
    if let Some((gateway, peer)) = ends(message) {
        DESTINATION.socket(gateway, row);
        SOURCE.socket(peer, row);
    }
}

fn activity(words: &str) -> Option<Activity> {
    if words.contains("rekey") {
        return Some(tunnel_activity::RENEW);
    }
    if words.contains("established") {
        return Some(tunnel_activity::OPEN);
    }
    let closes = ["deleting ike_sa", "closing child_sa", "received delete", "tunnel is down"];
    closes.iter().any(|word| words.contains(word)).then_some(tunnel_activity::CLOSE)
}

/// The addresses in `between 198.51.100.4[198.51.100.4]...203.0.113.9[203.0.113.9]`.
fn ends(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once("between ")?;
    let (gateway, peer) = rest.split_once("...")?;
    Some((gateway.split('[').next()?, peer.split(['[', ' ']).next()?))
}
