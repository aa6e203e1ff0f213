//! Route 53 Resolver query logs: which machine asked for which name, and what it was told.
//!
//! The mapping follows the one that AWS publishes with Security Lake, but where OCSF forbids it: an answer that
//! was refused is a Response whose `rcode` says so. Fields: "Values that appear in Resolver query logs", Amazon
//! Route 53 Developer Guide.

use event::{Col, EventKey, JsonText, LogType};

use crate::class::{Severity, Status, dns_activity};
use crate::json::{Member, Object};
use crate::network::{self, ALERT, ALLOWED, BLOCKED, Direction, SOURCE};
use crate::reason::{MapError, Reason};
use crate::row::{Row, UNKNOWN};
use crate::time;

/// The mapping's reference: one line per column.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`query_timestamp`"),
    (Col::QueryTime, "`query_timestamp`"),
    (Col::ClassUid, "4003 DNS Activity"),
    (Col::ActivityId, "2 Response: the record has the question and its answer"),
    (Col::SeverityId, "1 Informational"),
    (Col::StatusId, "1 Success where `rcode` is `NOERROR`, else 2 Failure"),
    (Col::StatusCode, "`rcode`"),
    (Col::MetadataLogVersion, "`version`"),
    (Col::MetadataOriginalTime, "`query_timestamp`"),
    (Col::MetadataProductName, "`Route 53`"),
    (Col::MetadataProductVendorName, "`AWS`"),
    (Col::MetadataProductFeatureName, "`Resolver Query Logs`"),
    (Col::CloudAccountUid, "`account_id`"),
    (Col::CloudAccountType, "`AWS Account`"),
    (Col::CloudAccountTypeId, "10 AWS Account"),
    (Col::CloudRegion, "`region`"),
    (Col::ActionId, "by `firewall_rule_action`: `ALLOW` 1, `BLOCK` 2, `ALERT` 3 Observed"),
    (Col::Action, "the same in words"),
    (Col::DispositionId, "by `firewall_rule_action`: `ALLOW` 1, `BLOCK` 2, `ALERT` 19 Alert"),
    (Col::Disposition, "the same in words"),
    (Col::FirewallRuleUid, "`firewall_rule_group_id`: the log names the group, not the rule"),
    (Col::SrcEndpointIp, "`srcaddr`"),
    (Col::SrcEndpointName, "`srcaddr`, if no address; `Unknown` without one"),
    (Col::SrcEndpointPort, "`srcport`"),
    (Col::SrcEndpointInstanceUid, "`srcids.instance`"),
    (Col::SrcEndpointVpcUid, "`vpc_id`"),
    (Col::DstEndpointInstanceUid, "`srcids.resolver_endpoint`, `srcids.resolver-endpoint`"),
    (
        Col::DstEndpointInterfaceUid,
        "`srcids.resolver_network_interface`, `srcids.resolver-network-interface`",
    ),
    (Col::ConnectionInfoDirectionId, "0 Unknown"),
    (Col::ConnectionInfoDirection, "`Unknown`"),
    (Col::ConnectionInfoProtocolNum, "by `transport`: TCP 6, UDP 17"),
    (Col::ConnectionInfoProtocolName, "the same in words"),
    (Col::QueryHostname, "`query_name`, with its last dot"),
    (Col::QueryType, "`query_type`"),
    (Col::QueryClass, "`query_class`"),
    (Col::Answers, "`answers`"),
    (Col::Rcode, "`rcode`, as OCSF spells it"),
    (Col::RcodeId, "the number of `rcode`"),
];

/// Fills `row` from one record.
///
/// # Errors
/// The record does not say when the question was asked.
pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    for member in record.members() {
        read_member(&member, row)?;
    }
    if !row.has(Col::Time) {
        return Err(MapError::new(Reason::MissingTime, "the record has no `query_timestamp`"));
    }
    row.class(&dns_activity::RESPONSE);
    row.severity(Severity::Informational);
    row.text(Col::MetadataProductName, "Route 53");
    row.text(Col::MetadataProductVendorName, "AWS");
    row.text(Col::MetadataProductFeatureName, "Resolver Query Logs");
    if row.has(Col::CloudAccountUid) {
        row.text(Col::CloudAccountType, "AWS Account");
        row.int(Col::CloudAccountTypeId, 10);
    }
    if row.has(Col::ConnectionInfoProtocolNum) {
        Direction::Unknown.put(row);
    }
    if !row.has(Col::QueryHostname) {
        row.text(Col::QueryHostname, UNKNOWN);
    }
    SOURCE.require(row);
    Ok(EventKey::from_content(LogType::AwsRoute53Resolver, record.raw().as_bytes()))
}

