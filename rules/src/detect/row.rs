//! One event as the tests see it: fields looked up once, the record taken apart once.

use event::{Col, EventBatch, Kind};

use super::lookup::{self, Members};
use super::{Form, Value, json};
use crate::compile::{Code, Probe, Program, Reference};
use crate::detect::labels::Labels;
use crate::mapping::{Field, Place};

/// A batch, and all that was looked up in the row at hand.
pub(crate) struct RowView<'e, 'p> {
    batch: &'e EventBatch,
    program: &'p Program,
    row: usize,
    /// By index of the field; valid for the row that they name.
    fields: Vec<Looked<Vec<Value<'e>>>>,
    /// Columns of JSON that were taken apart.
    documents: Vec<(Col, Looked<Members<'e>>)>,
    texts: Looked<Vec<Value<'e>>>,
}

/// Something looked up for one row.
#[derive(Debug, Clone, Default)]
struct Looked<T> {
    /// The row plus one; 0 for none yet.
    row: usize,
    found: T,
}

impl<T> Looked<T> {
    /// Whether it must be looked up for this row, which is noted as done.
    fn is_stale(&mut self, row: usize) -> bool {
        let stale = self.row != row + 1;
        self.row = row + 1;
        stale
    }
}

impl<'e, 'p> RowView<'e, 'p> {
    pub(crate) fn new(batch: &'e EventBatch, program: &'p Program) -> Self {
        let fields = vec![Looked::default(); program.fields.len()];
        Self { batch, program, row: 0, fields, documents: Vec::new(), texts: Looked::default() }
    }

    /// Whether the expression holds in a row.
    pub(crate) fn holds(&mut self, code: &Code, row: usize, labels: &mut Labels) -> bool {
        self.row = row;
        self.eval(code, labels)
    }

    /// The values of a field in a row, as text; of a list its elements.
    pub(crate) fn texts_of(&mut self, field: usize, row: usize) -> Vec<String> {
        self.row = row;
        let program = self.program;
        let Some(known) = program.fields.get(field) else { return Vec::new() };
        self.look_up(field, known);
        let values = self.values(field);
        let texts = |wanted: bool| {
            let wanted = move |value: &&Value<'_>| (value.form() == Form::Json) == wanted;
            let values = values.iter().filter(|value| !value.is_spelling());
            values.filter(wanted).map(|value| value.text().to_owned()).collect::<Vec<_>>()
        };
        let plain = texts(false);
        if plain.is_empty() { texts(true) } else { plain }
    }

    fn eval(&mut self, code: &Code, labels: &mut Labels) -> bool {
        match code {
            Code::All(parts) => parts.iter().all(|part| self.eval(part, labels)),
            Code::Any(parts) => parts.iter().any(|part| self.eval(part, labels)),
            Code::Not(inner) => !self.eval(inner, labels),
            Code::Test(index) => {
                let program = self.program;
                program.predicates.get(*index).is_some_and(|probe| self.probe(probe, labels))
            }
        }
    }

    fn probe(&mut self, probe: &Probe, labels: &mut Labels) -> bool {
        let program = self.program;
        let Some(index) = probe.field else { return self.keywords(probe) };
        let Some(field) = program.fields.get(index) else { return false };
        if let Some((answer, found)) = self.by_label(probe, field, labels) {
            program.field_use.note(index, found);
            return answer;
        }
        self.look_up(index, field);
        program.field_use.note(index, !self.values(index).is_empty());
        for reference in &probe.references {
            if let Some(other) = program.fields.get(reference.field) {
                self.look_up(reference.field, other);
            }
        }
        let values = self.values(index);
        if values.is_empty() {
            return probe.absent;
        }
        values.iter().any(|value| probe.matcher.is_match(value))
            || probe.references.iter().any(|reference| self.is_reference(values, reference))
    }

    /// The answer, if labels alone give it, and whether there is a label.
    fn by_label(&self, probe: &Probe, field: &Field, labels: &mut Labels) -> Option<(bool, bool)> {
        let mut absent = true;
        for (place, table) in field.places.iter().zip(&probe.labels) {
            let table = (*table)?;
            if let Some(answer) = labels.answer(self.batch, place.col, self.row, table, &probe.matcher) {
                // Of a union another label may still pass.
                if answer || !field.union {
                    return Some((answer, true));
                }
                absent = false;
            }
        }
        (!probe.labels.is_empty()).then_some((absent && probe.absent, !absent))
    }

