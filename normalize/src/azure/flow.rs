//! Azure flow logs, of network security groups and of virtual networks.
//!
//! Both come as documents of many flows, one document a minute and network interface. The splitter cuts each
//! into documents of one flow, which are otherwise as Azure wrote them; one that holds more is refused here,
//! since a record becomes one event. A flow is a tuple of values between commas. Forms: "Flow logging for network
//! security groups" and "Virtual network flow logs", Azure Network Watcher. The time of the event is the tuple's
//! own; the minute of the document is kept.

use std::borrow::Cow;

use event::{Col, EventKey, LogType};

use super::resource_id::ResourceId;
use crate::class::{Activity, Severity, Status, network_activity};
use crate::fields::Fields;
use crate::json::{Object, Value};
use crate::network::{self, ALLOWED, BLOCKED, DESTINATION, Direction, SOURCE};
use crate::reason::{MapError, Reason};
use crate::row::Row;
use crate::time;

/// The mapping's reference: one line per column, the same for both logs.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "the tuple's time"),
    (Col::StartTime, "the tuple's time"),
    (Col::ClassUid, "4001 Network Activity"),
    (Col::ActivityId, "by the tuple's state: `B` 1 Open, `C` 6 Traffic, `E` 2 Close; denied 5 Refuse"),
    (Col::SeverityId, "1 Informational"),
    (Col::StatusId, "1 Success; 2 Failure where the flow was denied"),
    (Col::MetadataLogName, "`category`"),
    (Col::MetadataLogVersion, "`properties.Version`, `flowLogVersion`"),
    (Col::MetadataOriginalTime, "the tuple's time"),
    (Col::MetadataProductName, "`Network Watcher`"),
    (Col::MetadataProductVendorName, "`Microsoft`"),
    (Col::CloudAccountUid, "the subscription in `resourceId`, `targetResourceID`, `flowLogResourceID`"),
    (Col::CloudAccountType, "`Azure Subscription`"),
    (Col::CloudAccountTypeId, "13"),
    (Col::ApiOperation, "`operationName`"),
    (Col::ActionId, "1 Allowed, 2 Denied, by the tuple's decision or state"),
    (Col::Action, "the same in words"),
    (Col::DispositionId, "1 Allowed, 2 Blocked, by the same"),
    (Col::Disposition, "the same in words"),
    (Col::FirewallRuleName, "`rule`"),
    (Col::FirewallRuleUid, "`aclID`: the group that the rule is in"),
    (Col::SrcEndpointIp, "the tuple's source address"),
    (Col::SrcEndpointName, "the same, if no address; `Unknown` without one"),
    (Col::SrcEndpointPort, "its source port"),
    (Col::SrcEndpointMac, "`mac`, `macAddress` of what goes out"),
    (Col::DstEndpointIp, "its destination address"),
    (Col::DstEndpointName, "the same, if no address"),
    (Col::DstEndpointPort, "its destination port"),
    (Col::DstEndpointMac, "`mac`, `macAddress` of what comes in"),
    (Col::ConnectionInfoDirectionId, "`I` 1 Inbound, `O` 2 Outbound"),
    (Col::ConnectionInfoDirection, "the same in words"),
    (Col::ConnectionInfoProtocolNum, "the tuple's protocol: `T` 6, `U` 17, or a number"),
    (Col::ConnectionInfoProtocolName, "its name"),
    (Col::ConnectionInfoProtocolVer, "by the source address"),
    (Col::ConnectionInfoProtocolVerId, "the same as a number"),
    (Col::TrafficPacketsOut, "packets from source to destination"),
    (Col::TrafficBytesOut, "bytes from source to destination"),
    (Col::TrafficPacketsIn, "packets from destination to source"),
    (Col::TrafficBytesIn, "bytes from destination to source"),
    (Col::TrafficPackets, "the sum of both"),
    (Col::TrafficBytes, "the sum of both"),
    (Col::ResourceUid, "`resourceId`, `targetResourceID`"),
    (Col::ResourceName, "the name in the same"),
    (Col::ResourceType, "the type in the same"),
];

/// Where a tuple's values stand. Network security groups have no encryption, and a decision that virtual
/// networks fold into the state.
#[derive(Debug, Default)]
struct Tuple<'t> {
    time: &'t str,
    source: &'t str,
    destination: &'t str,
    source_port: &'t str,
    destination_port: &'t str,
    protocol: &'t str,
    direction: &'t str,
    decision: &'t str,
    state: &'t str,
    encryption: &'t str,
    packets_out: &'t str,
    bytes_out: &'t str,
    packets_in: &'t str,
    bytes_in: &'t str,
}

impl<'t> Tuple<'t> {
    fn of_group(text: &'t str) -> Option<Self> {
        let mut values = text.split(',');
        let mut tuple = Self::flow(&mut values)?;
        tuple.decision = values.next()?;
        tuple.state = values.next().unwrap_or_default();
        tuple.counts(values)
    }

