//! The condition of a rule as a tree of answers.

use event::EventBatch;

use super::plan::{self, ItemPlan, Plans, SearchPlan};
use super::{MOST_VALUES, Reading, shortened};
use crate::check::condition;
use crate::compile::Programmer;
use crate::detect::{Labels, RowView};
use crate::mapping::Mapping;
use crate::placeholder::Placeholders;
use crate::sigma::condition::Condition;
use crate::sigma::detection::Detection;
use crate::sigma::filter::FilterRule;
use crate::sigma::rule::SigmaRule;

/// A part of a condition, with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What kind of part it is.
    pub what: What,
    /// As the rule writes it: `1 of filter_*`, a search's name, an item's key; a filter's title.
    pub text: String,
    /// Whether it holds for the event.
    pub holds: bool,
    /// What an item asks and what it found.
    pub asked: Option<Asked>,
    /// The parts that it is made of; none of a search that stands further above already.
    pub parts: Vec<Self>,
}

/// The kinds of [`Part`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Every part must hold: `and`, `all of`.
    All,
    /// One part must hold: `or`, `1 of`, a list of conditions.
    Any,
    /// The part must not hold.
    Not,
    /// A search identifier.
    Search,
    /// A member of a search that is a list.
    Member,
    /// A field and its values, or keywords.
    Item,
    /// A filter on the rule.
    Filter,
}

/// What an item asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The values as written, those that hold first, at most [`MOST_VALUES`].
    pub values: Vec<Wanted>,
    /// How many there are in all.
    pub values_total: usize,
    /// Where was looked, in order; none for keywords, which are sought in every text of the record.
    pub looked: Vec<Looked>,
    /// The other fields that the values were compared with (`fieldref`).
    pub compared_with: Vec<Looked>,
}

/// A value that a rule asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// As written.
    pub text: String,
    /// Whether the event meets it.
    pub holds: bool,
}

/// A place in an event, and what was there.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// Such as `column api_operation` or `record requestParameters.name`.
    pub place: String,
    /// The values, at most [`MOST_VALUES`]; none if it was absent or null.
    pub found: Vec<String>,
    /// How many there are in all.
    pub found_total: usize,
}

/// A rule and its filters, asked of the event in a row.
pub(super) fn reading(
    rule: &SigmaRule,
    filters: &[&FilterRule],
    mapping: &Mapping,
    placeholders: &Placeholders,
    batch: &EventBatch,
    row: usize,
) -> Reading {
    let mut programmer = Programmer::default();
    let mut detections = vec![(None, &rule.detection)];
    detections.extend(filters.iter().map(|filter| (Some(filter.head.title.as_str()), &filter.detection)));
    let planned: Vec<_> = detections
        .into_iter()
        .map(|(filter, of)| (filter, of, plan::plan(of, mapping, placeholders, &mut programmer)))
        .collect();
    let program = programmer.finish();
    let mut labels = Labels::default();
    labels.begin(program.tables);
    let mut asker = Asker { view: RowView::new(batch, &program), labels, row };
    let mut parts = Vec::with_capacity(planned.len());
    for (filter, detection, plans) in &planned {
        let mut part = asker.detection(detection, plans);
        if let Some(title) = filter {
            let holds = part.holds;
            part =
                Part { what: What::Filter, text: (*title).to_owned(), holds, asked: None, parts: vec![part] };
        }
        parts.push(part);
    }
    let holds = parts.iter().all(|part| part.holds);
    Reading { logsource: mapping.logsource().to_string(), holds, parts }
}

struct Asker<'e, 'p> {
    view: RowView<'e, 'p>,
    labels: Labels,
    row: usize,
}

