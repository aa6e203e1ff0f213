//! Amazon VPC flow logs: which address spoke to which, on which port, how much, and whether it was let.
//!
//! A record is a line of values between blanks. The default format (version 2) has 14; any other names its
//! fields in the first line of the file, which stands above each record that the splitter cut out of it. The
//! same fields come as JSON from tools that have read such lines. What the columns mean follows the mapping
//! that AWS itself publishes with Security Lake: an interface belongs to the destination of what comes in and to
//! the source of what goes out; a rejected flow is a connection refused.
//!
//! Fields and their meaning: "Flow log records", Amazon VPC User Guide. The time of the event is the start of
//! the flow's window.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use crate::class::{Severity, Status, network_activity};
use crate::json::Object;
use crate::network::{self, ALLOWED, BLOCKED, DESTINATION, Direction, End, SOURCE, put};
use crate::reason::{MapError, Reason};
use crate::row::Row;
use crate::time;

/// The mapping's reference: one line per column.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`start`"),
    (Col::StartTime, "`start`"),
    (Col::EndTime, "`end`"),
    (Col::ClassUid, "4001 Network Activity"),
    (Col::ActivityId, "by `action`: 5 Refuse where it is `REJECT`, else 6 Traffic"),
    (Col::SeverityId, "1 Informational"),
    (Col::StatusId, "by `action`: `ACCEPT` 1 Success, `REJECT` 2 Failure"),
    (Col::StatusCode, "`log-status`"),
    (Col::StatusDetail, "`reject-reason`"),
    (Col::MetadataLogVersion, "`version`"),
    (Col::MetadataOriginalTime, "`start`"),
    (Col::MetadataProductName, "`Amazon VPC`"),
    (Col::MetadataProductVendorName, "`AWS`"),
    (Col::MetadataProductFeatureName, "`Flowlogs`"),
    (Col::CloudAccountUid, "`account-id`"),
    (Col::CloudAccountType, "`AWS Account`"),
    (Col::CloudAccountTypeId, "10 AWS Account"),
    (Col::CloudRegion, "`region`"),
    (Col::CloudZone, "`az-id`"),
    (Col::ActionId, "by `action`: `ACCEPT` 1 Allowed, `REJECT` 2 Denied"),
    (Col::Action, "the same in words"),
    (Col::DispositionId, "by `action`: `ACCEPT` 1 Allowed, `REJECT` 2 Blocked"),
    (Col::Disposition, "the same in words"),
    (Col::SrcEndpointIp, "`srcaddr`"),
    (Col::SrcEndpointName, "`srcaddr`, if no address"),
    (Col::SrcEndpointPort, "`srcport`"),
    (Col::SrcEndpointSvcName, "`pkt-src-aws-service`"),
    (Col::SrcEndpointInterfaceUid, "`interface-id` of what goes out"),
    (Col::SrcEndpointInstanceUid, "`instance-id` of what goes out"),
    (Col::SrcEndpointSubnetUid, "`subnet-id` of what goes out"),
    (Col::SrcEndpointVpcUid, "`vpc-id` of what goes out"),
    (Col::DstEndpointIp, "`dstaddr`"),
    (Col::DstEndpointName, "`dstaddr`, if no address"),
    (Col::DstEndpointPort, "`dstport`"),
    (Col::DstEndpointSvcName, "`pkt-dst-aws-service`"),
    (Col::DstEndpointInterfaceUid, "`interface-id` of what comes in, and where the record has no addresses"),
    (Col::DstEndpointInstanceUid, "`instance-id` of what comes in"),
    (Col::DstEndpointSubnetUid, "`subnet-id` of what comes in"),
    (Col::DstEndpointVpcUid, "`vpc-id` of what comes in"),
    (Col::ConnectionInfoDirectionId, "`flow-direction`: `ingress` 1, `egress` 2, else 0"),
    (Col::ConnectionInfoDirection, "the same in words"),
    (Col::ConnectionInfoProtocolNum, "`protocol`"),
    (Col::ConnectionInfoProtocolName, "the name of `protocol`"),
    (Col::ConnectionInfoProtocolVer, "`type`, if `IPv4` or `IPv6`"),
    (Col::ConnectionInfoProtocolVerId, "the same as a number"),
    (Col::ConnectionInfoTcpFlags, "`tcp-flags`"),
    (Col::ConnectionInfoBoundaryId, "`traffic-path` plus 3: both lists are in the same order"),
    (Col::ConnectionInfoBoundary, "the same in words"),
    (Col::TrafficBytes, "`bytes`"),
    (Col::TrafficPackets, "`packets`"),
    (Col::ResourceUid, "`interface-id`, whatever the direction"),
    (Col::ResourceType, "`AWS::EC2::NetworkInterface`"),
];

