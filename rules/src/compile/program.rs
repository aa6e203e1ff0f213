//! Expressions over interned predicates: what several rules ask is asked once.

use std::collections::HashMap;

use event::{Col, Kind};

use super::matcher::Matcher;
use crate::check::{Expr, Predicate, Shape, Subject, Test};
use crate::detect::FieldUse;
use crate::mapping::{Field, Place};

/// An expression over the predicates of a [`Program`], cheap parts first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Code {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    /// The index of a predicate.
    Test(usize),
}

/// The predicates and fields of all rules.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) predicates: Vec<Probe>,
    pub(crate) fields: Vec<Field>,
    /// The number of tables for answers by label, see [`Probe::labels`].
    pub(crate) tables: usize,
    pub(crate) field_use: FieldUse,
}

/// A predicate, ready to run.
#[derive(Debug)]
pub(crate) struct Probe {
    /// `None`: every text in the record.
    pub(crate) field: Option<usize>,
    pub(crate) matcher: Matcher,
    /// The answer where there is no value.
    pub(crate) absent: bool,
    pub(crate) references: Vec<Reference>,
    /// For each place of the field that is a label column, the table of its answers: they depend on the
    /// label alone. Empty if the predicate looks at other fields, too.
    pub(crate) labels: Vec<Option<usize>>,
}

/// Another field to compare with.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) field: usize,
    pub(crate) shape: Shape,
    pub(crate) cased: bool,
}

/// Makes a [`Program`].
#[derive(Debug, Default)]
pub(crate) struct Programmer {
    program: Program,
    predicates: HashMap<Predicate, usize>,
    fields: HashMap<Field, usize>,
}

impl Programmer {
    pub(crate) fn finish(mut self) -> Program {
        self.program.field_use = FieldUse::new(self.program.fields.len());
        self.program
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Adds what an expression asks.
    pub(crate) fn code(&mut self, expr: &Expr) -> Code {
        match expr {
            Expr::All(parts) => Code::All(self.parts(parts)),
            Expr::Any(parts) => Code::Any(self.parts(parts)),
            Expr::Not(inner) => Code::Not(Box::new(self.code(inner))),
            Expr::Test(predicate) => Code::Test(self.predicate(predicate)),
        }
    }

    fn parts(&mut self, parts: &[Expr]) -> Vec<Code> {
        let mut parts: Vec<_> = parts.iter().map(|part| self.code(part)).collect();
        parts.sort_by_cached_key(|part| self.cost(part));
        parts
    }

    fn predicate(&mut self, predicate: &Predicate) -> usize {
        if let Some(known) = self.predicates.get(predicate) {
            return *known;
        }
        let field = match &predicate.subject {
            Subject::Field(field) => Some(self.field(field)),
            Subject::Keywords => None,
        };
        let references = predicate.any.iter().filter_map(|test| match test {
            Test::FieldRef { field, shape, cased } => {
                Some(Reference { field: self.field(field), shape: *shape, cased: *cased })
            }
            _ => None,
        });
        let references: Vec<_> = references.collect();
        let labels = if references.is_empty() { self.tables(&predicate.subject) } else { Vec::new() };
        let index = self.program.predicates.len();
        self.program.predicates.push(Probe {
            field,
            matcher: Matcher::new(&predicate.any),
            absent: predicate.any.contains(&Test::Null),
            references,
            labels,
        });
        self.predicates.insert(predicate.clone(), index);
        index
    }

    /// The index of a field, new or known.
    pub(crate) fn field(&mut self, field: &Field) -> usize {
        if let Some(known) = self.fields.get(field) {
            return *known;
        }
        let index = self.program.fields.len();
        self.program.fields.push(field.clone());
        self.fields.insert(field.clone(), index);
        index
    }

    fn tables(&mut self, subject: &Subject) -> Vec<Option<usize>> {
        let Subject::Field(field) = subject else { return Vec::new() };
        let table = |place: &Place| {
            is_label(place).then(|| {
                self.program.tables += 1;
                self.program.tables - 1
            })
        };
        field.places.iter().map(table).collect()
    }

    /// What answering costs, in about the time of a look at a table.
    fn cost(&self, code: &Code) -> u32 {
        match code {
            Code::All(parts) | Code::Any(parts) => {
                parts.iter().map(|part| self.cost(part)).fold(0, u32::saturating_add)
            }
            Code::Not(inner) => self.cost(inner),
            Code::Test(index) => {
                self.program.predicates.get(*index).map_or(0, |probe| self.probe_cost(probe))
            }
        }
    }

    fn probe_cost(&self, probe: &Probe) -> u32 {
        const KEYWORDS: u32 = 2000;
        let Some(field) = probe.field.and_then(|field| self.program.fields.get(field)) else {
            return KEYWORDS;
        };
        let place = |place: &Place| match (&place.path, place.col) {
            (None, _) if is_label(place) && probe.references.is_empty() => 1,
            (None, _) => 10,
            (Some(_), Col::RawData) => 500,
            (Some(_), _) => 100,
        };
        field.places.iter().map(place).max().unwrap_or(0)
    }
}

/// Whether the place is a column with few distinct values.
pub(crate) fn is_label(place: &Place) -> bool {
    place.path.is_none() && place.col.column().kind == Kind::Label
}
