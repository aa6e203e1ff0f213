//! Issues of Jira: one a thread, a comment for what follows, a transition when it is closed.
//!
//! Sources: developer.atlassian.com, "The Jira Cloud platform REST API", version 3, and "Jira Data Center platform
//! REST API", version 2. Texts are Atlassian Document Format, whose text nodes know neither markup nor mentions, or
//! wiki markup, escaped. A summary has 255 characters and one line, a text 32,767. An issue that was made but not
//! remembered is found by its label, a comment by its property or its last line.

mod document;
mod edition;
#[cfg(test)]
mod tests;
mod wiki;

use async_trait::async_trait;
use egress::{Answer, Client};
use serde_json::{Value, json};

use super::deadline::within;
use super::message::Message;
use super::text::{cut, plain};
use super::{Channel, Delivery, Manner, Outcome, Secret, SettingProblem, http};
use crate::{Notification, NotificationKind};

pub use edition::JiraEdition;

/// A project of Jira.
#[derive(Debug, Clone)]
pub struct JiraSettings {
    /// The site, `https://example.atlassian.net`.
    pub site: String,
    /// Which Jira it is.
    pub edition: JiraEdition,
    /// The account's API token, or a personal access token.
    pub token: Secret,
    /// The project's key, such as `SEC`.
    pub project: String,
    /// The name of the type of issue, such as `Task`.
    pub issue_type: String,
    /// The transition to take when the alert is closed; empty for none.
    pub close_transition: String,
    /// The transition to take when it is opened again; empty for none.
    pub reopen_transition: String,
}

/// Issues of Jira.
#[derive(Debug)]
pub struct Jira {
    client: Client,
    settings: JiraSettings,
}

impl JiraSettings {
    /// What is wrong with them.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let is_key = (1..=32).contains(&self.project.len())
            && self
                .project
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_key {
            problems.push(SettingProblem::new(
                "project",
                "this is no key of a project",
                "write it as in `SEC`",
            ));
        }
        if let JiraEdition::Cloud { user } = &self.edition
            && (user.is_empty() || user.contains(':'))
        {
            problems.push(SettingProblem::new("user", "this is no account", "write its mail address"));
        }
        problems
    }
}

impl Jira {
    /// Issues of a project.
    pub fn new(client: Client, settings: JiraSettings) -> Self {
        Self { client, settings }
    }

    async fn attempt(&self, delivery: Delivery<'_>) -> Result<Outcome, Outcome> {
        let told = delivery.notification;
        let token = self.settings.token.get().await?;
        let settings = &self.settings;
        let authorization = settings.edition.authorization(&token);
        let api = Api { client: &self.client, settings, authorization };
        let remembered = delivery.remembered.filter(|key| is_issue(key)).map(str::to_owned);
        let is_new = remembered.is_none();
        let found = match remembered {
            Some(issue) => Some(issue),
            None => self.find(&api, told).await?,
        };
        // An issue that is found now is one that an attempt before this made for this very notification.
        let is_told = is_new && delivery.attempt > 1 && told.kind == NotificationKind::Raised;
        let mut known = None;
        if let Some(issue) = found
            && (is_told || self.comment(&api, &issue, delivery).await?)
        {
            known = Some(issue);
        }
        let is_new = is_new || known.is_none();
        let issue = match known {
            Some(issue) => issue,
            None => self.create(&api, told).await?,
        };
        let transition = match told.kind {
            _ if told.ends_thread() => &self.settings.close_transition,
            NotificationKind::Reopened if told.is_of_thread() => &self.settings.reopen_transition,
            _ => "",
        };
        if !transition.is_empty() {
            self.transition(&api, &issue, transition).await?;
        }
        Ok(Outcome::Delivered { remember: is_new.then_some(issue) })
    }

    async fn find(&self, api: &Api<'_>, told: &Notification) -> Result<Option<String>, Outcome> {
        let jql = format!("project = \"{}\" AND labels = \"{}\"", self.settings.project, label(told));
        let query: String = url::form_urlencoded::byte_serialize(jql.as_bytes()).collect();
        let search = self.settings.edition.search();
        let answer =
            api.call("GET", &format!("{search}?jql={query}&maxResults=1&fields=labels"), None).await?;
        let answer = http::whole_json(&answer)?;
        let issue = answer.pointer("/issues/0/key").and_then(Value::as_str).map(str::to_owned);
        Ok(issue.filter(|issue| is_issue(issue)))
    }

