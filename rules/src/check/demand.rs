//! Modifiers applied to values, left to right: what one item of a search demands of its field.

use super::encode;
use super::expr::Expr;
use super::regular::{self, Refusal};
use super::test::{Predicate, Shape, Subject, Test};
use crate::mapping::Field;
use crate::placeholder::{self, Placeholders};
use crate::report::Report;
use crate::sigma::detection::{Item, Value};
use crate::sigma::modifier::{Comparison, Modifier, RegexFlag, TimePart};
use crate::sigma::pattern::Pattern;
use crate::sigma::yaml::{Number, Numeric, Placed};

/// What an item demands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Demand {
    /// One list for each value as written; some modifiers make several forms of a value.
    pub(crate) alternatives: Vec<Vec<Test>>,
    /// Every value must be met and not only one (`all`).
    pub(crate) every: bool,
    /// The whole is turned round (`neq`).
    pub(crate) negated: bool,
}

/// What the words of an item mean.
#[derive(Clone, Copy)]
pub(crate) struct Meaning<'m> {
    /// Where a field of that name lies.
    pub(crate) resolve: &'m dyn Fn(&str) -> Field,
    pub(crate) placeholders: &'m Placeholders,
}

impl Demand {
    /// The number of tests that ask for equality with a text, which cost little however many they are, and
    /// of all others.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        let is_equality =
            |test: &&Test| matches!(test, Test::Text { pattern, .. } if pattern.as_literal().is_some());
        let all = self.alternatives.iter().map(Vec::len).sum::<usize>();
        let equalities = self.alternatives.iter().flatten().filter(is_equality).count();
        (equalities, all - equalities)
    }

    /// The demand, made of a subject.
    pub(crate) fn into_expr(self, subject: &Subject) -> Expr {
        let predicate = |any| Expr::Test(Predicate { subject: subject.clone(), any });
        let expr = if self.every {
            Expr::all(self.alternatives.into_iter().map(predicate).collect())
        } else {
            predicate(self.alternatives.into_iter().flatten().collect())
        };
        if self.negated { expr.negate() } else { expr }
    }
}

/// A value on its way through the modifiers.
#[derive(Debug, Clone)]
enum Draft {
    Null,
    Bool(bool),
    Number(Number),
    /// Text as written.
    Raw(String),
    Pattern(Pattern),
    /// Encoded text that need not be text itself.
    Bytes(Vec<u8>),
    Regex {
        pattern: String,
        flags: Vec<RegexFlag>,
    },
    Reference {
        field: String,
        shape: Shape,
    },
    Compare {
        by: Comparison,
        with: Numeric,
    },
    Time {
        part: TimePart,
        by: Option<Comparison>,
        with: Option<Numeric>,
    },
    Done(Test),
}

/// The most regular expressions of an item.
const MAX_REGEXES: usize = 64;

/// Reads an item; `None` if it must be refused, and the report says why.
pub(crate) fn read(item: &Item, path: &str, meaning: Meaning<'_>, report: &mut Report) -> Option<Demand> {
    let before = report.errors();
    if let Err((problem, mend)) = check_modifiers(item) {
        report.error(item.at, path, problem, mend);
        return None;
    }
    let has = |modifier| item.modifiers.contains(&modifier);
    let mut alternatives = Vec::with_capacity(item.values.len());
    for value in &item.values {
        match forms(item, &value.value, meaning) {
            Ok(tests) => alternatives.push(tests),
            Err((problem, mend)) => report.error(value.at, path, problem, mend),
        }
    }
    warn_about_nulls(item, path, report);
    warn_about_empty_placeholders(item, path, meaning.placeholders, report);
    if item.values.is_empty() && report.errors() == before {
        if item.modifiers.is_empty() && item.field.is_some() {
            report.warning(item.at, path, "an empty list is read as `null`", "write `null`");
            alternatives.push(vec![Test::Null]);
        } else {
            report.error(item.at, path, "the list of values is empty", "add a value");
        }
    }
    (report.errors() == before).then(|| Demand {
        alternatives,
        every: has(Modifier::All),
        negated: has(Modifier::Neq),
    })
}