/// The fields of the default format, version 2.
const DEFAULT: [&str; 14] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
];

/// What follows the default fields where a format has all fields up to version 5, in AWS's order: those of
/// version 3 are the first 7, those of version 4 the first 11.
const UP_TO_VERSION_5: [&str; 15] = [
    "vpc-id",
    "subnet-id",
    "instance-id",
    "tcp-flags",
    "type",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "region",
    "az-id",
    "sublocation-type",
    "sublocation-id",
    "pkt-src-aws-service",
    "pkt-dst-aws-service",
    "flow-direction",
    "traffic-path",
];

/// What follows the default fields in the format for Amazon ECS (version 7), in the order of AWS's examples.
const ECS: [&str; 10] = [
    "ecs-cluster-name",
    "ecs-cluster-arn",
    "ecs-container-instance-id",
    "ecs-container-instance-arn",
    "ecs-service-name",
    "ecs-task-definition-arn",
    "ecs-task-id",
    "ecs-task-arn",
    "ecs-container-id",
    "ecs-second-container-id",
];

/// OCSF `connection_info.boundary_id` 4 and up.
const BOUNDARIES: [&str; 8] = [
    "Same VPC",
    "Internet/VPC Gateway",
    "Virtual Private Gateway",
    "Intra-region VPC",
    "Inter-region VPC",
    "Local Gateway",
    "Gateway VPC",
    "Internet Gateway",
];

/// Whether a line begins as one of the default format does.
pub(crate) fn is_default_line(line: &str) -> bool {
    let mut words = line.split(' ');
    let mut next = || words.next().unwrap_or_default();
    let digits = |word: &str, most: usize| {
        !word.is_empty() && word.len() <= most && word.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(next(), 2)
        || !(digits(next(), 12) || line.contains(" unknown "))
        || !next().starts_with("eni-")
    {
        return false;
    }
    let addresses = [next(), next()];
    if !addresses.iter().all(|address| *address == "-" || network::is_address(address)) {
        return false;
    }
    let numbers = [next(), next(), next(), next(), next()];
    numbers.iter().all(|number| *number == "-" || digits(number, 20))
        && digits(next(), 10)
        && digits(next(), 10)
        && matches!(next(), "ACCEPT" | "REJECT" | "-")
        && matches!(next(), "OK" | "NODATA" | "SKIPDATA")
}

/// The names of the fields in a line without a header.
fn names(line: &str) -> impl Iterator<Item = &'static str> {
    let extra = line.split_ascii_whitespace().count().saturating_sub(DEFAULT.len());
    let first = line.split_ascii_whitespace().nth(DEFAULT.len()).unwrap_or("-");
    let second = line.split_ascii_whitespace().nth(DEFAULT.len() + 1).unwrap_or("-");
    let more: &[&str] = match extra {
        7 | 11 | 15 if first == "-" || first.starts_with("vpc-") => &UP_TO_VERSION_5,
        10 if second == "-" || second.starts_with("arn:") => &ECS,
        _ => &[],
    };
    DEFAULT.iter().chain(more).copied()
}