    async fn create(&self, api: &Api<'_>, told: &Notification) -> Result<String, Outcome> {
        let body = issue(told, &self.settings);
        let answer = api.call("POST", "issue", Some(&body)).await?;
        let answer = http::json(&answer);
        let key = answer.get("key").and_then(Value::as_str).filter(|key| is_issue(key));
        key.map(str::to_owned)
            .ok_or_else(|| Outcome::Retry { after: None, reason: "Jira's answer names no issue".into() })
    }

    /// Comments an issue; whether it is there. Somebody may have deleted it.
    async fn comment(&self, api: &Api<'_>, issue: &str, delivery: Delivery<'_>) -> Result<bool, Outcome> {
        let edition = &self.settings.edition;
        if delivery.attempt > 1 {
            let answer = api.ask("GET", &edition.comments(issue), None).await?;
            if answer.status == 404 {
                return Ok(false);
            }
            let answer = http::whole_json(&http::taken(answer)?)?;
            let comments = answer.get("comments").and_then(Value::as_array);
            if comments.into_iter().flatten().any(|comment| edition.is_of(comment, delivery.key)) {
                return Ok(true);
            }
        }
        let path = format!("issue/{issue}/comment");
        let body = edition.comment(&Message::of(delivery.notification), delivery.key);
        let answer = api.ask("POST", &path, Some(&body)).await?;
        if answer.status == 404 {
            return Ok(false);
        }
        http::taken(answer).map(|_| true)
    }

    async fn transition(&self, api: &Api<'_>, issue: &str, name: &str) -> Result<(), Outcome> {
        let path = format!("issue/{issue}/transitions");
        let answer = http::whole_json(&api.call("GET", &path, None).await?)?;
        let offered = answer.get("transitions").and_then(Value::as_array);
        let wanted = offered.into_iter().flatten().find(|transition| {
            transition
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(|offered| offered.eq_ignore_ascii_case(name))
        });
        // Not offered: the issue stands there already, or its work flow has no such step from where it stands.
        let Some(id) = wanted.and_then(|transition| transition.get("id")).and_then(Value::as_str) else {
            return Ok(());
        };
        api.call("POST", &path, Some(&json!({"transition": {"id": id}}))).await.map(drop)
    }
}

#[async_trait]
impl Channel for Jira {
    fn kind(&self) -> &'static str {
        "jira"
    }

    fn manner(&self) -> Manner {
        Manner::Ticket
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        within(self.attempt(delivery)).await
    }
}

struct Api<'a> {
    client: &'a Client,
    settings: &'a JiraSettings,
    authorization: String,
}

impl Api<'_> {
    /// The answer, if it is a good one.
    async fn call(&self, method: &'static str, path: &str, body: Option<&Value>) -> Result<Answer, Outcome> {
        http::taken(self.ask(method, path, body).await?)
    }

    async fn ask(&self, method: &'static str, path: &str, body: Option<&Value>) -> Result<Answer, Outcome> {
        let site = self.settings.site.trim_end_matches('/');
        let url = format!("{site}/{}", self.settings.edition.path(path));
        let mut headers = vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("authorization".to_owned(), self.authorization.clone()),
        ];
        if body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        http::send(self.client, method, &url, headers, body).await
    }
}

/// Whether a text is an issue's key, such as `SEC-7`.
fn is_issue(text: &str) -> bool {
    text.len() <= 64
        && text.split_once('-').is_some_and(|(project, number)| {
            !project.is_empty()
                && project.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// The label that an issue of a thread is found by.
fn label(told: &Notification) -> String {
    let hash = blake3::hash(told.thread.as_bytes()).to_hex();
    format!("stormglass-{}", hash.chars().take(32).collect::<String>())
}

/// The issue to make.
fn issue(told: &Notification, settings: &JiraSettings) -> Value {
    let message = Message::of(told);
    json!({
        "fields": {
            "project": {"key": settings.project},
            "issuetype": {"name": settings.issue_type},
            "summary": cut(&message.headline(), 255, plain),
            "description": settings.edition.text(&message),
            "labels": ["stormglass", label(told)],
        }
    })
}
