//! What a field can hold, which is data: files of `content/values`.
//!
//! ```yaml
//! logsource: {product: aws, service: cloudtrail}  # for the fields of its mapping
//! fields:
//!   readOnly: {flag: true}                 # true or false
//!   eventVersion: {number: true}
//!   eventCategory: {one_of: [Management, Data]}  # nothing else
//!   errorCode: {never: ['Success*'], mend: write `null`}  # all but these; a list may have a mend of its own:
//!   resultType: {never: [{values: [OK], mend: write `0`}]}
//!   userIdentity.arn: {kind: arn}          # arn, address, or name; two kinds are never equal
//!   awsRegion: {like: '[a-z0-9-]+', means: a region}  # a regular expression for the whole value
//!   operationName: {known: [Add user]}     # some of its values, for what is nearly right
//!   additionalDetails: {members: [key, value]}  # what a path may go on with
//! columns: {}                              # the same for columns of the table
//! ```
//!
//! Case does not count. A field that is not named may hold anything.

use core::net::IpAddr;

use event::{Col, LogType};
use regex::Regex;

use super::text::{covers, may_be_number, spell, spell_pattern};
use crate::check::{Shape, Test};
use crate::compile::Matcher;
use crate::detect::{Form, Value};
use crate::fold::fold;
use crate::mapping::{Field, Mapping};
use crate::nearest::nearest;
use crate::report::Report;
use crate::sigma::pattern::Pattern;
use crate::sigma::rule::{Logsource, logsource};
use crate::sigma::yaml::{self, Node};

/// What is known of the values of fields.
#[derive(Debug, Default)]
pub(crate) struct FieldValues {
    logs: Vec<(Logsource, Vec<(String, Holds)>)>,
    columns: Vec<(Col, Holds)>,
}

/// What a field can hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holds {
    flag: bool,
    number: bool,
    one_of: Vec<String>,
    never: Vec<Never>,
    kind: Option<Kind>,
    like: Option<Regex>,
    pub(crate) known: Vec<String>,
    pub(crate) members: Vec<String>,
    means: String,
    mend: String,
}

/// Values that a field never has.
#[derive(Debug, Clone)]
struct Never {
    values: Vec<Pattern>,
    /// What to do about them; empty: the field's own mend.
    mend: String,
}

/// Kinds of text that share no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Arn,
    Address,
    Name,
}

/// Why a value cannot be there, and what to do.
pub(crate) type Impossible = (String, String);

impl FieldValues {
    /// What comes with Stormglass.
    pub(crate) fn shipped() -> Self {
        Self::parse(crate::content::values(), &mut Report::new("content/values"))
    }

    /// Reads files of values.
    pub(crate) fn parse(sources: Vec<crate::source::RuleSource>, report: &mut Report) -> Self {
        let mut values = Self::default();
        for source in sources {
            for document in yaml::documents(&source.text) {
                match document {
                    Ok(node) => values.read(&node, report),
                    Err(error) => report.error(error.at, "", error.problem, error.mend),
                }
            }
        }
        values
    }

    fn read(&mut self, node: &Node, report: &mut Report) {
        if let Some(log) = node.get("logsource").and_then(|node| logsource(node, report)) {
            let entries = node.get("fields").and_then(Node::as_map).unwrap_or_default();
            let fields = entries.iter().map(|(name, node)| (name.value.clone(), Holds::read(node, report)));
            self.logs.push((log.value, fields.collect()));
        }
        for (name, node) in node.get("columns").and_then(Node::as_map).unwrap_or_default() {
            match Col::by_name(&name.value) {
                Some(col) => self.columns.push((col, Holds::read(node, report))),
                None => report.error(name.at, "columns", format!("there is no column `{}`", name.value), ""),
            }
        }
    }

    /// What a field of a log can hold, as a mapping reads it; `None` if it may be anything.
    pub(crate) fn of(&self, logsource: &Logsource, mapping: &Mapping, field: &Field) -> Option<Holds> {
        let named = self.logs.iter().filter(|(log, _)| *log == mapping.logsource() || *log == *logsource);
        let mut entries = named.flat_map(|(_, fields)| fields);
        if let Some((_, holds)) = entries.find(|(name, _)| mapping.resolve(name).field == *field) {
            return Some(holds.clone());
        }
        match field.places.as_slice() {
            [place] if place.path.is_none() => self.column(place.col),
            _ => None,
        }
    }

    fn column(&self, col: Col) -> Option<Holds> {
        use event::Kind as Type;
        if let Some((_, holds)) = self.columns.iter().find(|(known, _)| *known == col) {
            return Some(holds.clone());
        }
        let none = Holds::default();
        match col.column().kind {
            _ if col == Col::LogType => {
                let names = LogType::ALL.iter().map(|log_type| log_type.as_str().to_owned());
                Some(Holds { one_of: names.collect(), ..none })
            }
            Type::Flag => Some(Holds { flag: true, ..none }),
            Type::Int | Type::Long | Type::Day | Type::Time => Some(Holds { number: true, ..none }),
            Type::Label | Type::Text | Type::Json | Type::Float => None,
        }
    }

