//! `[[sources]]`: what is pulled. Each kind of source is a file beside this one: its settings, what must hold
//! of them together, and how its collector is opened.

mod aws;
mod azure;
mod files;
mod github;
mod google;
mod http_list;
mod kafka;
mod objects;
mod okta;
mod workspace;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use event::{Diagnostic, LogType, SourceId};
use futures::future::BoxFuture;
use ingest::{
    CheckStep, Collector, Limits, ListPurpose, ListSource, ReadOptions, SecretReference, SweepProgress,
};
use pipeline::HealthBounds;
use toml_edit::Table;

use super::Getter;
use super::entry::Values;
use super::key::{Key, Kind, key};
use super::kinds::{Kinds, TableKind};
use super::load::{Origin, Place};
use super::value::Value;
use crate::app::now_us;

/// What kinds there are, and how they are read.
pub(crate) const SOURCES: Kinds<SourceKind> =
    Kinds { array: "sources", thing: "source", named_by: "type", common: COMMON, all: KINDS };

const KINDS: &[&SourceKind] = &[
    &files::KIND,
    &objects::KIND,
    &aws::QUEUE,
    &aws::DIGESTS,
    &aws::LOOKUP,
    &kafka::KAFKA,
    &kafka::EVENT_HUBS,
    &azure::ACTIVITY_LOG,
    &azure::GRAPH,
    &azure::MANAGEMENT,
    &azure::STORAGE,
    &okta::KIND,
    &github::KIND,
    &workspace::KIND,
    &http_list::KIND,
    &google::PUBSUB,
    &google::LOGGING,
    &google::SCC,
];

/// Positions of an earlier run, by key.
pub(crate) type Positions = BTreeMap<String, String>;

/// A kind of source.
pub(crate) struct SourceKind {
    /// What `type` says.
    pub(crate) name: &'static str,
    /// What it reads, a sentence.
    pub(crate) doc: &'static str,
    /// Its settings besides [`COMMON`]; one without default must be set.
    pub(crate) keys: &'static [Key],
    /// What is wrong with settings that are right one by one: the setting, the problem, the mend.
    pub(crate) check: fn(&SourceConfig) -> Vec<(&'static str, String, String)>,
    /// How it is read.
    pub(crate) reads: Reads,
    /// What to do about an error of its collector, such as the command that grants what is missing.
    pub(crate) explain: fn(&ingest::Error) -> Option<String>,
}

impl TableKind for SourceKind {
    fn name(&self) -> &'static str {
        self.name
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn keys(&self) -> &'static [Key] {
        self.keys
    }
}

impl std::fmt::Debug for SourceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// How a kind of source is read.
#[derive(Clone, Copy)]
pub(crate) enum Reads {
    /// As lists of a service: followed, read over a span of the past, and tried one by one.
    Lists(fn(&SourceConfig, ListPurpose) -> ingest::Result<ListSource>),
    /// In a way of its own.
    Own {
        /// Opens its collector.
        open: fn(&SourceConfig, &Limits, &Positions) -> ingest::Result<Box<dyn Collector>>,
        /// Opens a collector over a span of the past, where the kind has one.
        backfill: Option<Backfill>,
        /// Tries credentials and each permission one by one, where the kind needs any; changes nothing.
        check_access: Option<CheckAccess>,
    },
}

/// See [`Reads::Own`].
type CheckAccess = fn(&SourceConfig) -> BoxFuture<'static, Vec<CheckStep>>;

/// See [`Reads::Own`]; the span is in microseconds since 1970.
type Backfill = fn(
    &SourceConfig,
    &Limits,
    Range<i64>,
    &Positions,
    Arc<SweepProgress>,
) -> ingest::Result<Box<dyn Collector>>;

/// The settings of every source.
const COMMON: &[Key] = &[
    key("name", Kind::Text, "", "Its name: what records are charged to. 1 to 64 of a-z, 0-9, `.`, `_`, `-`."),
    key("type", Kind::Text, "", "Its kind, one of those below."),
    key(
        "log_type",
        Kind::Text,
        r#""""#,
        "The log type of its records, such as aws_cloudtrail; without it each record is asked.",
    ),
    key(
        "in_flight",
        Kind::Bytes,
        r#""32 MiB""#,
        "How much may be taken from it and not yet be durable; one batch more at most.",
    ),
    key(
        "silent_after",
        Kind::SpanOrNever,
        r#""1 h""#,
        "Without records for so long, and for five times its usual gap, it is silent and an alert says so.",
    ),
    key(
        "failing_after",
        Kind::Span,
        r#""5 min""#,
        "With nothing but errors for so long it is failing, and an alert says so.",
    ),
    key(
        "lagging_after",
        Kind::SpanOrNever,
        r#""1 h""#,
        "When its newest event is so much older than its newest record, it is lagging.",
    ),
];

