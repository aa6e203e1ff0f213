//! Explanations say what matching says, and why.

use event::{Col, EventBatch};
use rules::explain::{Explainer, Explanation, Part, RuleRef, What};
use rules::{LoadOptions, Placeholders, RuleSource, Scratch};

use crate::{corpus, events};

fn explainer(text: &str) -> Explainer {
    let options = LoadOptions { placeholders: placeholders(), ..LoadOptions::default() };
    let explainer = Explainer::new(&[RuleSource { path: "r.yml".into(), text: text.into() }], options);
    assert!(!explainer.rules().is_empty(), "{:?}", explainer.diagnostics());
    explainer
}

fn placeholders() -> Placeholders {
    let mut placeholders = Placeholders::default();
    placeholders.set("bad", ["198.51.100.7".to_owned(), "203.0.113.9".to_owned()]);
    placeholders
}

fn first(text: &str, batch: &EventBatch) -> Explanation {
    let explainer = explainer(text);
    explainer.explain(explainer.rules()[0], batch, 0).unwrap()
}

/// The tree, a part a line.
fn show(part: &Part, depth: usize, out: &mut String) {
    let asked = part.asked.as_ref().map_or(String::new(), |asked| {
        let looked: Vec<_> = asked.looked.iter().map(|at| format!("{} {:?}", at.place, at.found)).collect();
        let met: Vec<_> = asked.values.iter().filter(|value| value.holds).map(|value| &value.text).collect();
        format!(" met {met:?} of {} in {}", asked.values_total, looked.join(", "))
    });
    let sign = if part.holds { '+' } else { '-' };
    out.push_str(&format!("{}{sign} {:?} {}{asked}\n", "  ".repeat(depth), part.what, part.text));
    part.parts.iter().for_each(|part| show(part, depth + 1, out));
}

fn tree(explanation: &Explanation) -> String {
    let mut out = String::new();
    explanation.readings[0].parts.iter().for_each(|part| show(part, 0, &mut out));
    out
}

const EVENT: &str = r#"{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ann",
    "accountId":"111122223333","userName":"ann"},"eventTime":"2026-03-02T02:14:07Z","eventSource":"iam.amazonaws.com",
    "eventName":"CreateUser","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.9","userAgent":"aws-cli/2",
    "requestParameters":{"userName":"eve","tags":["a","b"]},"eventID":"11111111-2222-4333-8444-555555555555",
    "eventType":"AwsApiCall","recipientAccountId":"111122223333"}"#;

fn event() -> EventBatch {
    let normalized = events::normalized(&[EVENT.to_owned()]);
    assert_eq!(normalized.rejects.len(), 0, "{:?}", normalized.rejects);
    normalized.events
}

const RULE: &str = "
title: A user is created
logsource: {product: aws, service: cloudtrail}
detection:
  selection:
    eventName: [DeleteUser, CreateUser]
    sourceIPAddress|expand: '%bad%'
    errorCode: null
  list:
    - requestParameters.userName|startswith: adm
    - requestParameters.tags: b
  filter_own:
    userIdentity.arn|fieldref|endswith: requestParameters.userName
  filter_word: [nobody]
  condition: selection and list and not 1 of filter_*
level: low
";

#[test]
fn a_tree_says_what_held_and_what_was_found() {
    let explanation = first(RULE, &event());
    assert!(explanation.matches);
    assert_eq!(
        tree(&explanation),
        r#"+ All and
  + Search selection
    + Item eventName met ["CreateUser"] of 2 in column api_operation ["CreateUser"]
    + Item sourceIPAddress|expand met ["%bad%"] of 1 in column src_endpoint_ip ["203.0.113.9"]
    + Item errorCode met ["null"] of 1 in column api_response_error []
  + Search list
    - Member 
      - Item requestParameters.userName|startswith met [] of 1 in column api_request_data, userName ["eve"]
    + Member 
      + Item requestParameters.tags met ["b"] of 1 in column api_request_data, tags ["a", "b"]
  + Not not
    - Any 1 of filter_*
      - Search filter_own
        - Item userIdentity.arn|fieldref|endswith met [] of 1 in column actor_user_uid ["arn:aws:iam::111122223333:user/ann"]
      - Search filter_word
        - Item  met [] of 1 in 
"#
    );
    let own = &explanation.readings[0].parts[0].parts[2].parts[0].parts[0].parts[0];
    assert_eq!(own.asked.as_ref().unwrap().compared_with[0].found, ["eve"]);
}

