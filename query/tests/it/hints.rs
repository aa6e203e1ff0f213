//! A mistake is named with its place and with what was probably meant.

use query::{Error, QueryConfig};

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_have_a_place_and_a_hint() {
    let world = World::new(QueryConfig::default()).await;
    let cases = [
        (
            "SELECT actor_usr_name FROM events",
            "line 1, column 8: column `actor_usr_name` does not exist in `events`; did you mean `actor_user_name`?",
        ),
        (
            "SELECT time\nFROM events\nWHERE endpoint_ip = '10.0.0.1'",
            "line 3, column 7: column `endpoint_ip` does not exist in `events`; did you mean `src_endpoint_ip`?",
        ),
        (
            "SELECT e.tme FROM events e",
            "line 1, column 8: column `tme` does not exist in `e`; did you mean `time`?",
        ),
        (
            "SELECT time, count(*) FROM events GROUP BY tim",
            "column `tim` does not exist in `events`; did you mean `time`?",
        ),
        (
            "SELECT nothing_like_it FROM alerts",
            "line 1, column 8: column `nothing_like_it` does not exist in `alerts`",
        ),
        ("SELECT * FROM event", "line 1, column 15: table `event` does not exist; did you mean `events`?"),
        (
            "SELECT * FROM dead_leters",
            "line 1, column 15: table `dead_leters` does not exist; did you mean `dead_letters`?",
        ),
        (
            "SELECT time FROM events a JOIN events b ON a.event_uid = b.event_uid",
            "line 1, column 8: column `time` is in more than one table; \
             write the table or its alias before it: `events.time`",
        ),
        (
            "SELECT cuont(*) FROM events",
            "line 1, column 8: there is no function `cuont`; did you mean `count`?",
        ),
        ("SELECT 1,,2", "line 1, column 10: Expected: an expression, found: ,"),
    ];
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let error = world.refused(sql).await;
        if !matches!(error, Error::Sql { .. }) || error.to_string() != expected {
            wrong.push(format!("{sql}\n  wanted {expected}\n  got    {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