/// Fills `row` from a line, with or without the file's first line above it.
///
/// # Errors
/// The line has not the fields that it should, or does not say when the flow began.
pub(crate) fn map_line(text: &str, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let (header, line) = match text.trim_end().rsplit_once('\n') {
        Some((header, line)) => (Some(header), line),
        None => (None, text.trim_end()),
    };
    let mut flow = Flow::default();
    let mut values = line.split_ascii_whitespace();
    match header {
        Some(header) => {
            for name in header.split_ascii_whitespace() {
                let value =
                    values.next().ok_or_else(|| malformed("fewer values than its header has names"))?;
                flow.take(name, value.into(), row);
            }
            if values.next().is_some() {
                return Err(malformed("more values than its header has names"));
            }
        }
        None if is_default_line(line) => {
            // The values that names are left for; the others have none.
            for (name, value) in names(line).zip(values.by_ref()) {
                flow.take(name, value.into(), row);
            }
            for (place, value) in (DEFAULT.len() + 1..).zip(values) {
                flow.take(&format!("field-{place}"), value.into(), row);
            }
        }
        None => {
            return Err(malformed(
                "not the fields of the default format, and no header names others; give the file with its first line",
            ));
        }
    }
    flow.map(row)?;
    Ok(EventKey::from_content(LogType::AwsVpcFlow, line.as_bytes()))
}

/// Fills `row` from an object with the fields of a line as members, hyphens or underscores in their names.
///
/// # Errors
/// It does not say when the flow began.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut flow = Flow::default();
    for member in record.members() {
        match member.value.text() {
            Some(value) => flow.take(&member.key.replace('_', "-"), value, row),
            None => row.keep("", &member),
        }
    }
    flow.map(row)?;
    Ok(EventKey::from_content(LogType::AwsVpcFlow, record.raw().as_bytes()))
}

fn malformed(what: &str) -> MapError {
    MapError::new(Reason::MalformedLine, format!("the line of a VPC flow log has {what}"))
}

/// What of a record can only be placed when all of it is read.
#[derive(Debug, Default)]
struct Flow<'a> {
    start: Option<Cow<'a, str>>,
    action: Option<Cow<'a, str>>,
    direction: Option<Cow<'a, str>>,
    interface: Option<Cow<'a, str>>,
    instance: Option<Cow<'a, str>>,
    subnet: Option<Cow<'a, str>>,
    vpc: Option<Cow<'a, str>>,
}

impl<'a> Flow<'a> {
    /// Sets the column of a field, or notes it for later. A minus sign is no value.
    fn take(&mut self, name: &str, value: Cow<'a, str>, row: &mut Row<'_>) {
        if matches!(value.as_ref(), "-" | "") {
            return;
        }
        let is_placed = match name {
            "version" => put(Col::MetadataLogVersion, &value, row),
            "account-id" => put(Col::CloudAccountUid, &value, row),
            "srcaddr" => address(SOURCE, &value, row),
            "dstaddr" => address(DESTINATION, &value, row),
            "srcport" => SOURCE.port(&value, row),
            "dstport" => DESTINATION.port(&value, row),
            "protocol" => value.parse().is_ok_and(|number| {
                network::protocol(number, row);
                true
            }),
            "packets" => network::put_long(Col::TrafficPackets, &value, row),
            "bytes" => network::put_long(Col::TrafficBytes, &value, row),
            "end" => time::of_text(&value).is_ok_and(|micros| {
                row.time(Col::EndTime, micros);
                true
            }),
            "log-status" => put(Col::StatusCode, &value, row),
            "reject-reason" => put(Col::StatusDetail, &value, row),
            "tcp-flags" => network::put_int(Col::ConnectionInfoTcpFlags, &value, row),
            "type" => ip_version(&value, row),
            "region" => put(Col::CloudRegion, &value, row),
            "az-id" => put(Col::CloudZone, &value, row),
            "pkt-src-aws-service" => put(SOURCE.service, &value, row),
            "pkt-dst-aws-service" => put(DESTINATION.service, &value, row),
            "traffic-path" => boundary(&value, row),
            "start" => note(&mut self.start, value.clone()),
            "action" => note(&mut self.action, value.clone()),
            "flow-direction" => note(&mut self.direction, value.clone()),
            "interface-id" => note(&mut self.interface, value.clone()),
            "instance-id" => note(&mut self.instance, value.clone()),
            "subnet-id" => note(&mut self.subnet, value.clone()),
            "vpc-id" => note(&mut self.vpc, value.clone()),
            _ => false,
        };
        // The words of the cloud for what OCSF has numbers for are searched, too.
        if !is_placed || matches!(name, "action" | "flow-direction" | "traffic-path") {
            row.keep_text("", name, &value);
        }
    }

