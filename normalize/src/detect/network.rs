//! The logs of networks, DNS and HTTP, told by their keys.

use event::LogType;

use crate::json::Object;

/// The log type of a record that is none of the audit logs.
pub(super) fn log_type(record: &Object<'_>) -> Option<LogType> {
    let mut clues = Clues::default();
    for member in record.members() {
        match member.key.as_ref() {
            "srcaddr" | "dstaddr" | "interface_id" | "interface-id" | "log_status" | "log-status"
            | "flow_direction" | "flow-direction" => clues.vpc_flow += 1,
            "query_timestamp" | "query_name" | "query_type" | "rcode" | "srcids" => clues.dns += 1,
            "webaclId" | "terminatingRuleId" | "httpSourceId" | "ruleGroupList" => clues.waf += 1,
            "flowRecords" | "flowLogVersion" | "flowLogGUID" | "flowLogResourceID" => clues.vnet += 1,
            "x-edge-location" | "x-edge-request-id" | "x-edge-result-type" | "cs-uri-stem" => clues.edge += 1,
            "upstream_host"
            | "upstream_cluster"
            | "response_flags"
            | "downstream_remote_address"
            | "downstream_local_address" => clues.envoy += 1,
            "jsonPayload" | "jsonpayload" => {
                clues.flow = member.value.as_object().is_some_and(|payload| {
                    payload.get("connection").is_some() && payload.get("reporter").is_some()
                });
            }
            "logName" | "logname" | "log_name" => {
                let name = member.value.as_str().unwrap_or_default();
                clues.vpc_flows = name.ends_with("vpc_flows");
                clues.ipsec = name.ends_with("ipsec_events");
            }
            "resource" => {
                let kind = member.value.as_object().and_then(|resource| resource.get("type"));
                clues.gateway =
                    kind.and_then(|kind| kind.as_str()).is_some_and(|kind| kind.ends_with("vpn_gateway"));
            }
            "textPayload" | "textpayload" => clues.text = true,
            _ => {}
        }
    }
    clues.decide()
}

/// What was found among the keys.
#[derive(Debug, Default)]
struct Clues {
    vpc_flow: u8,
    dns: u8,
    waf: u8,
    vnet: u8,
    edge: u8,
    envoy: u8,
    /// A payload of Cloud Logging that looks like a flow.
    flow: bool,
    /// The log's name says so.
    vpc_flows: bool,
    ipsec: bool,
    gateway: bool,
    text: bool,
}

impl Clues {
    fn decide(&self) -> Option<LogType> {
        let two = |clues: u8| clues >= 2;
        Some(match self {
            _ if two(self.dns) => LogType::AwsRoute53Resolver,
            _ if two(self.vpc_flow) => LogType::AwsVpcFlow,
            _ if two(self.waf) => LogType::AwsWaf,
            _ if two(self.vnet) => LogType::AzureVnetFlow,
            _ if two(self.edge) => LogType::AwsCloudfront,
            _ if two(self.envoy) => LogType::IstioAccess,
            _ if self.flow || self.vpc_flows => LogType::GcpVpcFlow,
            _ if self.text && (self.ipsec || self.gateway) => LogType::GcpVpn,
            _ => return None,
        })
    }
}
