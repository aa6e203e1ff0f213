//! What the logs of networks have in common: the two ends of a flow, its protocol, its direction, and what
//! a firewall did with it.

use core::net::{IpAddr, SocketAddr};

use event::Col;

use crate::row::{Row, UNKNOWN};

/// The columns of one end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) ip: Col,
    pub(crate) port: Col,
    pub(crate) name: Col,
    pub(crate) hostname: Col,
    pub(crate) instance: Col,
    pub(crate) interface: Col,
    pub(crate) mac: Col,
    pub(crate) subnet: Col,
    pub(crate) vpc: Col,
    pub(crate) zone: Col,
    pub(crate) service: Col,
}

/// The end that asks.
pub(crate) const SOURCE: End = End {
    ip: Col::SrcEndpointIp,
    port: Col::SrcEndpointPort,
    name: Col::SrcEndpointName,
    hostname: Col::SrcEndpointHostname,
    instance: Col::SrcEndpointInstanceUid,
    interface: Col::SrcEndpointInterfaceUid,
    mac: Col::SrcEndpointMac,
    subnet: Col::SrcEndpointSubnetUid,
    vpc: Col::SrcEndpointVpcUid,
    zone: Col::SrcEndpointZone,
    service: Col::SrcEndpointSvcName,
};

/// The end that answers.
pub(crate) const DESTINATION: End = End {
    ip: Col::DstEndpointIp,
    port: Col::DstEndpointPort,
    name: Col::DstEndpointName,
    hostname: Col::DstEndpointHostname,
    instance: Col::DstEndpointInstanceUid,
    interface: Col::DstEndpointInterfaceUid,
    mac: Col::DstEndpointMac,
    subnet: Col::DstEndpointSubnetUid,
    vpc: Col::DstEndpointVpcUid,
    zone: Col::DstEndpointZone,
    service: Col::DstEndpointSvcName,
};

impl End {
    /// Sets the address; whatever else stands in its place becomes the name.
    pub(crate) fn address(self, text: &str, row: &mut Row<'_>) {
        if text.parse::<IpAddr>().is_ok() {
            row.text(self.ip, text);
        } else {
            row.text_if(self.name, Some(text));
        }
    }

    /// Sets address and port from `192.0.2.1:443`, `[2001:db8::1]:443`, or an address alone. A minus sign is
    /// nothing, a host's name with a port is one.
    pub(crate) fn socket(self, text: &str, row: &mut Row<'_>) {
        if matches!(text, "" | "-") {
            return;
        }
        let (host, port) = match text.rsplit_once(':') {
            // `2001:db8::1:443` without brackets, as load balancers write it, is read as an address with a port
            // only if it is none without.
            Some((host, port)) if text.parse::<IpAddr>().is_err() => (host, port.parse::<u16>().ok()),
            _ => (text, None),
        };
        match port {
            Some(port) => {
                self.address(host.trim_start_matches('[').trim_end_matches(']'), row);
                row.int(self.port, i32::from(port));
            }
            None => self.address(text, row),
        }
    }

    /// Sets the port; `false` where the text is none.
    pub(crate) fn port(self, text: &str, row: &mut Row<'_>) -> bool {
        match text.parse::<u16>() {
            Ok(port) => {
                row.int(self.port, i32::from(port));
                true
            }
            Err(_) => false,
        }
    }

    /// Puts a name where OCSF would be left without any content for this end.
    pub(crate) fn require(self, row: &mut Row<'_>) {
        let known = [self.ip, self.name, self.hostname, self.instance, self.interface]
            .iter()
            .any(|col| row.has(*col));
        if !known {
            row.text(self.name, UNKNOWN);
        }
    }
}

/// Whether a text is an address, with or without a port.
pub(crate) fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok()
}

/// OCSF `connection_info.direction_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Unknown = 0,
    Inbound = 1,
    Outbound = 2,
}