    fn of_network(text: &'t str) -> Option<Self> {
        let mut values = text.split(',');
        let mut tuple = Self::flow(&mut values)?;
        tuple.state = values.next()?;
        tuple.encryption = values.next().unwrap_or_default();
        tuple.counts(values)
    }

    fn flow(values: &mut std::str::Split<'t, char>) -> Option<Self> {
        Some(Self {
            time: values.next()?,
            source: values.next()?,
            destination: values.next()?,
            source_port: values.next()?,
            destination_port: values.next()?,
            protocol: values.next()?,
            direction: values.next()?,
            ..Self::default()
        })
    }

    fn counts(mut self, mut values: std::str::Split<'t, char>) -> Option<Self> {
        self.packets_out = values.next().unwrap_or_default();
        self.bytes_out = values.next().unwrap_or_default();
        self.packets_in = values.next().unwrap_or_default();
        self.bytes_in = values.next().unwrap_or_default();
        values.next().is_none().then_some(self)
    }
}

/// What the document says of its one flow.
#[derive(Debug, Default)]
struct Found<'a> {
    tuple: Cow<'a, str>,
    rule: Option<Cow<'a, str>>,
    group: Option<Cow<'a, str>>,
    mac: Option<Cow<'a, str>>,
    tuples: usize,
}

/// Fills `row` from a document of one flow of a network security group.
///
/// # Errors
/// It holds none, or several, or the flow does not say when it was.
pub(crate) fn map_group(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut fields = Fields::of(*record, "");
    let properties = fields.nested(&["properties"]);
    let mut found = Found { mac: fields.text("macaddress"), ..Found::default() };
    for member in properties.object().iter().flat_map(Object::members) {
        match (member.key.as_ref(), member.value.as_array()) {
            ("flows", Some(rules)) => {
                for rule in rules.filter_map(|rule| rule.as_object()) {
                    found.read(&rule, "properties.flows", row);
                }
            }
            ("Version", _) => row.put_filled(Col::MetadataLogVersion, "properties", &member),
            _ => row.keep("properties", &member),
        }
    }
    map(LogType::AzureNsgFlow, fields, &found, Tuple::of_group(&found.tuple), row)
}

/// Fills `row` from a document of one flow of a virtual network; also of the flat form that some forwarders
/// make, with the tuple as `flow.0`.
///
/// # Errors
/// It holds none, or several, or the flow does not say when it was.
pub(crate) fn map_network(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let mut fields = Fields::of(*record, "");
    fields.put(row, Col::MetadataLogVersion, &["flowlogversion"]);
    let records = fields.nested(&["flowrecords"]);
    let mut found = Found { mac: fields.text("macaddress"), ..Found::default() };
    for member in records.object().iter().flat_map(Object::members) {
        match (member.key.as_ref(), member.value.as_array()) {
            ("flows", Some(flows)) => {
                for flow in flows.filter_map(|flow| flow.as_object()) {
                    found.read(&flow, "flowRecords.flows", row);
                }
            }
            _ => row.keep("flowRecords", &member),
        }
    }
    if let Some(tuple) = fields.text("flow.0") {
        found.tuples += 1 + usize::from(fields.has("flow.1"));
        found.tuple = tuple;
        found.rule = fields.text("rule");
        found.group = fields.text("aclid");
    }
    map(LogType::AzureVnetFlow, fields, &found, Tuple::of_network(&found.tuple), row)
}

impl<'a> Found<'a> {
    /// Reads an object that holds tuples, or objects that do.
    fn read(&mut self, object: &Object<'a>, path: &str, row: &mut Row<'_>) {
        for member in object.members() {
            let text = member.value.text();
            match (member.key.as_ref(), member.value.as_array()) {
                ("rule", _) if text.is_some() => self.rule = text,
                ("aclID", _) if text.is_some() => self.group = text,
                ("mac", _) if text.is_some() => self.mac = text,
                ("flows" | "flowGroups", Some(inner)) if path.ends_with(".flows") => {
                    let path = format!("{path}.{}", member.key);
                    for object in inner.filter_map(|value: Value<'a>| value.as_object()) {
                        self.read_group(&object, &path, row);
                    }
                }
                _ => row.keep(path, &member),
            }
        }
    }

    fn read_group(&mut self, object: &Object<'a>, path: &str, row: &mut Row<'_>) {
        for member in object.members() {
            let text = member.value.text();
            match (member.key.as_ref(), member.value.as_array()) {
                ("rule", _) if text.is_some() => self.rule = text,
                ("mac", _) if text.is_some() => self.mac = text,
                ("flowTuples", Some(tuples)) => {
                    for tuple in tuples {
                        self.tuples += 1;
                        self.tuple = tuple.text().unwrap_or_default();
                    }
                }
                _ => row.keep(path, &member),
            }
        }
    }
}

