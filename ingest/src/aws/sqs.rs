//! The few calls of SQS that a consumer needs.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html>, AWS JSON 1.0.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::endpoint::Service;
use crate::queue::{FailedEntry, Message};
use crate::{Error, Result};

/// What one call takes at most.
pub(crate) const BATCH: usize = 10;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Ten messages of 1 MiB, each byte of which may be escaped.
const MAX_BYTES: usize = 64 << 20;

/// A queue.
#[derive(Debug, Clone)]
pub(crate) struct Sqs {
    client: Arc<Client>,
    url: String,
}

impl Sqs {
    pub(crate) fn new(client: Arc<Client>, url: String) -> Self {
        Self { client, url }
    }

    /// Up to ten messages, which nobody else gets for `visibility`; waits for the first up to `wait`.
    pub(crate) async fn receive(&self, wait: Duration, visibility: Duration) -> Result<Vec<Message>> {
        let body = json!({
            "QueueUrl": self.url,
            "MaxNumberOfMessages": BATCH,
            "WaitTimeSeconds": wait.as_secs(),
            "VisibilityTimeout": visibility.as_secs(),
            // The older name, which every implementation knows.
            "AttributeNames": ["ApproximateReceiveCount"],
        });
        let answer = self.call("ReceiveMessage", &body, wait + TIMEOUT).await?;
        let messages =
            answer.get("Messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        messages.iter().map(message).collect()
    }

    /// Removes messages for good. Those that were not removed come back.
    pub(crate) async fn delete(&self, receipts: &[&str]) -> Result<Vec<FailedEntry>> {
        let entry =
            |(index, receipt): (usize, &&str)| json!({"Id": index.to_string(), "ReceiptHandle": receipt});
        let entries: Vec<Value> = receipts.iter().enumerate().map(entry).collect();
        self.batch("DeleteMessageBatch", entries).await
    }

    /// Keeps messages from others for `visibility` from now on.
    pub(crate) async fn extend(&self, receipts: &[&str], visibility: Duration) -> Result<Vec<FailedEntry>> {
        let entry = |(index, receipt): (usize, &&str)| {
            json!({
                "Id": index.to_string(),
                "ReceiptHandle": receipt,
                "VisibilityTimeout": visibility.as_secs(),
            })
        };
        let entries: Vec<Value> = receipts.iter().enumerate().map(entry).collect();
        self.batch("ChangeMessageVisibilityBatch", entries).await
    }

    /// All attributes of the queue.
    pub(crate) async fn attributes(&self) -> Result<BTreeMap<String, String>> {
        let body = json!({"QueueUrl": self.url, "AttributeNames": ["All"]});
        let answer = self.call("GetQueueAttributes", &body, TIMEOUT).await?;
        let attributes = answer.get("Attributes").and_then(Value::as_object).into_iter().flatten();
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        Ok(attributes.filter_map(text).collect())
    }

    async fn batch(&self, action: &str, entries: Vec<Value>) -> Result<Vec<FailedEntry>> {
        let answer = self.call(action, &json!({"QueueUrl": self.url, "Entries": entries}), TIMEOUT).await?;
        let failed = answer.get("Failed").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let entry = |value: &Value| {
            let text = |name: &str| value.get(name).and_then(Value::as_str);
            Some(FailedEntry {
                index: text("Id")?.parse().ok()?,
                code: text("Code").unwrap_or_default().to_owned(),
                is_final: value.get("SenderFault").and_then(Value::as_bool).unwrap_or(false),
            })
        };
        let read: Option<Vec<FailedEntry>> = failed.iter().map(entry).collect();
        read.ok_or_else(|| Error::BadAnswer {
            call: format!("sqs:{action}"),
            problem: "an entry of `Failed` has no known `Id`".into(),
        })
    }

    async fn call(&self, action: &str, body: &Value, timeout: Duration) -> Result<Value> {
        self.client.action(Service::Sqs, action, body, timeout, MAX_BYTES).await
    }
}

fn message(value: &Value) -> Result<Message> {
    let text = |name: &str| {
        value.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| Error::BadAnswer {
            call: "sqs:ReceiveMessage".into(),
            problem: format!("a message has no `{name}`"),
        })
    };
    let count = value.pointer("/Attributes/ApproximateReceiveCount").and_then(Value::as_str);
    Ok(Message {
        id: text("MessageId")?,
        receipt: text("ReceiptHandle")?,
        body: text("Body")?.into(),
        attributes: BTreeMap::new(),
        problem: None,
        receives: count.and_then(|count| count.parse().ok()).unwrap_or(1),
    })
}
