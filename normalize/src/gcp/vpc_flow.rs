//! Google Cloud VPC flow logs: LogEntries whose `jsonPayload` is a flow.
//!
//! A flow is reported by its source, its destination, or both; the direction is that of the reporter. The time of
//! the event is the start of the flow; the entry's own `timestamp`, some seconds later, is kept. Fields: "VPC Flow
//! Logs records", Google Cloud documentation.

use event::{Col, EventKey, LogType};

use super::entry::{Entry, keep};
use crate::class::{Severity, Status, network_activity};
use crate::json::{Member, Object};
use crate::network::{self, DESTINATION, Direction, End, SOURCE};
use crate::reason::{MapError, Reason};
use crate::row::Row;
use crate::time;

/// The mapping's reference: one line per column.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`jsonPayload.start_time`, else `timestamp`"),
    (Col::StartTime, "`jsonPayload.start_time`"),
    (Col::EndTime, "`jsonPayload.end_time`"),
    (Col::ClassUid, "4001 Network Activity"),
    (Col::ActivityId, "6 Traffic"),
    (Col::SeverityId, "1 Informational"),
    (Col::StatusId, "1 Success: flows that a firewall stops are not logged here"),
    (Col::MetadataUid, "`insertId`"),
    (Col::MetadataLogName, "the end of `logName`"),
    (Col::MetadataOriginalTime, "as `time`"),
    (Col::MetadataCorrelationUid, "`operation.id`"),
    (Col::MetadataProductName, "`VPC Flow Logs`"),
    (Col::MetadataProductVendorName, "`Google`"),
    (Col::CloudAccountUid, "`resource.labels.project_id`"),
    (Col::CloudAccountType, "`GCP Project`"),
    (Col::CloudAccountTypeId, "11 GCP Project"),
    (Col::CloudRegion, "the `region` of the reporter's instance"),
    (Col::SrcEndpointIp, "`jsonPayload.connection.src_ip`"),
    (Col::SrcEndpointName, "the same, if no address; `Unknown` without one"),
    (Col::SrcEndpointPort, "`jsonPayload.connection.src_port`"),
    (Col::SrcEndpointInstanceUid, "`jsonPayload.src_instance.vm_name`: the log has no number"),
    (Col::SrcEndpointZone, "`jsonPayload.src_instance.zone`"),
    (Col::SrcEndpointVpcUid, "`jsonPayload.src_vpc.vpc_name`"),
    (Col::SrcEndpointSubnetUid, "`jsonPayload.src_vpc.subnetwork_name`"),
    (Col::SrcEndpointAsn, "`jsonPayload.src_location.asn`"),
    (Col::DstEndpointIp, "`jsonPayload.connection.dest_ip`"),
    (Col::DstEndpointName, "the same, if no address"),
    (Col::DstEndpointPort, "`jsonPayload.connection.dest_port`"),
    (Col::DstEndpointInstanceUid, "`jsonPayload.dest_instance.vm_name`"),
    (Col::DstEndpointZone, "`jsonPayload.dest_instance.zone`"),
    (Col::DstEndpointVpcUid, "`jsonPayload.dest_vpc.vpc_name`"),
    (Col::DstEndpointSubnetUid, "`jsonPayload.dest_vpc.subnetwork_name`"),
    (Col::DstEndpointAsn, "`jsonPayload.dest_location.asn`"),
    (Col::ConnectionInfoDirectionId, "by `jsonPayload.reporter`: `DEST` 1 Inbound, `SRC` 2 Outbound"),
    (Col::ConnectionInfoDirection, "the same in words"),
    (Col::ConnectionInfoProtocolNum, "`jsonPayload.connection.protocol`"),
    (Col::ConnectionInfoProtocolName, "its name"),
    (Col::ConnectionInfoProtocolVer, "by the source address"),
    (Col::ConnectionInfoProtocolVerId, "the same as a number"),
    (Col::ObservationPointId, "by `jsonPayload.reporter`: `SRC` 1, `DEST` 2"),
    (Col::ObservationPoint, "the same in words"),
    (Col::TrafficBytes, "`jsonPayload.bytes_sent`: from source to destination"),
    (Col::TrafficPackets, "`jsonPayload.packets_sent`: the same way"),
    (Col::ResourceType, "`resource.type`"),
    (Col::ResourceName, "`resource.labels.subnetwork_name`"),
    (Col::ResourceUid, "`resource.labels.subnetwork_id`"),
    (Col::HttpRequestHttpMethod, "`httpRequest.requestMethod`, which flows have not"),
    (Col::HttpRequestUrl, "`httpRequest.requestUrl`, which flows have not"),
];

