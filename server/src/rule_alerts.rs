//! Alerts about files that are read while the server runs: one for each rule file that is broken, one where the rule
//! files cannot be read, one where the configuration is broken; each is closed when it is over.

use std::collections::BTreeSet;

use alerts::{
    Alert, AlertFilter, AlertId, AlertStatus, AlertStore, Change, Entity, EntityKind, RuleRef, StoredAlert,
    Verdict,
};
use storage::state::State;

use crate::app::now_us;

/// The rule that alerts about broken files name.
const BROKEN: &str = "stormglass-rule-broken";
/// The rule that the alert about files that cannot be read names.
const UNREADABLE: &str = "stormglass-rules-unreadable";
/// The rule that the alert about a broken configuration names.
const CONFIGURATION: &str = "stormglass-configuration-broken";
/// What the alert about files that cannot be read is about.
const PATHS: &str = "rules.paths";
/// What is to be done.
const MEND: &str = "Mend the file; `stormglass rules check` says what is wrong.";
/// Who closes them.
const STORMGLASS: &str = "stormglass";

/// How the rule files are.
#[derive(Debug, Default)]
pub(crate) struct FilesState {
    /// Files that have become broken, with the first thing that is wrong; of each the last good version is in
    /// use.
    pub(crate) broken: Vec<(String, String)>,
    /// All files in which something is refused.
    pub(crate) refused: BTreeSet<String>,
    /// Why the files cannot be read at all; then nothing is known of the others.
    pub(crate) unreadable: Option<String>,
}

/// Raises what is new and closes what is over. Whatever a kill leaves out, the next call does.
///
/// # Errors
/// The database refuses.
pub(crate) fn tell(state: &State, store: &AlertStore, files: &FilesState) -> alerts::Result<()> {
    let open_broken = open(store, BROKEN)?;
    let open_unreadable = open(store, UNREADABLE)?;
    let mut new = Vec::new();
    for (path, why) in &files.broken {
        if !open_broken.iter().any(|alert| subject(alert) == path) {
            new.push(broken(path, why));
        }
    }
    if let Some(why) = &files.unreadable
        && open_unreadable.is_empty()
    {
        new.push(unreadable(why));
    }
    if !new.is_empty() {
        state.write(|txn| AlertStore::record(txn, &new, now_us()))?;
    }
    if files.unreadable.is_some() {
        return Ok(());
    }
    for alert in open_broken.iter().filter(|alert| !files.refused.contains(subject(alert))) {
        close(store, alert, "the file is sound again, or gone")?;
    }
    for alert in &open_unreadable {
        close(store, alert, "the rule files can be read again")?;
    }
    Ok(())
}

/// Raises an alert of a rule, unless one is open.
///
/// # Errors
/// The database refuses.
pub(crate) fn raise_once(
    state: &State,
    store: &AlertStore,
    rule: &str,
    alert: impl FnOnce() -> Alert,
) -> alerts::Result<()> {
    if open(store, rule)?.is_empty() {
        state.write(|txn| AlertStore::record(txn, &[alert()], now_us()))?;
    }
    Ok(())
}

/// Raises an alert where the configuration is broken, with all that is wrong, and closes it where it is not; one that
/// says something else by now is closed, and another is raised.
///
/// # Errors
/// The database refuses.
pub(crate) fn tell_configuration(
    state: &State,
    store: &AlertStore,
    file: &str,
    why: Option<&str>,
) -> alerts::Result<()> {
    let new = why.map(|why| configuration(file, why));
    let is_told = |stored: &StoredAlert| {
        new.as_ref().is_some_and(|new| stored.alert.rule.description == new.rule.description)
    };
    let (told, over): (Vec<_>, Vec<_>) = open(store, CONFIGURATION)?.into_iter().partition(is_told);
    if let (Some(new), true) = (&new, told.is_empty()) {
        state.write(|txn| AlertStore::record(txn, std::slice::from_ref(new), now_us()))?;
    }
    for alert in &over {
        close(store, alert, "the configuration was read again")?;
    }
    Ok(())
}

/// Closes all alerts of a rule.
///
/// # Errors
/// The database refuses.
pub(crate) fn close_all(store: &AlertStore, rule: &str, reason: &str) -> alerts::Result<()> {
    open(store, rule)?.iter().try_for_each(|alert| close(store, alert, reason))
}

/// The alerts of a rule that nobody has closed.
fn open(store: &AlertStore, rule: &str) -> alerts::Result<Vec<StoredAlert>> {
    const MOST: usize = 1000;
    let mut open = Vec::new();
    for status in AlertStatus::ALL.iter().filter(|status| **status != AlertStatus::Closed) {
        let filter =
            AlertFilter { rule_id: Some(rule.to_owned()), status: Some(*status), ..AlertFilter::default() };
        open.extend(store.list(&filter, None, MOST)?.alerts);
    }
    Ok(open)
}