/// The specification forbids `null` within a list; real rules have it, and what they mean is plain.
fn warn_about_nulls(item: &Item, path: &str, report: &mut Report) {
    let is_null = |value: &&Placed<Value>| value.value == Value::Null;
    if item.values.len() > 1
        && let Some(value) = item.values.iter().find(is_null)
    {
        report.warning(
            value.at,
            path,
            "`null` within a list is not Sigma",
            "write a search of its own for it",
        );
    }
}

/// A list of indicators may be empty for a while, so the rule stays.
fn warn_about_empty_placeholders(item: &Item, path: &str, placeholders: &Placeholders, report: &mut Report) {
    if !item.modifiers.contains(&Modifier::Expand) {
        return;
    }
    for value in &item.values {
        let Value::Text(text) = &value.value else { continue };
        if let Some(name) = placeholder::names(text).find(|name| placeholders.get(name) == Some(&[])) {
            let problem = format!("the placeholder `%{name}%` is an empty list: nothing matches it");
            report.warning(value.at, path, problem, "");
        }
    }
}

/// What the place of a modifier among the others forbids.
fn check_modifiers(item: &Item) -> Result<(), Refusal> {
    // Values stand in the place of their names before anything is done to them, wherever `expand` is written.
    let is_expand = |modifier: &&Modifier| **modifier == Modifier::Expand;
    let names: Vec<_> = item.modifiers.iter().filter(|modifier| !is_expand(modifier)).copied().collect();
    let first_only = |modifier: Modifier| match names.iter().skip(1).any(|name| *name == modifier) {
        true => Err((format!("`{}` must come first", modifier.name()), "move it next to the field")),
        false => Ok(()),
    };
    first_only(Modifier::Re)?;
    first_only(Modifier::Cidr)?;
    if names.contains(&Modifier::Exists) && item.modifiers.len() > 1 {
        return Err(("`exists` must be the only modifier".to_owned(), "write a second item for the others"));
    }
    if names.contains(&Modifier::Exists) && item.values.len() != 1 {
        return Err(("`exists` takes one value".to_owned(), "write `true` or `false`"));
    }
    let needs_field = |modifier: &Modifier| {
        use Modifier::{Cidr, Compare, Exists, FieldRef, TimePart};
        matches!(modifier, Cidr | Compare(_) | Exists | FieldRef | TimePart(_))
    };
    if item.field.is_none()
        && let Some(modifier) = names.iter().find(|modifier| needs_field(modifier))
    {
        return Err((format!("`{}` needs a field", modifier.name()), "write the field's name before it"));
    }
    let is_flag = |modifier: &Modifier| matches!(modifier, Modifier::RegexFlag(_));
    if let Some(flag) = names.iter().find(|modifier| is_flag(modifier))
        && names.first() != Some(&Modifier::Re)
    {
        return Err((format!("`{}` must follow `re`", flag.name()), "write `re` first"));
    }
    Ok(())
}

/// The tests that one value amounts to; any of them is enough.
fn forms(item: &Item, value: &Value, meaning: Meaning<'_>) -> Result<Vec<Test>, Refusal> {
    let mut drafts = vec![match value {
        Value::Null => Draft::Null,
        Value::Bool(value) => Draft::Bool(*value),
        Value::Number(number) => Draft::Number(number.clone()),
        Value::Text(text) => Draft::Raw(text.clone()),
    }];
    // Placeholders stand in the value as written: SigmaHQ's rules also expand what they have opened.
    let is_expand = |modifier: &&Modifier| **modifier == Modifier::Expand;
    if item.modifiers.iter().any(|modifier| is_expand(&modifier)) {
        drafts = expand(item, value, meaning.placeholders)?;
    }
    for modifier in item.modifiers.iter().filter(|modifier| !is_expand(modifier)) {
        let mut next = Vec::with_capacity(drafts.len());
        for draft in drafts {
            next.extend(apply(*modifier, draft)?);
        }
        drafts = next;
    }
    let cased = item.modifiers.contains(&Modifier::Cased);
    let regexes = drafts.iter().filter(|draft| matches!(draft, Draft::Regex { .. })).count();
    if regexes * item.values.len() > MAX_REGEXES {
        let problem = format!("the item has more than {MAX_REGEXES} regular expressions");
        return Err((problem, "join them with `|`"));
    }
    drafts.into_iter().map(|draft| finish(draft, item, cased, meaning.resolve)).collect()
}