    /// What the nearest named field above a path says of its members: for `additionalDetails.key` the
    /// members of `additionalDetails`, and `key`.
    pub(crate) fn members_above<'n>(
        &self,
        logsource: &Logsource,
        mapping: &Mapping,
        name: &'n str,
    ) -> Option<(Holds, &'n str)> {
        let (above, rest) = name.rsplit_once('.')?;
        let holds = self.of(logsource, mapping, &mapping.resolve(above).field)?;
        (!holds.members.is_empty()).then_some((holds, rest))
    }
}

impl Holds {
    fn read(node: &Node, report: &mut Report) -> Self {
        let mut holds = Self::default();
        for (key, value) in node.as_map().unwrap_or_default() {
            let texts =
                || value.as_list().unwrap_or_default().iter().filter_map(Node::text).collect::<Vec<_>>();
            let text = || value.text().unwrap_or_default();
            match key.value.as_str() {
                "flag" => holds.flag = text() == "true",
                "number" => holds.number = text() == "true",
                "one_of" => holds.one_of = texts(),
                "never" => holds.never = nevers(value),
                "known" => holds.known = texts(),
                "members" => holds.members = texts(),
                "means" => holds.means = text(),
                "mend" => holds.mend = text(),
                "kind" => {
                    holds.kind = match text().as_str() {
                        "arn" => Some(Kind::Arn),
                        "address" => Some(Kind::Address),
                        "name" => Some(Kind::Name),
                        other => {
                            report.error(value.at, "kind", format!("there is no kind `{other}`"), "");
                            None
                        }
                    };
                }
                "like" => match Regex::new(&format!("(?i)^(?:{})$", text())) {
                    Ok(regex) => holds.like = Some(regex),
                    Err(error) => report.error(value.at, "like", error.to_string(), ""),
                },
                other => report.error(key.at, other, "unknown key", ""),
            }
        }
        holds
    }

    /// Why no value of the field can pass a test; `None` if one may.
    pub(crate) fn refuses(&self, test: &Test) -> Option<Impossible> {
        if matches!(test, Test::Null | Test::Exists) {
            return None;
        }
        if self.flag {
            return self.refuses_all_of(test, &["true", "false"].map(str::to_owned), "true or false");
        }
        if !self.one_of.is_empty() {
            return self.refuses_all_of(test, &self.one_of, "one of a list of words");
        }
        match test {
            Test::Text { pattern, .. } => self.refuses_text(pattern),
            Test::Number(number) => self.refuses_text(&Pattern::literal(&number.text)),
            Test::Bool(value) if self.number => {
                Some((format!("`{value}` is no number, and the field holds numbers"), self.mend.clone()))
            }
            _ => None,
        }
    }

    /// The field holds one of `all`.
    fn refuses_all_of(&self, test: &Test, all: &[String], what: &str) -> Option<Impossible> {
        if !matches!(
            test,
            Test::Text { .. } | Test::Number(_) | Test::Bool(_) | Test::Regex(_) | Test::Cidr(_)
        ) {
            return None;
        }
        let matcher = Matcher::new(std::slice::from_ref(test));
        let form = if self.flag { Form::Bool } else { Form::Text };
        // Logs do not always write a word in the case of their documentation, and some tests mind.
        let passes = |value: &String| {
            let cases = [value.clone(), value.to_lowercase(), value.to_uppercase()];
            cases.into_iter().any(|value| matcher.is_match(&Value::new(form, value)))
        };
        if all.iter().any(passes) {
            return None;
        }
        let asked = spell(test);
        let problem = format!("the field never holds `{asked}`: it holds {what}");
        let mend = match nearest(&squeeze(&asked), all.iter().map(String::as_str)) {
            Some(value) => format!("did you mean `{value}`?"),
            None if !self.mend.is_empty() => self.mend.clone(),
            None if all.len() <= 12 => format!("use one of {}", all.join(", ")),
            None => {
                let some = all.iter().filter(|value| !value.is_empty()).take(5);
                format!("such as {}", some.cloned().collect::<Vec<_>>().join(", "))
            }
        };
        Some((problem, mend))
    }

    fn refuses_text(&self, pattern: &Pattern) -> Option<Impossible> {
        let asked = spell_pattern(pattern);
        let refuse = |what: &str| {
            Some((format!("the field never holds `{asked}`: it holds {what}"), self.mend.clone()))
        };
        if self.number && !may_be_number(pattern) {
            return refuse("numbers");
        }
        let covered = |never: &&Never| never.values.iter().any(|known| covers(known, pattern));
        if let Some(never) = self.never.iter().find(covered) {
            let mend = if never.mend.is_empty() { &self.mend } else { &never.mend };
            return Some((format!("the field never holds `{asked}`"), mend.clone()));
        }
        let literal = pattern.as_literal()?;
        if self.like.as_ref().is_some_and(|like| !like.is_match(literal)) {
            return refuse(&self.means);
        }
        match self.kind {
            Some(Kind::Arn) if !fold(literal).starts_with("arn:") => {
                refuse("an ARN, which begins with `arn:`")
            }
            Some(Kind::Address) if literal.parse::<IpAddr>().is_err() => refuse("an address"),
            _ => None,
        }
    }

