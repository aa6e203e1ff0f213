//! Lints name what can hardly be meant, and little else.

use std::collections::{BTreeMap, BTreeSet};

use event::{Diagnostic, Level};
use rules::{LoadOptions, Loaded, RuleSource, Scratch};

use crate::{corpus, events};

const NEVER: &str = "can never be true";

fn lint(sources: &[RuleSource]) -> Loaded {
    rules::load_with(sources, &LoadOptions { lint: true, ..LoadOptions::default() })
}

/// What is found beside what loading finds anyway.
fn findings(sources: &[RuleSource]) -> Vec<Diagnostic> {
    let plain: BTreeSet<_> = rules::load(sources).diagnostics.iter().map(ToString::to_string).collect();
    let mut found = lint(sources).diagnostics;
    found.retain(|finding| !plain.contains(&finding.to_string()));
    found
}

/// The findings about a detection, as one text.
fn of(logsource: &str, detection: &str) -> String {
    let text = format!(
        "title: T\nid: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b71\nlevel: low\nlogsource: {{{logsource}}}\ndetection:\n{detection}"
    );
    let found = findings(&[RuleSource { path: "r.yml".into(), text }]);
    found.iter().map(|finding| format!("{finding}\n")).collect()
}

fn aws(detection: &str) -> String {
    of("product: aws, service: cloudtrail", detection)
}

#[test]
fn conditions_that_can_never_be_true() {
    for (detection, never) in [
        ("  a: {eventName: X}\n  condition: a and not a\n", true),
        ("  a: {eventName: X, errorCode: Y}\n  condition: a and not a\n", true),
        ("  a: {eventName: X}\n  b: {eventName: Y}\n  condition: a and b\n", true),
        ("  a: {eventName: X}\n  b: {eventName: x}\n  condition: a and b\n", false),
        ("  a: {eventName: [X, Y]}\n  b: {eventName: [Y, Z]}\n  condition: a and b\n", false),
        ("  a: {eventName|all: [X, Y]}\n  condition: a\n", true),
        ("  a: {eventName: X}\n  b: {eventName|startswith: Y}\n  condition: a and b\n", true),
        ("  a: {eventName: Xy}\n  b: {eventName|startswith: x}\n  condition: a and b\n", false),
        ("  a: {eventName: Xy}\n  b: {eventName|contains: X}\n  condition: a and not b\n", true),
        ("  a: {eventName: xy}\n  b: {eventName|cased|contains: X}\n  condition: a and not b\n", false),
        ("  a: {eventName: xy}\n  b: {eventName|re: X}\n  condition: a and b\n", false),
        // A path may lead through a list, where one element is X and another Y.
        ("  a: {requestParameters.x: X}\n  b: {requestParameters.x: Y}\n  condition: a and b\n", false),
        (
            "  a: {requestParameters.x: X}\n  b: {requestParameters.x: [X, Y]}\n  condition: a and not b\n",
            true,
        ),
        ("  a: {errorCode: null}\n  b: {errorCode: X}\n  condition: a and b\n", true),
        ("  a: {errorCode: X}\n  b: {errorCode|exists: true}\n  condition: a and not b\n", true),
        ("  a: {errorCode: X}\n  b: {errorCode: '*'}\n  condition: a and not b\n", true),
        (
            "  a: {sourceIPAddress: 192.0.2.1}\n  b: {sourceIPAddress|cidr: 10.0.0.0/8}\n  condition: a and b\n",
            false,
        ),
        (
            "  a: {eventName: X}\n  b_1: {eventName: X}\n  b_2: {errorCode: Z}\n  condition: a and not 1 of b_*\n",
            true,
        ),
        (
            "  a: {eventName: X}\n  b_1: {eventName: X}\n  b_2: {errorCode: Z}\n  condition: a and not all of b_*\n",
            false,
        ),
        (
            "  a: {eventName: X}\n  b: {eventName: Y}\n  c: {errorCode: Z}\n  condition: (a or c) and b\n",
            false,
        ),
        ("  a: {errorCode: Success}\n  b: {eventName: Y}\n  condition: a and b\n", true),
        ("  a: {errorCode: Success}\n  b: {eventName: Y}\n  condition: a or b\n", false),
        ("  a: {errorCode|neq: Success}\n  condition: a\n", false),
    ] {
        let said = aws(detection);
        assert_eq!(said.contains(NEVER), never, "{detection}{said}");
    }
    let said = aws("  a: {eventName: X}\n  f: {eventName: [X, Y]}\n  condition: a and not f\n");
    assert!(said.contains("`a.eventName` and `not f.eventName` exclude each other"), "{said}");
}