/// A source as it is configured.
#[derive(Debug, Clone)]
pub(crate) struct SourceConfig {
    pub(crate) id: SourceId,
    pub(crate) kind: &'static SourceKind,
    values: Values,
}

impl SourceConfig {
    /// Its settings.
    pub(super) fn get(&self) -> Getter<'_> {
        Getter(&self.values)
    }

    /// The log type, where it is fixed.
    pub(super) fn log_type(&self) -> Option<LogType> {
        self.get().text("log_type").trim().parse().ok()
    }

    /// How many bytes may be in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.get().size("in_flight")
    }

    /// From when on it is not well.
    pub(crate) fn bounds(&self) -> HealthBounds {
        HealthBounds {
            silent_after: never_is_none(self.get().span("silent_after")),
            failing_after: self.get().span("failing_after"),
            lagging_after: never_is_none(self.get().span("lagging_after")),
        }
    }

    /// Opens its collector where `positions` are.
    ///
    /// # Errors
    /// The collector cannot be set up.
    pub(crate) fn open(&self, limits: &Limits, positions: &Positions) -> ingest::Result<Box<dyn Collector>> {
        match self.kind.reads {
            Reads::Lists(lists) => {
                let lists = lists(self, ListPurpose::Follow)?;
                Ok(Box::new(lists.follow(positions, options(self, limits))))
            }
            Reads::Own { open, .. } => open(self, limits, positions),
        }
    }

    /// Whether it has a past that can be read.
    pub(crate) fn has_past(&self) -> bool {
        !matches!(self.kind.reads, Reads::Own { backfill: None, .. })
    }

    /// Opens a collector over `span_us` of the past (microseconds since 1970) where `positions` are.
    ///
    /// # Errors
    /// The collector cannot be set up, or this kind [has no past](Self::has_past).
    pub(crate) fn open_past(
        &self,
        limits: &Limits,
        span_us: Range<i64>,
        positions: &Positions,
        progress: Arc<SweepProgress>,
    ) -> ingest::Result<Box<dyn Collector>> {
        match self.kind.reads {
            Reads::Lists(lists) => {
                let lists = lists(self, ListPurpose::Past)?;
                Ok(Box::new(lists.over(&span_us, positions, options(self, limits))))
            }
            Reads::Own { backfill: Some(backfill), .. } => {
                backfill(self, limits, span_us, positions, progress)
            }
            Reads::Own { backfill: None, .. } => Err(ingest::Error::BadSetting {
                field: "type",
                problem: format!("a `{}` source has no past that could be read", self.kind.name),
            }),
        }
    }

    /// Tries credentials and each permission one by one; empty where the kind needs none.
    pub(crate) async fn check_access(&self) -> Vec<CheckStep> {
        match self.kind.reads {
            Reads::Lists(lists) => match lists(self, ListPurpose::Check) {
                Ok(lists) => lists.check(now_us()).await,
                // Opening it says the same.
                Err(_) => Vec::new(),
            },
            Reads::Own { check_access: Some(check), .. } => check(self).await,
            Reads::Own { check_access: None, .. } => Vec::new(),
        }
    }

    /// Each setting with its value and where that comes from, in the order of the reference.
    pub(super) fn shown(&self) -> impl Iterator<Item = (&'static str, &Value, &Origin)> {
        SOURCES.shown(self.kind, &self.values)
    }
}

/// What every collector needs besides its own settings.
fn options(source: &SourceConfig, limits: &Limits) -> ReadOptions {
    ReadOptions {
        source: source.id.clone(),
        log_type: source.log_type(),
        limits: limits.clone(),
        readers: 1,
        now_us,
    }
}

/// A text that need not be there.
fn given(source: &SourceConfig, name: &str) -> Option<String> {
    Some(source.get().text(name)).filter(|text| !text.is_empty())
}

/// Where a secret lies that need not be there.
fn given_secret(source: &SourceConfig, name: &str) -> Option<SecretReference> {
    SecretReference::parse(&source.get().text(name))
}