/// Fills `row` from one record.
///
/// # Errors
/// It has no flow, or does not say when that was.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut entry = Entry::default();
    let mut payload = None;
    for member in record.members() {
        match (member.key.as_ref(), member.value.as_object()) {
            ("jsonPayload" | "jsonpayload" | "json_payload", Some(object)) => {
                payload = Some((object, member))
            }
            _ => entry.read_member(&member, row),
        }
    }
    let (payload, member) = payload.ok_or_else(|| {
        MapError::new(Reason::WrongType, "the log entry has no object `jsonPayload`, so it is no VPC flow")
    })?;
    let time = map_time(&entry, &payload, row)?;
    for part in payload.members() {
        read_payload(&part, &member.key, row);
    }
    map_reporter(&payload, row);
    SOURCE.require(row);
    row.class(&network_activity::TRAFFIC);
    row.severity(Severity::Informational);
    row.status(Status::Success);
    map_entry(&entry, row);
    row.text(Col::MetadataProductName, "VPC Flow Logs");
    row.text(Col::MetadataProductVendorName, "Google");
    Ok(entry.identity(LogType::GcpVpcFlow, record, time))
}

/// The entry's own time when the flow's is not said; it is part of the identity.
fn map_time(entry: &Entry<'_>, payload: &Object<'_>, row: &mut Row<'_>) -> Result<i64, MapError> {
    let start = payload.get("start_time");
    if let Some(timestamp) = entry.timestamp.filter(|_| start.is_some()) {
        row.keep_value("", "timestamp", &timestamp);
    }
    let value = start.or(entry.timestamp).or(entry.received).ok_or_else(|| {
        MapError::new(Reason::MissingTime, "the flow has no `start_time`, the entry no `timestamp`")
    })?;
    let micros = time::of_value(&value)?;
    row.time(Col::Time, micros);
    if start.is_some() {
        row.time(Col::StartTime, micros);
    }
    row.text_if(Col::MetadataOriginalTime, value.text());
    Ok(entry.timestamp.map_or(micros, |value| time::of_value(&value).unwrap_or(micros)))
}

fn read_payload(part: &Member<'_>, path: &str, row: &mut Row<'_>) {
    let inner = part.value.as_object();
    match (part.key.as_ref(), inner) {
        ("start_time", _) => {}
        ("end_time", _) => row.put_time(Col::EndTime, path, part),
        ("bytes_sent", _) => put_long(Col::TrafficBytes, path, part, row),
        ("packets_sent", _) => put_long(Col::TrafficPackets, path, part, row),
        ("connection", Some(connection)) => read_connection(&connection, &inside(path, part), row),
        ("src_instance", Some(instance)) => read_instance(&instance, SOURCE, &inside(path, part), row),
        ("dest_instance", Some(instance)) => read_instance(&instance, DESTINATION, &inside(path, part), row),
        ("src_vpc", Some(vpc)) => read_vpc(&vpc, SOURCE, &inside(path, part), row),
        ("dest_vpc", Some(vpc)) => read_vpc(&vpc, DESTINATION, &inside(path, part), row),
        ("src_location", Some(place)) => read_place(&place, Col::SrcEndpointAsn, &inside(path, part), row),
        ("dest_location", Some(place)) => read_place(&place, Col::DstEndpointAsn, &inside(path, part), row),
        _ => keep(row, path, part),
    }
}

