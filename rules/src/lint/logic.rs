//! Whether an expression can hold at all, and whether it can fail: by its form, and by what is known of a
//! field's values.
//!
//! The expression is written out as alternatives of which each is a list of tests that must or must not
//! hold. An alternative that contradicts itself falls away; if none is left, the whole cannot hold. Beyond
//! [`MAX_ALTERNATIVES`] nothing is said.

use std::collections::HashMap;

use event::Kind;

use crate::check::{Subject, Test};
use crate::compile::Matcher;
use crate::detect::{Form, Value};
use crate::sigma::pattern::{Part, Pattern};

/// The most alternatives that are looked at.
const MAX_ALTERNATIVES: usize = 4096;
/// The most values of a test that are compared one by one.
const MAX_VALUES: usize = 256;
/// The most pairs of tests that are compared.
const MAX_PAIRS: usize = 200_000;

/// An expression over [`Atom`]s.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Logic {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    /// The index of an atom.
    Atom(usize),
    /// Decided already, as where no value of a field can pass.
    Known(bool),
}

/// A test of a field, as [`Predicate`](crate::check::Predicate).
#[derive(Debug)]
pub(super) struct Atom {
    /// Search and key as written, for messages.
    pub(super) name: String,
    pub(super) subject: Subject,
    pub(super) any: Vec<Test>,
}

/// What is known of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlook {
    /// It may hold and may fail, or nobody can say.
    Open,
    Never {
        /// Two atoms that exclude each other, if that is why, with whether each must hold.
        conflict: Option<Conflict>,
    },
    Always,
}

/// Two literals that cannot both be.
pub(super) type Conflict = [(usize, bool); 2];

type Literals = Vec<(usize, bool)>;

/// What becomes of an expression.
pub(super) fn outlook(logic: &Logic, atoms: &[Atom]) -> Outlook {
    match decide(logic) {
        Some(false) => return Outlook::Never { conflict: None },
        Some(true) => return Outlook::Always,
        None => {}
    }
    let mut solver = Solver::new(atoms);
    if solver.alternatives(logic, true).is_some_and(|found| found.is_empty()) {
        return Outlook::Never { conflict: solver.conflict };
    }
    let mut solver = Solver::new(atoms);
    if solver.alternatives(logic, false).is_some_and(|found| found.is_empty()) {
        return Outlook::Always;
    }
    Outlook::Open
}

/// The answer, where what is known already gives it.
fn decide(logic: &Logic) -> Option<bool> {
    match logic {
        Logic::Known(known) => Some(*known),
        Logic::Atom(_) => None,
        Logic::Not(inner) => decide(inner).map(|known| !known),
        Logic::All(parts) => join(parts, false),
        Logic::Any(parts) => join(parts, true),
    }
}

/// `decisive` decides the whole as soon as one part has it.
fn join(parts: &[Logic], decisive: bool) -> Option<bool> {
    let mut all_known = true;
    for part in parts {
        match decide(part) {
            Some(known) if known == decisive => return Some(decisive),
            Some(_) => {}
            None => all_known = false,
        }
    }
    all_known.then_some(!decisive)
}

struct Solver<'a> {
    atoms: &'a [Atom],
    /// The first contradiction that was met.
    conflict: Option<Conflict>,
    /// Answers about pairs.
    known: HashMap<Conflict, bool>,
    /// How many pairs were asked about.
    asked: usize,
}

impl<'a> Solver<'a> {
    fn new(atoms: &'a [Atom]) -> Self {
        Self { atoms, conflict: None, known: HashMap::new(), asked: 0 }
    }

    /// The alternatives in which the expression has that answer; `None` if there are too many.
    fn alternatives(&mut self, logic: &Logic, answer: bool) -> Option<Vec<Literals>> {
        match logic {
            Logic::Known(known) if *known == answer => Some(vec![Vec::new()]),
            Logic::Known(_) => Some(Vec::new()),
            Logic::Atom(index) => Some(vec![vec![(*index, answer)]]),
            Logic::Not(inner) => self.alternatives(inner, !answer),
            Logic::All(parts) if answer => self.product(parts, answer),
            Logic::Any(parts) if !answer => self.product(parts, answer),
            Logic::All(parts) | Logic::Any(parts) => {
                let mut found = Vec::new();
                for part in parts {
                    found.extend(self.alternatives(part, answer)?);
                    if found.len() > MAX_ALTERNATIVES {
                        return None;
                    }
                }
                Some(found)
            }
        }
    }

    fn product(&mut self, parts: &[Logic], answer: bool) -> Option<Vec<Literals>> {
        let mut found: Vec<Literals> = vec![Vec::new()];
        for part in parts {
            let choices = self.alternatives(part, answer)?;
            if found.len().saturating_mul(choices.len()) > MAX_ALTERNATIVES {
                return None;
            }
            let mut next = Vec::with_capacity(found.len() * choices.len());
            for so_far in &found {
                for choice in &choices {
                    self.asked = self.asked.saturating_add(so_far.len().saturating_mul(choice.len()));
                    if self.asked > MAX_PAIRS {
                        return None;
                    }
                    next.extend(self.joined(so_far, choice));
                }
            }
            found = next;
        }
        Some(found)
    }