/// Where the secret of a setting lies.
///
/// # Errors
/// [`ingest::Error::BadSetting`]: it says nowhere.
fn secret(source: &SourceConfig, field: &'static str) -> ingest::Result<SecretReference> {
    given_secret(source, field).ok_or_else(|| ingest::Error::BadSetting {
        field,
        problem: "it says nowhere where the secret lies".into(),
    })
}

/// What a collector says of its settings, as [`SourceKind::check`] tells it; what else is wrong is told when
/// the source is opened.
fn told<T>(checked: ingest::Result<T>, page: &str) -> Vec<(&'static str, String, String)> {
    match checked {
        Err(ingest::Error::BadSetting { field, problem }) => vec![(field, problem, format!("see {page}"))],
        _ => Vec::new(),
    }
}

/// `never` is written as no time at all.
fn never_is_none(span: Duration) -> Option<Duration> {
    (!span.is_zero()).then_some(span)
}

/// Reads one table of `[[sources]]`.
pub(super) fn read(
    place: &Place<'_>,
    table: &Table,
    found: &mut Vec<SourceConfig>,
    problems: &mut Vec<Diagnostic>,
) {
    let before = problems.len();
    let Some((kind, entry)) = SOURCES.read(place, table, problems) else { return };
    let taken = found.iter().map(|source| source.id.as_str());
    let Some(name) = entry.name(taken, problems) else { return };
    let log_type = entry.text("log_type");
    if !log_type.is_empty()
        && let Err(problem) = log_type.parse::<LogType>()
    {
        entry.refuse("log_type", problem.to_string(), "leave it out where records show it", problems);
    }
    let source = SourceConfig { id: SourceId::new(&name), kind, values: entry.values.clone() };
    if problems.len() == before {
        for (name, problem, mend) in (kind.check)(&source) {
            entry.refuse(name, problem, &mend, problems);
        }
    }
    if problems.len() == before {
        found.push(source);
    }
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        load::load("s.toml", Some(text), std::iter::empty())
            .map(|_| Vec::new())
            .unwrap_or_else(|found| found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn sources_are_read() {
        let text = "[[sources]]\nname = \"app\"\ntype = \"files\"\npaths = [\"/var/log/app.log*\"]\n\
                    silent_after = \"never\"\nlog_type = \"aws_cloudtrail\"\n\n\
                    [[sources]]\nname = \"trail\"\ntype = \"objects\"\nurls = [\"s3://trail/AWSLogs/\"]\n";
        let sources = load::load("s.toml", Some(text), std::iter::empty()).unwrap().sources;
        assert_eq!(sources.len(), 2);
        assert_eq!((sources[0].id.as_str(), sources[0].kind.name), ("app", "files"));
        assert_eq!(sources[0].bounds().silent_after, None);
        assert_eq!(sources[0].log_type(), Some(LogType::AwsCloudtrail));
        assert_eq!(sources[1].bounds().silent_after, Some(Duration::from_secs(3600)));
        assert_eq!(sources[1].in_flight(), 32 << 20);
    }

    /// The examples of the pages, each as a configuration of its own.
    #[test]
    fn examples_of_the_pages_are_good() {
        let pages = [
            include_str!("../../../../docs/sources/saas.md"),
            include_str!("../../../../docs/sources/http-list.md"),
        ];
        let examples = pages.iter().flat_map(|page| page.split("```toml\n").skip(1));
        let mut kinds = Vec::new();
        for example in examples {
            let (text, _) = example.split_once("```").unwrap();
            let sources = load::load("s.toml", Some(text), std::iter::empty())
                .unwrap_or_else(|found| panic!("{text}\n{found:?}"))
                .sources;
            let open = sources[0].open(&Limits::default(), &Positions::new());
            assert!(open.is_ok(), "{text}\n{}", open.err().unwrap());
            kinds.push(sources[0].kind.name);
        }
        let okta_github_workspace = ["okta", "okta", "github_audit", "github_audit", "google_workspace"];
        assert_eq!(kinds, [&okta_github_workspace[..], &["http_list"; 3]].concat());
    }

    #[test]
    fn what_a_service_needs_is_told() {
        let cases = [
            (
                "type = \"okta\"\nurl = \"https://a.okta.com\"",
                "s.toml:1:1: error: `sources.token`: either it is needed, or",
            ),
            (
                "type = \"okta\"\nurl = \"http://a.okta.com\"\ntoken = \"env:T\"",
                "s.toml:4:7: error: `sources.url`: a secret would go there unprotected",
            ),
            (
                "type = \"okta\"\nurl = \"https://a.okta.com\"\ntoken = \"env:T\"\nlookback = \"100 d\"",
                "s.toml:6:12: error: `sources.lookback`: at most 90 days",
            ),
            (
                "type = \"github_audit\"\ntoken = \"env:T\"",
                "s.toml:1:1: error: `sources.organization`: either",
            ),
            (
                "type = \"github_audit\"\norganization = \"a/b\"\ntoken = \"env:T\"",
                "s.toml:4:16: error: `sources.organization`: `a/b` is no name",
            ),
            (
                "type = \"github_audit\"\norganization = \"a\"\nkey = \"env:T\"",
                "s.toml:1:1: error: `sources.app_id`: an app needs",
            ),
            (
                "type = \"google_workspace\"\nkey = \"env:T\"\nsubject = \"admin\"",
                "s.toml:5:11: error: `sources.subject`: `admin` is no address",
            ),
            (
                "type = \"google_workspace\"\nkey = \"env:T\"\nsubject = \"a@b\"\napplications = [\"Login\"]",
                "s.toml:6:16: error: `sources.applications`: `Login` is no application",
            ),
            (
                "type = \"http_list\"\nurl = \"https://a.example/?a={start}\"\nsecret = \"env:T\"",
                "s.toml:5:10: error: `sources.secret`: `auth = \"none\"` does not use it",
            ),
            (
                "type = \"http_list\"\nurl = \"https://a.example/?a={start}\"\nauth = \"basic\"\nsecret = \"env:T\"",
                "s.toml:1:1: error: `sources.user`: `auth = \"basic\"` needs it",
            ),
            (
                "type = \"http_list\"\nurl = \"https://a.example/?a={begin}\"",
                "s.toml:4:7: error: `sources.url`: there is no placeholder `{begin}`",
            ),
        ];
        for (text, told) in cases {
            let found = problems(&format!("[[sources]]\nname = \"a\"\n{text}\n"));
            assert!(found.len() == 1 && found[0].starts_with(told), "{found:#?}\n{told}");
        }
        let secret = problems(
            "[[sources]]\nname = \"a\"\ntype = \"okta\"\nurl = \"https://a.okta.com\"\ntoken = \"00s3cret\"\n",
        );
        assert!(
            secret[0].contains("`sources.token`: it is not where a secret lies")
                && !secret[0].contains("s3cret"),
            "{secret:?}"
        );
    }

    #[test]
    fn all_problems_are_told_with_place_and_mend() {
        let found = problems(
            "[[sources]]\nname = \"App\"\ntype = \"files\"\npath = [\"/a\"]\nevery = 7\n\n\
             [[sources]]\nname = \"b\"\ntype = \"fils\"\n\n[[sources]]\ntype = \"objects\"\n",
        );
        let lines = [
            "s.toml:4:1: error: `sources.path`: a `files` source has no such setting; did you mean `paths`?",
            "s.toml:5:9: error: `sources.every`: 7 is not a span of time",
            "s.toml:1:1: error: `sources.paths`: a `files` source needs it; set it: ",
            "s.toml:2:8: error: `sources.name`: `App` is no name for a source",
            "s.toml:9:8: error: `sources.type`: there is no source of the type `fils`; did you mean `files`?",
            "s.toml:11:1: error: `sources.name`: a `objects` source needs it",
            "s.toml:11:1: error: `sources.urls`: a `objects` source needs it; set it: Prefixes: s3://bucket/prefix/",
        ];
        assert_eq!(found.len(), lines.len(), "{found:#?}");
        for (found, line) in found.iter().zip(lines) {
            assert!(found.starts_with(line), "{found}\n{line}");
        }
        let twice = "[[sources]]\nname = \"a\"\ntype = \"files\"\npaths = [\"/a\"]\n".repeat(2);
        assert!(problems(&twice)[0].contains("two sources called `a`"));
        let secret =
            "[[sources]]\nname = \"a\"\ntype = \"objects\"\nurls = [\"https://a.example.com/c?sig=x1y2\"]\n";
        let found = problems(secret);
        assert!(found[0].contains("sources.urls") && !found[0].contains("x1y2"), "{found:?}");
        assert!(problems("[sources]\nname = \"a\"\n")[0].contains("sources"));
    }
}
