//! What carries a notification to a service.

mod cef;
mod deadline;
mod discord;
mod email;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hostile;
mod http;
mod jira;
mod jsm;
mod message;
mod ocsf;
mod page;
mod pagerduty;
mod problem;
#[cfg(test)]
mod sample;
mod secret;
mod servicenow;
mod slack;
mod syslog;
mod teams;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod webhook;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::Notification;

pub use discord::Discord;
pub use email::{Email, EmailSettings, Security};
pub use jira::{Jira, JiraEdition, JiraSettings};
pub use jsm::Jsm;
pub use ocsf::{Ocsf, finding as ocsf_finding};
pub use pagerduty::PagerDuty;
pub use problem::SettingProblem;
pub use secret::Secret;
pub use servicenow::{ServiceNow, ServiceNowSettings};
pub use slack::{
    ACKNOWLEDGE as SLACK_ACKNOWLEDGE, ACKNOWLEDGE_INCIDENT as SLACK_ACKNOWLEDGE_INCIDENT,
    CLOSE as SLACK_CLOSE, CLOSE_INCIDENT as SLACK_CLOSE_INCIDENT, Slack, SlackAccess, SlackSettings,
};
pub use syslog::{Syslog, SyslogFormat, SyslogSettings};
pub use teams::Teams;
pub use webhook::{CloudEvents, Webhook, WebhookSettings, document as webhook_document};

/// One attempt to deliver a notification.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The idempotency key: the same over all attempts, another for each notification and channel.
    pub key: &'a str,
    /// What is told.
    pub notification: &'a Notification,
    /// What the channel asked to be remembered of this thread, such as the time stamp of Slack's first message.
    pub remembered: Option<&'a str>,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The time now, microseconds since 1970.
    pub now_us: i64,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The service took it. What is to be remembered of the thread comes with the next delivery in it.
    Delivered {
        /// Replaces what was remembered; `None` leaves it.
        remember: Option<String>,
    },
    /// Try again, no sooner than after this, if the service named a time.
    Retry {
        /// What the service asked for.
        after: Option<Duration>,
        /// Why, without secrets.
        reason: String,
    },
    /// This notification will never be taken; others may.
    Refused {
        /// Why, without secrets.
        reason: String,
    },
    /// The channel is gone or its credentials are refused: nothing is delivered until somebody mends it.
    Disabled {
        /// Why and the mend, without secrets.
        reason: String,
    },
}

/// How a channel is read, and so what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Each message is read by people, and stays as it is: mail.
    Letter,
    /// Messages are read by people, and change with what they tell of.
    Chat,
    /// One is open until it is acknowledged and resolved, and wakes people: an on-call service.
    Page,
    /// One is open until it is closed, and what follows are comments.
    Ticket,
    /// Programs read each message.
    Stream,
}

impl Manner {
    /// Whether what is no news to anybody is told as well: it changes a message, or a program takes it.
    pub(crate) fn takes_quiet(self) -> bool {
        matches!(self, Self::Chat | Self::Stream)
    }

    /// Whether it takes what is said: a page is no place for comments.
    pub(crate) fn takes_comments(self) -> bool {
        self != Self::Page
    }
}

/// A way to tell people. Dropping a future of [`send`](Self::send) must leave nothing half done that a second
/// attempt under the same key would do twice, as far as the service allows.
#[async_trait]
pub trait Channel: Debug + Send + Sync {
    /// The kind of channel as the configuration names it, such as `slack`.
    fn kind(&self) -> &'static str;

    /// How it is read.
    fn manner(&self) -> Manner;

    /// Tries once. Ends within 30 seconds.
    async fn send(&self, delivery: Delivery<'_>) -> Outcome;
}