impl Direction {
    /// Sets the columns. OCSF wants them whenever it has anything about the connection.
    pub(crate) fn put(self, row: &mut Row<'_>) {
        row.int(Col::ConnectionInfoDirectionId, self as i32);
        let name = match self {
            Self::Unknown => "Unknown",
            Self::Inbound => "Inbound",
            Self::Outbound => "Outbound",
        };
        row.text(Col::ConnectionInfoDirection, name);
    }
}

/// Sets the protocol by IANA's number.
pub(crate) fn protocol(number: i32, row: &mut Row<'_>) {
    row.int(Col::ConnectionInfoProtocolNum, number);
    row.text_if(Col::ConnectionInfoProtocolName, protocol_name(number));
}

/// The names of protocols that flow logs are full of, as IANA has them, in lower case.
fn protocol_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "icmp",
        2 => "igmp",
        4 => "ipv4",
        6 => "tcp",
        17 => "udp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "ipv6-icmp",
        89 => "ospfigp",
        103 => "pim",
        112 => "vrrp",
        132 => "sctp",
        _ => return None,
    })
}

/// Sets the protocol TCP or UDP, by any spelling of its name; `false` for others.
pub(crate) fn protocol_named(name: &str, row: &mut Row<'_>) -> bool {
    if name.eq_ignore_ascii_case("tcp") || name.eq_ignore_ascii_case("t") {
        protocol(6, row);
    } else if name.eq_ignore_ascii_case("udp") || name.eq_ignore_ascii_case("u") {
        protocol(17, row);
    } else {
        return false;
    }
    true
}

/// Sets the version of IP by an address of the flow.
pub(crate) fn version_of(address: &str, row: &mut Row<'_>) {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => version(4, row),
        Ok(IpAddr::V6(_)) => version(6, row),
        Err(_) => {}
    }
}

/// Sets the version of IP.
pub(crate) fn version(number: i32, row: &mut Row<'_>) {
    row.int(Col::ConnectionInfoProtocolVerId, number);
    row.text(Col::ConnectionInfoProtocolVer, if number == 6 { "IPv6" } else { "IPv4" });
}

/// What a firewall did: OCSF `action_id` and `disposition_id` with their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    action: (i32, &'static str),
    disposition: (i32, &'static str),
}

/// It let it pass.
pub(crate) const ALLOWED: Verdict = Verdict { action: (1, "Allowed"), disposition: (1, "Allowed") };
/// It stopped it.
pub(crate) const BLOCKED: Verdict = Verdict { action: (2, "Denied"), disposition: (2, "Blocked") };
/// It let it pass and raised an alert.
pub(crate) const ALERT: Verdict = Verdict { action: (3, "Observed"), disposition: (19, "Alert") };
/// It only counted it.
pub(crate) const COUNT: Verdict = Verdict { action: (3, "Observed"), disposition: (20, "Count") };
/// It asked for a puzzle to be solved.
pub(crate) const CAPTCHA: Verdict = Verdict { action: (2, "Denied"), disposition: (22, "Captcha") };
/// It asked the browser to prove that it is one.
pub(crate) const CHALLENGE: Verdict = Verdict { action: (2, "Denied"), disposition: (23, "Challenge") };

impl Verdict {
    /// Sets the columns.
    pub(crate) fn put(self, row: &mut Row<'_>) {
        row.int(Col::ActionId, self.action.0);
        row.text(Col::Action, self.action.1);
        row.int(Col::DispositionId, self.disposition.0);
        row.text(Col::Disposition, self.disposition.1);
    }
}

/// Sets a column of text. `true`: it is placed.
pub(crate) fn put(col: Col, value: &str, row: &mut Row<'_>) -> bool {
    row.text(col, value);
    true
}

/// Sets a 64-bit column from a text of digits; `false` where it is none.
pub(crate) fn put_long(col: Col, text: &str, row: &mut Row<'_>) -> bool {
    match text.parse() {
        Ok(number) => {
            row.long(col, number);
            true
        }
        Err(_) => false,
    }
}

/// Sets a 32-bit column from a text of digits; `false` where it is none.
pub(crate) fn put_int(col: Col, text: &str, row: &mut Row<'_>) -> bool {
    match text.parse() {
        Ok(number) => {
            row.int(col, number);
            true
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
