//! What is remembered of a thread in Slack: where its first message is, and the message of each subject in it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Notification;

/// More subjects are not remembered; the oldest are told anew when they change.
const MAX_SUBJECTS: usize = 20;

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Thread {
    /// The channel that was configured when it began.
    pub(super) channel: String,
    /// The time stamp of its first message.
    pub(super) root: String,
    /// The subjects and their messages, oldest first.
    messages: Vec<(String, Place)>,
}

/// Where a message is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The channel's id as Slack answers it.
    pub(super) channel: String,
    /// The message's time stamp, which is its id.
    pub(super) ts: String,
}

impl Place {
    /// The place in an answer of `chat.postMessage`.
    pub(super) fn read(answer: &Value) -> Option<Self> {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| text.len() <= 64);
        Some(Self { channel: text("channel")?.to_owned(), ts: text("ts")?.to_owned() })
    }
}

impl Thread {
    /// Reads what was remembered.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Where the message of a subject is; a thread has one incident, whatever its id.
    pub(super) fn message_of(&self, subject_id: &str) -> Option<&Place> {
        self.messages.iter().rev().find(|(subject, _)| subject == subject_id).map(|(_, place)| place)
    }

    /// The thread in which the message of an alert is that of its incident, which takes it over.
    pub(super) fn taken_over(&self, told: &Notification) -> Option<Self> {
        if self.message_of(told.place()).is_some() {
            return None;
        }
        let mut thread = self.clone();
        let (subject, _) = thread.messages.iter_mut().find(|(subject, _)| told.takes_over_from(subject))?;
        told.place().clone_into(subject);
        Some(thread)
    }

    /// The thread with a message more; it begins one where there is none.
    pub(super) fn with(thread: Option<Self>, channel: &str, subject_id: &str, place: Place) -> Self {
        let begun = || Self { channel: channel.to_owned(), root: place.ts.clone(), messages: Vec::new() };
        let mut thread = thread.unwrap_or_else(begun);
        // An escalation is a message about what has one already; that one goes on being changed.
        if thread.message_of(subject_id).is_none() {
            thread.messages.push((subject_id.to_owned(), place));
        }
        let excess = thread.messages.len().saturating_sub(MAX_SUBJECTS);
        thread.messages.drain(..excess);
        thread
    }

    /// What is to be remembered.
    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