#[test]
fn a_search_is_taken_apart_once_and_filters_are_parts() {
    let text = "
title: R
name: r
logsource: {product: aws, service: cloudtrail}
detection:
  a: {eventName: CreateUser}
  condition: a or not a
level: low
---
title: Not from the office
logsource: {product: aws, service: cloudtrail}
filter:
  rules: [r]
  office: {sourceIPAddress: 203.0.113.9}
  condition: not office
";
    let explanation = first(text, &event());
    assert!(!explanation.matches, "the filter leaves it out");
    assert_eq!(
        tree(&explanation),
        r#"+ Any or
  + Search a
    + Item eventName met ["CreateUser"] of 1 in column api_operation ["CreateUser"]
  - Not not
    + Search a
- Filter Not from the office
  - Not not
    + Search office
      + Item sourceIPAddress met ["203.0.113.9"] of 1 in column src_endpoint_ip ["203.0.113.9"]
"#
    );
}

#[test]
fn another_log_is_not_read() {
    let text = RULE.replace("product: aws, service: cloudtrail", "product: gcp, service: gcp.audit");
    let explanation = first(&text, &event());
    assert!(!explanation.matches && explanation.readings.is_empty());
    assert_eq!(explanation.log_type, "aws_cloudtrail");
    assert_eq!(explanation.log_types, [event::LogType::GcpAudit]);
    let waiting = first(
        &RULE.replace("product: aws, service: cloudtrail", "product: onelogin, service: onelogin.events"),
        &event(),
    );
    assert!(waiting.readings.is_empty() && waiting.log_types.is_empty());
}

#[test]
fn a_correlation_shows_its_rules_and_key() {
    let text = format!(
        "{RULE}name: made
---
title: Many
correlation:
  type: event_count
  rules: [made]
  group-by: [userIdentity.arn, actor, requestParameters.nothing]
  timespan: 1h
  condition: {{gte: 2}}
level: high
"
    );
    let explainer = explainer(&text).with_actor(|_, _| Some("ann".to_owned()));
    assert_eq!(explainer.named("many"), [RuleRef::Correlation(0)]);
    let explanation = explainer.explain(RuleRef::Correlation(0), &event(), 0).unwrap();
    assert!(explanation.matches && explanation.readings.is_empty());
    let [member] = explanation.members.as_slice() else { panic!("{explanation:?}") };
    assert_eq!(member.name, "made");
    assert_eq!(member.explanation.readings.len(), 1);
    let arn = Some("arn:aws:iam::111122223333:user/ann".to_owned());
    let expected = [
        ("userIdentity.arn", arn.clone()),
        ("actor", Some("ann".to_owned())),
        ("requestParameters.nothing", None),
    ];
    assert_eq!(member.key, expected.map(|(part, value)| (part.to_owned(), value)));
}

#[test]
fn what_is_shown_is_bounded() {
    let values: Vec<_> = (0..15_000).map(|value| format!("v{value}")).collect();
    let long = "x".repeat(100_000);
    let text = format!(
        "title: R\nlogsource: {{product: aws}}\ndetection:\n  a:\n    userAgent: [{}, '{long}']\n  condition: {}a\nlevel: low\n",
        values.join(", "),
        "a or ".repeat(2000)
    );
    let explanation = first(&text, &event());
    let part = &explanation.readings[0].parts[0];
    assert_eq!(part.parts.len(), 2001);
    assert!(part.parts[1].parts.is_empty());
    let asked = part.parts[0].parts[0].asked.as_ref().unwrap();
    assert_eq!((asked.values.len(), asked.values_total), (20, 15_001));
}