impl Asker<'_, '_> {
    fn detection(&mut self, detection: &Detection, plans: &Plans) -> Part {
        let mut shown = vec![None; plans.len()];
        let mut parts: Vec<_> = detection
            .conditions
            .iter()
            .map(|text| self.condition(&text.parsed.condition, plans, &mut shown))
            .collect();
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            Some(last) => {
                parts.push(last);
                any("or", parts)
            }
            None => any("or", parts),
        }
    }

    /// `shown` has the answers of the searches that stand in the tree already.
    fn condition(&mut self, condition: &Condition, plans: &Plans, shown: &mut Vec<Option<bool>>) -> Part {
        let mut parts = |of: &[Condition]| of.iter().map(|part| self.condition(part, plans, shown)).collect();
        match condition {
            Condition::And(of) => all("and", parts(of)),
            Condition::Or(of) => any("or", parts(of)),
            Condition::Not(inner) => {
                let inner = self.condition(inner, plans, shown);
                Part {
                    what: What::Not,
                    text: "not".into(),
                    holds: !inner.holds,
                    asked: None,
                    parts: vec![inner],
                }
            }
            Condition::Name { name, .. } => {
                let index = plans.iter().position(|(known, _)| known == name).unwrap_or(usize::MAX);
                self.named(index, plans, shown)
            }
            Condition::Of { every, pattern, .. } => {
                let meant = plans.iter().enumerate().filter(|(_, (name, _))| condition::means(pattern, name));
                let meant: Vec<_> = meant.map(|(index, _)| index).collect();
                let parts = meant.into_iter().map(|index| self.named(index, plans, shown)).collect();
                match every {
                    true => all(&format!("all of {pattern}"), parts),
                    false => any(&format!("1 of {pattern}"), parts),
                }
            }
        }
    }

    fn named(&mut self, index: usize, plans: &Plans, shown: &mut [Option<bool>]) -> Part {
        let text = plans.get(index).map_or_else(String::new, |(name, _)| name.clone());
        if let Some(holds) = shown.get(index).copied().flatten() {
            return Part { what: What::Search, text, holds, asked: None, parts: Vec::new() };
        }
        let parts = match plans.get(index) {
            Some((_, search)) => self.search(search),
            None => all("", Vec::new()),
        };
        if let Some(shown) = shown.get_mut(index) {
            *shown = Some(parts.holds);
        }
        // A map shows its items and a list its members, without a part for the map or list itself.
        Part { what: What::Search, text, holds: parts.holds, asked: None, parts: parts.parts }
    }

    fn search(&mut self, search: &SearchPlan) -> Part {
        match search {
            SearchPlan::AllOf(items) => all("", items.iter().map(|item| self.item(item)).collect()),
            SearchPlan::AnyOf(members) if members.len() == 1 => {
                members.first().map_or_else(|| any("", Vec::new()), |only| self.search(only))
            }
            SearchPlan::AnyOf(members) => {
                let member = |member| Part { what: What::Member, ..self.search(member) };
                any("any of", members.iter().map(member).collect())
            }
        }
    }

    fn item(&mut self, item: &ItemPlan) -> Part {
        let holds = self.view.holds(&item.whole, self.row, &mut self.labels);
        let mut values = Vec::with_capacity(item.values.len().min(MOST_VALUES));
        for wanted in [true, false] {
            for (text, code) in &item.values {
                if values.len() >= MOST_VALUES {
                    break;
                }
                if self.view.holds(code, self.row, &mut self.labels) == wanted {
                    values.push(Wanted { text: text.clone(), holds: wanted });
                }
            }
        }
        let asked = Asked {
            values,
            values_total: item.count,
            looked: self.look(&item.places, item.union),
            compared_with: self.look(&item.others, true),
        };
        Part { what: What::Item, text: item.key.clone(), holds, asked: Some(asked), parts: Vec::new() }
    }

    /// What stands in the places: up to the first that has a value, or in all.
    fn look(&mut self, places: &[(String, usize)], union: bool) -> Vec<Looked> {
        let mut looked = Vec::with_capacity(places.len());
        for (place, field) in places {
            let mut found = self.view.texts_of(*field, self.row);
            let found_total = found.len();
            found.truncate(MOST_VALUES);
            let found: Vec<_> = found.iter().map(|text| shortened(text)).collect();
            looked.push(Looked { place: place.clone(), found, found_total });
            if found_total > 0 && !union {
                break;
            }
        }
        looked
    }
}

fn all(text: &str, parts: Vec<Part>) -> Part {
    let holds = parts.iter().all(|part| part.holds);
    Part { what: What::All, text: text.to_owned(), holds, asked: None, parts }
}

fn any(text: &str, parts: Vec<Part>) -> Part {
    let holds = parts.iter().any(|part| part.holds);
    Part { what: What::Any, text: text.to_owned(), holds, asked: None, parts }
}