fn subject(stored: &StoredAlert) -> &str {
    stored.alert.entities.first().map_or("", |entity| entity.value.as_str())
}

fn close(store: &AlertStore, stored: &StoredAlert, reason: &str) -> alerts::Result<()> {
    let verdict = Change::Close(Verdict::TruePositive);
    match store.change(stored.alert.id.as_str(), verdict, STORMGLASS, reason, now_us()) {
        // Somebody was faster, or the retention was.
        Ok(_) | Err(alerts::Error::ChangeRefused { .. } | alerts::Error::AlertUnknown { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn broken(path: &str, why: &str) -> Alert {
    let description = format!(
        "The last good version of `{path}` stays in use. {why}. This alert is closed when the file is mended."
    );
    alert(BROKEN, "A Rule File Is Broken", path, description, MEND)
}

fn unreadable(why: &str) -> Alert {
    let description = format!(
        "The rules that were read last stay in use until the server stops, and none can be changed: {why}. This \
         alert is closed when the files can be read again."
    );
    alert(UNREADABLE, "Rule Files Cannot Be Read", PATHS, description, MEND)
}

fn configuration(file: &str, why: &str) -> Alert {
    /// The most bytes of what is wrong that are told.
    const MOST: usize = 4096;
    let mut why = why.to_owned();
    while why.len() > MOST {
        why.pop();
    }
    let description = format!(
        "Channels, routes and rotas stay as they were read last, until the server stops; it would not start with \
         this: {why}. This alert is closed when the configuration is mended."
    );
    let mend = "Mend the file; `stormglass config check` says what is wrong.";
    alert(CONFIGURATION, "The Configuration Is Broken", file, description, mend)
}

/// An alert about what Stormglass reads.
pub(crate) fn alert(rule: &str, title: &str, subject: &str, description: String, mend: &str) -> Alert {
    let now_us = now_us();
    Alert {
        id: AlertId::new(rule, [subject, now_us.to_string().as_str()]),
        rule: RuleRef {
            id: rule.to_owned(),
            title: title.to_owned(),
            level: "medium".to_owned(),
            tags: Vec::new(),
            description,
            response: vec![mend.to_owned()],
        },
        severity_id: 3,
        time_us: now_us,
        provider: String::new(),
        entities: vec![Entity { kind: EntityKind::Resource, value: subject.to_owned(), name: None }],
        evidence: Vec::new(),
        joined: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_configuration_is_told_once_and_anew_where_something_else_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let store = AlertStore::open(state.clone()).unwrap();
        let all = || store.list(&AlertFilter::default(), None, 100).unwrap().alerts.len();
        for (why, is_open, count) in [
            (None, false, 0),
            (Some("one fault"), true, 1),
            (Some("one fault"), true, 1),
            (Some("another fault"), true, 2),
            (None, false, 2),
            (Some("one fault"), true, 3),
        ] {
            tell_configuration(&state, &store, "s.toml", why).unwrap();
            let open = open(&store, CONFIGURATION).unwrap();
            assert_eq!((open.len(), all()), (usize::from(is_open), count), "{why:?}");
            if let (Some(why), Some(open)) = (why, open.first()) {
                assert!(open.alert.rule.description.contains(why) && subject(open) == "s.toml");
            }
        }
        tell_configuration(&state, &store, "s.toml", Some(&"ä".repeat(10_000))).unwrap();
    }

    #[test]
    fn one_alert_a_file_which_is_closed_when_it_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let store = AlertStore::open(state.clone()).unwrap();
        let broken = |path: &str, why: &str| FilesState {
            broken: vec![(path.to_owned(), why.to_owned())],
            refused: [path.to_owned()].into(),
            unreadable: None,
        };
        let gone = || FilesState { unreadable: Some("no such folder".into()), ..FilesState::default() };
        let open = || {
            let open = [open(&store, BROKEN).unwrap(), open(&store, UNREADABLE).unwrap()].concat();
            open.iter().map(|stored| subject(stored).to_owned()).collect::<Vec<_>>()
        };
        let all = || store.list(&AlertFilter::default(), None, 100).unwrap().alerts.len();
        for (files, expected, count) in [
            (broken("a.yml", "one fault"), &["a.yml"][..], 1),
            (broken("a.yml", "another fault"), &["a.yml"], 1),
            // At a start nothing is known of a last good version, and the file is broken still.
            (FilesState { refused: ["a.yml".to_owned()].into(), ..FilesState::default() }, &["a.yml"], 1),
            (broken("b.yml", "a fault"), &["b.yml"], 2),
            (gone(), &["b.yml", PATHS], 3),
            (gone(), &["b.yml", PATHS], 3),
            (FilesState::default(), &[], 3),
            (broken("a.yml", "one fault"), &["a.yml"], 4),
        ] {
            tell(&state, &store, &files).unwrap();
            assert_eq!((open(), all()), (expected.iter().map(|&path| path.to_owned()).collect(), count));
        }
    }
}