    /// Whether the values of two fields can be equal.
    pub(crate) fn may_equal(&self, other: &Self, shape: Shape) -> bool {
        match (self.kind, other.kind) {
            (Some(own), Some(other)) => own == other || shape != Shape::default(),
            _ => true,
        }
    }

    /// The value that a text nearly is: it differs in blanks and case only, or by a slip of the pen.
    pub(crate) fn nearly(&self, text: &str) -> Option<&str> {
        let known = || self.known.iter().map(String::as_str);
        if known().any(|value| fold(value) == fold(text)) {
            return None;
        }
        known().find(|value| squeeze(value) == squeeze(text))
    }

    /// Whether it is one of the known values.
    pub(crate) fn knows(&self, text: &str) -> bool {
        self.known.iter().any(|value| fold(value) == fold(text))
    }
}

fn nevers(node: &Node) -> Vec<Never> {
    let pattern = |text: String| Pattern::parse(&fold(&text));
    let mut plain = Never { values: Vec::new(), mend: String::new() };
    let mut found = Vec::new();
    for member in node.as_list().unwrap_or_default() {
        match member.get("values") {
            Some(values) => {
                let texts = values.as_list().unwrap_or_default().iter().filter_map(Node::text);
                let mend = member.get("mend").and_then(Node::text).unwrap_or_default();
                found.push(Never { values: texts.map(pattern).collect(), mend });
            }
            None => plain.values.extend(member.text().map(pattern)),
        }
    }
    found.push(plain);
    found
}

fn squeeze(text: &str) -> String {
    fold(text).chars().filter(|char| !char.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RuleSource;

    #[test]
    fn what_is_shipped_reads_and_names_fields_that_are_mapped() {
        let mut report = Report::new("values");
        let values = FieldValues::parse(crate::content::values(), &mut report);
        assert!(report.into_diagnostics().is_empty());
        let mappings = crate::mapping::Mappings::shipped();
        for (logsource, fields) in &values.logs {
            let found = mappings.of(logsource);
            assert!(!found.is_empty(), "{logsource}");
            for (name, _) in fields {
                assert!(found.iter().any(|mapping| mapping.resolve(name).known), "{logsource}: {name}");
            }
        }
        assert!(values.logs.len() >= 6 && values.columns.len() >= 7);
    }

    #[test]
    fn what_a_field_cannot_hold() {
        let text = "
            logsource: {product: aws, service: cloudtrail}
            fields:
              a: {one_of: [Yes, 'No', other thing]}
              b: {flag: true}
              c: {number: true}
              d: {never: ['x*', y, {values: [z], mend: other}], mend: m}
              e: {like: '[0-9]{3}', means: three digits}
              f: {kind: arn}
              g: {kind: address}
        ";
        let mut report = Report::new("");
        let source = RuleSource { path: String::new(), text: text.into() };
        let values = FieldValues::parse(vec![source], &mut report);
        let refuses = |name: &str, value: &str| {
            let (_, holds) = values.logs[0].1.iter().find(|(known, _)| known == name).unwrap();
            holds.refuses(&Test::Text { pattern: Pattern::parse(value), cased: false })
        };
        for (name, value, expected) in [
            ("a", "yes", false),
            ("a", "y*", false),
            ("a", "z*", true),
            ("a", "OtherThing", true),
            ("b", "TRUE", false),
            ("b", "yes", true),
            ("b", "t*", false),
            ("c", "12", false),
            ("c", "1*", false),
            ("c", "twelve", true),
            ("c", "*x*", true),
            ("d", "Y", true),
            ("d", "x1", true),
            ("d", "x*z", true),
            ("d", "*", false),
            ("d", "?1", false),
            ("d", "yy", false),
            ("d", "z", true),
            ("e", "123", false),
            ("e", "1234", true),
            ("e", "1*", false),
            ("f", "arn:aws:iam::1:user/x", false),
            ("f", "ann", true),
            ("f", "*ann", false),
            ("g", "192.0.2.1", false),
            ("g", "example.org", true),
        ] {
            assert_eq!(refuses(name, value).is_some(), expected, "{name} {value}");
        }
        assert_eq!(refuses("a", "OtherThing").unwrap().1, "did you mean `other thing`?");
        assert_eq!([refuses("d", "y"), refuses("d", "Z")].map(|refused| refused.unwrap().1), ["m", "other"]);
    }
}