/// One modifier on one value.
fn apply(modifier: Modifier, draft: Draft) -> Result<Vec<Draft>, Refusal> {
    use Modifier as M;
    let one = |draft| Ok(vec![draft]);
    match modifier {
        // They change how values are joined or compared, not the values.
        M::All | M::Neq | M::Cased | M::Expand => one(draft),
        M::Contains => one(open(draft, modifier, true, true)?),
        M::StartsWith => one(open(draft, modifier, false, true)?),
        M::EndsWith => one(open(draft, modifier, true, false)?),
        M::Exists => one(Draft::Done(exists(&draft)?)),
        M::Re => one(Draft::Regex { pattern: raw(draft, modifier)?, flags: Vec::new() }),
        M::RegexFlag(flag) => one(add_flag(draft, flag)?),
        M::Cidr => one(Draft::Done(cidr(&raw(draft, modifier)?)?)),
        M::FieldRef => one(Draft::Reference { field: reference(draft)?, shape: Shape::default() }),
        M::Compare(by) => one(compare(draft, by)?),
        M::TimePart(part) => one(time_part(draft, part)?),
        M::Base64 => one(Draft::Pattern(Pattern::literal(&encode::base64(&bytes(draft, modifier)?)))),
        M::Base64Offset => match encode::base64_offsets(&bytes(draft, modifier)?) {
            Some(found) => Ok(found.map(|form| Draft::Pattern(Pattern::literal(&form))).into()),
            None => {
                Err(("the value is too short for `base64offset`".to_owned(), "give it two bytes or more"))
            }
        },
        M::Utf16Le => one(Draft::Bytes(encode::utf16(&literal(draft, modifier)?, false))),
        M::Utf16Be => one(Draft::Bytes(encode::utf16(&literal(draft, modifier)?, true))),
        M::Utf16 => one(Draft::Bytes(encode::utf16_marked(&literal(draft, modifier)?))),
        M::Windash => windash(draft),
    }
}

fn misplaced(modifier: Modifier, draft: &Draft) -> Refusal {
    let what = match draft {
        Draft::Null => "null",
        Draft::Bool(_) => "true or false",
        Draft::Number(_) => "a number",
        Draft::Raw(_) | Draft::Pattern(_) => "text",
        Draft::Bytes(_) => "encoded text",
        Draft::Regex { .. } => "a regular expression",
        Draft::Reference { .. } => "a field's name",
        Draft::Compare { .. } | Draft::Time { .. } | Draft::Done(_) => "the result of another modifier",
    };
    (format!("`{}` cannot be applied to {what}", modifier.name()), "change the value or the modifier")
}

/// Text in any stage but encoded, with its wildcards.
fn pattern(draft: Draft, modifier: Modifier) -> Result<Pattern, Refusal> {
    match draft {
        Draft::Raw(text) => Ok(Pattern::parse(&text)),
        Draft::Pattern(pattern) => Ok(pattern),
        Draft::Number(number) => Ok(Pattern::literal(&number.text)),
        Draft::Bool(value) => Ok(Pattern::literal(if value { "true" } else { "false" })),
        Draft::Bytes(bytes) => text_of(bytes),
        other => Err(misplaced(modifier, &other)),
    }
}

fn text_of(bytes: Vec<u8>) -> Result<Pattern, Refusal> {
    let refuse = || ("the encoded value is no text".to_owned(), "let `base64` or `base64offset` follow");
    Ok(Pattern::literal(&String::from_utf8(bytes).map_err(|_| refuse())?))
}

/// Text that must have no wildcards.
fn literal(draft: Draft, modifier: Modifier) -> Result<String, Refusal> {
    let pattern = pattern(draft, modifier)?;
    pattern
        .as_literal()
        .map(str::to_owned)
        .ok_or_else(|| (format!("`{}` takes no wildcards", modifier.name()), "escape them with a backslash"))
}

fn bytes(draft: Draft, modifier: Modifier) -> Result<Vec<u8>, Refusal> {
    match draft {
        Draft::Bytes(bytes) => Ok(bytes),
        other => literal(other, modifier).map(String::into_bytes),
    }
}

