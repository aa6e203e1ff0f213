//! The three mappings on records of our own and on the corpus.

mod corpora;
mod keys;
mod shapes;
mod variants;

use event::{Col, LogType};

use crate::{Normalizer, sample};

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

/// The stream as it was before 2019, and resource logs in the same frame: read where the source says so.
#[test]
fn a_source_can_say_what_it_delivers() {
    let old = r#"{"time":"2026-03-10T11:00:00.5Z","resourceId":"/SUBSCRIPTIONS/AB/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.STORAGE/STORAGEACCOUNTS/S",
        "operationName":"MICROSOFT.STORAGE/STORAGEACCOUNTS/REGENERATEKEY/ACTION","category":"Action","resultType":"Success",
        "resultSignature":"Succeeded.","properties":{"eventName":"EndRequest","eventProperties":{"statusCode":"OK","requestbody":"{\"keyName\":\"key1\"}"}}}"#;
    let storage = r#"{"time":"2026-03-10T11:00:01Z","resourceId":"/subscriptions/ab/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/s/blobServices/default",
        "category":"StorageRead","operationName":"GetBlob","statusCode":403,"statusText":"AuthorizationPermissionMismatch",
        "callerIpAddress":"192.0.2.9:57484","identity":{"type":"SAS"},"properties":{"objectKey":"/s/c/f.txt","userAgentHeader":"curl/8"},
        "uri":"https://s.blob.core.windows.net/c/f.txt"}"#;
    let batch = sample::batch(&[old, storage], Some(LogType::AzureActivity));
    let normalized = Normalizer::new().map(&batch, 0);
    assert!(normalized.rejects.is_empty(), "{:?}", normalized.rejects);
    let events = normalized.events;
    for (col, values) in [
        (Col::MetadataProductFeatureName, [Some("Administrative"), Some("StorageRead")]),
        (Col::MetadataEventCode, [Some("EndRequest"), None]),
        (Col::TypeName, [Some("API Activity: Update"), Some("API Activity: Read")]),
        (Col::ApiServiceName, [Some("MICROSOFT.STORAGE"), Some("Microsoft.Storage")]),
        (Col::ApiRequestData, [Some(r#"{"keyName":"key1"}"#), None]),
        (Col::Status, [Some("Success"), Some("Failure")]),
        (Col::StatusCode, [Some("OK"), Some("403")]),
        (Col::ApiResponseError, [None, Some("AuthorizationPermissionMismatch")]),
        (Col::SrcEndpointIp, [None, Some("192.0.2.9")]),
        (Col::HttpRequestUserAgent, [None, Some("curl/8")]),
        (Col::HttpRequestUrl, [None, Some("https://s.blob.core.windows.net/c/f.txt")]),
    ] {
        let found = [events.str_at(col, 0), events.str_at(col, 1)];
        assert_eq!(found, values, "{}", col.name());
    }
}
