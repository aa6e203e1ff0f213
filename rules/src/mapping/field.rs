//! Where the value of a rule's field lies in an event.

use event::{COLUMNS, Col, Kind};

/// The places of a field's value, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Field {
    /// `false`: the first place that has a value counts. `true`: the values of all places count.
    pub(crate) union: bool,
    pub(crate) places: Vec<Place>,
}

/// A column, or a member within the JSON that a column holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) col: Col,
    /// `None`: the column's own value.
    pub(crate) path: Option<Path>,
}

/// A path through JSON objects and lists, its names joined by dots.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    pub(crate) text: String,
    /// Compare names without case: for logs that are spelled differently by every transport.
    pub(crate) ignore_case: bool,
}

impl Field {
    /// A field with one place.
    pub(crate) fn at(place: Place) -> Self {
        Self { union: false, places: vec![place] }
    }
}

/// The first of its places: a column, or a path in the record or in a column.
impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(place) = self.places.first() else { return Ok(()) };
        match &place.path {
            None => f.write_str(place.col.name()),
            Some(path) if place.col == Col::RawData => f.write_str(&path.text),
            Some(path) => write!(f, "{}.{}", place.col.name(), path.text),
        }
    }
}

impl Place {
    /// The value of a column.
    pub(crate) fn column(col: Col) -> Self {
        Self { col, path: None }
    }

    /// A path in the record as the cloud wrote it.
    pub(crate) fn record(path: &str, ignore_case: bool) -> Self {
        Self { col: Col::RawData, path: Some(Path::new(path, ignore_case)) }
    }

    /// The same place, further down.
    pub(crate) fn descend(&self, rest: &str, ignore_case: bool) -> Self {
        let text = match &self.path {
            Some(path) => format!("{}.{rest}", path.text),
            None => rest.to_owned(),
        };
        Self { col: self.col, path: Some(Path::new(&text, ignore_case)) }
    }

    /// Reads `$.path` as a path in the record, `column` as a column, and `column.path` as a path in a
    /// column of JSON. `None`: there is no such column.
    pub(crate) fn parse(text: &str, ignore_case: bool) -> Option<Self> {
        if let Some(path) = text.strip_prefix("$.") {
            return Some(Self::record(path, ignore_case));
        }
        if let Some(col) = Col::by_name(text) {
            return Some(Self::column(col));
        }
        let (name, path) = text.split_once('.')?;
        let col = Col::by_name(name).filter(|col| col.column().kind == Kind::Json)?;
        Some(Self { col, path: Some(Path::new(path, ignore_case)) })
    }

    /// The place that OCSF names: `actor.user.name` or `actor_user_name`, and members of JSON columns
    /// such as `api.request.data.userName`.
    pub(crate) fn ocsf(name: &str) -> Option<Self> {
        let named =
            |column: &&event::Column| column.name == name || (column.ocsf == name && !name.is_empty());
        if let Some(column) = COLUMNS.iter().find(named) {
            return Some(Self::column(column.col));
        }
        let inside = |column: &event::Column| {
            let strip = |prefix: &str| name.strip_prefix(prefix).filter(|_| !prefix.is_empty());
            let rest = strip(column.ocsf).or_else(|| strip(column.name))?;
            let rest = rest.strip_prefix("[]").unwrap_or(rest).strip_prefix('.')?;
            Some(Self { col: column.col, path: Some(Path::new(rest, false)) })
        };
        COLUMNS.iter().filter(|column| column.kind == Kind::Json).find_map(inside)
    }
}

impl Path {
    /// A path as a rule writes it. Lists need no mark, because a path through a list takes every
    /// element; `[]`, `{}` and `[*]` are left out, `[0]` becomes `.0`.
    pub(crate) fn new(text: &str, ignore_case: bool) -> Self {
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, bracket)) = rest.split_once(['[', '{']) {
            clean.push_str(before);
            let Some((inside, after)) = bracket.split_once([']', '}']) else {
                rest = rest.get(before.len()..).unwrap_or_default();
                break;
            };
            if !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit()) {
                clean.push('.');
                clean.push_str(inside);
            } else if !matches!(inside, "" | "*" | "any") {
                let kept = rest.len() - after.len();
                clean.push_str(rest.get(before.len()..kept).unwrap_or_default());
            }
            rest = after;
        }
        clean.push_str(rest);
        Self { text: clean, ignore_case }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        assert_eq!(Place::parse("api_operation", false), Some(Place::column(Col::ApiOperation)));
        assert_eq!(Place::parse("$.a.b", true), Some(Place::record("a.b", true)));
        let inside = Place::parse("api_request_data.userName", false).unwrap();
        assert_eq!((inside.col, inside.path.unwrap().text.as_str()), (Col::ApiRequestData, "userName"));
        assert_eq!(Place::parse("no_such_column", false), None);
        assert_eq!(Place::parse("api_operation.x", false), None);
    }

    #[test]
    fn ocsf_names_in_both_spellings() {
        for name in ["actor.user.name", "actor_user_name"] {
            assert_eq!(Place::ocsf(name), Some(Place::column(Col::ActorUserName)));
        }
        for name in ["api.request.data.a.b", "api_request_data.a.b"] {
            let place = Place::ocsf(name).unwrap();
            assert_eq!((place.col, place.path.unwrap().text.as_str()), (Col::ApiRequestData, "a.b"));
        }
        for name in ["resources.uid", "resources[].uid"] {
            let place = Place::ocsf(name).unwrap();
            assert_eq!((place.col, place.path.unwrap().text.as_str()), (Col::Resources, "uid"));
        }
        for name in ["", "eventName", "resourcesx", "actor", "api.request"] {
            assert_eq!(Place::ocsf(name), None, "{name}");
        }
    }

    #[test]
    fn marks_of_lists_are_left_out() {
        for (written, clean) in [
            ("a.b", "a.b"),
            ("a[].b", "a.b"),
            ("a{}.b", "a.b"),
            ("a[*].b[any]", "a.b"),
            ("a[0].b[12]", "a.0.b.12"),
            ("a[x].b", "a[x].b"),
            ("a[", "a["),
            ("a]b", "a]b"),
            ("[]a", "a"),
        ] {
            assert_eq!(Path::new(written, false).text, clean, "{written}");
        }
    }
}
