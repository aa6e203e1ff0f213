//! What a message of Pub/Sub means: records, or objects in Cloud Storage that are there now.
//!
//! Cloud Storage's notifications say everything in attributes; their data is a description of the object, or
//! nothing (<https://cloud.google.com/storage/docs/pubsub-notifications>). Whatever else comes, a LogEntry of
//! a sink, a finding of Security Command Center, lines of a forwarder, is records.

use crate::queue::{Announced, Meaning, Message};

use super::gcs::GcsObject;

/// Reads a message; of objects those of `buckets`, or all where it is empty.
pub(super) fn read(message: &Message, buckets: &[String]) -> Meaning<GcsObject> {
    let mut meaning = Meaning::default();
    let attribute = |name: &str| message.attributes.get(name).map(String::as_str);
    if let Some(problem) = &message.problem {
        meaning.rejects.push(problem.clone());
        return meaning;
    }
    let (Some(event), Some(bucket), Some(name)) =
        (attribute("eventType"), attribute("bucketId"), attribute("objectId"))
    else {
        if message.body.is_empty() {
            meaning.rejects.push("empty: the message has no data".into());
        } else {
            meaning.is_records = true;
        }
        return meaning;
    };
    let generation = attribute("objectGeneration").map(str::to_owned);
    let is_folder = name.ends_with('/');
    if event != "OBJECT_FINALIZE" || is_folder {
        // Removed, archived, or other metadata: nothing new to read.
        meaning.without_events += 1;
        return meaning;
    }
    let address = format!("gs://{bucket}/{name}");
    if !buckets.is_empty() && !buckets.iter().any(|allowed| allowed == bucket) {
        meaning.rejects.push(format!("foreign_bucket: `{address}` is in none of the configured buckets"));
        return meaning;
    }
    let version = generation.clone();
    let object = GcsObject { bucket: bucket.to_owned(), name: name.to_owned(), generation };
    meaning.objects.push(Announced { address, version, object });
    meaning
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(attributes: &[(&str, &str)], body: &'static str) -> String {
        let pairs = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let message = Message {
            id: "1".into(),
            receipt: "r".into(),
            body: body.into(),
            attributes: pairs.collect(),
            problem: None,
            receives: 1,
        };
        let meaning = read(&message, &["logs".into()]);
        let objects = meaning.objects.iter().map(|it| format!("{} {:?}", it.address, it.version));
        let mut parts: Vec<String> = objects.collect();
        parts.extend(meaning.rejects);
        if meaning.is_records {
            parts.push("records".into());
        }
        if meaning.without_events > 0 {
            parts.push("nothing".into());
        }
        parts.join("; ")
    }

    #[test]
    fn messages_are_records_or_announce_objects() {
        let object = |event, bucket, name| {
            let attributes = [
                ("eventType", event),
                ("bucketId", bucket),
                ("objectId", name),
                ("objectGeneration", "7"),
                ("payloadFormat", "NONE"),
            ];
            told(&attributes, "")
        };
        assert_eq!(object("OBJECT_FINALIZE", "logs", "a//b c"), "gs://logs/a//b c Some(\"7\")");
        assert_eq!(object("OBJECT_FINALIZE", "logs", "a/"), "nothing");
        assert_eq!(object("OBJECT_DELETE", "logs", "a"), "nothing");
        assert_eq!(object("OBJECT_METADATA_UPDATE", "other", "a"), "nothing");
        assert!(object("OBJECT_FINALIZE", "other", "a").starts_with("foreign_bucket: `gs://other/a`"));
        assert_eq!(told(&[("eventType", "x")], "{}"), "records");
        assert_eq!(told(&[], ""), "empty: the message has no data");
    }
}