/// Text as written, for modifiers that read it in their own way.
fn raw(draft: Draft, modifier: Modifier) -> Result<String, Refusal> {
    match draft {
        Draft::Raw(text) => Ok(text),
        Draft::Number(number) => Ok(number.text),
        other => Err(misplaced(modifier, &other)),
    }
}

fn open(draft: Draft, modifier: Modifier, start: bool, end: bool) -> Result<Draft, Refusal> {
    Ok(match draft {
        // A regular expression is sought anywhere in the value, so `contains` changes nothing.
        Draft::Regex { pattern, flags } => {
            let pattern = match (start, end) {
                (false, _) => format!("^(?:{pattern})"),
                (_, false) => format!("(?:{pattern})$"),
                _ => pattern,
            };
            Draft::Regex { pattern, flags }
        }
        Draft::Reference { field, shape } => {
            let shape = Shape { open_start: shape.open_start || start, open_end: shape.open_end || end };
            Draft::Reference { field, shape }
        }
        other => {
            let mut pattern = pattern(other, modifier)?;
            if start {
                pattern = pattern.open_start();
            }
            if end {
                pattern = pattern.open_end();
            }
            Draft::Pattern(pattern)
        }
    })
}

/// `yes` and `no` are text in YAML 1.2 and booleans in the YAML 1.1 that rule authors are used to.
fn exists(draft: &Draft) -> Result<Test, Refusal> {
    let wanted = match draft {
        Draft::Bool(value) => Some(*value),
        Draft::Raw(text) => match text.to_ascii_lowercase().as_str() {
            "yes" | "true" => Some(true),
            "no" | "false" => Some(false),
            _ => None,
        },
        _ => None,
    };
    match wanted {
        Some(true) => Ok(Test::Exists),
        // Null counts as absent: no cloud writes it for anything but "nothing".
        Some(false) => Ok(Test::Null),
        None => Err(("`exists` takes true or false".to_owned(), "write `true` or `false`")),
    }
}

/// The forms of a value with its placeholders replaced. What they stand for is text, also where it looks
/// like a wildcard; under `re` it is a regular expression.
fn expand(item: &Item, value: &Value, placeholders: &Placeholders) -> Result<Vec<Draft>, Refusal> {
    let Value::Text(text) = value else {
        return Err(("`expand` takes text".to_owned(), "remove it"));
    };
    if let Some(name) = placeholders.missing(text) {
        let problem = format!("the placeholder `%{name}%` has no values");
        return Err((problem, "give it some under `[rules.placeholders]` of the configuration"));
    }
    if placeholder::names(text).next().is_none() {
        return Ok(vec![Draft::Raw(text.clone())]);
    }
    let has = |modifier: Modifier| item.modifiers.contains(&modifier);
    let leaves_text = |modifier: &Modifier| {
        matches!(modifier, Modifier::All | Modifier::Neq | Modifier::Cased | Modifier::Expand)
    };
    let is_equality = item.field.is_some()
        && item.modifiers.iter().all(leaves_text)
        && Pattern::parse(text).as_literal().is_some();
    let forms = placeholders.count(text);
    if forms > if is_equality { super::MAX_EQUALITIES } else { placeholder::MAX_FORMS } {
        let problem = format!("the placeholders of `{text}` amount to {forms} values");
        return Err((problem, "plain equality takes up to 250,000, every other comparison up to 2,000"));
    }
    if has(Modifier::Re) {
        let texts = placeholders.texts(text, |value| format!("(?:{value})"));
        return Ok(texts.into_iter().map(Draft::Raw).collect());
    }
    if has(Modifier::Cidr) || has(Modifier::FieldRef) {
        return Ok(placeholders.texts(text, str::to_owned).into_iter().map(Draft::Raw).collect());
    }
    Ok(placeholders.patterns(text).into_iter().map(Draft::Pattern).collect())
}

fn add_flag(draft: Draft, flag: RegexFlag) -> Result<Draft, Refusal> {
    match draft {
        Draft::Regex { pattern, mut flags } => {
            flags.push(flag);
            Ok(Draft::Regex { pattern, flags })
        }
        other => Err(misplaced(Modifier::RegexFlag(flag), &other)),
    }
}

