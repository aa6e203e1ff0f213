//! A mapping file's tree into a mapping, with every error told by its line, field and mend.

use event::{COLUMNS, Col, Diagnostic, Kind, Provider};

use super::clock::Clock;
use super::condition::When;
use super::finding;
use super::mapping::Mapping;
use super::path::Path;
use super::record_test::{Expected, RecordTest};
use super::rule::{Rule, fits, kind_name};
use super::yaml::{self, Key, Node, Position};
use crate::class::{self, Activity};

/// The errors of one file.
#[derive(Debug)]
pub(super) struct Report {
    file: String,
    findings: Vec<Diagnostic>,
}

impl Report {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), findings: Vec::new() }
    }

    fn error(&mut self, at: Position, field: &str, problem: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(finding(&self.file, at, field, problem.into(), mend.into()));
    }

    /// An error of the file as a whole.
    pub(super) fn whole(&mut self, problem: impl Into<String>, mend: impl Into<String>) {
        self.error(Position::default(), "", problem, mend);
    }

    pub(super) fn into_findings(self) -> Vec<Diagnostic> {
        self.findings
    }
}

const KEYS: [&str; 10] =
    ["name", "sources", "when", "time", "uid", "class_uid", "activity", "columns", "product", "tests"];

/// Reads a file; `None`, with errors in the report, if it has any.
pub(super) fn mapping(text: &str, report: &mut Report) -> Option<Mapping> {
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err((at, problem)) => {
            report.error(at, "", problem, "write it as YAML");
            return None;
        }
    };
    let Some(members) = root.as_map() else {
        report.error(root.at, "", "the file is no map", "write `name:`, `time:` and `columns:` at its start");
        return None;
    };
    for (key, _) in members.iter().filter(|(key, _)| !KEYS.contains(&key.name.as_str())) {
        report.error(key.at, &key.name, "unknown key", nearest(&key.name, KEYS.into_iter(), "remove it"));
    }
    let name = read_name(&root, report);
    let (time, clock) = read_time(&root, report);
    let class = read_class(&root, report);
    let mapping = Mapping {
        name,
        file: report.file.clone(),
        sources: texts(root.get("sources"), "sources", report),
        when: read_when(root.get("when"), report),
        time,
        clock,
        uid: root.get("uid").map(|node| paths(node, "uid", report)).unwrap_or_default(),
        class,
        activity: read_activity(root.get("activity"), class, report),
        columns: read_columns(&root, report),
        tests: read_tests(root.get("tests"), report),
    };
    if mapping.sources.is_empty() && mapping.when.is_empty() {
        report.error(
            root.at,
            "sources",
            "nothing says which records the mapping reads",
            "name sources under `sources`, or describe the records under `when`",
        );
    }
    report.findings.is_empty().then_some(mapping)
}

/// The name of those known that is most like a wrong one, or else other advice.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>, otherwise: &str) -> String {
    let like = |other: &str| {
        let shared = name.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        shared * 2 + other.split('_').filter(|part| name.contains(part)).count()
    };
    let best = known.map(|other| (like(other), other)).max_by_key(|(likeness, _)| *likeness);
    match best {
        Some((likeness, other)) if likeness >= 6 => format!("did you mean `{other}`?"),
        _ => otherwise.to_owned(),
    }
}

fn read_name(root: &Node, report: &mut Report) -> String {
    let is_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let Some(node) = root.get("name") else {
        report.error(root.at, "name", "missing", "give the mapping a name such as `shop_orders`");
        return String::new();
    };
    match node.text().filter(|name| is_name(name)) {
        Some(name) => name.to_owned(),
        None => {
            report.error(
                node.at,
                "name",
                "the name is not 1 to 64 small letters, digits and `_`",
                "write a name such as `shop_orders`",
            );
            String::new()
        }
    }
}

fn path(node: &Node, field: &str, report: &mut Report) -> Option<Path> {
    let Some(text) = node.text() else {
        report.error(node.at, field, "no path", "write a path such as `user.login`");
        return None;
    };
    match Path::parse(text) {
        Ok(path) => Some(path),
        Err(problem) => {
            report.error(node.at, field, format!("`{text}`: {problem}"), "write a path such as `user.login`");
            None
        }
    }
}

/// One path or a list of them.
fn paths(node: &Node, field: &str, report: &mut Report) -> Vec<Path> {
    let nodes = node.as_list().unwrap_or(std::slice::from_ref(node));
    if nodes.is_empty() {
        report.error(node.at, field, "an empty list", "write a path such as `user.login`");
    }
    nodes.iter().filter_map(|node| path(node, field, report)).collect()
}