#[test]
fn conditions_that_are_always_true() {
    for (detection, always) in [
        ("  a: {eventName: X}\n  condition: a or not a\n", true),
        ("  a: {eventName|exists: true}\n  b: {eventName: null}\n  condition: a or b\n", true),
        ("  a: {eventName: X}\n  b: {eventName: Y}\n  condition: not a or not b\n", true),
        ("  a: {errorCode|neq: Success}\n  condition: a\n", true),
        ("  a: {eventName: X}\n  condition: not a\n", false),
    ] {
        let said = aws(detection);
        assert_eq!(said.contains("is true of every event"), always, "{detection}{said}");
    }
}

#[test]
fn a_filter_that_leaves_nothing() {
    let rule = "
title: T
id: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b71
name: narrowed
level: low
logsource: {product: aws, service: cloudtrail}
detection:
  a: {eventName: CreateUser}
  condition: a
---
title: F
id: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b72
level: low
logsource: {product: aws, service: cloudtrail}
filter:
  rules: [narrowed]
  a: {eventName|startswith: Create}
  condition: not a
";
    let said = findings(&[RuleSource { path: "r.yml".into(), text: rule.into() }]);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].problem.contains("narrowed by the filters"), "{}", said[0]);
    let own = rule.replace("eventName|startswith: Create", "errorCode: Success");
    let said = findings(&[RuleSource { path: "r.yml".into(), text: own }]);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said.iter().all(|finding| finding.line > 12), "{said:#?}");
}

#[test]
fn values_that_cannot_be_there() {
    for (logsource, item, expected) in [
        ("product: ocsf", "cloud_provider: Amazon", "never holds `Amazon`"),
        ("product: ocsf", "cloud_provider: aws", ""),
        ("product: ocsf", "class_name: API Activities", "did you mean `API Activity`?"),
        ("product: ocsf", "log_type: cloudtrail", "such as aws_cloudtrail"),
        ("product: ocsf", "class_uid: API", "it holds numbers"),
        ("product: ocsf", "class_uid: 6003", ""),
        ("product: ocsf", "actor_session_is_mfa: 'No'", "it holds true or false"),
        ("product: ocsf", "actor_session_is_mfa: 'false'", ""),
        ("product: ocsf", "actor_session_is_mfa: [yes, true]", "never holds `yes`"),
        ("product: ocsf", "src_endpoint_ip: example.org", "it holds an address"),
        ("product: aws", "eventName: iam.amazonaws.com", "a service stands in `eventSource`"),
        ("product: aws", "eventSource: CreateUser", "a service such as `iam.amazonaws.com`"),
        ("product: aws", "readOnly: 'no'", "it holds true or false"),
        ("product: aws", "errorCode: Success", "write `null`"),
        ("product: aws", "userIdentity.type|startswith: Iam", ""),
        ("product: aws", "userIdentity.arn|fieldref: requestParameters.userName", "never equal"),
        ("product: aws", "userIdentity.arn|fieldref|endswith: requestParameters.userName", ""),
        ("product: aws", "userIdentity.arn: responseElements.user.userName", "is the name of a field"),
        ("product: aws", "userAgent: ' curl'", "begins with a blank"),
        ("product: aws", "userAgent|contains: ' curl '", ""),
        ("product: aws", "userAgent: 'null'", "write `null`"),
        ("product: aws", "userAgent: '%tools%'", "no placeholder without `expand`"),
        ("product: aws", "requestParameters.bucketName: <BUCKET NAME>", "stands for a value of your own"),
        ("product: aws", "userAgent: <script>", ""),
        ("product: aws", "conditionalAccessStatus: failure", "the field belongs to `azure/signinlogs`"),
        ("product: azure, service: activitylogs", "operationName: Create VM", "at its end"),
        (
            "product: azure, service: auditlogs",
            "operationName|contains|all: [Add user, Delete user]",
            "two values of the field",
        ),
        (
            "product: azure, service: auditlogs",
            "targetResources.type: Service Principal",
            "`ServicePrincipal`?",
        ),
        ("product: azure, service: signinlogs", "resultType: Failure", "it holds numbers"),
        ("product: azure, service: signinlogs", "ResultType: 50126", ""),
        ("product: gcp, service: gcp.audit", "protoPayload.Methodname: x", "case counts in names"),
        ("product: kubernetes, service: audit", "responseStatus.code: ALLOW", "it holds numbers"),
        ("product: aws", "eventname: CreateUser", "records write `eventName`; it is read as that"),
        ("product: aws", "userIdentity.session: x", "there is no `session` in it, only accessKeyId"),
        ("product: azure, service: signinlogs", "Resultdescription: x", "records write `resultDescription`"),
        ("product: azure, service: signinlogs", "ResultDescription: x", ""),
        ("product: azure, service: auditlogs", "Initiatied.By: x", "records write `initiatedBy`"),
        (
            "product: azure, service: auditlogs",
            "Initiatied.By.user.displayName: x",
            "records write `initiatedBy.user.displayName`",
        ),
        ("product: azure, service: auditlogs", "ConsentContext.IsAdminConsent: 'false'", ""),
        (
            "product: azure, service: auditlogs",
            "operationName: Add member from group",
            "`Add member to group`",
        ),
        (
            "product: gcp, service: google_workspace.admin",
            "protoPayload.Servicename: admin.googleapis.com",
            "records write `protoPayload.serviceName`",
        ),
        (
            "product: gcp, service: gcp.audit",
            "protoPayload.methodName|endswith: .serviceAccounts.disable",
            "the field never holds",
        ),
    ] {
        let said = of(logsource, &format!("  a:\n    {item}\n    x|contains: y\n  condition: a\n"));
        match expected {
            "" => assert_eq!(said, "", "{item}"),
            expected => assert!(said.contains(expected), "{item}: {said}"),
        }
    }
}