fn read_member(member: &Member<'_>, row: &mut Row<'_>) -> Result<(), MapError> {
    let text = member.value.filled_text();
    match (member.key.as_ref(), text.as_deref()) {
        ("query_timestamp", Some(_)) => {
            let micros = time::of_value(&member.value)?;
            row.time(Col::Time, micros);
            row.time(Col::QueryTime, micros);
            row.put(Col::MetadataOriginalTime, "", member);
        }
        ("version", _) => row.put_filled(Col::MetadataLogVersion, "", member),
        ("account_id", _) => row.put_filled(Col::CloudAccountUid, "", member),
        ("region", _) => row.put_filled(Col::CloudRegion, "", member),
        ("vpc_id", _) => row.put_filled(SOURCE.vpc, "", member),
        ("query_name", _) => row.put_filled(Col::QueryHostname, "", member),
        ("query_type", _) => row.put_filled(Col::QueryType, "", member),
        ("query_class", _) => row.put_filled(Col::QueryClass, "", member),
        ("rcode", Some(code)) => map_code(code, row),
        ("srcaddr", Some(address)) => SOURCE.address(address, row),
        ("srcport", Some(port)) if SOURCE.port(port, row) => {}
        ("transport", Some(transport)) => {
            row.keep("", member);
            network::protocol_named(transport, row);
        }
        ("firewall_rule_group_id", _) => row.put_filled(Col::FirewallRuleUid, "", member),
        ("firewall_rule_action", Some(action)) => {
            row.keep("", member);
            match action {
                "ALLOW" => ALLOWED.put(row),
                "BLOCK" => BLOCKED.put(row),
                "ALERT" => ALERT.put(row),
                _ => {}
            }
        }
        ("answers", _) if member.value.as_array().is_some() => map_answers(member, row),
        ("srcids", _) if member.value.as_object().is_some() => map_ids(member, row),
        _ => row.keep("", member),
    }
    Ok(())
}

/// The machine that asked; or, where the question came from another network, the way that it came.
fn map_ids(member: &Member<'_>, row: &mut Row<'_>) {
    for id in member.value.as_object().iter().flat_map(Object::members) {
        match id.key.as_ref() {
            "instance" => row.put_filled(SOURCE.instance, "srcids", &id),
            "resolver_endpoint" | "resolver-endpoint" => {
                row.put_filled(Col::DstEndpointInstanceUid, "srcids", &id);
            }
            "resolver_network_interface" | "resolver-network-interface" => {
                row.put_filled(Col::DstEndpointInterfaceUid, "srcids", &id);
            }
            _ => row.keep("srcids", &id),
        }
    }
}

/// OCSF wants `rdata` of an answer; where one has none, all are kept as they are.
fn map_answers(member: &Member<'_>, row: &mut Row<'_>) {
    let answers = || member.value.as_array().into_iter().flatten();
    let is_answer = |answer: &Object<'_>| answer.get("Rdata").is_some_and(|rdata| rdata.is_string());
    if !answers().all(|answer| answer.as_object().is_some_and(|answer| is_answer(&answer))) {
        return row.keep("", member);
    }
    if answers().next().is_none() {
        return;
    }
    let mut odd = false;
    row.json(Col::Answers, |json| {
        json.begin_array();
        for answer in answers().filter_map(|answer| answer.as_object()) {
            json.item();
            odd |= write_answer(&answer, json);
        }
        json.end_array();
    });
    if odd {
        row.keep("", member);
    }
}

/// Whether the answer has members that OCSF has no place for.
fn write_answer(answer: &Object<'_>, json: &mut JsonText<'_>) -> bool {
    let mut odd = false;
    json.begin_object();
    for part in answer.members() {
        let name = match part.key.as_ref() {
            "Rdata" => "rdata",
            "Type" => "type",
            "Class" => "class",
            _ => "",
        };
        match part.value.as_str() {
            Some(text) if !name.is_empty() => json.text_member(name, &text),
            _ => odd |= !part.value.is_null(),
        }
    }
    json.end_object();
    odd
}

/// The response code by the names of RFC 6895, as OCSF spells and numbers them.
fn map_code(text: &str, row: &mut Row<'_>) {
    const CODES: [(&str, &str); 12] = [
        ("NOERROR", "NoError"),
        ("FORMERR", "FormError"),
        ("SERVFAIL", "ServError"),
        ("NXDOMAIN", "NXDomain"),
        ("NOTIMP", "NotImp"),
        ("REFUSED", "Refused"),
        ("YXDOMAIN", "YXDomain"),
        ("YXRRSET", "YXRRSet"),
        ("NXRRSET", "NXRRSet"),
        ("NOTAUTH", "NotAuth"),
        ("NOTZONE", "NotZone"),
        ("DSOTYPENI", "DSOTYPENI"),
    ];
    row.text(Col::StatusCode, text);
    row.status(if text == "NOERROR" { Status::Success } else { Status::Failure });
    match CODES.iter().position(|(name, _)| *name == text) {
        Some(number) => {
            row.int(Col::RcodeId, number as i32);
            row.text_if(Col::Rcode, CODES.get(number).map(|(_, name)| name));
        }
        None => {
            row.int(Col::RcodeId, 99);
            row.text(Col::Rcode, text);
        }
    }
}
