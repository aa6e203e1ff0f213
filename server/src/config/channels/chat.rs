//! Slack, Microsoft Teams, Discord.

use std::sync::Arc;

use notify::channel::{Discord, SettingProblem, Slack, SlackAccess, SlackSettings, Teams};

use super::{ChannelKind, first};
use crate::config::key::{Key, Kind, key};

const SLACK_KEYS: &[Key] = &[
    key("token", Kind::Secret, r#""""#, "Where the bot's token (xoxb-…) lies; not with `url`."),
    key(
        "channel",
        Kind::Text,
        r#""""#,
        "The id of the channel that the bot writes into, such as C0123456789.",
    ),
    key(
        "url",
        Kind::Secret,
        r#""""#,
        "Where the address of an incoming webhook lies, in place of a bot: it can only send.",
    ),
    key("api", Kind::Text, r#""https://slack.com/api""#, "Slack's API."),
    key(
        "callback_secret",
        Kind::Secret,
        r#""""#,
        "Where the app's signing secret lies; with it messages have buttons, whose clicks come to /callbacks/slack/NAME.",
    ),
    key(
        "users",
        Kind::Pairs,
        "[]",
        "Who may click, as ID=NAME, such as U0123456789=ann, besides users with a handle. Where there are no users: those listed, or with an empty list whoever sees the message.",
    ),
];

pub(super) const SLACK: ChannelKind = ChannelKind {
    name: "slack",
    doc: "A channel of Slack: threads, messages that change with the alert, buttons.",
    keys: SLACK_KEYS,
    open: |channel, client| {
        let get = channel.get();
        let access = match (channel.secret("token"), channel.secret("url")) {
            (Some(token), None) => SlackAccess::Bot { token, channel: get.text("channel") },
            (None, Some(url)) => SlackAccess::Hook(url),
            _ => {
                let problem = "either it is needed, with `channel`, or `url`; not both";
                return Err(SettingProblem::new("token", problem, "see docs/channels.md"));
            }
        };
        let settings =
            SlackSettings { access, api: channel.site("api")?, buttons: channel.callback_secret().is_some() };
        first(settings.problems())?;
        Ok(Arc::new(Slack::new(client, settings)))
    },
};

const TEAMS_KEYS: &[Key] =
    &[key("url", Kind::Secret, "", "Where the address of the workflow lies; its `sig` is a secret.")];

pub(super) const TEAMS: ChannelKind = ChannelKind {
    name: "teams",
    doc: "A channel or chat of Microsoft Teams, by a workflow.",
    keys: TEAMS_KEYS,
    open: |channel, client| Ok(Arc::new(Teams::new(client, channel.needed_secret("url")?))),
};

const DISCORD_KEYS: &[Key] =
    &[key("url", Kind::Secret, "", "Where the address of the channel's webhook lies.")];

pub(super) const DISCORD: ChannelKind = ChannelKind {
    name: "discord",
    doc: "A channel of Discord.",
    keys: DISCORD_KEYS,
    open: |channel, client| Ok(Arc::new(Discord::new(client, channel.needed_secret("url")?))),
};
