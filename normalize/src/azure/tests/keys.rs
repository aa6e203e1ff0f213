//! Which records are the same event, and which are news of it.

use event::Col;

use crate::sample;

fn uid(record: &str) -> String {
    let normalized = sample::map(&[record]);
    assert!(normalized.rejects.is_empty(), "{:?}", normalized.rejects);
    normalized.events.str_at(Col::EventUid, 0).unwrap().to_owned()
}

const SIGN_IN: &str = r#"{"id":"4C1F8E2A-0000-4000-8000-000000000001","createdDateTime":"2026-03-10T09:01:12.8837120Z",
    "appDisplayName":"Azure Portal","isInteractive":true,"userPrincipalName":"alice@example.com",
    "status":{"errorCode":50074},"riskState":"none","riskLevelAggregated":"none"}"#;

#[test]
fn a_sign_in_that_goes_on_is_news() {
    let first = uid(SIGN_IN);
    for (from, to) in [
        ("50074", "0"),
        (r#""riskState":"none""#, r#""riskState":"atRisk""#),
        (r#""riskLevelAggregated":"none""#, r#""riskLevelAggregated":"high""#),
        ("09:01:12", "09:01:21"),
        ("000000000001", "000000000002"),
    ] {
        let changed = SIGN_IN.replace(from, to);
        assert_ne!(changed, SIGN_IN);
        assert_ne!(uid(&changed), first, "{to}");
    }
}

#[test]
fn a_sign_in_delivered_again_is_not() {
    let first = uid(SIGN_IN);
    for (from, to) in [
        ("4C1F8E2A", "4c1f8e2a"),
        (".8837120Z", "Z"),
        ("Z\"", "+00:00\""),
        (r#""riskState":"none""#, r#""riskState":null"#),
        (r#""riskLevelAggregated":"none""#, r#""riskLevelAggregated":"hidden""#),
        ("50074", "\"50074\""),
        ("Azure Portal", "Azure portal"),
    ] {
        let again = SIGN_IN.replace(from, to);
        assert_ne!(again, SIGN_IN, "{from}");
        assert_eq!(uid(&again), first, "{to}");
    }
}

#[test]
fn the_steps_of_an_operation_are_events_of_their_own() {
    let started = r#"{"time":"2026-03-10T10:15:29Z","category":"Administrative","correlationId":"c",
        "operationName":"MICROSOFT.COMPUTE/DISKS/DELETE","resourceId":"/SUBSCRIPTIONS/S","resultType":"Start"}"#;
    let first = uid(started);
    assert_eq!(uid(&started.replace("SUBSCRIPTIONS", "subscriptions")), first);
    for (from, to) in
        [("Start", "Success"), (":29Z", ":29.5Z"), ("/S\"", "/T\""), ("DELETE", "WRITE"), ("\"c\"", "\"d\"")]
    {
        assert_ne!(uid(&started.replace(from, to)), first, "{to}");
    }
    let with_id = |id: &str, status: &str| {
        format!(
            r#"{{"eventTimestamp":"2026-03-10T10:15:29Z","eventDataId":"{id}","status":{{"value":"{status}","localizedValue":""}}}}"#
        )
    };
    assert_eq!(uid(&with_id("A1", "Started")), uid(&with_id("a1", "Succeeded")));
    assert_ne!(uid(&with_id("a1", "Started")), uid(&with_id("a2", "Started")));
}

#[test]
fn without_an_id_the_record_is_its_own() {
    let audit = r#"{"activityDateTime":"2026-03-10T10:15:29Z","activityDisplayName":"Add user"}"#;
    assert_eq!(uid(audit), uid(audit));
    assert_ne!(uid(audit), uid(&audit.replace("Add", "Delete")));
}
