//! The three mappings on records of our own and on the corpus.

mod corpora;
mod keys;
mod shapes;
mod variants;

use event::{Col, LogType};

use crate::sample;

#[test]
fn samples() {
    sample::check(LogType::AzureActivity, "azure/activity");
    sample::check(LogType::EntraSignin, "azure/signin");
    sample::check(LogType::EntraAudit, "azure/audit");
}

/// The rule engine compares these columns with the names and values of Azure itself.
#[test]
fn native_values_stand_verbatim() {
    let audit = r#"{"id":"x","activityDateTime":"2026-03-10T00:00:00Z","activityDisplayName":"Update application – Certificates and secrets management ","loggedByService":"Core Directory"}"#;
    let events = sample::map(&[audit]).events;
    let name = "Update application – Certificates and secrets management ";
    assert_eq!(events.str_at(Col::ApiOperation, 0), Some(name));
    assert_eq!(events.str_at(Col::ApiServiceName, 0), Some("Core Directory"));
    let activity = r#"{"time":"2026-03-10T00:00:00Z","category":"Administrative","operationName":"MICROSOFT.Compute/disks/DELETE","resourceId":"/SUBSCRIPTIONS/AB/resourcegroups/g"}"#;
    let events = sample::map(&[activity]).events;
    assert_eq!(events.str_at(Col::ApiOperation, 0), Some("MICROSOFT.Compute/disks/DELETE"));
    assert_eq!(events.str_at(Col::ResourceUid, 0), Some("/SUBSCRIPTIONS/AB/resourcegroups/g"));
    assert_eq!(events.str_at(Col::CloudAccountUid, 0), Some("ab"));
}