fn map(
    log_type: LogType,
    mut fields: Fields<'_>,
    found: &Found<'_>,
    tuple: Option<Tuple<'_>>,
    row: &mut Row<'_>,
) -> Result<EventKey, MapError> {
    if found.tuples != 1 {
        return Err(MapError::new(
            Reason::WrongType,
            format!(
                "the document holds {} flows; a record is a document of one flow, as files are cut",
                found.tuples
            ),
        ));
    }
    let tuple = tuple.ok_or_else(|| {
        MapError::new(Reason::MalformedLine, "the flow tuple has not the values that it should")
    })?;
    let micros = time::of_text(tuple.time)?;
    row.time(Col::Time, micros);
    row.time(Col::StartTime, micros);
    row.text(Col::MetadataOriginalTime, tuple.time);
    map_tuple(&tuple, found.mac.as_deref(), row);
    let is_denied = tuple.decision == "D" || tuple.state == "D";
    let activity = if is_denied { network_activity::REFUSE } else { activity(tuple.state) };
    row.class(&activity);
    row.status(if is_denied { Status::Failure } else { Status::Success });
    if is_denied {
        BLOCKED.put(row)
    } else {
        ALLOWED.put(row)
    }
    row.severity(Severity::Informational);
    row.text_if(Col::FirewallRuleName, found.rule.as_deref());
    row.text_if(Col::FirewallRuleUid, found.group.as_deref());
    map_resource(&mut fields, row);
    fields.put(row, Col::MetadataLogName, &["category"]);
    fields.put(row, Col::ApiOperation, &["operationName"]);
    row.text(Col::MetadataProductName, "Network Watcher");
    row.text(Col::MetadataProductVendorName, "Microsoft");
    fields.keep(row);
    let [mac, rule, group] =
        [&found.mac, &found.rule, &found.group].map(|part| part.as_deref().unwrap_or_default());
    let parts = [mac, group, rule, &found.tuple].map(str::as_bytes);
    Ok(EventKey::from_parts(log_type, &parts))
}

/// Beginning, going on, ending.
fn activity(state: &str) -> Activity {
    match state {
        "B" => network_activity::OPEN,
        "E" => network_activity::CLOSE,
        _ => network_activity::TRAFFIC,
    }
}

fn map_tuple(tuple: &Tuple<'_>, mac: Option<&str>, row: &mut Row<'_>) {
    SOURCE.address(tuple.source, row);
    DESTINATION.address(tuple.destination, row);
    SOURCE.require(row);
    network::version_of(tuple.source, row);
    for (end, name, port) in
        [(SOURCE, "sourcePort", tuple.source_port), (DESTINATION, "destinationPort", tuple.destination_port)]
    {
        if !port.is_empty() && !end.port(port, row) {
            row.keep_text("flowTuple", name, port);
        }
    }
    let is_placed = network::protocol_named(tuple.protocol, row)
        || tuple.protocol.parse().is_ok_and(|number| {
            network::protocol(number, row);
            true
        });
    if !is_placed {
        row.keep_text("flowTuple", "protocol", tuple.protocol);
    }
    let (direction, end) = match tuple.direction {
        "I" => (Direction::Inbound, Some(DESTINATION)),
        "O" => (Direction::Outbound, Some(SOURCE)),
        _ => (Direction::Unknown, None),
    };
    direction.put(row);
    match (end, mac) {
        (Some(end), Some(mac)) => row.text(end.mac, mac),
        (None, Some(mac)) => row.keep_text("", "macAddress", mac),
        _ => {}
    }
    for (name, value) in [
        ("direction", tuple.direction),
        ("decision", tuple.decision),
        ("state", tuple.state),
        ("encryption", tuple.encryption),
    ] {
        if !value.is_empty() {
            row.keep_text("flowTuple", name, value);
        }
    }
    map_counts(tuple, row);
}

fn map_counts(tuple: &Tuple<'_>, row: &mut Row<'_>) {
    for (sum, out, back) in [
        (
            Col::TrafficPackets,
            (Col::TrafficPacketsOut, tuple.packets_out),
            (Col::TrafficPacketsIn, tuple.packets_in),
        ),
        (Col::TrafficBytes, (Col::TrafficBytesOut, tuple.bytes_out), (Col::TrafficBytesIn, tuple.bytes_in)),
    ] {
        let mut total = None;
        for (col, text) in [out, back] {
            let Ok(number) = text.parse::<i64>() else {
                if !text.is_empty() {
                    row.keep_text("flowTuple", col.name(), text);
                }
                continue;
            };
            row.long(col, number);
            total = Some(total.unwrap_or(0i64).saturating_add(number));
        }
        if let Some(total) = total {
            row.long(sum, total);
        }
    }
}

fn map_resource(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let id = fields.first(&["resourceid", "targetresourceid"]);
    let log = fields.peek("flowlogresourceid");
    if let Some(id) = &id {
        let parts = ResourceId::parse(id);
        row.text_if(Col::CloudAccountUid, parts.subscription);
        row.text(Col::ResourceUid, id);
        row.text_if(Col::ResourceName, parts.name);
        row.text_if(Col::ResourceType, parts.kind);
    }
    if let Some(log) = log {
        row.text_if(Col::CloudAccountUid, ResourceId::parse(&log).subscription);
    }
    if row.has(Col::CloudAccountUid) {
        row.text(Col::CloudAccountType, "Azure Subscription");
        row.int(Col::CloudAccountTypeId, 13);
    }
}