#[test]
fn what_costs_much() {
    for (item, expected) in [
        ("userAgent|re: '.*curl'", "changes nothing and costs time"),
        ("userAgent|re: 'curl.*'", "changes nothing and costs time"),
        (r"userAgent|re: 'curl\.*'", ""),
        ("userAgent|re: '^curl.*wget$'", ""),
        (r"userAgent|re: '\w{20}'", "compiles to more than"),
        ("raw_data|re: 'curl.*wget'", "runs over the text of every record"),
        ("raw_data|re: '.*curl'", "at every place of every record"),
    ] {
        let said = aws(&format!("  a: {{{item}}}\n  condition: a\n"));
        assert!(
            if expected.is_empty() { said.is_empty() } else { said.contains(expected) },
            "{item}: {said}"
        );
    }
    for (detection, costs) in [
        ("  a: [curl, wget]\n  condition: a\n", true),
        ("  a: [curl]\n  b: {eventName: X}\n  condition: a and b\n", false),
        ("  a: [curl]\n  b: {eventName: X}\n  condition: a or b\n", true),
        ("  a: [curl]\n  b: {eventName: X}\n  condition: a and not b\n", true),
        ("  a: [curl]\n  b: {eventName: X}\n  condition: b and not a\n", false),
    ] {
        let said = aws(detection);
        assert_eq!(said.contains("only keywords start the rule"), costs, "{detection}{said}");
    }
}

