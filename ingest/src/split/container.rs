//! Objects that only wrap a list of records.

/// The members that hold a container's records: CloudTrail in S3; event hubs and diagnostic settings;
/// Azure REST and Microsoft Graph pages; `LookupEvents`; Cloud Logging's `entries.list`; subscriptions of
/// CloudWatch Logs.
pub const LISTS: [&str; 6] = ["Records", "records", "value", "Events", "entries", "logEvents"];

/// Whether `before`, an object up to the `[` of a member, ends with the name of a container's list.
pub(super) fn names_list(before: &[u8]) -> bool {
    let Some(name) = before.trim_ascii_end().strip_suffix(b":") else { return false };
    let Some(name) = name.trim_ascii_end().strip_suffix(b"\"") else { return false };
    LISTS.iter().any(|list| {
        let before = name.strip_suffix(list.as_bytes()).and_then(|name| name.strip_suffix(b"\""));
        before.is_some_and(|before| matches!(before.trim_ascii_end().last(), Some(b'{' | b',')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_name_counts() {
        for before in ["{\"Records\":", "{ \"value\" : ", "{\"a\":1,\n\"Events\":", ",\"entries\":"] {
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
        ] {
            assert!(!names_list(before.as_bytes()), "{before}");
        }
    }
}
