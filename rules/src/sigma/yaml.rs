//! YAML into a tree that remembers where everything stands.
//!
//! A rule's author must be told the line, so the tree is built from parser events and not through serde.
//! Plain scalars are read by the YAML 1.2 core schema: `yes` and `No` are text, as rule authors mean it.
//!
//! Limits: 1 MiB a document, 64 levels, 10,000 nodes by alias.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, options};

/// The largest document, in bytes.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 1 << 20;
/// The deepest nesting.
pub(crate) const MAX_DEPTH: usize = 64;
/// How many nodes aliases may add to a document.
const MAX_ALIAS_NODES: usize = 10_000;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub(crate) struct Position {
    /// From 1; 0 where no place is known.
    pub(crate) line: u32,
    /// From 1; 0 where no place is known.
    pub(crate) column: u32,
}

/// A value with the place where it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed<T> {
    pub(crate) at: Position,
    pub(crate) value: T,
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    /// Keys are scalars, in the order written, each once.
    Map(Vec<(Placed<String>, Node)>),
}

/// A scalar, resolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text {
        text: String,
        quoted: bool,
        /// Written just like this, so that a place in the text is a place in the file.
        inline: bool,
    },
}

/// A number as written and as read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number {
    /// As written in the rule: compared with text in a log.
    pub(crate) text: String,
    pub(crate) value: Numeric,
}

/// The value of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Numeric {
    Int(i128),
    Float(f64),
}

impl Numeric {
    /// Reads a decimal number as JSON and YAML write it; no infinity, nothing that is not a number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        if digits.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(value) = text.parse()
        {
            return Some(Self::Int(value));
        }
        text.parse().ok().filter(|value: &f64| value.is_finite()).map(Self::Float)
    }

    /// By value: unlike `==`, which asks for the same kind of number too.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            _ => self.as_f64().partial_cmp(&other.as_f64()),
        }
    }

    fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

impl Node {
    pub(crate) fn as_map(&self) -> Option<&[(Placed<String>, Self)]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.kind == Kind::Scalar(Scalar::Null)
    }

    /// The member of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.iter().find(|(name, _)| name.value == key).map(|(_, node)| node)
    }

    /// The text of a scalar that is not null.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.text(),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(Scalar::Null) => "nothing",
            Kind::Scalar(Scalar::Bool(_)) => "true or false",
            Kind::Scalar(Scalar::Number(_)) => "a number",
            Kind::Scalar(Scalar::Text { .. }) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

impl Scalar {
    fn text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Bool(value) => Some(value.to_string()),
            Self::Number(number) => Some(number.text.clone()),
            Self::Text { text, .. } => Some(text.clone()),
        }
    }

    /// Resolves a plain scalar by the core schema of YAML 1.2.2, section 10.3.
    fn plain(text: &str, inline: bool) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            _ => {}
        }
        let radix = |prefix: &str, radix| {
            let digits = text.strip_prefix(prefix)?;
            i128::from_str_radix(digits, radix).ok().map(Numeric::Int)
        };
        match Numeric::parse(text).or_else(|| radix("0x", 16)).or_else(|| radix("0o", 8)) {
            Some(value) => Self::Number(Number { text: text.to_owned(), value }),
            None => Self::Text { text: text.to_owned(), quoted: false, inline },
        }
    }
}

/// Why a document could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) at: Position,
    pub(crate) problem: String,
    pub(crate) mend: &'static str,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

/// The documents of a file, in order; an empty document is left out. After a syntax error the next
/// document is read.
pub(crate) fn documents(text: &str) -> Vec<Result<Node, YamlError>> {
    let options = options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut documents = Vec::new();
    loop {
        match Builder::new(text).document(&mut parser) {
            Ok(Some(node)) if node.is_null() => {}
            Ok(Some(node)) => documents.push(Ok(node)),
            Ok(None) => return documents,
            Err(error) => {
                documents.push(Err(error));
                if !matches!(parser.proceed_next_document(), Ok(true)) {
                    return documents;
                }
            }
        }
    }
}

type Events<'t> = Parser<'t, serde_saphyr::granit_parser::StrInput<'t>>;

/// Builds one document.
struct Builder<'t> {
    source: &'t str,
    /// Where the document begins, in bytes.
    start: Option<usize>,
    anchors: HashMap<usize, Node>,
    alias_nodes: usize,
}

impl<'t> Builder<'t> {
    fn new(source: &'t str) -> Self {
        Self { source, start: None, anchors: HashMap::new(), alias_nodes: 0 }
    }