#[test]
fn twins_names_and_old_tags() {
    let rule = |head: &str, detection: &str| {
        let text =
            format!("title: T\nlevel: low\n{head}\nlogsource: {{product: aws}}\ndetection:\n{detection}");
        RuleSource { path: format!("{}.yml", head.replace('\n', " ")), text }
    };
    let one = "  a: {eventName: [X, Y], errorCode: null}\n  condition: a\n";
    let same = "  condition:   a\n  a: {errorCode: null, eventName: [y, X]}\n";
    let other = "  a: {eventName: [X, Y], errorCode: Z}\n  condition: a\n";
    let said = |sources: &[RuleSource]| {
        findings(sources).iter().map(|finding| format!("{finding}\n")).collect::<String>()
    };
    assert!(
        said(&[rule("id: a", one), rule("id: b", same)])
            .contains("it asks for the same as `T` in `id: a.yml`")
    );
    assert_eq!(said(&[rule("id: a", one), rule("id: b", other)]), "");
    let taken = said(&[rule("id: a\nname: n", one), rule("id: b\nname: n", other)]);
    assert!(taken.contains("the name `n` is taken by a rule in `id: a name: n.yml`"), "{taken}");
    assert!(said(&[rule("id: a\nname: a b", one)]).contains("cannot name `a b`"));
    assert!(said(&[rule("id: a\nname: and", one)]).contains("is a word of conditions"));
    let tags = said(&[rule("id: a\ntags: [attack.t1562.008, attack.defense-evasion, attack.t1078]", one)]);
    assert!(tags.contains("`attack.t1562.008`") && tags.contains("use `attack.t1685.002`"), "{tags}");
    assert!(tags.contains("use `attack.stealth` or `attack.defense-impairment`"), "{tags}");
    assert_eq!(tags.lines().count(), 2, "{tags}");
}

#[test]
fn lints_are_bounded() {
    let many: Vec<_> = (0..15_000).map(|number| format!("v{number}")).collect();
    let searches: String = (0..300)
        .map(|number| format!("  s{number}: {{eventName: [a{number}, b], errorCode: [{number}, c]}}\n"))
        .collect();
    let names: Vec<_> = (0..300).map(|number| format!("(s{number} or not s{})", 299 - number)).collect();
    for detection in [
        format!(
            "  a: {{userAgent: [{0}]}}\n  b: {{userAgent: [{0}]}}\n  condition: a and not b\n",
            many.join(", ")
        ),
        format!("{searches}  condition: {}\n", names.join(" and ")),
        format!("{searches}  condition: all of s* or not all of s*\n"),
        format!("  a: {{awsRegion: [{}]}}\n  condition: a\n", many.join(", ").replace('v', "V_")),
    ] {
        // Ends, and does not take hours, which whoever runs this would see.
        assert!(aws(&detection).lines().count() <= 201);
    }
}

#[test]
fn shipped_rules_are_clean() {
    let said: Vec<_> =
        lint(&rules::shipped()).diagnostics.into_iter().filter(|found| found.field != "tags").collect();
    assert!(said.is_empty(), "{said:#?}");
}

/// What loading says of a rule, lints or not.
fn said_of(sources: &[RuleSource]) -> String {
    lint(sources).diagnostics.iter().map(|finding| format!("{finding}\n")).collect()
}

fn one(text: &str) -> Vec<RuleSource> {
    vec![RuleSource { path: "r.yml".into(), text: text.into() }]
}

#[test]
fn operations_that_look_like_paths_are_no_fields() {
    let github = |detection: &str| of("product: github, service: audit", detection);
    let said = github(
        "  a: {action: [org.add_member, team.create, user.login, repo.destroy, business.add_admin]}\n  condition: a\n",
    );
    assert_eq!(said, "");
    let said = aws("  a: {userIdentity.arn: userIdentity.principalId}\n  condition: a\n");
    assert!(said.contains("is the name of a field"), "{said}");
}

#[test]
fn slips_in_names_of_fields() {
    for (logsource, field, meant) in [
        ("product: ocsf", "api_operaton", Some("api_operation")),
        ("product: ocsf", "src_endpoint.ipp", Some("src_endpoint.ip")),
        ("product: ocsf", "actor.user.nam", Some("actor.user.name")),
        ("product: ocsf", "actor.user.name", None),
        ("product: ocsf", "src_endpoint.mac", None),
        ("product: ocsf", "src_endpoint_vlan_uid", None),
        ("product: ocsf", "requestParameters.userName", None),
        ("product: aws, service: cloudtrail", "userIdentity.usrName", Some("userIdentity.userName")),
        ("product: aws, service: cloudtrail", "userIdentity.userName", None),
        (
            "product: aws, service: cloudtrail",
            "userIdentity.sessionContext.atributes.mfaAuthenticated",
            Some("userIdentity.sessionContext.attributes.mfaAuthenticated"),
        ),
        ("product: aws, service: cloudtrail", "requestParameters.usrName", None),
        ("product: aws, service: cloudtrail", "additionalEventData.MFAUsd", None),
        ("product: gcp, service: gcp.audit", "protoPayload.methodNam", Some("protoPayload.methodName")),
        ("product: gcp, service: gcp.audit", "protoPayload.resourceName", None),
        ("product: gcp, service: gcp.audit", "protoPayload.request.policy.bindings.role", None),
        ("product: custom", "src_endpoint.ipp", None),
    ] {
        let text = format!(
            "title: T\nid: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b71\nlevel: low\nlogsource: {{{logsource}}}\n\
             detection:\n  a: {{{field}: X}}\n  condition: a\n"
        );
        let said = said_of(&one(&text));
        match meant {
            Some(meant) => {
                assert!(said.contains(&format!("did you mean `{meant}`?")), "{field}: {said}");
                assert_eq!(said.lines().count(), 1, "{said}");
            }
            None => assert_eq!(said, "", "{field}"),
        }
    }
}

