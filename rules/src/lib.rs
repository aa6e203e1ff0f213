//! Sigma rules over batches of events: parse, check, compile, match.
//!
//! ```
//! let loaded = rules::load(&rules::shipped());
//! assert!(loaded.diagnostics.is_empty());
//! let mut scratch = rules::Scratch::default();
//! let matches = loaded.rules.matches(&event::EventBatch::empty(), &mut scratch);
//! assert!(matches.is_empty());
//! ```
//!
//! The stages are types: a rule as written, with the line of every part ([`sigma`]), becomes a sound rule,
//! its fields resolved by [`mapping`] and its values turned into tests ([`check`]), becomes part of a
//! [`RuleSet`] ([`compile`]), which is matched against a batch at a time ([`detect`]). What is broken is
//! refused with file, line, reason and mend, and stops nothing else.
//!
//! A field of a rule is an event column where the column holds the native value verbatim, and otherwise a
//! path in the record itself: a rule written for the cloud's own log runs as it is.
//!
//! Limits: 1 MiB and 64 levels a document, 10,000 nodes by alias, 20,000 tests a rule, and 250,000 texts to
//! be equal with; regular expressions of 4 KiB, 1 MiB compiled, linear in time. No input makes this crate
//! panic.
//!
//! Correlations join matches: what they take from a batch are [`Hits`], and a [`Correlator`] remembers them
//! and judges what they amount to.
//!
//! For whoever writes rules, [`explain`] says why one matches an event or does not, loading with
//! [`LoadOptions::lint`] finds what can hardly be meant, and [`coverage`] shows the rules on ATT&CK's matrix.
//!
//! This crate is pure: no clock, no file, no socket, no thread.

mod attack;
mod check;
mod compile;
mod content;
mod correlate;
pub mod coverage;
mod detect;
pub mod explain;
mod fold;
mod grouping;
mod lint;
mod load;
mod mapping;
mod nearest;
mod options;
mod placeholder;
mod report;
mod rule_test;
mod sigma;
mod source;

pub use compile::{CompiledRule, Correlation, Needed, RuleHead, RuleSet};
pub use content::{shipped, shipped_records, shipped_tests};
pub use correlate::{
    Bound, Cleared, Correlator, CorrelatorLimits, CorrelatorStats, Episode, Finding, Hit, HitValue, Hits,
    Observed, Remembered,
};
pub use detect::{Match, Scratch, Sieve};
pub use grouping::{Grouping, GroupingFor};
pub use load::{Counts, Loaded, load, load_with};
pub use mapping::Mappings;
pub use options::LoadOptions;
pub use placeholder::Placeholders;
pub use rule_test::{Expectation, Records, RuleTest, RuleTests, TestRecord, is_test_file, read_tests};
pub use sigma::correlation::parse_span;
pub use sigma::rule::Logsource;
pub use sigma::{Level, Status};
pub use source::RuleSource;