    /// Both lists together; `None` if they contradict each other.
    fn joined(&mut self, so_far: &Literals, choice: &Literals) -> Option<Literals> {
        for new in choice {
            for old in so_far {
                let pair = [*old, *new];
                let conflicts = match self.known.get(&pair) {
                    Some(known) => *known,
                    None => self.conflicts(*old, *new),
                };
                self.known.insert(pair, conflicts);
                if conflicts {
                    self.conflict.get_or_insert([*old, *new]);
                    return None;
                }
            }
        }
        let mut joined = so_far.clone();
        joined.extend(choice.iter().filter(|new| !so_far.contains(new)));
        Some(joined)
    }

    fn conflicts(&self, (one, one_holds): (usize, bool), (other, other_holds): (usize, bool)) -> bool {
        let (Some(one), Some(other)) = (self.atoms.get(one), self.atoms.get(other)) else { return false };
        if one.subject != other.subject {
            return false;
        }
        match (one_holds, other_holds) {
            (true, true) => both_cannot_hold(one, other) || both_cannot_hold(other, one),
            (true, false) => implies(one, other),
            (false, true) => implies(other, one),
            (false, false) => one_must_hold(one, other),
        }
    }
}

fn both_cannot_hold(one: &Atom, other: &Atom) -> bool {
    let wants_absence = |atom: &Atom| !atom.any.is_empty() && atom.any.iter().all(|test| *test == Test::Null);
    if wants_absence(one) && !other.any.contains(&Test::Null) {
        return true;
    }
    // Of several values one may pass this test and another that one.
    is_single(&one.subject)
        && !one.any.is_empty()
        && one.any.len().max(other.any.len()) <= MAX_VALUES
        && literals(one).is_some_and(|values| {
            let matcher = Matcher::new(&other.any);
            is_plain(one, other) && values.iter().all(|value| !passes(&matcher, value).any)
        })
}

/// Whether every event that meets `one` meets `other`, too.
fn implies(one: &Atom, other: &Atom) -> bool {
    let is_known = |test: &Test| other.any.contains(test);
    if one.any == other.any || (one.any.len() <= MAX_VALUES && one.any.iter().all(is_known)) {
        return true;
    }
    let takes_any = |test: &Test| match test {
        Test::Exists => true,
        Test::Text { pattern, .. } => pattern.parts() == [Part::Any],
        _ => false,
    };
    if matches!(one.subject, Subject::Field(_))
        && other.any.iter().any(takes_any)
        && !one.any.contains(&Test::Null)
    {
        return true;
    }
    one.any.len().max(other.any.len()) <= MAX_VALUES
        && literals(one).is_some_and(|values| {
            let matcher = Matcher::new(&other.any);
            is_plain(one, other) && values.iter().all(|value| passes(&matcher, value).all)
        })
}

/// Whether there is no event that meets neither.
fn one_must_hold(one: &Atom, other: &Atom) -> bool {
    let has = |test: Test| one.any.contains(&test) || other.any.contains(&test);
    matches!(one.subject, Subject::Field(_)) && has(Test::Null) && has(Test::Exists)
}

/// Whether a field has at most one value: a column that is no list.
fn is_single(subject: &Subject) -> bool {
    let Subject::Field(field) = subject else { return false };
    !field.union
        && field.places.iter().all(|place| place.path.is_none() && place.col.column().kind != Kind::Json)
}

/// The values that an atom asks equality with; `None` if it asks for anything else, too.
fn literals(atom: &Atom) -> Option<Vec<String>> {
    if !matches!(atom.subject, Subject::Field(_)) {
        return None;
    }
    let literal = |test: &Test| match test {
        Test::Text { pattern, .. } => Pattern::as_literal(pattern).map(str::to_owned),
        Test::Number(number) => Some(number.text.clone()),
        Test::Bool(value) => Some(value.to_string()),
        _ => None,
    };
    atom.any.iter().map(literal).collect()
}

/// Whether a value of `one` as written stands for all that equal it without regard to case.
fn is_plain(one: &Atom, other: &Atom) -> bool {
    let is_cased = |test: &Test| matches!(test, Test::Text { cased: true, .. });
    let minds_case = |test: &Test| match test {
        Test::Text { cased, .. } => *cased,
        Test::Regex(_) | Test::FieldRef { .. } | Test::Time { .. } => true,
        _ => false,
    };
    // A number may be written in several ways, and times and other fields are not texts to compare with.
    let is_other = |test: &Test| matches!(test, Test::FieldRef { .. } | Test::Time { .. } | Test::Number(_));
    let is_number = |test: &Test| matches!(test, Test::Number(_));
    !other.any.iter().any(is_other)
        && !one.any.iter().any(is_number)
        && (one.any.iter().all(is_cased) || !other.any.iter().any(minds_case))
}

struct Passes {
    any: bool,
    all: bool,
}

/// Whether a value passes, whatever it is in the log: text, or a number or truth written so.
fn passes(matcher: &Matcher, value: &str) -> Passes {
    let answers =
        [Form::Text, Form::Number, Form::Bool].map(|form| matcher.is_match(&Value::new(form, value)));
    Passes { any: answers.contains(&true), all: !answers.contains(&false) }
}