#[test]
fn a_log_source_that_is_nearly_known() {
    let text = "title: T\nid: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b71\nlevel: low\n\
        logsource: {product: aws, service: cloudtrai}\ndetection:\n  a: {eventName: X}\n  condition: a\n";
    let said = said_of(&one(text));
    assert!(said.contains("did you mean `aws/cloudtrail`?"), "{said}");
    let said =
        said_of(&one(&text.replace("product: aws, service: cloudtrai", "product: zeek, service: dns")));
    assert!(said.contains("reads no such log yet"), "{said}");
}

/// The examples of the manual are what is copied first.
#[test]
fn the_manual_passes_its_own_check() {
    let page = include_str!("../../../docs/correlations.md");
    let blocks: Vec<_> = page
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(block, _)| block)
        .filter(|block| block.starts_with("title:"))
        .collect();
    assert_eq!(blocks.len(), 2);
    let sources: Vec<_> = blocks
        .iter()
        .zip(0..)
        .map(|(block, number)| RuleSource { path: format!("{number}.yml"), text: (*block).to_owned() })
        .collect();
    let loaded = lint(&sources);
    assert_eq!((loaded.rules.len(), loaded.rules.correlations().len()), (1, 1));
    assert_eq!(loaded.counts.filters, 1);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
}

#[test]
fn tags_and_dates_that_are_none() {
    let text = "title: T\nid: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b71\nlevel: low\ndate: 2026-13-40\n\
        modified: 2024/02/29\ntags:\n  - attack.t1078\n  - attack.t9999\n  - attack.initial-acces\n  - cve.2026-1\n  \
        - attack.g0016\n  - attack.t1133\n  - attack.t0807\n  - NoTag\n\
        logsource: {product: aws, service: cloudtrail}\ndetection:\n  a: {eventName: X}\n  condition: a\n";
    let said = said_of(&one(text));
    for (place, what) in [
        ("r.yml:4:", "`2026-13-40` is no date"),
        ("r.yml:8:", "`attack.t9999` is no technique"),
        ("r.yml:9:", "did you mean `attack.initial-access`?"),
        ("r.yml:14:", "`NoTag` is no tag"),
    ] {
        assert!(
            said.lines().any(|line| line.contains(place) && line.contains(what)),
            "{place} {what}: {said}"
        );
    }
    assert_eq!(said.lines().count(), 4, "{said}");
    for (date, is_one) in [
        ("2026-03-02", true),
        ("2026/3/2", true),
        ("2023-02-29", false),
        ("2026-04-31", false),
        ("2026-03", false),
        ("02.03.2026", false),
        ("2026-03-02-01", false),
        ("soon", false),
    ] {
        let said = said_of(&one(&text.replace("2026-13-40", date)));
        assert_eq!(!said.contains("is no date"), is_one, "{date}: {said}");
    }
}

#[test]
fn hours_that_no_day_has() {
    for (item, what) in [
        ("eventTime|hour: 25", Some("no hour is so")),
        ("eventTime|hour: 23", None),
        ("eventTime|hour|gte: 24", Some("no hour is so")),
        ("eventTime|hour|lt: 24", Some("every hour is so")),
        ("eventTime|hour|gte: 0", Some("every hour is so")),
        ("eventTime|month: 0", Some("no month is so")),
        ("eventTime|week: 53", None),
        ("eventTime|year: 2026", None),
    ] {
        let said = aws(&format!("  a: {{{item}}}\n  condition: a\n"));
        match what {
            Some(what) => assert!(said.contains(what), "{item}: {said}"),
            None => assert_eq!(said, "", "{item}"),
        }
        assert_eq!(said.contains(NEVER), what.is_some_and(|what| what.starts_with("no")), "{item}: {said}");
    }
}