    fn values(&self, field: usize) -> &[Value<'e>] {
        self.fields.get(field).map_or(&[], |looked| &looked.found)
    }

    fn is_reference(&self, values: &[Value<'e>], reference: &Reference) -> bool {
        let others = self.values(reference.field);
        values.iter().any(|value| others.iter().any(|other| refers(value, other, reference)))
    }

    /// Fills the values of a field for this row.
    fn look_up(&mut self, index: usize, field: &Field) {
        let row = self.row;
        let Some(looked) = self.fields.get_mut(index) else { return };
        if !looked.is_stale(row) {
            return;
        }
        let mut found = std::mem::take(&mut looked.found);
        found.clear();
        for place in &field.places {
            self.place(place, &mut found);
            if !field.union && !found.is_empty() {
                break;
            }
        }
        if let Some(looked) = self.fields.get_mut(index) {
            looked.found = found;
        }
    }

    fn place(&mut self, place: &Place, found: &mut Vec<Value<'e>>) {
        let Some(path) = &place.path else { return self.column(place.col, found) };
        let Some(json) = self.batch.str_at(place.col, self.row) else { return };
        if json.trim_start().starts_with('{') {
            lookup::in_members(self.members(place.col, json), path, found);
        } else {
            lookup::in_json(json, path, found);
        }
    }

    fn column(&self, col: Col, found: &mut Vec<Value<'e>>) {
        let number = |value: i64| Value::new(Form::Number, value.to_string());
        match col.column().kind {
            Kind::Label | Kind::Text => {
                found.extend(self.batch.str_at(col, self.row).map(|text| Value::new(Form::Text, text)));
            }
            Kind::Json => {
                if let Some(json) = self.batch.str_at(col, self.row) {
                    lookup::leaf(json, found);
                }
            }
            Kind::Int | Kind::Long | Kind::Day => found.extend(self.batch.int_at(col, self.row).map(number)),
            // OCSF counts milliseconds.
            Kind::Time => {
                found.extend(self.batch.int_at(col, self.row).map(|micros| number(micros.div_euclid(1000))));
            }
            Kind::Flag => {
                let word = |flag| if flag { "true" } else { "false" };
                found
                    .extend(self.batch.flag_at(col, self.row).map(|flag| Value::new(Form::Bool, word(flag))));
            }
            // No rule can name one: see `check`.
            Kind::Float => {}
        }
    }

    /// The members of the object that a column holds in this row.
    fn members(&mut self, col: Col, json: &'e str) -> &Members<'e> {
        let known = self.documents.iter().position(|(known, _)| *known == col);
        let index = known.unwrap_or_else(|| {
            self.documents.push((col, Looked::default()));
            self.documents.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the index was found or made just above")]
        let (_, members) = &mut self.documents[index];
        if members.is_stale(self.row) {
            members.found.clear();
            members.found.extend(json::members(json));
        }
        &members.found
    }

    fn keywords(&mut self, probe: &Probe) -> bool {
        if self.texts.is_stale(self.row) {
            self.texts.found.clear();
            if let Some(record) = self.batch.str_at(Col::RawData, self.row) {
                match record.starts_with('{') {
                    true => lookup::texts(record, &mut self.texts.found),
                    // A line of text; what names its fields stands above it.
                    false => {
                        let line = record.rsplit('\n').next().unwrap_or(record);
                        self.texts.found.push(Value::new(Form::Text, line));
                    }
                }
            }
        }
        self.texts.found.iter().any(|value| probe.matcher.is_match(value))
    }
}

fn refers(value: &Value<'_>, other: &Value<'_>, reference: &Reference) -> bool {
    let (value, other) = match reference.cased {
        true => (value.text(), other.text()),
        false => (value.folded(), other.folded()),
    };
    match (reference.shape.open_start, reference.shape.open_end) {
        (false, false) => value == other,
        (false, true) => value.starts_with(other),
        (true, false) => value.ends_with(other),
        (true, true) => value.contains(other),
    }
}
