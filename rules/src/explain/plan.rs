//! Searches made ready to be asked part by part.

use crate::check::demand::{self, Meaning};
use crate::check::{Expr, Predicate, Subject, Test};
use crate::compile::{Code, Programmer};
use crate::mapping::{Field, Mapping, Place};
use crate::placeholder::Placeholders;
use crate::report::Report;
use crate::sigma::detection::{Detection, Item, Search, Value};

/// How many values of an item are asked one by one, to say which of them hold.
const MOST_ASKED: usize = 10_000;

/// The searches of a detection, by name.
pub(super) type Plans = Vec<(String, SearchPlan)>;

/// A search, ready to be asked.
#[derive(Debug)]
pub(super) enum SearchPlan {
    AllOf(Vec<ItemPlan>),
    AnyOf(Vec<Self>),
}

/// An item, ready to be asked.
#[derive(Debug)]
pub(super) struct ItemPlan {
    /// The key as written; empty for keywords.
    pub(super) key: String,
    /// The item itself.
    pub(super) whole: Code,
    /// Its values as written, each with what it asks by itself; not turned round by `neq`.
    pub(super) values: Vec<(String, Code)>,
    /// How many values there are.
    pub(super) count: usize,
    /// The places that are read, in order, as fields of the program; none for keywords.
    pub(super) places: Vec<(String, usize)>,
    /// All places are read and not only the first that has a value.
    pub(super) union: bool,
    /// Other fields that values are compared with.
    pub(super) others: Vec<(String, usize)>,
}

/// Plans the searches of a detection that was checked.
pub(super) fn plan(
    detection: &Detection,
    mapping: &Mapping,
    placeholders: &Placeholders,
    programmer: &mut Programmer,
) -> Plans {
    let mut planner = Planner { mapping, placeholders, programmer };
    detection.searches.iter().map(|(name, search)| (name.value.clone(), planner.search(search))).collect()
}

struct Planner<'p> {
    mapping: &'p Mapping,
    placeholders: &'p Placeholders,
    programmer: &'p mut Programmer,
}

impl Planner<'_> {
    fn search(&mut self, search: &Search) -> SearchPlan {
        match search {
            Search::AllOf(items) => {
                SearchPlan::AllOf(items.iter().filter_map(|item| self.item(item)).collect())
            }
            Search::AnyOf(members) => {
                SearchPlan::AnyOf(members.iter().map(|member| self.search(member)).collect())
            }
        }
    }

    /// `None` cannot be: the rule was checked, and what is checked can be read again.
    fn item(&mut self, item: &Item) -> Option<ItemPlan> {
        let resolve = |name: &str| self.mapping.resolve(name).field;
        let meaning = Meaning { resolve: &resolve, placeholders: self.placeholders };
        let demand = demand::read(item, "", meaning, &mut Report::new(""))?;
        let subject = item.field.as_deref().map_or(Subject::Keywords, |name| Subject::Field(resolve(name)));
        let mut values = Vec::new();
        let alternatives = demand.alternatives.iter().zip(&item.values).take(MOST_ASKED);
        for (tests, value) in alternatives {
            let alone = Predicate { subject: subject.clone(), any: tests.clone() };
            values.push((written(&value.value), self.programmer.code(&Expr::Test(alone))));
        }
        let references = demand.alternatives.iter().flatten().filter_map(|test| match test {
            Test::FieldRef { field, .. } => Some(field.clone()),
            _ => None,
        });
        let references: Vec<Field> = references.collect();
        let others = references.iter().flat_map(|field| self.places(field)).collect();
        let (places, union) = match &subject {
            Subject::Field(field) => (self.places(field), field.union),
            Subject::Keywords => (Vec::new(), false),
        };
        let key = item.key.clone();
        let count = item.values.len();
        let whole = self.programmer.code(&demand.into_expr(&subject));
        Some(ItemPlan { key, whole, values, count, places, union, others })
    }

    fn places(&mut self, field: &Field) -> Vec<(String, usize)> {
        let place = |place: &Place| (spell(place), self.programmer.field(&Field::at(place.clone())));
        field.places.iter().map(place).collect()
    }
}

/// A place in words: `column api_operation`, `record requestParameters.name`.
pub(super) fn spell(place: &Place) -> String {
    match &place.path {
        None => format!("column {}", place.col.name()),
        Some(path) if place.col == event::Col::RawData => format!("record {}", path.text),
        Some(path) => format!("column {}, {}", place.col.name(), path.text),
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.text.clone(),
        Value::Text(text) => super::shortened(text),
    }
}
