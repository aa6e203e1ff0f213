//! The collectors of Google Cloud: against Google's own in-memory Pub/Sub and fake-gcs-server where these do
//! what the service does, against `cloudfake` for the rest, which Google's discovery documents judge.

mod checks;
mod credentials;
mod discovery;
mod in_aws;
mod lists;
mod objects;
mod pubsub;
mod servers;

use std::time::Duration;

use ingest::google::{Environment, GoogleAccess, PubSubCollector, PubSubConfig};

use crate::options;

const SUBSCRIPTION: &str = "projects/p-1/subscriptions/logs";

fn anonymous(url: &str) -> GoogleAccess {
    GoogleAccess { anonymous: true, endpoint: Some(url.to_owned()), ..GoogleAccess::default() }
}

fn config(access: GoogleAccess) -> PubSubConfig {
    PubSubConfig {
        subscription: SUBSCRIPTION.into(),
        access,
        pulls: 2,
        wait: Duration::from_millis(300),
        ..PubSubConfig::default()
    }
}

fn open(url: &str) -> PubSubCollector {
    PubSubCollector::open(config(anonymous(url)), &Environment::default(), options(2)).unwrap()
}

/// A LogEntry, as a sink publishes it.
fn entry(name: &str) -> String {
    format!(
        "{{\"insertId\":\"{name}\",\"logName\":\"projects/p-1/logs/cloudaudit.googleapis.com%2Factivity\",\
         \"timestamp\":\"2026-01-02T03:04:05Z\"}}"
    )
}
