//! Which topics and partitions there are to read, by the cluster's metadata.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use regex::Regex;

use super::context::Context;
use crate::{Error, Result};

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// No topic's name is longer; Kafka's `Topic.MAX_NAME_LENGTH`.
const MAX_NAME: usize = 249;
/// More partitions than this are not followed: each has a state of its own.
pub(super) const MAX_PARTITIONS: usize = 20_000;

/// The topics that are wanted.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    wanted: Vec<Wanted>,
}

#[derive(Debug, Clone)]
enum Wanted {
    Name(String),
    Pattern(Regex),
}

impl Wanted {
    fn is(&self, topic: &str) -> bool {
        match self {
            Self::Name(name) => name == topic,
            Self::Pattern(pattern) => pattern.is_match(topic),
        }
    }
}

/// What the cluster has of what is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Topics and how many partitions each has.
    pub(super) topics: BTreeMap<String, i32>,
    /// Names that are no topics, or that we may not know of.
    pub(super) missing: Vec<(String, RDKafkaErrorCode)>,
}

impl Topics {
    /// # Errors
    /// [`Error::BadSetting`].
    pub(super) fn new(topics: &[String]) -> Result<Self> {
        let bad = |problem: String| Error::BadSetting { field: "topics", problem };
        if topics.is_empty() {
            return Err(bad("name at least one topic".into()));
        }
        let mut wanted = Vec::new();
        for topic in topics {
            if topic.starts_with('^') {
                let pattern = Regex::new(&format!("^(?:{})$", topic.trim_start_matches('^')));
                let problem = |error| bad(format!("`{topic}` is no regular expression: {error}"));
                wanted.push(Wanted::Pattern(pattern.map_err(problem)?));
                continue;
            }
            let is_name = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
            if topic.is_empty() || topic.len() > MAX_NAME || !topic.chars().all(is_name) {
                return Err(bad(format!(
                    "`{topic}` is no topic's name (letters, digits, `.`, `_`, `-`); a regular expression begins with `^`"
                )));
            }
            wanted.push(Wanted::Name(topic.clone()));
        }
        Ok(Self { wanted })
    }

    /// Whether any of `known` topics is wanted by the same entry as `topic`: then this is no first reading.
    pub(super) fn is_read_already<'a>(
        &self,
        topic: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> bool {
        let mut entries = self.wanted.iter().filter(|wanted| wanted.is(topic));
        entries.any(|wanted| known.clone().any(|known| wanted.is(known)))
    }

    /// Asks the cluster.
    pub(super) fn find(&self, consumer: &BaseConsumer<Context>) -> std::result::Result<Found, KafkaError> {
        let mut found = Found::default();
        let has_patterns = self.wanted.iter().any(|wanted| matches!(wanted, Wanted::Pattern(_)));
        if has_patterns {
            // All there are; those that we may not know of are not told.
            let metadata = consumer.fetch_metadata(None, PATIENCE)?;
            for topic in metadata.topics() {
                let is_own = topic.name().starts_with("__");
                if !is_own && self.wanted.iter().any(|wanted| wanted.is(topic.name())) {
                    found.add(topic)?;
                }
            }
        }
        for wanted in &self.wanted {
            let Wanted::Name(name) = wanted else { continue };
            if found.topics.contains_key(name) {
                continue;
            }
            let metadata = consumer.fetch_metadata(Some(name), PATIENCE)?;
            for topic in metadata.topics().iter().filter(|topic| topic.name() == name) {
                found.add(topic)?;
            }
        }
        Ok(found)
    }
}

impl Found {
    /// # Errors
    /// The broker does not know for now, such as while a leader is elected: nobody is to conclude that the
    /// topic is gone.
    fn add(&mut self, topic: &MetadataTopic) -> std::result::Result<(), KafkaError> {
        use RDKafkaErrorCode as Code;
        match topic.error().map(Code::from) {
            None => {
                // Ids of partitions are 0, 1, 2, … .
                let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
                self.topics.insert(topic.name().to_owned(), partitions);
            }
            Some(
                code @ (Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::InvalidTopic
                | Code::TopicAuthorizationFailed),
            ) => self.missing.push((topic.name().to_owned(), code)),
            Some(code) => return Err(KafkaError::MetadataFetch(code)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns_are_told_apart() {
        let topics = Topics::new(&["audit".into(), "^insights-.*".into()]).unwrap();
        let wants = |topic| topics.wanted.iter().any(|wanted| wanted.is(topic));
        assert!(wants("audit") && wants("insights-logs"));
        assert!(!wants("audit-2") && !wants("my-insights-logs") && !wants("Audit"));
        for bad in ["", "a b", "a/b", "a\0", "^(", "ä"] {
            assert!(Topics::new(&[bad.into()]).is_err(), "{bad}");
        }
        assert!(Topics::new(&["a".repeat(250)]).is_err());
    }

    #[test]
    fn a_new_topic_of_a_pattern_is_no_first_reading() {
        let topics = Topics::new(&["audit".into(), "^logs-.*".into()]).unwrap();
        let is_read = |topic, known: &[&'static str]| topics.is_read_already(topic, known.iter().copied());
        assert!(!is_read("logs-b", &["audit"]));
        assert!(is_read("logs-b", &["logs-a"]));
        assert!(is_read("audit", &["audit"]));
        assert!(!is_read("audit", &["logs-a"]));
    }
}
