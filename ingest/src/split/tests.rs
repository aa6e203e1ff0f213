use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The records and rejects of `input`, fed in pieces of `step` bytes: a reject is its reason, ` <- `
/// and its bytes.
fn split_in_steps(input: &[u8], step: usize, record_bytes: usize) -> Vec<String> {
    let mut splitter = Splitter::new(record_bytes);
    let mut pieces = Vec::new();
    for chunk in input.chunks(step.max(1)) {
        splitter.feed(chunk);
        drain(&mut splitter, &mut pieces);
    }
    splitter.finish(None);
    drain(&mut splitter, &mut pieces);
    pieces
}

fn drain(splitter: &mut Splitter, pieces: &mut Vec<String>) {
    while let Some(record) = splitter.next_record() {
        assert_eq!(record.number, pieces.len() as u64);
        let text = String::from_utf8_lossy(record.bytes);
        pieces.push(match record.reject {
            None => text.into(),
            Some(reason) => format!("{reason} <- {text}"),
        });
    }
}

const LIMIT: usize = 4 << 20;

/// Checks the pieces of `input`, however it is cut. A reject is given by a part of its reason and its bytes.
#[track_caller]
fn check(input: &str, expected: &[&str]) {
    for step in [input.len(), 1, 2, 3, 7, 64, 65] {
        let pieces = split_in_steps(input.as_bytes(), step, LIMIT);
        let matches = pieces.len() == expected.len()
            && pieces.iter().zip(expected).all(|(piece, expected)| match expected.split_once(" <- ") {
                Some((reason, bytes)) => piece
                    .rsplit_once(" <- ")
                    .is_some_and(|(whole, rest)| whole.contains(reason) && rest == bytes),
                None => piece == expected,
            });
        assert!(matches, "step {step}: {pieces:#?}\nexpected {expected:#?}");
    }
}

#[test]
fn empty_input_has_no_records() {
    for input in
        ["", " \r\n\t\n", "\u{feff}", "\u{feff}\n", "[]", " [ ] ", "{\"Records\":[]}", "{\"value\": [ ]\n}\n"]
    {
        check(input, &[]);
    }
}

#[test]
fn ndjson() {
    check("{\"a\":1}\n{\"b\":2}\n", &["{\"a\":1}", "{\"b\":2}"]);
    check("{\"a\":1}\r\n\r\n \r\n{\"b\":2}", &["{\"a\":1}", "{\"b\":2}"]);
    check("\u{feff}{\"a\":1}\n\u{feff}{\"b\":2}", &["{\"a\":1}", "{\"b\":2}"]);
}

#[test]
fn objects_one_after_another() {
    check("{\"a\":1}{\"b\":{}} {\"c\":3},{\"d\":4}", &["{\"a\":1}", "{\"b\":{}}", "{\"c\":3}", "{\"d\":4}"]);
    check("{\n  \"a\": {\n    \"b\": 1\n  }\n}\n{\n}\n", &["{\n  \"a\": {\n    \"b\": 1\n  }\n}", "{\n}"]);
}

#[test]
fn arrays() {
    check("[{\"a\":1},{\"b\":2}]", &["{\"a\":1}", "{\"b\":2}"]);
    check("[\n  {\n    \"a\": 1\n  },\n  {}\n]\n", &["{\n    \"a\": 1\n  }", "{}"]);
    check("[{}]\n[{\"a\":[{}]}]", &["{}", "{\"a\":[{}]}"]);
}

#[test]
fn what_is_no_object_is_an_element_all_the_same() {
    check(
        "[{}, null, \"a,b]\\\"{\", -1.5e3, [{\"a\":[1]}], {}]",
        &["{}", "null", "\"a,b]\\\"{\"", "-1.5e3", "[{\"a\":[1]}]", "{}"],
    );
    check("[{}}, {}]", &["{}", "}", "{}"]);
}

#[test]
fn containers() {
    for list in LISTS {
        check(&format!("{{\"{list}\":[{{\"a\":1}},{{\"b\":2}}]}}"), &["{\"a\":1}", "{\"b\":2}"]);
        check(&format!("{{\n  \"{list}\" : [\n    {{\n    }}\n  ]\n}}\n"), &["{\n    }"]);
    }
    check(
        "{\"@odata.context\":\"x[{\",\"n\":[{}],\"value\":[{\"a\":1}],\"@odata.nextLink\":\"]}\"}\n{\"b\":2}",
        &["{\"a\":1}", "{\"b\":2}"],
    );
    check("{\"Records\":[{}],\"x\":{\"y\":[]},\"value\":[{\"a\":1}]}", &["{}", "{\"a\":1}"]);
}

