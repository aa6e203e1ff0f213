use event::Col;

use super::*;

const TEXT: &str = "
logsources:
  - {product: acme, service: audit}
  - {product: acme, service: legacy}
log_types: [aws_cloudtrail]
ignore_case: true
roots: [properties]
members: [userIdentity, Status]
fields:
  eventName: api_operation
  sourceIPAddress: [src_endpoint_ip, $.sourceIPAddress]
  Status: {any: [$.Status, status]}
prefixes:
  request: api_request_data
  data.inner: $.inner
";

fn source(text: &str) -> Vec<RuleSource> {
    vec![RuleSource { path: "m.yaml".into(), text: text.into() }]
}

fn mapping() -> Mapping {
    let (mappings, diagnostics) = Mappings::parse(&source(TEXT));
    assert_eq!(diagnostics, []);
    mappings.mappings[0].clone()
}

fn logsource(product: &str, service: &str, category: &str) -> Logsource {
    let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Logsource { product: part(product), service: part(service), category: part(category) }
}

#[test]
fn names_resolve_in_order() {
    let mapping = mapping();
    let column = |col| Field::at(Place::column(col));
    let record = |path: &str| Place::record(path, true);
    for (name, field, known) in [
        ("eventName", column(Col::ApiOperation), true),
        ("EVENTNAME", column(Col::ApiOperation), true),
        (
            "sourceIPAddress",
            Field {
                union: false,
                places: vec![Place::column(Col::SrcEndpointIp), record("sourceIPAddress")],
            },
            true,
        ),
        ("Status", Field { union: true, places: vec![record("Status"), Place::column(Col::Status)] }, true),
        ("request", column(Col::ApiRequestData), true),
        ("request.a.b", Field::at(Place::parse("api_request_data.a.b", true).unwrap()), true),
        ("data.inner.x", Field::at(record("inner.x")), true),
        (
            "data.innerx",
            Field { union: false, places: vec![record("data.innerx"), record("properties.data.innerx")] },
            false,
        ),
        ("actor.user.name", column(Col::ActorUserName), true),
        (
            "useridentity.type",
            Field {
                union: false,
                places: vec![record("useridentity.type"), record("properties.useridentity.type")],
            },
            true,
        ),
        ("Properties.x", Field { union: false, places: vec![record("Properties.x"), record("x")] }, true),
        (
            "evntName",
            Field { union: false, places: vec![record("evntName"), record("properties.evntName")] },
            false,
        ),
    ] {
        assert_eq!(mapping.resolve(name), Resolved { field, known }, "{name}");
    }
}

#[test]
fn log_sources_agree_in_what_both_give() {
    let (mappings, _) = Mappings::parse(&source(TEXT));
    for (logsource, reads, alias) in [
        (logsource("acme", "audit", ""), true, false),
        (logsource("acme", "", ""), true, false),
        (logsource("", "audit", ""), true, false),
        (logsource("acme", "audit", "application"), true, false),
        (logsource("acme", "legacy", ""), true, true),
        (logsource("acme", "other", ""), false, true),
        (logsource("", "", "application"), false, true),
        (logsource("other", "audit", ""), false, true),
    ] {
        let found = mappings.of(&logsource);
        assert_eq!(found.len(), usize::from(reads), "{logsource}");
        if let Some(mapping) = found.first() {
            assert_eq!(mapping.is_alias(&logsource), alias, "{logsource}");
        }
    }
}

#[test]
fn a_mapping_may_want_to_be_named() {
    let (mappings, diagnostics) = Mappings::parse(&source(&format!("{TEXT}product_alone: false\n")));
    assert_eq!(diagnostics, []);
    assert!(mappings.of(&logsource("acme", "", "")).is_empty());
    assert_eq!(mappings.of(&logsource("acme", "audit", "")).len(), 1);
    assert!(mappings.of(&logsource("acme", "", "firewall")).is_empty(), "another log of the product");
}

#[test]
fn mistakes_have_a_place_and_a_mend() {
    let text = "logsources: [{product: acme}]\nlog_types: [nope]\nfeilds: {}\nfields:\n  a: api_operatoin\n";
    let (_, diagnostics) = Mappings::parse(&source(text));
    let shown: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    assert!(shown[0].contains("unknown log type `nope`"), "{shown:?}");
    assert_eq!(shown[1], "m.yaml:3:1: error: `feilds`: unknown key; did you mean `fields`?");
    assert_eq!(
        shown[2],
        "m.yaml:5:6: error: `a`: there is no column `api_operatoin`; did you mean `api_operation`?"
    );
}