    /// The next document; `None` at the end of the stream.
    fn document(mut self, parser: &mut Events<'t>) -> Result<Option<Node>, YamlError> {
        let mut root = None;
        while let Some((event, span)) = self.next(parser)? {
            match event {
                Event::StreamStart => {}
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) => self.start = span.start.byte_offset(),
                Event::DocumentEnd => return Ok(Some(root.unwrap_or(null(position(&span))))),
                event => root = Some(self.node(parser, event, &span, 0)?),
            }
        }
        Ok(root)
    }

    fn next(&mut self, parser: &mut Events<'t>) -> Result<Option<(Event<'t>, Span)>, YamlError> {
        let Some(next) = parser.next_event() else { return Ok(None) };
        let (event, span) = next.map_err(|error| syntax_error(&error))?;
        if let (Some(start), Some(end)) = (self.start, span.end.byte_offset())
            && end.saturating_sub(start) > MAX_DOCUMENT_BYTES
        {
            return Err(YamlError {
                at: position(&span),
                problem: format!("the document has more than {MAX_DOCUMENT_BYTES} bytes"),
                mend: "split it into several files",
            });
        }
        Ok(Some((event, span)))
    }

    fn node(
        &mut self,
        parser: &mut Events<'t>,
        event: Event<'t>,
        span: &Span,
        depth: usize,
    ) -> Result<Node, YamlError> {
        let at = position(span);
        if depth > MAX_DEPTH {
            let problem = format!("the document nests deeper than {MAX_DEPTH} levels");
            return Err(YamlError { at, problem, mend: "" });
        }
        let anchor = event.anchor_id();
        let kind = match event {
            Event::Scalar(text, style, _, tag) => {
                let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                Kind::Scalar(self.scalar(&text, style, is_text, span))
            }
            Event::SequenceStart(..) => Kind::List(self.list(parser, depth)?),
            Event::MappingStart(..) => Kind::Map(self.map(parser, depth)?),
            Event::Alias(id) => return self.alias(id, at),
            _ => {
                let problem = "unexpected content".to_owned();
                return Err(YamlError { at, problem, mend: "" });
            }
        };
        let node = Node { at, kind };
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn scalar(&self, text: &str, style: ScalarStyle, is_text: bool, span: &Span) -> Scalar {
        let written = span.slice(self.source).unwrap_or_default();
        if style == ScalarStyle::Plain && !is_text {
            return Scalar::plain(text, written == text);
        }
        let unquoted = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
        let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        Scalar::Text { text: text.to_owned(), quoted, inline: quoted && unquoted == text }
    }

    fn list(&mut self, parser: &mut Events<'t>, depth: usize) -> Result<Vec<Node>, YamlError> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next(parser)? {
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(parser, event, &span, depth + 1)?);
        }
        Ok(items)
    }

    fn map(
        &mut self,
        parser: &mut Events<'t>,
        depth: usize,
    ) -> Result<Vec<(Placed<String>, Node)>, YamlError> {
        let mut entries: Vec<(Placed<String>, Node)> = Vec::new();
        let mut names: HashMap<String, Position> = HashMap::new();
        while let Some((event, span)) = self.next(parser)? {
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(parser, event, &span, depth + 1)?;
            let name = key_name(&key)?;
            if let Some(first) = names.insert(name.clone(), key.at) {
                let problem = format!("the key `{name}` is there twice, first in line {}", first.line);
                return Err(YamlError { at: key.at, problem, mend: "write it once, with a list of values" });
            }
            let Some((event, span)) = self.next(parser)? else { break };
            let value = self.node(parser, event, &span, depth + 1)?;
            entries.push((Placed { at: key.at, value: name }, value));
        }
        Ok(entries)
    }

    /// A copy of an anchored node; the budget stops documents that grow by aliases of aliases.
    fn alias(&mut self, id: usize, at: Position) -> Result<Node, YamlError> {
        let Some(node) = self.anchors.get(&id) else {
            let problem = "an alias within its own anchor".to_owned();
            return Err(YamlError { at, problem, mend: "write the content out" });
        };
        self.alias_nodes += size(node);
        if self.alias_nodes > MAX_ALIAS_NODES {
            let problem = format!("aliases add more than {MAX_ALIAS_NODES} nodes");
            return Err(YamlError { at, problem, mend: "write the content out" });
        }
        Ok(Node { at, kind: node.kind.clone() })
    }
}

fn key_name(key: &Node) -> Result<String, YamlError> {
    let refuse = |problem: &str, mend| Err(YamlError { at: key.at, problem: problem.to_owned(), mend });
    match &key.kind {
        Kind::Scalar(scalar) => match scalar.text().as_deref() {
            Some("<<") => refuse("merge keys (`<<`) are not supported", "write the keys out"),
            text => Ok(text.unwrap_or_default().to_owned()),
        },
        _ => refuse("a key that is a list or a map", "put the key in quotes"),
    }
}

fn null(at: Position) -> Node {
    Node { at, kind: Kind::Scalar(Scalar::Null) }
}

fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar(_) => 1,
        Kind::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Kind::Map(entries) => 1 + entries.iter().map(|(_, value)| 1 + size(value)).sum::<usize>(),
    }
}

fn position(span: &Span) -> Position {
    place(span.start.line(), span.start.col())
}

fn place(line: usize, column: usize) -> Position {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Position { line: number(line), column: number(column).saturating_add(1) }
}

fn syntax_error(error: &ScanError) -> YamlError {
    YamlError {
        at: place(error.marker().line(), error.marker().col()),
        problem: format!("no valid YAML: {}", error.info()),
        mend: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        let mut all = documents(text);
        assert_eq!(all.len(), 1, "{text}: {all:?}");
        all.remove(0).unwrap()
    }

    fn refused(text: &str) -> YamlError {
        documents(text).remove(0).unwrap_err()
    }

    #[test]
    fn every_node_knows_its_place() {
        let node = one("a: 1\nb:\n  - x\n  - {c: 'y z'}\n");
        let list = node.get("b").unwrap().as_list().unwrap();
        assert_eq!(list[0].at, Position { line: 3, column: 5 });
        let (key, value) = &list[1].as_map().unwrap()[0];
        assert_eq!(key.at, Position { line: 4, column: 6 });
        assert_eq!(value.at, Position { line: 4, column: 9 });
        assert_eq!(value.kind, Kind::Scalar(Scalar::Text { text: "y z".into(), quoted: true, inline: true }));
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let scalar = |text: &str| match one(&format!("v: {text}")).get("v").unwrap().kind.clone() {
            Kind::Scalar(scalar) => scalar,
            other => panic!("{other:?}"),
        };
        assert_eq!(scalar("~"), Scalar::Null);
        assert_eq!(scalar(""), Scalar::Null);
        assert_eq!(scalar("True"), Scalar::Bool(true));
        for text in
            ["No", "yes", "on", "2025-01-01", "1.2.3", "0x", "1_000", "'5'", "\"true\"", "!!str 7", ".inf"]
        {
            assert!(matches!(scalar(text), Scalar::Text { .. }), "{text}");
        }
        for (text, value) in [("50057", 50057), ("-3", -3), ("010", 10), ("0x1F", 31), ("0o17", 15)] {
            let Scalar::Number(number) = scalar(text) else { panic!("{text}") };
            assert_eq!((number.value, number.text.as_str()), (Numeric::Int(value), text));
        }
        for text in ["1.5", "1e3", ".5", "99999999999999999999999999999999999999999999"] {
            assert!(
                matches!(scalar(text), Scalar::Number(Number { value: Numeric::Float(_), .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn documents_are_separate_and_a_broken_one_stops_none() {
        let all = documents("---\n---\na: 1\n---\nb: [1\n---\nc: 3\n");
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[0].is_ok() && all[2].is_ok());
        let error = all[1].clone().unwrap_err();
        assert!(error.problem.contains("no valid YAML"), "{error:?}");
        assert!(error.at.line >= 5);
        assert!(documents("").is_empty());
    }

    #[test]
    fn keys_are_given_once() {
        let error = refused("a: 1\nb: 2\na: 3\n");
        assert_eq!(error.at, Position { line: 3, column: 1 });
        assert!(error.problem.contains("`a` is there twice, first in line 1"), "{error:?}");
    }

    #[test]
    fn bombs_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let names = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{names}]\n"));
        }
        assert!(refused(&text).problem.contains("aliases add more than"));
        let deep = "[".repeat(1000);
        assert!(documents(&deep)[0].is_err());
        let deep = format!("a: {}1{}", "[".repeat(60), "]".repeat(60));
        assert!(documents(&deep)[0].is_ok());
        let mixed: String = (0..70).map(|level| format!("{}a:\n", "  ".repeat(level))).collect();
        assert!(documents(&mixed)[0].is_err());
        let long = format!("a: '{}'", "x".repeat(MAX_DOCUMENT_BYTES));
        assert!(refused(&long).problem.contains("more than 1048576 bytes"));
        let many = format!("a: '{0}'\n---\nb: '{0}'", "x".repeat(MAX_DOCUMENT_BYTES * 2 / 3));
        assert!(documents(&many).iter().all(Result::is_ok));
    }

    #[test]
    fn an_alias_is_a_copy_and_a_loop_is_refused() {
        let node = one("a: &x [1, 2]\nb: *x\n");
        assert_eq!(node.get("b").unwrap().as_list().unwrap().len(), 2);
        assert_eq!(node.get("b").unwrap().at, Position { line: 2, column: 4 });
        assert!(refused("a: &x [*x]").problem.contains("alias"));
        assert!(refused("a: *x").problem.contains("no valid YAML"));
        assert!(refused("a: &x {b: 1}\nc: {<<: *x}\n").problem.contains("merge"));
    }
}