#[test]
fn containers_follow_each_other_on_lines_and_in_arrays() {
    check(
        "{\"records\":[{\"a\":1},{\"a\":2}]}\n{\"records\":[{\"a\":3}]}\n{\"a\":4}\n",
        &["{\"a\":1}", "{\"a\":2}", "{\"a\":3}", "{\"a\":4}"],
    );
    check(
        "[{\"records\":[{\"a\":1}]},{\"records\":[{\"a\":2}]},{\"a\":3}]",
        &["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"],
    );
}

#[test]
fn only_a_top_level_list_of_objects_makes_a_container() {
    for record in [
        "{\"Records\":1}",
        "{\"Records\":{\"a\":[{}]}}",
        "{\"Records\":[1,{}]}",
        "{\"value\":[\"a\"]}",
        "{\"value\":[[{}]]}",
        "{\"protoPayload\":{\"entries\":[{}]}}",
        "{\"a\":[{\"Records\":[{}]}]}",
        "{\"a\":\"\\\"Records\\\":[{}]\"}",
        "{\"x\\\"Records\":[{}]}",
        "{\"xRecords\":[{}]}",
        "{\"records \":[{}]}",
        "{\"Message\":\"x\",\"Resources\":[{}]}",
    ] {
        check(record, &[record]);
        check(&format!("{{\"Records\":[{record},{record}]}}"), &[record, record]);
    }
    // One container deep, no more.
    check("{\"records\":[{\"records\":[{}]}]}", &["{\"records\":[{}]}"]);
}

#[test]
fn text_is_handed_on_line_by_line() {
    check(
        "# comment\n{\"a\":1} trailing\n[error] disk full\n1\n]\n{\"b\":2}",
        &["# comment", "{\"a\":1}", "trailing", "[error] disk full", "1", "]", "{\"b\":2}"],
    );
    check("[1,2]\r\n\u{ef}\n[", &["[1,2]", "\u{ef}", "["]);
}

#[test]
fn a_broken_line_takes_no_other_with_it() {
    for broken in [
        "{\"a\":\"tor",
        "{\"a\":\"tor\\",
        "{\"a\":{\"b\":[1",
        "{\"a\":1,",
        "{\"a\":",
        "{\"a\":[{},",
        "{",
        "{\"a\":[1}",
        "{\"a\":1]",
        "{\"a\" {}}",
        "{\"a\":1,\"b\":\"half{\"a\":1}",
    ] {
        check(
            &format!("{{\"x\":1}}\n{broken}\n{{\"y\":2}}\n{{\"z\":3}}"),
            &["{\"x\":1}", &format!(" <- {broken}"), "{\"y\":2}", "{\"z\":3}"],
        );
    }
    // The last but one.
    check(
        "{\"a\":[1,\n{\"b\":2}\n",
        &["torn_input: the record that begins at byte 0 has no end <- {\"a\":[1,", "{\"b\":2}"],
    );
    check(
        "{\"a\":[\n\n{\"b\":2}\n{\"c\":3}\n",
        &["not_json: no bracket can open at byte 16 <- {\"a\":[", "{\"b\":2}", "{\"c\":3}"],
    );
}

#[test]
fn a_broken_container_line_takes_no_other_with_it() {
    let broken = "{\"records\":[{\"a\":1},{\"a\":[2},{\"a\":3}]}";
    check(
        &format!("{broken}\n{{\"records\":[{{\"a\":4}}]}}"),
        &[
            "{\"a\":1}",
            "not_json: the wrong bracket closes at byte 27 of the input; the record begins at byte 20 <- {\"a\":[2},",
            "{\"a\":3}",
            "{\"a\":4}",
        ],
    );
    let torn = "{\"records\":[{\"a\":1},{\"a\":\"b";
    check(
        &format!("{torn}\n{{\"records\":[{{\"a\":4}},{{\"a\":5}}]}}"),
        &[
            "{\"a\":1}",
            "not_json: a string does not end before byte 27 of the input; the record begins at byte 20 <- {\"a\":\"b",
            "{\"a\":4}",
            "{\"a\":5}",
        ],
    );
    check(
        "{\"records\":[{\"a\":1}],\n{\"records\":[{\"a\":2}]}",
        &["{\"a\":1}", "no bracket can open <- ,", "{\"a\":2}"],
    );
}

