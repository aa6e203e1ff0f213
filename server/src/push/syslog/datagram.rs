//! Syslog over UDP (RFC 5426): a message a datagram. Nothing holds a sender back; what does not fit is
//! dropped here and counted, or by the system before it reaches us, which `/proc/net/snmp` counts.

use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::SyslogConfig;
use super::batch::{Received, Sender};
use super::peers::Peers;
use crate::app::now_us;

/// The largest datagram there is.
const MAX_DATAGRAM_BYTES: usize = 65_535;

/// Receives until told to stop.
pub(super) async fn receive(
    socket: UdpSocket,
    config: SyslogConfig,
    sender: Sender,
    mut stopped: watch::Receiver<bool>,
) {
    let peers = Peers::new(config.per_second);
    let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = super::asked(&mut stopped) => return,
        };
        let (length, peer) = match received {
            Ok(received) => received,
            Err(error) => {
                // An answer of ICMP to something else; the socket goes on.
                tracing::debug!(%error, "a datagram of syslog could not be received");
                continue;
            }
        };
        if !peers.admit(peer.ip()) {
            sender.limited();
            continue;
        }
        let datagram = buffer.get(..length).unwrap_or_default();
        let message = datagram.trim_ascii_end();
        let message = message.strip_suffix(b"\0").unwrap_or(message);
        if message.is_empty() {
            continue;
        }
        let kept = message.get(..config.message_bytes).unwrap_or(message);
        sender.send_or_drop(Received {
            bytes: kept.to_vec(),
            is_cut: kept.len() < message.len(),
            peer,
            at_us: now_us(),
        });
    }
}