/// One text or a list of them.
fn texts(node: Option<&Node>, field: &str, report: &mut Report) -> Vec<String> {
    let Some(node) = node else { return Vec::new() };
    let nodes = node.as_list().unwrap_or(std::slice::from_ref(node));
    let mut texts = Vec::new();
    for node in nodes {
        match node.text() {
            Some(text) => texts.push(text.to_owned()),
            None => report.error(node.at, field, "no text", "write a text or a list of texts"),
        }
    }
    texts
}

fn read_when(node: Option<&Node>, report: &mut Report) -> When {
    let mut when = When::default();
    let Some(node) = node else { return when };
    let Some(members) = node.as_map() else {
        report.error(node.at, "when", "no map", "write `has:` with paths or `equals:` with values of paths");
        return when;
    };
    for (key, value) in members {
        match key.name.as_str() {
            "has" => when.has = paths(value, "when.has", report),
            "equals" => {
                for (place, values) in value.as_map().unwrap_or_default() {
                    match Path::parse(&place.name) {
                        Ok(path) => when.equals.push((path, texts(Some(values), "when.equals", report))),
                        Err(problem) => {
                            report.error(place.at, "when.equals", format!("`{}`: {problem}", place.name), "");
                        }
                    }
                }
                if when.equals.is_empty() {
                    report.error(value.at, "when.equals", "no map", "write `path: value` below it");
                }
            }
            other => report.error(
                key.at,
                &format!("when.{other}"),
                "unknown key",
                nearest(other, ["has", "equals"].into_iter(), "write `has` or `equals`"),
            ),
        }
    }
    when
}

/// `time: path`, or a map with `path`, `format` and `zone`.
fn read_time(root: &Node, report: &mut Report) -> (Vec<Path>, Clock) {
    let Some(node) = root.get("time") else {
        report.error(root.at, "time", "missing", "say where the time stands: `time: {path: timestamp}`");
        return (Vec::new(), Clock::Any);
    };
    let Some(members) = node.as_map() else { return (paths(node, "time", report), Clock::Any) };
    only(members, "time", &["path", "format", "zone"], report);
    let places = match node.get("path") {
        Some(place) => paths(place, "time.path", report),
        None => {
            report.error(node.at, "time.path", "missing", "say where the time stands: `path: timestamp`");
            Vec::new()
        }
    };
    let format = node.get("format");
    let text = format.and_then(Node::text).unwrap_or_default();
    match Clock::parse(text, node.get("zone").and_then(Node::text)) {
        Ok(clock) => (places, clock),
        Err(problem) => {
            let at = format.map_or(node.at, |format| format.at);
            let mend = "write `rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or a pattern such as \
                        `%Y-%m-%d %H:%M:%S` with a `zone` such as `+02:00`";
            report.error(at, "time.format", problem, mend);
            (places, Clock::Any)
        }
    }
}

fn only(members: &[(Key, Node)], field: &str, known: &[&str], report: &mut Report) {
    for (key, _) in members.iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
        let mend = nearest(&key.name, known.iter().copied(), &format!("write {}", known.join(", ")));
        report.error(key.at, &format!("{field}.{}", key.name), "unknown key", mend);
    }
}

fn read_class(root: &Node, report: &mut Report) -> &'static [Activity] {
    let node = root.get("class_uid");
    let Some(text) = node.and_then(Node::text) else {
        report.error(
            node.map_or(root.at, |node| node.at),
            "class_uid",
            "missing",
            "write the number of an OCSF class, such as 6003 for API Activity, or 0",
        );
        return class::base_event::ALL;
    };
    let found = text.parse().ok().and_then(class::of_uid);
    found.unwrap_or_else(|| {
        let known: Vec<_> = class::all().map(|class| class.class_uid.to_string()).collect();
        let at = node.map_or(root.at, |node| node.at);
        report.error(
            at,
            "class_uid",
            format!("`{text}` is no class known here"),
            format!("write one of {}", known.join(", ")),
        );
        class::base_event::ALL
    })
}

/// The number of an activity by its number or name.
fn activity_id(text: &str, class: &[Activity]) -> Option<String> {
    let found = class.iter().find(|activity| {
        activity.activity_id.to_string() == text || activity.activity_name.eq_ignore_ascii_case(text)
    });
    found.map(|activity| activity.activity_id.to_string())
}