#[test]
fn a_broken_element_takes_no_other_with_it() {
    check(
        "[\n  {\n    \"a\": 1\n  },\n  {\n    \"b\": [2\n  },\n  {\n    \"c\": 3\n  }\n]\n{}",
        &[
            "{\n    \"a\": 1\n  }",
            "the wrong bracket closes at byte 40 of the input; the record begins at byte 24 <- {\n    \"b\": [2\n  },",
            "{\n    \"c\": 3\n  }",
            "{}",
        ],
    );
    check("[{\"id\":1},{\"id\":2]},{\"id\":3}]", &["{\"id\":1}", "not_json <- {\"id\":2]},", "{\"id\":3}"]);
    // Nothing shows where the next one begins.
    check(
        "[{\"id\":1},{\"x\":2]},{\"id\":3}]",
        &["{\"id\":1}", "begins at byte 10 <- {\"x\":2]},{\"id\":3}]"],
    );
}

#[test]
fn a_torn_end_is_told() {
    check(
        "{\"a\":1}\n{\"b\":",
        &["{\"a\":1}", "torn_input: the record that begins at byte 8 has no end <- {\"b\":"],
    );
    check("[{\"a\":1},", &["{\"a\":1}", "torn_input: the list at byte 0 has no end <- "]);
    check("{\"Records\":[{\"a\":1}", &["{\"a\":1}", "torn_input: the list at byte 11 has no end <- "]);
    check("{\"Records\":[{\"a\":1}]", &["{\"a\":1}", "torn_input: the object around the list <- "]);
    check(
        "{\"Records\":[{\"a\":1}],\"x\":",
        &["{\"a\":1}", "torn_input: the object around the list <- ,\"x\":"],
    );
    check("{\"Records\":[{\"a\":1},{\"a", &["{\"a\":1}", "torn_input <- {\"a"]);
}

#[test]
fn damage_is_told_last() {
    for (input, expected) in [
        ("[{\"a\":1},", vec!["{\"a\":1}", "torn_input: gzip <- "]),
        ("{\"Records\":[{}]\n", vec!["{}", "torn_input: gzip <- "]),
        (
            "{\"a\":1}\n{\"b\"",
            vec!["{\"a\":1}", "torn_input: the record that begins at byte 8 has no end: gzip <- {\"b\""],
        ),
    ] {
        let mut splitter = Splitter::new(LIMIT);
        splitter.feed(input.as_bytes());
        splitter.finish(Some("torn_input: gzip".into()));
        let mut pieces = Vec::new();
        drain(&mut splitter, &mut pieces);
        assert_eq!(pieces, expected);
    }
}

#[test]
fn an_input_can_be_refused() {
    for step in [1, 5, 100] {
        let mut splitter = Splitter::new(8);
        splitter.refuse("not_json: a zip archive".into());
        b"PK\n{}\n012345".chunks(step).for_each(|chunk| splitter.feed(chunk));
        splitter.finish(None);
        let mut pieces = Vec::new();
        drain(&mut splitter, &mut pieces);
        assert_eq!(pieces, ["not_json: a zip archive; of 12 bytes the first 8 are kept <- PK\n{}\n01"]);
    }
}

#[test]
fn too_large_records_are_cut_and_the_rest_goes_on() {
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(200));
    let line = "y".repeat(300);
    for input in [
        format!("{{\"b\":1}}\n{large}\n{line}\n{{\"c\":2}}"),
        format!("[{{\"b\":1}},{large},{line},{{\"c\":2}}]"),
        format!("{{\"value\":[{{\"b\":1}},{large},{line},{{\"c\":2}}]}}"),
    ] {
        for step in [1, 10, 99, 100, 101, 1_000] {
            assert_eq!(
                split_in_steps(input.as_bytes(), step, 100),
                [
                    "{\"b\":1}".to_owned(),
                    format!(
                        "too_large: 208 bytes, limit 100 bytes; the first 100 bytes are kept <- {}",
                        large.get(..100).unwrap()
                    ),
                    format!(
                        "too_large: 300 bytes, limit 100 bytes; the first 100 bytes are kept <- {}",
                        line.get(..100).unwrap()
                    ),
                    "{\"c\":2}".to_owned(),
                ]
            );
        }
    }
}

