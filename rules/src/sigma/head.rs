//! What every Sigma document says about itself: title, id, level, tags and the rest.

use super::yaml::{Node, Placed, Position};
use super::{Level, Status};
use crate::grouping::{self, Grouping};
use crate::nearest::did_you_mean;
use crate::report::Report;

/// What a rule or a correlation says about itself, as written.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) at: Position,
    pub(crate) title: String,
    /// The id as written, and where.
    pub(crate) id: Option<Placed<String>>,
    pub(crate) name: Option<String>,
    pub(crate) status: Option<Status>,
    pub(crate) level: Option<Level>,
    pub(crate) description: String,
    pub(crate) tags: Vec<Placed<String>>,
    pub(crate) references: Vec<String>,
    pub(crate) false_positives: Vec<String>,
    /// What to do when it matches; a custom key (`response`), a step each.
    pub(crate) response: Vec<String>,
    /// How its matches become one alert.
    pub(crate) grouping: Option<Grouping>,
}

impl Head {
    /// What tells the document from all others: its id, else its name, else its title.
    pub(crate) fn key(&self) -> String {
        match (&self.id, &self.name) {
            (Some(id), _) => id.value.clone(),
            (None, Some(name)) => name.clone(),
            (None, None) => self.title.clone(),
        }
    }

    /// Whether a reference by name or id means it.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
            || self.id.as_ref().is_some_and(|id| id.value.eq_ignore_ascii_case(name))
    }

    /// Where its id stands, or the document begins.
    pub(crate) fn id_at(&self) -> Position {
        self.id.as_ref().map_or(self.at, |id| id.at)
    }
}

/// What a document is the head of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// A rule or a correlation, which raises alerts.
    Rule,
    /// A filter, which raises none: it has no level (Sigma Filters specification).
    Filter,
}

/// Reads the head of a document; `None` if it has no title.
pub(crate) fn read(document: &Node, of: Of, report: &mut Report) -> Option<Head> {
    let title = title(document, report);
    date(document, "date", report);
    date(document, "modified", report);
    Some(Head {
        at: document.at,
        title: title?,
        id: id(document, of, report),
        name: document.get("name").and_then(Node::text),
        status: status(document, report),
        level: level(document, of, report),
        description: text(document, "description", report),
        tags: tags(document, report),
        references: told_texts(document, "references", report),
        false_positives: told_texts(document, "falsepositives", report),
        response: told_texts(document, "response", report),
        grouping: grouping::read(document, report),
    })
}

/// Every key that Sigma defines for a document.
const KEYS: &[&str] = &[
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "references",
    "author",
    "date",
    "modified",
    "logsource",
    "detection",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "correlation",
    "generate",
    "filter",
];

/// The value of a key that must be there.
pub(crate) fn required<'n>(document: &'n Node, key: &str, report: &mut Report) -> Option<&'n Node> {
    let found = document.get(key).filter(|node| !node.is_null());
    if found.is_none() {
        let written = document.as_map().unwrap_or_default().iter().map(|(name, _)| name.value.as_str());
        let unknown = written.filter(|name| !KEYS.contains(name));
        let mend = match crate::nearest::nearest(key, unknown) {
            Some(written) => format!("rename `{written}`"),
            None => "add it".to_owned(),
        };
        report.error(document.at, key, format!("a rule must have `{key}`"), mend);
    }
    found
}

/// The Sigma specification allows other field taxonomies, which must be translated or refused.
pub(crate) fn check_taxonomy(document: &Node, report: &mut Report) {
    let Some(node) = document.get("taxonomy") else { return };
    if node.text().as_deref() != Some("sigma") {
        let taxonomy = node.text().unwrap_or_default();
        let problem = format!("the taxonomy `{taxonomy}` is not known");
        report.error(node.at, "taxonomy", problem, "use Sigma's field names and remove the key");
    }
}

fn title(document: &Node, report: &mut Report) -> Option<String> {
    const LONGEST: usize = 256;
    let node = required(document, "title", report)?;
    let Some(title) = node.text() else {
        report.error(node.at, "title", format!("a title is text, not {}", node.what()), "");
        return None;
    };
    if title.trim().is_empty() {
        report.error(node.at, "title", "the title is empty", "say in a line what the rule finds");
        return None;
    }
    if title.chars().count() > LONGEST {
        let problem = format!("the title has more than {LONGEST} characters");
        report.warning(node.at, "title", problem, "move the rest to `description`");
    }
    Some(title)
}