/// A number or name, or a path with a table of them.
fn read_activity(node: Option<&Node>, class: &[Activity], report: &mut Report) -> Rule {
    let none = Rule { col: Col::ActivityId, from: Vec::new(), values: None, default: None };
    let Some(node) = node else { return none };
    let mut check = |at: Position, text: &str| {
        let known: Vec<_> = class.iter().map(|activity| activity.activity_name).collect();
        let found = activity_id(text, class);
        if found.is_none() {
            let problem = format!("the class has no activity `{text}`");
            report.error(at, "activity", problem, format!("write one of {}", known.join(", ")));
        }
        found
    };
    if let Some(text) = node.text() {
        return Rule { default: check(node.at, text), ..none };
    }
    let mut values = std::collections::BTreeMap::new();
    for (key, value) in node.get("values").and_then(Node::as_map).unwrap_or_default() {
        if let Some(id) = check(value.at, value.text().unwrap_or_default()) {
            values.insert(key.name.clone(), id);
        }
    }
    let default = node.get("default").and_then(|node| check(node.at, node.text().unwrap_or_default()));
    only(node.as_map().unwrap_or_default(), "activity", &["path", "values", "default"], report);
    let from = match node.get("path") {
        Some(place) => paths(place, "activity.path", report),
        None => {
            report.error(node.at, "activity.path", "missing", "say where the action stands: `path: action`");
            Vec::new()
        }
    };
    if values.is_empty() {
        report.error(node.at, "activity.values", "missing", "write what each value means: `create: Create`");
    }
    Rule { from, values: Some(values), default, ..none }
}

/// `columns`, and the names of the product.
fn read_columns(root: &Node, report: &mut Report) -> Vec<Rule> {
    let mut rules = Vec::new();
    let product = [("name", Col::MetadataProductName), ("vendor", Col::MetadataProductVendorName)];
    if let Some(node) = root.get("product") {
        only(node.as_map().unwrap_or_default(), "product", &["name", "vendor"], report);
        for (key, col) in product {
            let default = node.get(key).and_then(Node::text).map(str::to_owned);
            rules.extend(default.map(|text| constant(col, text)));
        }
    }
    let Some(node) = root.get("columns") else { return rules };
    let Some(members) = node.as_map() else {
        report.error(node.at, "columns", "no map", "write `column: path` below it");
        return rules;
    };
    for (key, value) in members {
        let field = format!("columns.{}", key.name);
        let Some(col) = Col::by_name(&key.name) else {
            let names = COLUMNS.iter().map(|column| column.name);
            let mend = nearest(&key.name, names, "write a column's name as docs/schema.md has it");
            report.error(key.at, &field, "there is no such column", mend);
            continue;
        };
        if let Some(why) = not_for_mappings(col) {
            report.error(key.at, &field, why, "leave it out");
            continue;
        }
        if rules.iter().any(|rule: &Rule| rule.col == col) {
            report.error(key.at, &field, "the column is set already", "leave one of them out");
        }
        rules.extend(read_rule(col, value, &field, report));
    }
    rules.sort_by_key(|rule| rule.col);
    rules
}

fn constant(col: Col, text: String) -> Rule {
    Rule { col, from: Vec::new(), values: None, default: Some(text) }
}

/// Why a mapping cannot set a column.
fn not_for_mappings(col: Col) -> Option<&'static str> {
    Some(match col {
        Col::Time | Col::EventDay | Col::MetadataOriginalTime => "the column follows from `time`",
        Col::ClassUid
        | Col::ClassName
        | Col::CategoryUid
        | Col::CategoryName
        | Col::TypeUid
        | Col::TypeName => "the column follows from `class_uid`",
        Col::ActivityId | Col::ActivityName => "the column follows from `activity`",
        Col::Severity => "the column follows from `severity_id`",
        Col::MetadataLogName => "the column has the mapping's name",
        Col::EventUid
        | Col::LogType
        | Col::Source
        | Col::LogOffset
        | Col::MetadataVersion
        | Col::MetadataLoggedTime
        | Col::Unmapped
        | Col::RawData => "the column is set for every event",
        _ if col.column().kind == Kind::Day => "the column follows from `time`",
        _ => return None,
    })
}

