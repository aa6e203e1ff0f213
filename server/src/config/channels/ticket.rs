//! Jira and ServiceNow.

use std::sync::Arc;

use notify::channel::{Jira, JiraEdition, JiraSettings, ServiceNow, ServiceNowSettings, SettingProblem};

use super::{ChannelKind, first};
use crate::config::key::{Key, Kind, key};

const JIRA_KEYS: &[Key] = &[
    key("site", Kind::Text, "", "The site, https://example.atlassian.net, or https://jira.example.com/PATH."),
    key("edition", Kind::Word(&["cloud", "data-center"]), r#""cloud""#, "Which Jira it is."),
    key("user", Kind::Text, r#""""#, "The account's mail address; Data Center knows it by the token."),
    key("token", Kind::Secret, "", "Where its API token lies; of Data Center a personal access token."),
    key("project", Kind::Text, "", "The project's key, such as SEC."),
    key("issue_type", Kind::Text, r#""Task""#, "The type of the issues."),
    key(
        "close_transition",
        Kind::Text,
        r#""""#,
        "The transition to take when an alert is closed, such as Done; empty: none.",
    ),
    key(
        "reopen_transition",
        Kind::Text,
        r#""""#,
        "The transition to take when it is opened again; empty: none.",
    ),
];

pub(super) const JIRA: ChannelKind = ChannelKind {
    name: "jira",
    doc: "Issues of Jira Cloud or Data Center: one for each thread, with comments.",
    keys: JIRA_KEYS,
    open: |channel, client| {
        let get = channel.get();
        let user = get.text("user");
        let edition = match get.text("edition").as_str() {
            "data-center" if user.is_empty() => JiraEdition::DataCenter,
            "data-center" => {
                let problem = "Jira Data Center knows the user by the token";
                return Err(SettingProblem::new("user", problem, "leave it out"));
            }
            _ => JiraEdition::Cloud { user },
        };
        let settings = JiraSettings {
            site: channel.site("site")?,
            edition,
            token: channel.needed_secret("token")?,
            project: get.text("project"),
            issue_type: get.text("issue_type"),
            close_transition: get.text("close_transition"),
            reopen_transition: get.text("reopen_transition"),
        };
        first(settings.problems())?;
        Ok(Arc::new(Jira::new(client, settings)))
    },
};

const SERVICENOW_KEYS: &[Key] = &[
    key("instance", Kind::Text, "", "The instance, https://example.service-now.com."),
    key("user", Kind::Text, "", "The user."),
    key("password", Kind::Secret, "", "Where that user's password lies."),
    key("table", Kind::Text, r#""incident""#, "The table."),
    key("close_state", Kind::Text, r#""6""#, "The state of one that is closed; empty: it is left open."),
    key(
        "close_code",
        Kind::Text,
        r#""Resolved by request""#,
        "Its close code, which must be one of the instance's.",
    ),
];

pub(super) const SERVICENOW: ChannelKind = ChannelKind {
    name: "servicenow",
    doc: "Incidents of ServiceNow by the Table API: one for each thread, with work notes.",
    keys: SERVICENOW_KEYS,
    open: |channel, client| {
        let get = channel.get();
        let settings = ServiceNowSettings {
            instance: channel.site("instance")?,
            user: get.text("user"),
            password: channel.needed_secret("password")?,
            table: get.text("table"),
            close_state: get.text("close_state"),
            close_code: get.text("close_code"),
        };
        first(settings.problems())?;
        Ok(Arc::new(ServiceNow::new(client, settings)))
    },
};