fn inside(path: &str, part: &Member<'_>) -> String {
    format!("{path}.{}", part.key)
}

fn put_long(col: Col, path: &str, part: &Member<'_>, row: &mut Row<'_>) {
    match part.value.integer() {
        Some(number) if !row.has(col) => row.long(col, number),
        _ => keep(row, path, part),
    }
}

fn read_connection(connection: &Object<'_>, path: &str, row: &mut Row<'_>) {
    for part in connection.members() {
        let text = part.value.filled_text();
        match (part.key.as_ref(), text.as_deref()) {
            ("src_ip", Some(address)) => {
                SOURCE.address(address, row);
                network::version_of(address, row);
            }
            ("dest_ip", Some(address)) => DESTINATION.address(address, row),
            ("src_port", Some(port)) if SOURCE.port(port, row) => {}
            ("dest_port", Some(port)) if DESTINATION.port(port, row) => {}
            ("protocol", Some(number)) if number.parse::<u8>().is_ok() => {
                network::protocol(number.parse::<u8>().unwrap_or_default().into(), row);
            }
            _ => keep(row, path, &part),
        }
    }
}

fn read_instance(instance: &Object<'_>, end: End, path: &str, row: &mut Row<'_>) {
    for part in instance.members() {
        match part.key.as_ref() {
            "vm_name" => row.put_filled(end.instance, path, &part),
            "zone" => row.put_filled(end.zone, path, &part),
            _ => keep(row, path, &part),
        }
    }
}

fn read_vpc(vpc: &Object<'_>, end: End, path: &str, row: &mut Row<'_>) {
    for part in vpc.members() {
        match part.key.as_ref() {
            "vpc_name" => row.put_filled(end.vpc, path, &part),
            "subnetwork_name" => row.put_filled(end.subnet, path, &part),
            _ => keep(row, path, &part),
        }
    }
}

/// OCSF's country has two letters, Google's three: it is kept as it is.
fn read_place(place: &Object<'_>, asn: Col, path: &str, row: &mut Row<'_>) {
    for part in place.members() {
        match part.key.as_ref() {
            "asn" => put_long(asn, path, &part, row),
            _ => keep(row, path, &part),
        }
    }
}

/// The reporter's words are kept with the rest of the payload.
fn map_reporter(payload: &Object<'_>, row: &mut Row<'_>) {
    let reporter = payload.get("reporter").and_then(|reporter| reporter.as_str()).unwrap_or_default();
    let (direction, point, instance) = match reporter.as_ref() {
        "SRC" | "SRC_GATEWAY" => (Direction::Outbound, Some((1, "Source")), "src_instance"),
        "DEST" | "DEST_GATEWAY" => (Direction::Inbound, Some((2, "Destination")), "dest_instance"),
        _ => (Direction::Unknown, None, "src_instance"),
    };
    direction.put(row);
    if let Some((number, name)) = point {
        row.int(Col::ObservationPointId, number);
        row.text(Col::ObservationPoint, name);
    }
    row.text_if(Col::CloudRegion, payload.at(&[instance, "region"]).and_then(|region| region.filled_text()));
}

/// What is the same for all entries of Cloud Logging that are no audit logs.
pub(super) fn map_entry(entry: &Entry<'_>, row: &mut Row<'_>) {
    if let Some((_, name)) = entry.log_name.as_deref().and_then(|path| path.split_once("/logs/")) {
        let name = name.rsplit_once("%2F").or_else(|| name.rsplit_once('/')).map_or(name, |(_, name)| name);
        row.text_if(Col::MetadataLogName, Some(name));
    }
    row.text_if(Col::ResourceUid, entry.label("subnetwork_id"));
    row.text_if(Col::ResourceName, entry.label("subnetwork_name"));
    if row.has(Col::CloudAccountUid) {
        row.text(Col::CloudAccountType, "GCP Project");
        row.int(Col::CloudAccountTypeId, 11);
    }
}