const LOGIN: &str = "title: Login\nid: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b70\nname: login\nlevel: informational\n\
    logsource: {product: aws, service: cloudtrail}\ndetection:\n  a: {eventName: ConsoleLogin}\n  condition: a\n";

/// A correlation of that name, with what is said of it and of `LOGIN`.
fn correlation(name: &str, id: u8, body: &str) -> String {
    format!(
        "---\ntitle: C {name}\nid: 7ff2d1d9-6e5a-4d1e-9f55-0d2a5b9d3b{id:02x}\nname: {name}\nlevel: high\n\
         correlation:\n  timespan: 5m\n{body}"
    )
}

#[test]
fn correlations_that_can_never_hold_or_always_do() {
    let rules = "  rules: [login]\n  group-by: [actor]\n";
    for (body, what) in [
        ("  type: event_count\n  condition: {gte: 10, lt: 5}\n", Some(NEVER)),
        ("  type: event_count\n  condition: {gte: 0}\n", Some("true of every match")),
        ("  type: event_count\n  condition: {gte: 10, lt: 50}\n", None),
        ("  type: event_count\n  condition: {lt: 1}\n", Some(NEVER)),
        ("  type: temporal\n  condition: {gte: 2}\n", Some("there are 1 rules")),
        ("  type: value_sum\n  condition: {field: requestParameters.n, gte: 0}\n", None),
        ("  type: value_sum\n  condition: {field: requestParameters.n, gt: 5, lt: 5}\n", Some(NEVER)),
    ] {
        let said = said_of(&one(&format!("{LOGIN}{}", correlation("c", 0x71, &format!("{body}{rules}")))));
        match what {
            Some(what) => {
                assert!(said.contains(what) && said.contains("correlation.condition"), "{body}: {said}");
            }
            None => assert_eq!(said, "", "{body}"),
        }
    }
}