fn cidr(text: &str) -> Result<Test, Refusal> {
    let net = text.parse().or_else(|_| text.parse::<core::net::IpAddr>().map(ipnet::IpNet::from));
    net.map(Test::Cidr)
        .map_err(|_| (format!("`{text}` is no network"), "write it like `192.0.2.0/24` or `2001:db8::/32`"))
}

fn reference(draft: Draft) -> Result<String, Refusal> {
    let mend = "name one field; put `fieldref` before `startswith`, `endswith` and `contains`";
    match draft {
        Draft::Raw(text) if !text.is_empty() && Pattern::parse(&text).as_literal().is_some() => Ok(text),
        Draft::Raw(_) => Err(("`fieldref` takes a field's name".to_owned(), mend)),
        Draft::Pattern(_) => Err(("`fieldref` takes no wildcards".to_owned(), mend)),
        other => Err(misplaced(Modifier::FieldRef, &other)),
    }
}

fn compare(draft: Draft, by: Comparison) -> Result<Draft, Refusal> {
    match draft {
        Draft::Number(number) => Ok(Draft::Compare { by, with: number.value }),
        Draft::Time { part, by: None, with } => Ok(Draft::Time { part, by: Some(by), with }),
        Draft::Raw(text) if Numeric::parse(&text).is_some() => Err((
            format!("`{text}` is text; `{}` takes a number", Modifier::Compare(by).name()),
            "remove the quotes",
        )),
        other => Err(misplaced(Modifier::Compare(by), &other)),
    }
}

fn time_part(draft: Draft, part: TimePart) -> Result<Draft, Refusal> {
    match draft {
        Draft::Number(number) => Ok(Draft::Time { part, by: None, with: Some(number.value) }),
        Draft::Compare { .. } => Err((
            format!("`{}` must come before the comparison", Modifier::TimePart(part).name()),
            "swap the two",
        )),
        other => Err(misplaced(Modifier::TimePart(part), &other)),
    }
}

fn windash(draft: Draft) -> Result<Vec<Draft>, Refusal> {
    let pattern = pattern(draft, Modifier::Windash)?;
    match encode::windash(&pattern) {
        Some(found) => Ok(found.into_iter().map(Draft::Pattern).collect()),
        None => {
            let problem = format!("`windash` takes at most {} dashes in a value", encode::MAX_DASHES);
            Err((problem, "split the value"))
        }
    }
}

/// What is left after the last modifier becomes a test.
fn finish(draft: Draft, item: &Item, cased: bool, resolve: &dyn Fn(&str) -> Field) -> Result<Test, Refusal> {
    let text = |pattern| Test::Text { pattern, cased };
    let is_shape = |modifier: &Modifier| matches!(modifier, Modifier::StartsWith | Modifier::EndsWith);
    let is_keyword = item.field.is_none();
    Ok(match draft {
        Draft::Null if is_keyword => return Err(("a keyword cannot be null".to_owned(), "remove it")),
        Draft::Regex { pattern, flags } => Test::Regex(regular::compile(&pattern, &flags)?),
        // Keywords are sought anywhere in a text, unless a modifier says where.
        _ if is_keyword && !item.modifiers.iter().any(is_shape) => {
            text(pattern(draft, Modifier::Contains)?.open_start().open_end())
        }
        _ if is_keyword => text(pattern(draft, Modifier::Contains)?),
        Draft::Null => Test::Null,
        Draft::Bool(value) => Test::Bool(value),
        Draft::Number(number) => Test::Number(number),
        Draft::Raw(written) => text(Pattern::parse(&written)),
        Draft::Pattern(pattern) => text(pattern),
        Draft::Bytes(bytes) => text(text_of(bytes)?),
        Draft::Reference { field, shape } => Test::FieldRef { field: resolve(&field), shape, cased },
        Draft::Compare { by, with } => Test::Compare { by, with },
        Draft::Time { part, by, with } => {
            let Some(with) = with else { return Err(("a time needs a number".to_owned(), "")) };
            Test::Time { part, by, with }
        }
        Draft::Done(test) => test,
    })
}
