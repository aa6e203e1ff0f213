//! PagerDuty, Jira Service Management and Opsgenie.

use std::sync::Arc;

use notify::channel::{Jsm, PagerDuty};

use super::ChannelKind;
use crate::config::key::{Key, Kind, key};

const PAGERDUTY_KEYS: &[Key] = &[
    key("routing_key", Kind::Secret, "", "Where the integration key of Events API v2 lies."),
    key(
        "url",
        Kind::Text,
        r#""https://events.pagerduty.com/v2/enqueue""#,
        "Where events go; accounts in Europe have https://events.eu.pagerduty.com/v2/enqueue.",
    ),
    key(
        "callback_secret",
        Kind::Secret,
        r#""""#,
        "Where the secret of a webhook subscription lies; with it what is done there is done here, by /callbacks/pagerduty/NAME.",
    ),
    key(
        "users",
        Kind::Pairs,
        "[]",
        "Who may change alerts, as ID=NAME, such as PABC123=ann, besides users with a handle. Where there are no users: those listed, or with an empty list whoever may there.",
    ),
];

pub(super) const PAGERDUTY: ChannelKind = ChannelKind {
    name: "pagerduty",
    doc: "A service of PagerDuty: triggered, acknowledged and resolved with the alert.",
    keys: PAGERDUTY_KEYS,
    open: |channel, client| {
        Ok(Arc::new(PagerDuty::new(client, channel.needed_secret("routing_key")?, channel.site("url")?)))
    },
};

const JSM_KEYS: &[Key] = &[
    key("api_key", Kind::Secret, "", "Where the API integration's key lies."),
    key(
        "api",
        Kind::Text,
        r#""https://api.atlassian.com/jsm/ops/integration/v2""#,
        "The API; Opsgenie's is https://api.opsgenie.com/v2, or https://api.eu.opsgenie.com/v2.",
    ),
];

pub(super) const JSM: ChannelKind = ChannelKind {
    name: "jsm",
    doc: "Alerts of Jira Service Management, or of Opsgenie.",
    keys: JSM_KEYS,
    open: |channel, client| {
        Ok(Arc::new(Jsm::new(client, channel.needed_secret("api_key")?, channel.site("api")?)))
    },
};