#[test]
fn correlations_name_the_fault_once_and_where_it_is() {
    let rules = "  rules: [login]\n  group-by: [actor]\n";
    for under in [
        "  percentile: 195\n  condition: {field: requestParameters.n, gte: 5}\n",
        "  condition: {field: requestParameters.n, gte: 5, percentile: 195}\n",
    ] {
        let body = format!("  type: value_percentile\n{under}{rules}");
        let said = said_of(&one(&format!("{LOGIN}{}", correlation("c", 0x71, &body))));
        assert!(said.contains("a number from 0 to 100 is wanted"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let body = format!("  type: value_count\n  condition: {{field: userIdentity.usrName, gte: 5}}\n{rules}");
    let said = said_of(&one(&format!("{LOGIN}{}", correlation("c", 0x71, &body))));
    assert!(said.contains("correlation.condition.field"), "{said}");
    assert!(said.contains("did you mean `userIdentity.userName`?"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn circles_of_correlations_are_called_so() {
    let of = |rules: &str| format!("  type: temporal\n  rules: [{rules}]\n");
    let text = [
        LOGIN.to_owned(),
        correlation("a", 0x71, &of("login, b")),
        correlation("b", 0x72, &of("c")),
        correlation("c", 0x73, &of("a")),
        correlation("self", 0x74, &of("self")),
        correlation("above", 0x75, &of("login, orphan")),
        correlation("orphan", 0x76, &of("nowhere")),
    ];
    let said = said_of(&one(&text.concat()));
    for what in [
        "stands upon itself, by way of `b`, `c`, `a`",
        "stands upon itself, by way of `self`",
        "the correlation `orphan` does not load",
        "there is no rule `nowhere` that loads",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert!(!said.contains("there is no rule `b`"), "{said}");
}

#[test]
fn a_file_that_is_no_utf8_is_refused() {
    let latin1 = String::from_utf8_lossy(
        b"title: T\nlogsource: {product: aws}\ndetection:\n  a: {userName: J\xf6rg}\n  condition: a\n",
    );
    let loaded = lint(&one(&latin1));
    assert!(loaded.rules.is_empty());
    let said = loaded.diagnostics[0].to_string();
    assert!(said.contains("r.yml:4:18") && said.contains("not UTF-8"), "{said}");
}

/// Published rules that cannot fire as they are written, or fire wrongly, each with its reason.
#[test]
fn published_cloud_rules() {
    const CANNOT: [(&str, &str); 13] = [
        ("aws_cloudtrail_bucket_deleted", "`Success`"),
        ("aws_cloudtrail_guardduty_detector_deleted_or_updated", "`Success`"),
        ("aws_cloudtrail_ssm_malicious_usage", "`Success`"),
        ("aws_cloudtrail_vpc_flow_logs_deleted", "`Success`"),
        ("aws_iam_backdoor_users_keys", "the name of a field"),
        ("aws_update_login_profile", "never equal"),
        ("azure_blocked_account_attempt", NEVER),
        ("azure_guest_to_member", NEVER),
        ("azure_app_device_code_authentication", NEVER),
        ("azure_legacy_authentication_protocols", "`UPN`"),
        ("azure_user_password_change", "`UPN`"),
        ("kubernetes_audit_potential_enumeration_activity", NEVER),
        ("aws_iam_s3browser_templated_s3_bucket_policy_creation", "<YOUR-BUCKET-NAME>"),
    ];
    let Some(folder) = corpus::folder("sigma/sigmahq") else { return };
    let sources = corpus::files(&folder, ".yml");
    let mut by_file: BTreeMap<String, String> = BTreeMap::new();
    for finding in findings(&sources) {
        assert!(finding.line > 0 && finding.level == Level::Warning, "{finding}");
        by_file.entry(finding.file.clone()).or_default().push_str(&format!("{finding}\n"));
    }
    for (name, reason) in CANNOT {
        let found = by_file.iter().find(|(file, _)| file.contains(name));
        assert!(found.is_some_and(|(_, said)| said.contains(reason)), "{name}: {found:?}");
    }
    let never = by_file.values().filter(|said| said.contains(NEVER)).count();
    println!("{} rules are named, {never} can never match", by_file.len());
    assert!(by_file.len() < 50, "so many cannot be wrong: {by_file:#?}");
}

/// Names of fields in published rules are hardly ever slips of the pen, so a lint that says so often is wrong.
#[test]
fn published_rules_are_not_taken_for_slips() {
    let Some(folder) = corpus::folder("sigma/sigmahq") else { return };
    let said = lint(&corpus::files(&folder, ".yml")).diagnostics;
    let unknown: Vec<_> =
        said.iter().filter(|found| found.problem.contains("not known to have this field")).collect();
    assert!(unknown.len() <= 5, "{unknown:#?}");
    let fields = said.iter().filter(|found| found.problem.contains("is the name of a field"));
    assert_eq!(fields.count(), 1, "{said:#?}");
}

/// What is said never to match matches no event of real logs.
#[test]
fn what_can_never_be_true_never_is() {
    let mut sources = Vec::new();
    for folder in ["sigma/sigmahq", "sigma/suzaku", "expected/trailalerts_sigma"] {
        let Some(folder) = corpus::folder(folder) else { return };
        sources.extend(corpus::files(&folder, ".yml"));
    }
    let loaded = lint(&sources);
    let never: BTreeSet<_> = loaded
        .diagnostics
        .iter()
        .filter(|finding| finding.problem.contains(NEVER))
        .map(|finding| finding.file.as_str())
        .collect();
    assert!(never.len() >= 10, "{never:?}");
    let mut records = Vec::new();
    for folder in [
        "cloudtrail/stratus_detonation",
        "cloudtrail/traildiscover",
        "cloudtrail/flaws_two_hours",
        "entra_audit",
        "entra_signin",
        "azure_activity",
        "gcp_audit",
    ] {
        let Some(folder) = corpus::folder(folder) else { continue };
        let files = corpus::files(&folder, "json").into_iter().chain(corpus::files(&folder, ""));
        records.extend(files.flat_map(|file| events::records(&file.text)));
    }
    let batch = events::normalized(&records).events;
    assert!(batch.len() > 500, "{}", batch.len());
    for found in loaded.rules.matches(&batch, &mut Scratch::default()) {
        let rule = loaded.rules.rules()[found.rule as usize].path();
        assert!(!never.contains(rule), "{rule} matches");
    }
}
