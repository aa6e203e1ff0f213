//! Mail by SMTP, with TLS.
//!
//! The connection is egress's, so that mail goes nowhere where HTTP may not. STARTTLS is asked for before anything
//! is told, and what a server sent before TLS is thrown away with the connection (RFC 3207, section 4.2).

mod letter;
mod stream;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use egress::Client;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;

use super::deadline::within;
use super::tls::Server;
use super::{Channel, Delivery, Manner, Outcome, Secret, SettingProblem};
use letter::{letter, message_id};
use stream::{Stream, starttls};

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// STARTTLS, and nothing without it; usual on port 587.
    Starttls,
    /// TLS from the first byte; usual on port 465.
    Tls,
    /// None: for a relay on the same host or a network of one's own. Never with a password.
    Plain,
}

/// Where mail goes.
#[derive(Debug, Clone)]
pub struct EmailSettings {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: Security,
    /// The name of a server that may be spoken to without TLS.
    pub plain_host: String,
    /// Certificates, in PEM, to trust besides those of this machine.
    pub ca: Option<Vec<u8>>,
    /// The user, where the server wants one.
    pub user: String,
    /// That user's password.
    pub password: Option<Secret>,
    /// Who it is from, `Name <address>`.
    pub from: String,
    /// Whom it is for.
    pub to: Vec<String>,
}

/// Mail.
#[derive(Debug)]
pub struct Email {
    client: Client,
    server: Server,
    security: Security,
    credentials: Option<(String, Secret)>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Email {
    /// Mail as the settings say.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn new(client: Client, settings: &EmailSettings) -> Result<Self, SettingProblem> {
        let mailbox = |field: &'static str, text: &str| {
            text.parse::<Mailbox>().map_err(|_| {
                SettingProblem::new(
                    field,
                    format!("`{text}` is no mail address"),
                    "write `ann@example.com` or `Ann <ann@example.com>`",
                )
            })
        };
        let from = mailbox("from", &settings.from)?;
        let to = settings.to.iter().map(|to| mailbox("to", to)).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() || to.len() > 50 {
            return Err(SettingProblem::new(
                "to",
                "mail goes to 1 to 50 addresses",
                "name them, or one of a list",
            ));
        }
        if settings.security == Security::Plain && settings.plain_host != settings.host {
            return Err(SettingProblem::new(
                "tls",
                "without TLS everybody on the way reads what is found",
                "use `starttls` or `implicit`, or name the server in `plain_server` too",
            ));
        }
        let credentials = match (settings.user.as_str(), &settings.password) {
            ("", None) => None,
            ("", Some(_)) => return Err(SettingProblem::new("user", "a password needs a user", "name it")),
            (_, None) => {
                return Err(SettingProblem::new("password", "a user needs a password", "say where it lies"));
            }
            (user, Some(password)) => Some((user.to_owned(), password.clone())),
        };
        if credentials.is_some() && settings.security == Security::Plain {
            return Err(SettingProblem::new(
                "password",
                "no password is sent without TLS",
                "leave it out, or use TLS",
            ));
        }
        let server = Server::new(&settings.host, settings.port, settings.ca.as_deref())?;
        Ok(Self { client, server, security: settings.security, credentials, from, to })
    }

    async fn attempt(&self, delivery: Delivery<'_>) -> Result<Outcome, Outcome> {
        let first = delivery.remembered.filter(|id| letter::is_message_id(id));
        let letter = letter(delivery, &self.from, &self.to, first)
            .map_err(|reason| Outcome::Refused { reason: format!("no mail can be made of it: {reason}") })?;
        let credentials = match &self.credentials {
            Some((user, password)) => Some(Credentials::new(user.clone(), password.get().await?)),
            None => None,
        };
        let tcp = self.server.connect(&self.client).await?;
        let stream = match self.security {
            Security::Plain => Stream::plain(tcp),
            Security::Tls => Stream::secure(self.server.secure(tcp).await?, b""),
            Security::Starttls => {
                let tcp = starttls(tcp).await?;
                // Its client expects a greeting, which a server does not repeat.
                Stream::secure(self.server.secure(tcp).await?, b"220 TLS\r\n")
            }
        };
        let hello = ClientId::Domain(letter::domain(&self.from).to_owned());
        let mut smtp = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello)
            .await
            .map_err(|error| outcome(&error))?;
        if let Some(credentials) = credentials {
            smtp.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(
                |error| match error.status() {
                    Some(_) if error.is_transient() => outcome(&error),
                    _ => Outcome::Disabled {
                        reason: "the mail server refuses the user; renew the password".into(),
                    },
                },
            )?;
        }
        smtp.send(letter.envelope(), &letter.formatted()).await.map_err(|error| outcome(&error))?;
        // It has been taken; whether the server says goodbye is no matter.
        smtp.quit().await.ok();
        let id = message_id(delivery.key, &self.from);
        Ok(Outcome::Delivered { remember: first.is_none().then_some(id) })
    }
}

/// What an error of SMTP means. The server's words are its own: only its code is told.
fn outcome(error: &lettre::transport::smtp::Error) -> Outcome {
    let Some(code) = error.status() else {
        let what = match () {
            () if error.is_timeout() => "does not answer in time",
            () if error.is_tls() => "breaks TLS off",
            () if error.is_client() => "does not know what is needed to send this",
            () => "breaks the connection off",
        };
        return Outcome::Retry { after: None, reason: format!("the mail server {what}") };
    };
    let reason = format!("the mail server answers {code}");
    match u16::from(code) {
        400..=499 => Outcome::Retry { after: None, reason },
        // Authentication (RFC 4954, section 6).
        530 | 534 | 535 | 538 => {
            Outcome::Disabled { reason: format!("{reason}; it wants a user and password that it knows") }
        }
        _ => Outcome::Refused { reason },
    }
}

#[async_trait]
impl Channel for Email {
    fn kind(&self) -> &'static str {
        "email"
    }

    fn manner(&self) -> Manner {
        Manner::Letter
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        within(self.attempt(delivery)).await
    }
}