fn id(document: &Node, of: Of, report: &mut Report) -> Option<Placed<String>> {
    let node = document.get("id").filter(|node| !node.is_null());
    let Some(text) = node.and_then(Node::text) else {
        let mend = "add a UUID (version 4)";
        let problem = match of {
            Of::Rule => "the rule has no `id`; its alerts are told apart by its name",
            Of::Filter => "the filter has no `id`",
        };
        report.warning(document.at, "id", problem, mend);
        return None;
    };
    let at = node.map_or(document.at, |node| node.at);
    if !is_uuid(&text) {
        report.warning(at, "id", format!("`{text}` is no UUID"), "use a UUID (version 4)");
    }
    Some(Placed { at, value: text.to_ascii_lowercase() })
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn status(document: &Node, report: &mut Report) -> Option<Status> {
    let node = document.get("status").filter(|node| !node.is_null())?;
    let text = node.text().unwrap_or_default();
    let status = Status::by_name(&text.to_lowercase());
    if status.is_none() {
        let known = Status::ALL.map(Status::as_str);
        let mend = did_you_mean(&text, known, format!("use one of {}", known.join(", ")));
        report.warning(node.at, "status", format!("unknown status `{text}`"), mend);
    }
    status
}

fn level(document: &Node, of: Of, report: &mut Report) -> Option<Level> {
    let Some(node) = document.get("level").filter(|node| !node.is_null()) else {
        if of == Of::Filter {
            return None;
        }
        let problem = "the rule has no `level`; its alerts are `medium`";
        report.warning(document.at, "level", problem, "add one");
        return None;
    };
    let text = node.text().unwrap_or_default();
    let level = Level::by_name(&text.to_lowercase());
    if level.is_none() {
        let known = Level::ALL.map(Level::as_str);
        let mend = did_you_mean(&text, known, format!("use one of {}", known.join(", ")));
        report.error(node.at, "level", format!("unknown level `{text}`"), mend);
    }
    level
}

fn tags(document: &Node, report: &mut Report) -> Vec<Placed<String>> {
    let Some(node) = document.get("tags") else { return Vec::new() };
    let members = node.as_list().unwrap_or(std::slice::from_ref(node));
    let placed = |node: &Node| Some(Placed { at: node.at, value: node.text()? });
    let tags: Vec<_> = members.iter().filter_map(placed).collect();
    for tag in tags.iter().filter(|tag| !is_tag(&tag.value)) {
        let mend = "write namespace, dot, name in lower case, such as `attack.t1078.004`";
        report.warning(tag.at, "tags", format!("`{}` is no tag", tag.value), mend);
    }
    tags
}

/// Says so if a date is none: `2026-03-02` (Sigma 2), or `2026/03/02` as in Sigma 1.
fn date(document: &Node, key: &str, report: &mut Report) {
    let Some(node) = document.get(key).filter(|node| !node.is_null()) else { return };
    let text = node.text().unwrap_or_default();
    if !is_date(&text) {
        let problem = format!("`{text}` is no date");
        report.warning(node.at, key, problem, "write year, month and day, such as `2026-03-02`");
    }
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split(['-', '/']);
    let mut number = |digits: usize| {
        let part = parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?;
        (1..=digits).contains(&part.len()).then(|| part.parse::<u32>().ok()).flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(4), number(2), number(2)) else { return false };
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    year >= 1000 && (1..=days).contains(&day) && parts.next().is_none()
}

/// `^[a-z0-9_-]+\.[a-z0-9._-]+$`
fn is_tag(tag: &str) -> bool {
    let is_word =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    tag.split_once('.').is_some_and(|(namespace, name)| {
        !namespace.is_empty()
            && !name.is_empty()
            && namespace.bytes().all(is_word)
            && name.bytes().all(|byte| is_word(byte) || byte == b'.')
    })
}

fn text(document: &Node, key: &str, report: &mut Report) -> String {
    const LONGEST: usize = 65_535;
    let Some(node) = document.get(key) else { return String::new() };
    let text = node.text().unwrap_or_default();
    if text.len() > LONGEST {
        report.warning(node.at, key, format!("`{key}` has more than {LONGEST} bytes"), "shorten it");
    }
    text
}

/// A list of text, and a word about what in it is none.
fn told_texts(document: &Node, key: &str, report: &mut Report) -> Vec<String> {
    let elements = document.get(key).and_then(Node::as_list).unwrap_or_default();
    for element in elements.iter().filter(|element| element.text().is_none()) {
        let problem = format!("text is expected, not {}; it is left out", element.what());
        report.warning(element.at, key, problem, "put it in quotes if it has a colon followed by a blank");
    }
    texts(document, key)
}

/// A list of text, or one text.
pub(crate) fn texts(document: &Node, key: &str) -> Vec<String> {
    let Some(node) = document.get(key) else { return Vec::new() };
    node.as_list().unwrap_or(std::slice::from_ref(node)).iter().filter_map(Node::text).collect()
}