    fn map(self, row: &mut Row<'_>) -> Result<(), MapError> {
        let start = self
            .start
            .as_deref()
            .ok_or_else(|| MapError::new(Reason::MissingTime, "the flow record has no `start`"))?;
        let micros = time::of_text(start)?;
        row.time(Col::Time, micros);
        row.time(Col::StartTime, micros);
        row.text(Col::MetadataOriginalTime, start);
        self.place(row);
        let activity = match self.action.as_deref() {
            Some("REJECT") => {
                BLOCKED.put(row);
                row.status(Status::Failure);
                network_activity::REFUSE
            }
            Some("ACCEPT") => {
                ALLOWED.put(row);
                row.status(Status::Success);
                network_activity::TRAFFIC
            }
            _ => network_activity::TRAFFIC,
        };
        row.class(&activity);
        row.severity(Severity::Informational);
        row.text(Col::MetadataProductName, "Amazon VPC");
        row.text(Col::MetadataProductVendorName, "AWS");
        row.text(Col::MetadataProductFeatureName, "Flowlogs");
        if row.has(Col::CloudAccountUid) {
            row.text(Col::CloudAccountType, "AWS Account");
            row.int(Col::CloudAccountTypeId, 10);
        }
        Ok(())
    }

    /// Gives the interface and what it is part of to the end that it belongs to.
    fn place(&self, row: &mut Row<'_>) {
        let (direction, end) = match self.direction.as_deref() {
            Some("ingress") => (Direction::Inbound, Some(DESTINATION)),
            Some("egress") => (Direction::Outbound, Some(SOURCE)),
            _ => (Direction::Unknown, None),
        };
        direction.put(row);
        if let Some(interface) = &self.interface {
            row.text(Col::ResourceUid, interface);
            row.text(Col::ResourceType, "AWS::EC2::NetworkInterface");
        }
        let parts = |end: End| {
            [
                (end.interface, "interface-id", &self.interface),
                (end.instance, "instance-id", &self.instance),
                (end.subnet, "subnet-id", &self.subnet),
                (end.vpc, "vpc-id", &self.vpc),
            ]
        };
        let is_empty = !row.has(Col::SrcEndpointIp) && !row.has(Col::DstEndpointIp);
        match end.or(is_empty.then_some(DESTINATION)) {
            Some(end) => {
                parts(end).into_iter().for_each(|(col, _, value)| row.text_if(col, value.as_deref()))
            }
            None => {
                for (_, name, value) in parts(SOURCE).iter().skip(1) {
                    if let Some(value) = value {
                        row.keep_text("", name, value);
                    }
                }
            }
        }
        if is_empty {
            DESTINATION.require(row);
        }
    }
}

fn note<'a>(slot: &mut Option<Cow<'a, str>>, value: Cow<'a, str>) -> bool {
    *slot = Some(value);
    true
}

fn address(end: End, value: &str, row: &mut Row<'_>) -> bool {
    end.address(value, row);
    true
}

fn ip_version(value: &str, row: &mut Row<'_>) -> bool {
    match value {
        "IPv4" => network::version(4, row),
        "IPv6" => network::version(6, row),
        // An Elastic Fabric Adapter's flows.
        _ => return false,
    }
    true
}

fn boundary(value: &str, row: &mut Row<'_>) -> bool {
    let found =
        value.parse::<usize>().ok().and_then(|path| Some((path, BOUNDARIES.get(path.checked_sub(1)?)?)));
    let Some((path, name)) = found else { return false };
    row.int(Col::ConnectionInfoBoundaryId, path as i32 + 3);
    row.text(Col::ConnectionInfoBoundary, name);
    true
}