/// Explained and matched, every rule over every event gives one answer.
#[test]
fn verdicts_are_those_of_matching() {
    let project = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut records: Vec<String> = Vec::new();
    for folder in ["demo/story", "normalize/samples"] {
        let files = corpus::files(&project.join(folder), "json");
        records.extend(files.iter().flat_map(|file| events::records(&file.text)));
    }
    let mut sources = rules::shipped();
    sources.push(RuleSource { path: "own.yml".into(), text: RULE.into() });
    let own = sources.len();
    let mut step = 1;
    for folder in ["sigma/sigmahq", "expected/trailalerts_sigma"] {
        let Some(folder) = corpus::folder(folder) else { continue };
        sources.extend(corpus::files(&folder, ".yml"));
        // All rules over all records would take minutes here.
        step = 41;
    }
    if let Some(folder) = corpus::folder("expected/trailalerts_sigma") {
        for tests in corpus::files(&folder, "_tests.json") {
            let tests: serde_json::Value = serde_json::from_str(&tests.text).unwrap();
            let lists = ["should_match", "should_not_match"].map(|key| tests[key].as_array().cloned());
            records.extend(lists.into_iter().flatten().flatten().map(|record| record.to_string()));
        }
    }
    let options = LoadOptions { placeholders: placeholders(), ..LoadOptions::default() };
    let set = rules::load_with(&sources, &options).rules;
    let explainer = Explainer::new(&sources, options);
    let batch = events::normalized(&records).events;
    let matches = set.matches(&batch, &mut Scratch::default());
    let (mut explained, mut matched) = (0, 0);
    for rule in 0..set.rules().len() {
        for row in 0..batch.len() {
            let expected =
                matches.iter().any(|found| (found.row as usize, found.rule as usize) == (row, rule));
            if !expected && rule >= own && (rule + row) % step != 0 {
                continue;
            }
            let explanation = explainer.explain(RuleRef::Rule(rule), &batch, row).unwrap();
            let what = || {
                format!("{} {}: {explanation:#?}", explanation.path, batch.str_at(Col::RawData, row).unwrap())
            };
            assert_eq!(explanation.matches, expected, "{}", what());
            assert!(explanation.readings.iter().all(sound), "{}", what());
            explained += 1;
            matched += usize::from(expected);
        }
    }
    println!("{} rules, {} events: {explained} explained, {matched} matches", set.rules().len(), batch.len());
    assert!(matched >= 29);
}

/// Every part's answer follows from those of its own parts.
fn sound(reading: &rules::explain::Reading) -> bool {
    fn part_is_sound(part: &Part) -> bool {
        let holds = |wanted: bool| part.parts.iter().filter(|part| part.holds == wanted).count();
        let follows = match part.what {
            What::All | What::Filter => part.holds == (holds(false) == 0),
            What::Any => part.holds == (holds(true) > 0),
            What::Not => part.holds == (holds(true) == 0),
            What::Search | What::Member => true,
            What::Item => part.asked.is_some(),
        };
        follows && part.parts.iter().all(part_is_sound)
    }
    reading.holds == reading.parts.iter().all(|part| part.holds) && reading.parts.iter().all(part_is_sound)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(150))]

    /// Rules put together at random: explained and matched give one answer, and lints are right about what
    /// can never match and what always does.
    #[test]
    fn random_rules_agree(
        items in proptest::collection::vec(
            (
                proptest::sample::select(&["eventName", "errorCode", "requestParameters.tags", "userAgent", "readOnly", "nothing"][..]),
                proptest::sample::select(&["", "|contains", "|startswith", "|all", "|neq", "|re", "|cased", "|exists", "|fieldref"][..]),
                proptest::sample::select(&["CreateUser", "createuser", "[CreateUser, a]", "[a, b]", "null", "true", "'*'", "''", "Success", "eventName", "aws"][..]),
            ),
            1..5,
        ),
        condition in proptest::sample::select(&[
            "all of s*", "1 of s*", "not s0", "s0 and not s1", "s0 or not s0", "s0 and (s1 or not s2)", "not (s0 or s1) or s2",
        ][..]),
    ) {
        use proptest::prop_assert_eq;
        let searches: String = (0..3)
            .map(|number| {
                let (field, modifier, value) = items[number % items.len()];
                format!("  s{number}: {{'{field}{modifier}': {value}}}\n")
            })
            .collect();
        let text = format!("title: R\nlevel: low\nlogsource: {{product: aws}}\ndetection:\n{searches}  condition: {condition}\n");
        let sources = [RuleSource { path: "r.yml".into(), text: text.clone() }];
        let loaded = rules::load_with(&sources, &LoadOptions { lint: true, ..LoadOptions::default() });
        if loaded.counts.loaded == 0 {
            return Ok(());
        }
        let batch = event();
        let matched = !loaded.rules.matches(&batch, &mut Scratch::default()).is_empty();
        let explainer = Explainer::new(&sources, LoadOptions::default());
        let explanation = explainer.explain(RuleRef::Rule(0), &batch, 0).unwrap();
        prop_assert_eq!(explanation.matches, matched, "{}", text);
        for finding in &loaded.diagnostics {
            if finding.problem.contains("can never be true") {
                prop_assert_eq!(matched, false, "{}{}", text, finding);
            }
            if finding.problem.contains("is true of every event") {
                prop_assert_eq!(matched, true, "{}{}", text, finding);
            }
        }
    }
}
