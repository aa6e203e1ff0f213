//! Objects that only wrap a list of records.

/// The members that hold a container's records: CloudTrail in S3; event hubs and diagnostic settings;
/// Azure REST and Microsoft Graph pages; `LookupEvents`; Cloud Logging's `entries.list`.
pub const LISTS: [&str; 5] = ["Records", "records", "value", "Events", "entries"];

/// The member that holds the records of a list that says its kind first: `{"kind":"EventList",…,"items":[…]}`
/// of Kubernetes' audit webhook, the pages of Google's Reports API. Without a kind, `items` are any record's
/// own.
const KIND_LIST: &str = "items";

/// Whether `before`, an object up to the `[` of a member, ends with the name of a container's list.
pub(super) fn names_list(before: &[u8]) -> bool {
    let Some(name) = before.trim_ascii_end().strip_suffix(b":") else { return false };
    let Some(name) = name.trim_ascii_end().strip_suffix(b"\"") else { return false };
    let is_named = |list: &str| {
        let before = name.strip_suffix(list.as_bytes()).and_then(|name| name.strip_suffix(b"\""));
        before.is_some_and(|before| matches!(before.trim_ascii_end().last(), Some(b'{' | b',')))
    };
    LISTS.iter().any(|list| is_named(list))
        || (is_named(KIND_LIST) && memchr::memmem::find(name, b"\"kind\"").is_some())
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
