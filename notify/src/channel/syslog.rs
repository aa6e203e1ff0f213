//! Syslog: RFC 5424 over TLS (RFC 5425) or TCP (RFC 6587), with CEF or an OCSF finding as the message.
//!
//! Syslog answers nothing. A message counts as delivered when the connection took all of it and was closed
//! by both sides in order, or the other side has not objected for a while. What answers is another kind of server.

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use egress::Client;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::cef::{self, syslog_name};
use super::deadline::within;
use super::message::stamp;
use super::tls::Server;
use super::{Channel, Delivery, Manner, Outcome, SettingProblem, ocsf};
use crate::Notification;

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyslogFormat {
    /// The Common Event Format.
    Cef,
    /// An OCSF Detection Finding as JSON.
    Ocsf,
}

/// Where syslog goes.
#[derive(Debug, Clone)]
pub struct SyslogSettings {
    /// The server's name.
    pub host: String,
    /// Its port; 6514 is TLS's.
    pub port: u16,
    /// Whether it is TLS.
    pub tls: bool,
    /// Certificates, in PEM, to trust besides those of this machine.
    pub ca: Option<Vec<u8>>,
    /// What a message says.
    pub format: SyslogFormat,
    /// The facility, 0 to 23.
    pub facility: u8,
    /// The name of this host in messages.
    pub hostname: String,
}

/// A syslog server.
#[derive(Debug)]
pub struct Syslog {
    client: Client,
    server: Server,
    settings: SyslogSettings,
}

/// How long the other side may take to close.
const LINGER: Duration = Duration::from_secs(2);

impl Syslog {
    /// A syslog server.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn new(client: Client, settings: SyslogSettings) -> Result<Self, SettingProblem> {
        if settings.facility > 23 {
            return Err(SettingProblem::new(
                "facility",
                "a facility is 0 to 23",
                "the default is 4, security",
            ));
        }
        let server = Server::new(&settings.host, settings.port, settings.ca.as_deref())?;
        Ok(Self { client, server, settings })
    }

    async fn attempt(&self, delivery: Delivery<'_>) -> Result<Outcome, Outcome> {
        let message = message(delivery, &self.settings);
        let tcp = self.server.connect(&self.client).await?;
        if self.settings.tls {
            write(self.server.secure(tcp).await?, &message).await
        } else {
            write(tcp, &message).await
        }
    }
}

async fn write(mut stream: impl AsyncRead + AsyncWrite + Unpin, message: &[u8]) -> Result<Outcome, Outcome> {
    let broken = |error: std::io::Error| Outcome::Retry {
        after: None,
        reason: format!("the syslog server breaks the connection off: {}", error.kind()),
    };
    stream.write_all(message).await.map_err(broken)?;
    stream.shutdown().await.map_err(broken)?;
    // A server that refuses resets; one that read everything closes, or waits for more.
    let mut rest = [0; 64];
    match timeout(LINGER, stream.read(&mut rest)).await {
        // TLS without its goodbye is a habit of many servers.
        Ok(Err(error)) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(broken(error)),
        Ok(Ok(1..)) => Err(Outcome::Retry {
            after: None,
            reason: "what is there answers, which no syslog server does; correct `server`".into(),
        }),
        _ => Ok(Outcome::Delivered { remember: None }),
    }
}

#[async_trait]
impl Channel for Syslog {
    fn kind(&self) -> &'static str {
        "syslog"
    }

    fn manner(&self) -> Manner {
        Manner::Stream
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        within(self.attempt(delivery)).await
    }
}

/// A message with its length before it (octet counting).
fn message(delivery: Delivery<'_>, settings: &SyslogSettings) -> Vec<u8> {
    let told = delivery.notification;
    let body = match settings.format {
        SyslogFormat::Cef => cef::event(told),
        SyslogFormat::Ocsf => ocsf::finding(told).to_string(),
    };
    let priority = u16::from(settings.facility) * 8 + level(told);
    let line = format!(
        "<{priority}>1 {} {} stormglass - {} - {body}",
        stamp(delivery.now_us),
        syslog_name(&settings.hostname, 255),
        syslog_name(told.kind.as_str(), 32),
    );
    format!("{} {line}", line.len()).into_bytes()
}

/// The severity of RFC 5424: 2 critical to 6 informational.
fn level(told: &Notification) -> u16 {
    match told.severity_id {
        5 => 2,
        4 => 3,
        3 => 4,
        2 => 5,
        _ => 6,
    }
}
