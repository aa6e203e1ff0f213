//! One document against the schema.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::resolve::{Attribute, Schema, Shape};

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// The class of the document.
    pub(crate) class: i64,
    /// `actor.user.type_id`; elements of arrays as `resources[]`.
    pub(crate) path: String,
    pub(crate) problem: String,
}

/// Everything that is wrong with `document`.
pub(crate) fn check(schema: &Schema, document: &Value) -> Vec<Violation> {
    let class = document["class_uid"].as_i64().unwrap_or_default();
    let profiles: BTreeSet<&str> =
        document["metadata"]["profiles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut checker = Checker { schema, profiles, class, violations: Vec::new() };
    match schema.classes.get(&class) {
        Some(shape) => {
            checker.object("", shape, document.as_object().unwrap());
            checker.arithmetic(document);
            checker.observables(document);
        }
        None => checker.report("class_uid", format!("no class {class}")),
    }
    checker.violations.sort();
    checker.violations
}

struct Checker<'a> {
    schema: &'a Schema,
    profiles: BTreeSet<&'a str>,
    class: i64,
    violations: Vec<Violation>,
}

impl Checker<'_> {
    fn report(&mut self, path: &str, problem: impl Into<String>) {
        self.violations.push(Violation { class: self.class, path: path.into(), problem: problem.into() });
    }

    fn is_active(&self, attribute: &Attribute) -> bool {
        attribute.profile.as_deref().is_none_or(|profile| self.profiles.contains(profile))
    }

    fn object(&mut self, path: &str, shape: &Shape, value: &Map<String, Value>) {
        let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        for (name, member) in value {
            match shape.attributes.get(name).filter(|attribute| self.is_active(attribute)) {
                Some(attribute) => {
                    self.attribute(&at(name), attribute, member);
                    self.sibling(&at(name), attribute, member, value);
                }
                None => self.report(&at(name), format!("`{}` has no such attribute", shape.name)),
            }
        }
        for (name, attribute) in &shape.attributes {
            if attribute.required && self.is_active(attribute) && value.get(name).is_none_or(Value::is_null) {
                self.report(&at(name), "required");
            }
        }
        let present = |names: &[String]| names.iter().filter(|name| value.contains_key(*name)).count();
        if !shape.at_least_one.is_empty() && present(&shape.at_least_one) == 0 {
            self.report(
                path,
                format!("`{}` needs at least one of {}", shape.name, shape.at_least_one.join(", ")),
            );
        }
        if !shape.just_one.is_empty() && present(&shape.just_one) != 1 {
            self.report(path, format!("`{}` needs just one of {}", shape.name, shape.just_one.join(", ")));
        }
    }

    fn attribute(&mut self, path: &str, attribute: &Attribute, value: &Value) {
        if !attribute.is_array {
            return self.value(path, attribute, value);
        }
        match value.as_array() {
            Some(elements) => {
                if elements.is_empty() && attribute.required {
                    self.report(path, "required, but empty");
                }
                for element in elements {
                    self.value(&format!("{path}[]"), attribute, element);
                }
            }
            None => self.report(path, "is no array"),
        }
    }

    fn value(&mut self, path: &str, attribute: &Attribute, value: &Value) {
        let schema = self.schema;
        if let Some(scalar) = schema.scalars.get(&attribute.kind) {
            if let Some(problem) = scalar_problem(&attribute.kind, scalar, value) {
                self.report(path, problem);
            }
        } else if let Some(inner) = value.as_object() {
            // The plain `object` takes anything.
            if attribute.kind != "object" {
                let shape = &schema.objects[&attribute.kind];
                self.object(path, shape, inner);
            }
        } else {
            self.report(path, format!("is no object `{}`", attribute.kind));
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !attribute.values.is_empty() && !attribute.values.contains(&text) {
            self.report(path, format!("{text} is not among its values"));
        }
    }

    /// 99 Other says nothing without the source's own word.
    fn sibling(&mut self, path: &str, attribute: &Attribute, value: &Value, parent: &Map<String, Value>) {
        let Some(sibling) = attribute.sibling.as_ref().filter(|_| value.as_i64() == Some(99)) else { return };
        if parent.get(sibling).and_then(Value::as_str).is_none_or(str::is_empty) {
            self.report(path, format!("99 without a word in `{sibling}`"));
        }
    }

    fn arithmetic(&mut self, document: &Value) {
        let activity = document["activity_id"].as_i64().unwrap_or_default();
        if document["type_uid"].as_i64() != Some(self.class * 100 + activity) {
            self.report("type_uid", "is not class_uid * 100 + activity_id");
        }
    }

    /// The name of an observable is a path in the document, and its value is what lies there.
    fn observables(&mut self, document: &Value) {
        for observable in document["observables"].as_array().into_iter().flatten() {
            let name = observable["name"].as_str().unwrap_or_default();
            let mut found = vec![document];
            for step in name.split('.') {
                let key = step.trim_end_matches("[]");
                found = found.into_iter().filter_map(|value| value.get(key)).collect();
                if step.ends_with("[]") {
                    found = found.into_iter().filter_map(Value::as_array).flatten().collect();
                }
            }
            if !found.contains(&&observable["value"]) {
                self.report("observables[].name", format!("`{name}` is not in the document"));
            }
        }
    }
}

fn scalar_problem(kind: &str, scalar: &str, value: &Value) -> Option<String> {
    let fits = match scalar {
        "string_t" => value.as_str().is_some_and(|text| text_fits(kind, text)),
        "integer_t" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "long_t" => value.as_i64().is_some(),
        "float_t" => value.as_f64().is_some(),
        "boolean_t" => value.is_boolean(),
        "json_t" => true,
        other => panic!("unknown scalar `{other}`"),
    };
    let fits = fits && (kind != "port_t" || (0..=65535).contains(&value.as_i64().unwrap_or(-1)));
    (!fits).then(|| format!("`{value}` is no {kind}"))
}

/// The types with a form of their own; the dictionary gives them as regular expressions.
fn text_fits(kind: &str, text: &str) -> bool {
    match kind {
        "ip_t" => text.parse::<IpAddr>().is_ok(),
        "email_t" => is_email(text),
        "uuid_t" => {
            let parts: Vec<_> = text.split('-').collect();
            parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
                && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
        }
        _ => true,
    }
}

fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let in_name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+,-./=?^_`{|}~".contains(c);
    let in_domain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let labels: Vec<_> = domain.splitn(2, '.').collect();
    !name.is_empty()
        && name.chars().all(in_name)
        && domain.chars().all(in_domain)
        && matches!(labels.as_slice(), [first, rest] if !first.is_empty() && !rest.is_empty())
}
