//! Raw CloudTrail records beside the OCSF documents that the schema's own examples make of them.
//!
//! What both have must agree, or stand in the table of disagreements with its reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use event::ocsf_document;
use serde_json::Value;

use crate::records;

/// The attributes that a reader would look for.
const ATTRIBUTES: &[&str] = &[
    "activity_id",
    "activity_name",
    "actor.idp.name",
    "actor.invoked_by",
    "actor.session.created_time",
    "actor.session.is_mfa",
    "actor.session.issuer",
    "actor.user.account.uid",
    "actor.user.credential_uid",
    "actor.user.name",
    "actor.user.type",
    "actor.user.uid",
    "actor.user.uid_alt",
    "api.operation",
    "api.request.uid",
    "api.response.error",
    "api.response.error_message",
    "api.service.name",
    "api.version",
    "category_uid",
    "class_uid",
    "cloud.account.uid",
    "cloud.provider",
    "cloud.region",
    "http_request.user_agent",
    "metadata.event_code",
    "metadata.product.feature.name",
    "metadata.product.name",
    "metadata.product.vendor_name",
    "metadata.uid",
    "severity_id",
    "src_endpoint.domain",
    "src_endpoint.ip",
    "src_endpoint.uid",
    "status",
    "time",
    "type_uid",
    "user.name",
    "user.uid",
    "user.uid_alt",
];

const REDACTED: &str = "the example's document has other ids and times than its own raw record";
const NO_CATEGORY: &str = "the record has no `eventCategory`; the example fills in a default";
const RC2_UID: &str = "1.0.0-rc.2 had the principal's id here and the ARN in `uuid`; since 1.0 it is the ARN";
const RC2_CLASS: &str = "1.0.0-rc.2 numbered API Activity 3005; since 1.0 it is 6003";
const CALLER: &str = "the example puts the caller's id on the user that was created";
const ZERO: &str = "the record does not say; the example writes 0";

/// Where we disagree: folder and file of the pair, the attribute, and why.
const DISAGREEMENTS: &[(&str, &str, &str, &str)] = &[
    ("bloblang", "account_change.raw", "actor.session.created_time", REDACTED),
    ("bloblang", "account_change.raw", "actor.user.uid_alt", REDACTED),
    ("bloblang", "account_change.raw", "api.request.uid", REDACTED),
    ("bloblang", "account_change.raw", "metadata.uid", REDACTED),
    ("bloblang", "account_change.raw", "user.uid", CALLER),
    ("bloblang", "generic_api_activity.raw", "actor.session.created_time", ZERO),
    ("bloblang", "generic_api_activity.raw", "actor.user.account.uid", REDACTED),
    ("bloblang", "generic_api_activity.raw", "actor.user.credential_uid", REDACTED),
    ("bloblang", "generic_api_activity.raw", "actor.user.uid", REDACTED),
    ("bloblang", "generic_api_activity.raw", "actor.user.uid_alt", REDACTED),
    ("bloblang", "generic_api_activity.raw", "api.request.uid", REDACTED),
    ("bloblang", "generic_api_activity.raw", "metadata.uid", REDACTED),
    ("bloblang", "generic_api_activity.raw", "time", REDACTED),
    ("v1.0.0-rc.2", "account_change.raw", "actor.user.uid", RC2_UID),
    ("v1.0.0-rc.2", "account_change.raw", "user.uid", RC2_UID),
    ("v1.0.0-rc.2", "generic_api_activity.raw", "actor.user.uid", RC2_UID),
    ("v1.0.0-rc.2", "generic_api_activity.raw", "category_uid", RC2_CLASS),
    ("v1.0.0-rc.2", "generic_api_activity.raw", "class_uid", RC2_CLASS),
    ("v1.0.0-rc.2", "generic_api_activity.raw", "type_uid", RC2_CLASS),
    ("markdown", "generic_api_activity.raw", "metadata.product.feature.name", NO_CATEGORY),
];

#[test]
fn examples_agree() {
    let Some(root) = records::corpus("ocsf/ocsf_examples") else { return };
    let mut found = BTreeSet::new();
    let mut unexplained = String::new();
    let pairs = pairs(&root);
    assert!(pairs.len() >= 10, "only {} pairs", pairs.len());
    for (raw, expected) in pairs {
        let name = raw.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let normalized = records::map(&[fs::read(&raw).unwrap()]);
        assert!(normalized.rejects.is_empty(), "{name}: {:?}", normalized.rejects);
        let ours = ocsf_document(&normalized.events, 0).unwrap();
        let theirs = lenient(&fs::read_to_string(&expected).unwrap());
        for path in ATTRIBUTES {
            let (Some(theirs), ours) = (at(&theirs, path), at(&ours, path)) else { continue };
            if ours == Some(theirs) {
                continue;
            }
            let known = DISAGREEMENTS.iter().position(|(folder, file, known, _)| {
                name.contains(folder) && name.ends_with(file) && known == path
            });
            match known {
                Some(index) => {
                    found.insert(index);
                }
                None => unexplained.push_str(&format!("\n{name} `{path}`: theirs {theirs}, ours {ours:?}")),
            }
        }
    }
    assert!(unexplained.is_empty(), "disagreements that nobody explains:{unexplained}");
    for (index, (folder, file, path, _)) in DISAGREEMENTS.iter().enumerate() {
        assert!(found.contains(&index), "`{path}` of {folder}/…/{file} agrees now; take it out of the table");
    }
}

/// Each raw CloudTrail record with its document.
fn pairs(folder: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut pairs = Vec::new();
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths {
        if path.is_dir() {
            pairs.extend(self::pairs(path));
        } else if path.to_string_lossy().contains("/CloudTrail/")
            && path.extension().is_some_and(|end| end == "raw")
        {
            let document = paths.iter().find(|other| other.extension().is_some_and(|end| end != "raw"));
            pairs.push((path.clone(), document.unwrap().clone()));
        }
    }
    pairs
}

/// The value at a path, unless it says nothing.
fn at<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    let found = path.split('.').try_fold(document, |value, key| value.get(key))?;
    (!found.is_null() && found != "").then_some(found)
}

/// Some of the examples, written by hand, have a comma before a closing brace.
fn lenient(text: &str) -> Value {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '}' | ']') && clean.trim_end().ends_with(',') {
            clean.truncate(clean.trim_end().len() - 1);
        }
        clean.push(character);
    }
    serde_json::from_str(&clean).unwrap()
}
