//! Objects that only wrap a list of records.

/// The members that hold a container's records: CloudTrail in S3; event hubs and diagnostic settings;
/// Azure REST and Microsoft Graph pages; `LookupEvents`; Cloud Logging's `entries.list`; `GetFindings` of
/// GuardDuty and Security Hub; subscriptions of CloudWatch Logs.
pub const LISTS: [&str; 7] = ["Records", "records", "value", "Events", "entries", "logEvents", "Findings"];

/// A list of this name makes a container only of an object that has said before what it is: records of other
/// sources have items, too.
const ITEMS: &[u8] = b"items";

/// What such an object says: a batch of Kubernetes audit events; a page of Google Workspace's Reports API.
const KINDS: [&[u8]; 2] = [b"\"EventList\"", b"#reports#activities\""];

/// Whether `before`, an object up to the `[` of a member, ends with the name of a container's list.
pub(super) fn names_list(before: &[u8]) -> bool {
    let Some(name) = before.trim_ascii_end().strip_suffix(b":") else { return false };
    let Some(name) = name.trim_ascii_end().strip_suffix(b"\"") else { return false };
    let is = |list: &[u8]| {
        let before = name.strip_suffix(list).and_then(|name| name.strip_suffix(b"\""));
        before.is_some_and(|before| matches!(before.trim_ascii_end().last(), Some(b'{' | b',')))
    };
    LISTS.iter().any(|list| is(list.as_bytes())) || (is(ITEMS) && says_kind(name))
}

/// Whether the members before a list say that it is one of records. They are few and short.
fn says_kind(before: &[u8]) -> bool {
    const MOST_BYTES: usize = 4096;
    let before = before.get(..before.len().min(MOST_BYTES)).unwrap_or_default();
    KINDS.iter().any(|kind| before.windows(kind.len()).any(|part| part == *kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_name_counts() {
        for before in [
            "{\"Records\":",
            "{ \"value\" : ",
            "{\"a\":1,\n\"Events\":",
            ",\"entries\":",
            "{\"kind\":\"EventList\",\"metadata\":{},\"items\":",
        ] {
            assert!(names_list(before.as_bytes()), "{before}");
        }
        for before in [
            "{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"metadata\":{},\"items\":",
            "{\"kind\": \"admin#reports#activities\", \"items\": ",
            "{\"Findings\":",
        ] {
            assert!(names_list(before.as_bytes()), "{before}");
        }
        for before in [
            "{\"order\":7,\"items\":",
            "{\"kind\":\"PodList\",\"items\":",
            "",
            ":",
            "\"Records\":",
            "{\"records",
            "{\"xrecords\":",
            "{\"x\\\"records\":",
            "{\"Value\":",
            "{records:",
            "{\"order\":7,\"items\":",
        ] {
            assert!(!names_list(before.as_bytes()), "{before}");
        }
    }
}
