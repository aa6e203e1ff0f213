//! What differs between Jira Cloud and Jira Data Center.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{document, wiki};
use crate::channel::message::Message;

/// What the comments' property is called.
const PROPERTY: &str = "stormglass.delivery";

/// Which Jira it is, and how one signs in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JiraEdition {
    /// Jira Cloud, REST API 3: texts are documents.
    Cloud {
        /// The account's mail address, which its API token goes with.
        user: String,
    },
    /// Jira Data Center (8.14 and newer), REST API 2: texts are wiki markup, and a personal access token says
    /// who it is.
    DataCenter,
}

impl JiraEdition {
    /// The path of a call below the site.
    pub(super) fn path(&self, call: &str) -> String {
        match self {
            Self::Cloud { .. } => format!("rest/api/3/{call}"),
            Self::DataCenter => format!("rest/api/2/{call}"),
        }
    }

    /// The call that finds issues.
    pub(super) fn search(&self) -> &'static str {
        match self {
            Self::Cloud { .. } => "search/jql",
            Self::DataCenter => "search",
        }
    }

    /// What says who asks.
    pub(super) fn authorization(&self, token: &str) -> String {
        match self {
            Self::Cloud { user } => format!("Basic {}", STANDARD.encode(format!("{user}:{token}"))),
            Self::DataCenter => format!("Bearer {token}"),
        }
    }

    /// A message as a field of an issue.
    pub(super) fn text(&self, message: &Message) -> Value {
        match self {
            Self::Cloud { .. } => document::document(message),
            Self::DataCenter => json!(wiki::markup(message)),
        }
    }

    /// The comment of a delivery.
    pub(super) fn comment(&self, message: &Message, key: &str) -> Value {
        match self {
            Self::Cloud { .. } => json!({
                "body": document::document(message),
                "properties": [{"key": PROPERTY, "value": {"key": key}}],
            }),
            // Its comments have properties too, but are not listed with them.
            Self::DataCenter => json!({"body": format!("{}\n{}", wiki::markup(message), last_line(key))}),
        }
    }

    /// The call that lists the newest comments of an issue.
    pub(super) fn comments(&self, issue: &str) -> String {
        let call = format!("issue/{issue}/comment?orderBy=-created&maxResults=50");
        match self {
            Self::Cloud { .. } => format!("{call}&expand=properties"),
            Self::DataCenter => call,
        }
    }

    /// Whether a comment of that list is that of a delivery.
    pub(super) fn is_of(&self, comment: &Value, key: &str) -> bool {
        match self {
            Self::Cloud { .. } => {
                let properties = comment.get("properties").and_then(Value::as_array);
                properties.into_iter().flatten().any(|property| {
                    property.get("key") == Some(&json!(PROPERTY))
                        && property.pointer("/value/key") == Some(&json!(key))
                })
            }
            Self::DataCenter => {
                let body = comment.get("body").and_then(Value::as_str).unwrap_or_default();
                body.trim_end().lines().last().is_some_and(|line| line.trim() == last_line(key))
            }
        }
    }
}

/// What a comment ends with; keys are letters and digits.
fn last_line(key: &str) -> String {
    format!("Delivery {key}")
}
