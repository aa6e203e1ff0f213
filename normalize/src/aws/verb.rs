//! The verb that the name of an AWS operation begins with.

use crate::class::{Activity, api_activity};

/// What an operation that no other class fits does: create, read, update or delete, by its verb;
/// failing that, `read_only` decides between read and other.
pub(super) fn activity(event_name: &str, read_only: bool) -> Activity {
    match first_word(event_name) {
        "Get" | "List" | "Describe" | "Head" | "Lookup" | "Search" | "Query" | "Scan" | "Read" | "View"
        | "Check" | "Download" | "Select" | "Preview" | "Estimate" | "Validate" | "Verify" | "Test"
        | "Simulate" | "Decode" | "Decrypt" | "Poll" | "Receive" | "Discover" | "Filter" | "Count" | "Is"
        | "Retrieve" | "Detect" | "Export" | "Fetch" | "Evaluate" | "Peek" => api_activity::READ,
        "Create" | "Run" | "Allocate" | "Register" | "Import" | "Copy" | "Issue" | "Request" | "Launch"
        | "Clone" | "Purchase" | "Upload" | "Provision" | "Publish" | "Invite" | "Generate" | "Insert"
        | "Submit" | "Build" => api_activity::CREATE,
        "Update" | "Modify" | "Put" | "Set" | "Attach" | "Detach" | "Associate" | "Disassociate"
        | "Enable" | "Disable" | "Start" | "Stop" | "Reboot" | "Change" | "Add" | "Tag" | "Untag"
        | "Authorize" | "Revoke" | "Replace" | "Reset" | "Restore" | "Rotate" | "Resume" | "Suspend"
        | "Apply" | "Assign" | "Unassign" | "Accept" | "Reject" | "Merge" | "Move" | "Increase"
        | "Decrease" | "Activate" | "Deactivate" | "Promote" | "Resize" | "Rename" | "Renew" | "Confirm"
        | "Approve" | "Cancel" | "Schedule" | "Subscribe" | "Monitor" | "Unmonitor" | "Share" | "Unshare"
        | "Lock" | "Unlock" | "Pause" | "Swap" | "Execute" | "Switch" | "Failover" => api_activity::UPDATE,
        "Delete" | "Terminate" | "Deregister" | "Release" | "Destroy" | "Purge" | "Remove"
        | "Unsubscribe" | "Leave" | "Close" | "Discard" | "Clear" | "Abort" => api_activity::DELETE,
        _ if read_only => api_activity::READ,
        _ => api_activity::OTHER,
    }
}

/// `Get` of `GetObject` and of `BatchGetItem`.
fn first_word(event_name: &str) -> &str {
    let name = event_name.strip_prefix("Batch").filter(|rest| !rest.is_empty()).unwrap_or(event_name);
    let end =
        name.bytes().skip(1).position(|byte| !byte.is_ascii_lowercase()).map_or(name.len(), |at| at + 1);
    name.get(..end).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verb_decides_and_then_the_flag() {
        let id = |name, read_only| activity(name, read_only).activity_id;
        assert_eq!(id("DescribeInstances", true), 2);
        assert_eq!(id("RunInstances", false), 1);
        assert_eq!(id("PutBucketPolicy", false), 3);
        assert_eq!(id("BatchDeleteImage", false), 4);
        assert_eq!(id("Invoke", false), 99);
        assert_eq!(id("AdminGetUser", true), 2);
        assert_eq!(id("", false), 99);
        assert_eq!(id("Ünlikely", false), 99);
    }

    #[test]
    fn words_end_at_capitals_digits_and_the_end() {
        assert_eq!(first_word("ListFunctions20150331"), "List");
        assert_eq!(first_word("Batch"), "Batch");
        assert_eq!(first_word("get"), "get");
        assert_eq!(first_word("UpdateAPI"), "Update");
    }
}