#[test]
fn memory_is_bounded() {
    for body in
        ["{\"a\":\"", "[{\"a\":[", "x", "[{},\"", "[   ", "{\"Records\":[{}],\"", "{\"a\":1]", "  ", "[{},"]
    {
        let mut splitter = Splitter::new(10_000);
        splitter.feed(body.as_bytes());
        for _ in 0..1_000 {
            splitter.feed(&[b' '; 1_000]);
            while splitter.next_record().is_some() {}
            assert!(splitter.space(1).len() < 50_000, "{body}");
        }
    }
    // Records that never end where the bytes do.
    for body in ["{\"a\":[1,2,3]}\n", "{\"a\":[1,2,3]},", "text\n", "\"text\","] {
        let mut splitter = Splitter::new(10_000);
        splitter.feed(b"[{},");
        for chunk in body.repeat(20_000).as_bytes().chunks(1_001) {
            splitter.feed(chunk);
            while splitter.next_record().is_some() {}
            assert!(splitter.space(1).len() < 5_000, "{body}");
        }
    }
}

#[test]
fn deep_nesting_is_linear() {
    let deep = "{\"a\":".repeat(100_000);
    let pieces = split_in_steps(format!("{deep}\n{{\"b\":1}}").as_bytes(), 1_000, LIMIT);
    assert_eq!(pieces.len(), 2);
    assert!(pieces[0].starts_with("too_deep: more than 128 levels at byte 640 of the input"));
    // Each line could be the start of a record, or go on with the one before.
    let lines = "{\"a\":[\n".repeat(20_000);
    assert_eq!(split_in_steps(lines.as_bytes(), 1 << 16, LIMIT).len(), 20_000);
}

/// What JSON text of a record can look like: compact or pretty.
fn record() -> impl Strategy<Value = String> {
    let text = prop_oneof![any::<String>(), "[\\[\\]{}\",:\\\\\n a-z]{0,20}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| json!(number)),
        text.clone().prop_map(Value::String),
    ];
    let value = leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((text.clone(), inner), 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    });
    // A record never has a container's member, because of the names.
    let object = prop::collection::btree_map("[a-q]{1,8}", value, 0..8);
    (object, any::<bool>()).prop_map(|(object, pretty)| {
        let text =
            if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) };
        text.unwrap()
    })
}

