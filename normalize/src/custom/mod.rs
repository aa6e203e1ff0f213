//! JSON of any source, by mapping files that users write: which column is which field of the record.
//!
//! A file is YAML and has one mapping; `docs/custom-sources.md` describes it. A mapping is read and checked once
//! ([`CustomMappings::parse`]), the set is handed to a [`Normalizer`](crate::Normalizer), and its own tests can
//! be run without one ([`CustomMappings::run_tests`]).

mod clock;
mod condition;
mod mapping;
mod path;
mod read;
mod record_test;
mod rule;
mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use event::{Diagnostic, EventKey, Level};

use crate::json::Object;
use crate::reason::{MapError, Reason};
use crate::row::Row;

pub(crate) use mapping::Mapping;
pub use record_test::MappingTests;

/// The largest mapping file, in bytes.
const MAX_FILE_BYTES: usize = 1 << 20;
/// The most mappings in a set: each record of an unknown kind is asked about all of them.
const MAX_MAPPINGS: usize = 1_000;

/// A mapping file: its name, for messages, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingFile {
    /// The file as the user named it.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The mapping files of an installation, checked.
#[derive(Debug, Clone, Default)]
pub struct CustomMappings {
    mappings: Vec<Arc<Mapping>>,
    by_source: BTreeMap<String, Arc<Mapping>>,
}

impl CustomMappings {
    /// Reads mapping files. A file with an error is left out, and the findings say what is wrong and where.
    pub fn parse(files: &[MappingFile]) -> (Self, Vec<Diagnostic>) {
        let mut set = Self::default();
        let mut findings = Vec::new();
        for file in files {
            let mut report = read::Report::new(&file.path);
            let read = match file.text.len() {
                0..=MAX_FILE_BYTES => read::mapping(&file.text, &mut report),
                bytes => {
                    let problem = format!("the file has {bytes} bytes, limit {MAX_FILE_BYTES} bytes");
                    report.whole(problem, "split it; a file has one mapping");
                    None
                }
            };
            if let Some(mapping) = read {
                set.add(mapping, &mut report);
            }
            findings.extend(report.into_findings());
        }
        (set, findings)
    }

    /// Adds a mapping, unless its name or one of its sources is another's.
    fn add(&mut self, mapping: Mapping, report: &mut read::Report) {
        if self.mappings.len() >= MAX_MAPPINGS {
            return report.whole(format!("more than {MAX_MAPPINGS} mappings"), "merge some of them");
        }
        if let Some(other) = self.mappings.iter().find(|other| other.name == mapping.name) {
            let problem = format!("`{}` has the name `{}`, too", other.file, mapping.name);
            return report.whole(problem, "give each mapping a name of its own");
        }
        let taken = mapping.sources.iter().find_map(|source| Some((source, self.by_source.get(source)?)));
        if let Some((source, other)) = taken {
            let problem = format!("source `{source}` is read by `{}` already", other.file);
            return report.whole(problem, "name each source in one mapping only, or use `when`");
        }
        let mapping = Arc::new(mapping);
        for source in &mapping.sources {
            self.by_source.insert(source.clone(), mapping.clone());
        }
        self.mappings.push(mapping);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.mappings.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }

    /// The names of the mappings, as they stand in `metadata_log_name`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.mappings.iter().map(|mapping| mapping.name.as_str())
    }

    /// Runs the tests that stand in the files.
    pub fn run_tests(&self) -> MappingTests {
        record_test::run(self)
    }

    /// The mapping that reads the records of a source.
    pub(crate) fn of_source(&self, source: &str) -> Option<&Mapping> {
        self.by_source.get(source).map(Arc::as_ref)
    }

    /// The first mapping whose `when` fits a record.
    pub(crate) fn told_by(&self, record: &Object<'_>) -> Option<&Mapping> {
        self.mappings.iter().map(Arc::as_ref).find(|mapping| mapping.when.fits(record))
    }
}

/// What becomes of a record of log type `custom` that no mapping reads.
pub(crate) fn without_mapping(_record: &Object<'_>, _row: &mut Row<'_>) -> Result<EventKey, MapError> {
    Err(MapError::new(
        Reason::UnknownLogType,
        "no mapping file reads this record; name the source under `sources` of one, or describe the record under `when`",
    ))
}

/// An error of a mapping file.
fn finding(file: &str, at: yaml::Position, field: &str, problem: String, mend: String) -> Diagnostic {
    Diagnostic {
        level: Level::Error,
        file: file.to_owned(),
        line: at.line,
        column: at.column,
        field: field.to_owned(),
        problem,
        mend,
    }
}

#[cfg(test)]
mod tests;
