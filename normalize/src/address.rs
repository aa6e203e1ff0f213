//! Where a call came from, in the words of the record.

use core::net::{IpAddr, SocketAddr};

use event::Col;

use crate::row::{Row, UNKNOWN};

/// Sets the source endpoint from an address, an address with a port (storage logs), or whatever else
/// stands in the address's place.
pub(crate) fn put(text: &str, row: &mut Row<'_>) {
    if text.parse::<IpAddr>().is_ok() {
        row.text(Col::SrcEndpointIp, text);
        return;
    }
    let Ok(socket) = text.parse::<SocketAddr>() else {
        return row.text_if(Col::SrcEndpointName, Some(text));
    };
    let address = text.rsplit_once(':').map_or(text, |(address, _)| address);
    row.text(Col::SrcEndpointIp, address.trim_start_matches('[').trim_end_matches(']'));
    row.int(Col::SrcEndpointPort, i32::from(socket.port()));
}

/// Puts a name where OCSF's `src_endpoint` would be left without any content.
pub(crate) fn require(row: &mut Row<'_>) {
    if !row.has(Col::SrcEndpointIp) && !row.has(Col::SrcEndpointName) && !row.has(Col::SrcEndpointUid) {
        row.text(Col::SrcEndpointName, UNKNOWN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    /// The columns that an address fills: address, port, name.
    fn endpoint(text: &str) -> (Option<String>, Option<i64>, Option<String>) {
        let record = format!(
            r#"{{"time":"2026-03-10T00:00:00Z","category":"Administrative","operationName":"a/b","callerIpAddress":"{text}"}}"#
        );
        let events = sample::map(&[record]).events;
        let column = |col| events.str_at(col, 0).map(ToOwned::to_owned);
        (column(Col::SrcEndpointIp), events.int_at(Col::SrcEndpointPort, 0), column(Col::SrcEndpointName))
    }

    #[test]
    fn addresses_ports_and_words() {
        let ip = |text: &str| Some(text.to_owned());
        assert_eq!(endpoint("192.0.2.1"), (ip("192.0.2.1"), None, None));
        assert_eq!(endpoint("192.0.2.1:44321"), (ip("192.0.2.1"), Some(44321), None));
        assert_eq!(endpoint("2001:db8::1"), (ip("2001:db8::1"), None, None));
        assert_eq!(endpoint("[2001:db8::1]:443"), (ip("2001:db8::1"), Some(443), None));
        assert_eq!(endpoint("internal"), (None, None, ip("internal")));
        assert_eq!(endpoint("<null>"), (None, None, ip("Unknown")));
        assert_eq!(endpoint(""), (None, None, ip("Unknown")));
    }
}