/// A shape with its own records.
fn shape() -> impl Strategy<Value = (String, Vec<String>)> {
    let blank = || "[ \t\r\n]{0,3}";
    let records = prop::collection::vec(record(), 0..6);
    let members = prop::sample::select(vec![
        "",
        "\"nextLink\":\"x\\\"[{\",",
        "\"a\":{\"records\":[{}]},\"n\": [1,2] ,",
    ]);
    (records, 0..5_usize, prop::sample::select(&LISTS[..]), members, blank(), blank()).prop_map(
        |(records, kind, list, members, before, after)| {
            let lines: String = records.iter().map(|record| format!("{before}{record}{after}")).collect();
            let list_text = format!("[{before}{}{after}]", records.join(&format!("{after},{before}")));
            let text = match kind {
                0 => lines,
                1 => records.iter().map(|record| format!("{before}{record}\r\n")).collect(),
                2 => list_text,
                3 => format!("{{{before}{members}\"{list}\"{after}:{before}{list_text}{after}}}"),
                _ => format!("[{{\"{list}\":{list_text}{after},\"x\":[{{}}]}}{before}]"),
            };
            (text, records)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_shape_gives_exactly_its_records(shapes in prop::collection::vec(shape(), 1..4), step in 1..300_usize) {
        let text: String = shapes.iter().map(|(text, _)| format!("{text}\n")).collect();
        let records: Vec<String> = shapes.into_iter().flat_map(|(_, records)| records).collect();
        prop_assert_eq!(split_in_steps(text.as_bytes(), step, LIMIT), records);
    }

    #[test]
    fn a_torn_line_is_the_only_reject(
        before in prop::collection::vec(record(), 0..4),
        torn in record(),
        cut in any::<prop::sample::Index>(),
        after in prop::collection::vec(record(), 1..4),
        step in 1..300_usize,
    ) {
        let compact = |text: &String| serde_json::from_str::<Value>(text).unwrap().to_string();
        let torn = compact(&torn).into_bytes();
        let torn = &torn[..1 + cut.index(torn.len() - 1)];
        let mut input = Vec::new();
        let mut expected: Vec<Vec<u8>> = before.iter().map(|text| compact(text).into()).collect();
        expected.push(torn.into());
        expected.extend(after.iter().map(|text| Vec::from(compact(text))));
        expected.iter().for_each(|line| input.extend([&line[..], b"\n"].concat()));
        let mut splitter = Splitter::new(LIMIT);
        let mut found = Vec::new();
        let mut rejects = Vec::new();
        for chunk in input.chunks(step).chain([&b""[..]]) {
            splitter.feed(chunk);
            if chunk.is_empty() {
                splitter.finish(None);
            }
            while let Some(record) = splitter.next_record() {
                if record.reject.is_some() {
                    rejects.push(found.len());
                }
                found.push(record.bytes.to_vec());
            }
        }
        prop_assert_eq!(rejects, [before.len()]);
        expected[before.len()] = torn.trim_ascii_end().to_vec();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_are_accounted_for(
        input in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[\\[\\]{}\",:\\\\\n a1]{0,120}".prop_map(String::into_bytes),
        ],
        step in 1..40_usize,
    ) {
        let whole = split_in_steps(&input, input.len(), LIMIT);
        prop_assert_eq!(&whole, &split_in_steps(&input, step, LIMIT));
        conserves(&input);
    }

    #[test]
    fn limits_do_not_depend_on_the_pieces(
        input in "[\\[\\]{}\",:\\\\\n a1]{0,200}",
        step in 1..40_usize,
        limit in 0..100_usize,
    ) {
        let whole = split_in_steps(input.as_bytes(), input.len(), limit);
        prop_assert_eq!(whole, split_in_steps(input.as_bytes(), step, limit));
    }
}

/// Without a container, what is in no piece is white space, commas, brackets of arrays and byte order marks.
fn conserves(input: &[u8]) {
    let mut splitter = Splitter::new(LIMIT);
    splitter.feed(input);
    splitter.finish(None);
    let mut at = 0;
    let skip = |at: usize| {
        assert!(
            input[at].is_ascii_whitespace() || b",[]\xef\xbb\xbf".contains(&input[at]),
            "byte {at} is lost"
        );
    };
    while let Some(record) = splitter.next_record() {
        while !input[at..].starts_with(record.bytes) {
            skip(at);
            at += 1;
        }
        at += record.bytes.len();
    }
    (at..input.len()).for_each(skip);
}

#[test]
fn lines_are_handed_out_below_what_names_their_fields() {
    let header = "srcaddr dstaddr start";
    check(
        &format!("{header}\n192.0.2.1 192.0.2.2 1\n\n192.0.2.3 192.0.2.4 2\r\nother text\n"),
        &[
            &format!("{header}\n192.0.2.1 192.0.2.2 1"),
            &format!("{header}\n192.0.2.3 192.0.2.4 2"),
            "other text",
        ],
    );
    check(
        "#Version: 1.0\n#Fields: date time\n2026-01-01\t00:00:00\n{\"a\":1}\n",
        &["#Fields: date time\n2026-01-01\t00:00:00", "{\"a\":1}"],
    );
    check(&format!("{header}\n"), &[]);
    // Handed in again, a record stays as it is.
    check(&format!("{header}\n1 2 3"), &[&format!("{header}\n1 2 3")]);
}

#[test]
fn documents_of_flows_are_cut() {
    let flow = |tuple: &str| {
        format!(r#"{{"properties":{{"flows":[{{"rule":"r","flows":[{{"flowTuples":[{tuple}]}}]}}]}}}}"#)
    };
    check(
        &format!(r#"{{"records":[{},{}]}}"#, flow(r#""1","2""#), flow(r#""3""#)),
        &[&flow(r#""1""#), &flow(r#""2""#), &flow(r#""3""#)],
    );
}
