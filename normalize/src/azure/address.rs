//! Where a call came from, in the words of the record.

use std::net::{IpAddr, SocketAddr};

use event::Col;

use crate::row::{Row, UNKNOWN};

/// Sets the source endpoint from an address, an address with a port (storage logs), or whatever else
/// stands in the address's place.
pub(super) fn put(text: &str, row: &mut Row<'_>) {
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
pub(super) fn require(row: &mut Row<'_>) {
    if !row.has(Col::SrcEndpointIp) && !row.has(Col::SrcEndpointName) && !row.has(Col::SrcEndpointUid) {
        row.text(Col::SrcEndpointName, UNKNOWN);
    }
}