/// A path, a list of paths, or a map with `path`, `values`, `default` or a constant `value`.
fn read_rule(col: Col, node: &Node, field: &str, report: &mut Report) -> Option<Rule> {
    let Some(members) = node.as_map() else {
        if col == Col::CloudProvider {
            report.error(
                node.at,
                field,
                "a provider from the record",
                "write `{value: AWS}` or leave it out",
            );
            return None;
        }
        let from = paths(node, field, report);
        return Some(Rule { col, from, values: None, default: None });
    };
    only(members, field, &["path", "values", "default", "value"], report);
    let text_of = |key: &str, report: &mut Report| {
        let node = node.get(key)?;
        let text = node.text().unwrap_or_default();
        check_text(col, text, node.at, &format!("{field}.{key}"), report);
        Some(text.to_owned())
    };
    if let Some(text) = text_of("value", report) {
        if members.len() > 1 {
            report.error(node.at, field, "a constant beside a path", "write `value` or `path`, not both");
        }
        return Some(constant(col, text));
    }
    let default = text_of("default", report);
    let values = node.get("values").map(|table| {
        let mut values = std::collections::BTreeMap::new();
        for (key, value) in table.as_map().unwrap_or_default() {
            let text = value.text().unwrap_or_default();
            check_text(col, text, value.at, &format!("{field}.values.{}", key.name), report);
            values.insert(key.name.clone(), text.to_owned());
        }
        if values.is_empty() {
            report.error(
                table.at,
                &format!("{field}.values"),
                "no map",
                "write `value: what it becomes` below it",
            );
        }
        values
    });
    let from = match node.get("path") {
        Some(_) if col == Col::CloudProvider && values.is_none() => {
            report.error(node.at, field, "a provider from the record", "give it a table of `values`");
            Vec::new()
        }
        Some(place) => paths(place, &format!("{field}.path"), report),
        None => {
            report.error(node.at, field, "neither `path` nor `value`", "write one of them");
            Vec::new()
        }
    };
    Some(Rule { col, from, values, default })
}

fn check_text(col: Col, text: &str, at: Position, field: &str, report: &mut Report) {
    let providers = [Provider::Aws, Provider::Azure, Provider::Gcp, Provider::Other];
    if col == Col::CloudProvider && !providers.iter().any(|known| known.as_str() == text) {
        let known: Vec<_> = providers.iter().map(|known| known.as_str()).collect();
        report.error(
            at,
            field,
            format!("`{text}` is no provider"),
            format!("write one of {}", known.join(", ")),
        );
    } else if !fits(col, text) {
        let problem = format!("`{text}` does not fit the column");
        report.error(at, field, problem, format!("write {}", kind_name(col)));
    }
}

/// `tests`: a record as JSON text, and the columns that it gives or the reason for which it is refused.
fn read_tests(node: Option<&Node>, report: &mut Report) -> Vec<RecordTest> {
    let mut tests = Vec::new();
    let Some(node) = node else { return tests };
    if node.as_list().is_none() {
        report.error(node.at, "tests", "no list", "write `- record:` and `columns:` below it");
    }
    for node in node.as_list().unwrap_or_default() {
        only(node.as_map().unwrap_or_default(), "tests", &["name", "record", "columns", "rejected"], report);
        let Some(record) = node.get("record").and_then(Node::text) else {
            let mend = "write the record as JSON in a text, after `|`";
            report.error(node.at, "tests.record", "missing, or no text", mend);
            continue;
        };
        let name = node.get("name").and_then(Node::text).unwrap_or("unnamed").to_owned();
        let mut test =
            RecordTest { name, at: node.at, record: record.to_owned(), expected: Vec::new(), rejected: None };
        if let Some(reason) = node.get("rejected") {
            test.rejected = Some(reason.text().unwrap_or_default().to_owned());
        }
        for (key, value) in node.get("columns").and_then(Node::as_map).unwrap_or_default() {
            match Col::by_name(&key.name) {
                Some(col) => {
                    let text = value.text().map(str::to_owned);
                    test.expected.push(Expected { col, at: key.at, text });
                }
                None => {
                    let names = COLUMNS.iter().map(|column| column.name);
                    let mend = nearest(&key.name, names, "write a column's name as docs/schema.md has it");
                    report.error(
                        key.at,
                        &format!("tests.columns.{}", key.name),
                        "there is no such column",
                        mend,
                    );
                }
            }
        }
        if test.expected.is_empty() && test.rejected.is_none() {
            report.error(node.at, "tests", "the test expects nothing", "write `columns:` or `rejected:`");
        }
        tests.push(test);
    }
    tests
}
