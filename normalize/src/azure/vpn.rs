//! Azure VPN gateways: the diagnostic logs of tunnels, IKE, routes and point-to-site connections.
//!
//! All are resource logs, told apart by `category`; what happened is `operationName` and the words of
//! `properties.message`. Forms: "Monitoring data reference for Azure VPN Gateway".

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::diagnostic::Diagnostic;
use super::resource_id::ResourceId;
use crate::class::{Activity, Severity, Status, tunnel_activity};
use crate::fields::Fields;
use crate::json::Object;
use crate::network::{DESTINATION, SOURCE};
use crate::reason::MapError;
use crate::row::Row;

/// The mapping's reference: one line per column.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`time`, `TimeGenerated`"),
    (Col::ClassUid, "4014 Tunnel Activity"),
    (
        Col::ActivityId,
        "by `operationName`: `TunnelConnected` 1 Open, `TunnelDisconnected` 2 Close; by `properties.status`; else 99 Other",
    ),
    (Col::ActivityName, "the activity's name; `operationName` where it is 99 Other"),
    (Col::SeverityId, "by `level`: Informational 1, Warning 2 Low, Error 3 Medium, Critical 4 High"),
    (Col::StatusId, "2 Failure where `level` is `Error` or `Critical`; else 1 Success"),
    (Col::StatusCode, "`properties.status`"),
    (Col::StatusDetail, "`properties.stateChangeReason`"),
    (Col::Message, "`properties.message`"),
    (Col::MetadataLogName, "`category`"),
    (Col::MetadataOriginalTime, "as `time`"),
    (Col::MetadataProductName, "`VPN Gateway`"),
    (Col::MetadataProductVendorName, "`Microsoft`"),
    (Col::CloudAccountUid, "the subscription in `resourceId`"),
    (Col::CloudAccountType, "`Azure Subscription`"),
    (Col::CloudAccountTypeId, "13"),
    (Col::CloudRegion, "`location`"),
    (Col::ApiOperation, "`operationName`"),
    (Col::SrcEndpointIp, "`properties.remoteIP`; the address behind `Remote` in `properties.message`"),
    (Col::SrcEndpointName, "the same, if no address; `Unknown` without one"),
    (Col::SrcEndpointPort, "the port behind it"),
    (Col::DstEndpointIp, "`properties.localIP`; the address behind `Local` in `properties.message`"),
    (Col::DstEndpointName, "the name in `resourceId`"),
    (Col::DstEndpointPort, "the port behind it"),
    (Col::DstEndpointInstanceUid, "`properties.instance`"),
    (Col::ProtocolName, "`IPSec` of tunnels and IKE"),
    (Col::ResourceUid, "`resourceId`"),
    (Col::ResourceName, "the name in `resourceId`"),
    (Col::ResourceType, "the type in `resourceId`"),
];

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when it happened.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut diagnostic = Diagnostic::of(*record);
    let mut fields = diagnostic.fields();
    fields.put_time(row, &["time", "timegenerated"])?;
    let operation = fields.peek("operationname").unwrap_or_default();
    fields.put(row, Col::ApiOperation, &["operationname"]);
    let category = fields.peek("category").unwrap_or_default();
    fields.put(row, Col::MetadataLogName, &["category"]);
    if matches!(category.as_ref(), "TunnelDiagnosticLog" | "IKEDiagnosticLog") {
        row.text(Col::ProtocolName, "IPSec");
    }
    let status = fields.peek("status").unwrap_or_default();
    fields.put(row, Col::StatusCode, &["status"]);
    fields.put(row, Col::StatusDetail, &["statechangereason"]);
    match activity(&operation, &status) {
        Some(activity) => row.class(&activity),
        None if operation.is_empty() => row.class(&tunnel_activity::UNKNOWN),
        None => row.class_named(&tunnel_activity::OTHER, &operation),
    }
    map_level(&fields, row);
    map_ends(&mut fields, row);
    map_resource(&mut fields, row);
    fields.put(row, Col::Message, &["message"]);
    fields.put(row, Col::CloudRegion, &["location"]);
    row.text(Col::MetadataProductName, "VPN Gateway");
    row.text(Col::MetadataProductVendorName, "Microsoft");
    fields.keep(row);
    Ok(EventKey::from_content(LogType::AzureVpn, record.raw().as_bytes()))
}

fn activity(operation: &str, status: &str) -> Option<Activity> {
    Some(match (operation, status) {
        ("TunnelConnected", _) | (_, "Connected") => tunnel_activity::OPEN,
        ("TunnelDisconnected", _) | (_, "Disconnected") => tunnel_activity::CLOSE,
        _ => return None,
    })
}

fn map_level(fields: &Fields<'_>, row: &mut Row<'_>) {
    let level = fields.peek("level").unwrap_or_default();
    let (severity, status) = match level.as_ref() {
        "Warning" => (Severity::Low, Status::Success),
        "Error" => (Severity::Medium, Status::Failure),
        "Critical" => (Severity::High, Status::Failure),
        _ => (Severity::Informational, Status::Success),
    };
    row.severity(severity);
    row.status(status);
}

/// `Remote 203.0.113.9:500: Local 198.51.100.4:500: [RECEIVED] …`
fn map_ends(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    for (end, name, word) in [(SOURCE, "remoteip", "Remote "), (DESTINATION, "localip", "Local ")] {
        match fields.text(name) {
            Some(address) => end.socket(&address, row),
            None => {
                let message = fields.peek("message").unwrap_or_default();
                let found = message.split_once(word).map(|(_, rest)| rest.split(": ").next().unwrap_or(rest));
                if let Some(address) = found.filter(|address| crate::network::is_address(address)) {
                    end.socket(address, row);
                }
            }
        }
    }
    fields.put(row, Col::DstEndpointInstanceUid, &["instance"]);
    SOURCE.require(row);
}

fn map_resource(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let id: Option<Cow<'_, str>> = fields.first(&["resourceid"]);
    let Some(id) = id else { return };
    let parts = ResourceId::parse(&id);
    if let Some(subscription) = parts.subscription {
        row.text(Col::CloudAccountUid, subscription);
        row.text(Col::CloudAccountType, "Azure Subscription");
        row.int(Col::CloudAccountTypeId, 13);
    }
    row.text(Col::ResourceUid, &id);
    row.text_if(Col::ResourceName, parts.name);
    row.text_if(Col::ResourceType, parts.kind.as_deref());
    row.text_if(Col::DstEndpointName, parts.name);
}
