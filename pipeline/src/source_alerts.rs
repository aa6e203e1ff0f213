//! Alerts about sources that are silent or failing: one an episode, closed when it is over.

use std::collections::HashMap;

use alerts::{
    Alert, AlertFilter, AlertId, AlertStatus, AlertStore, Change, Entity, EntityKind, Joined, RuleRef,
    Verdict,
};
use event::SourceId;
use storage::state::State;

use crate::source_health::Trouble;
use crate::{Result, SourceState};

/// Who closes them.
const STORMGLASS: &str = "stormglass";

/// The rules that they name.
const RULES: [(SourceState, &str); 2] =
    [(SourceState::Silent, "stormglass-source-silent"), (SourceState::Failing, "stormglass-source-failing")];

/// The alerts that are open.
#[derive(Debug)]
pub(crate) struct SourceAlerts {
    state: State,
    store: AlertStore,
    /// By source and rule.
    open: HashMap<(SourceId, &'static str), AlertId>,
}

impl SourceAlerts {
    pub(crate) fn new(state: State, store: AlertStore) -> Self {
        Self { state, store, open: HashMap::new() }
    }

    /// Takes over alerts about `source` that an earlier run left open.
    ///
    /// # Errors
    /// The database refuses.
    pub(crate) fn adopt(&mut self, source: &SourceId) -> Result<()> {
        for (_, rule) in RULES {
            let filter = AlertFilter {
                rule_id: Some(rule.to_owned()),
                entity: Some(source.to_string()),
                ..AlertFilter::default()
            };
            let found = self.store.list(&filter, None, 10)?.alerts;
            let open = found.into_iter().find(|stored| stored.status != AlertStatus::Closed);
            if let Some(stored) = open {
                self.open.insert((source.clone(), rule), stored.alert.id);
            }
        }
        Ok(())
    }

    /// Raises and closes what is due; returns how many alerts are new.
    ///
    /// # Errors
    /// The database refuses; the next call tries again.
    pub(crate) fn tell(
        &mut self,
        source: &SourceId,
        trouble: Option<&Trouble>,
        now_us: i64,
    ) -> Result<usize> {
        let mut new = 0;
        for (state, rule) in RULES {
            let slot = (source.clone(), rule);
            match trouble.filter(|trouble| trouble.state == state) {
                Some(trouble) if !self.open.contains_key(&slot) => {
                    let alert = alert(source, rule, trouble, now_us);
                    let recorded = self
                        .state
                        .write(|txn| AlertStore::record(txn, std::slice::from_ref(&alert), now_us))?;
                    new += recorded;
                    self.open.insert(slot, alert.id);
                }
                Some(_) => {}
                None => {
                    if let Some(id) = self.open.get(&slot) {
                        self.close(id, state, now_us)?;
                        self.open.remove(&slot);
                    }
                }
            }
        }
        Ok(new)
    }

    fn close(&self, id: &AlertId, state: SourceState, now_us: i64) -> Result<()> {
        let reason = match state {
            SourceState::Silent => "it sends again, or is paused",
            _ => "it answers again, or is paused",
        };
        // A trouble of the machinery is no attack, whatever it was.
        let close = Change::Close(Verdict::Benign);
        match self.store.change(id.as_str(), close, STORMGLASS, reason, now_us) {
            // Somebody was faster, or the retention was.
            Ok(_) | Err(alerts::Error::ChangeRefused { .. } | alerts::Error::AlertUnknown { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn alert(source: &SourceId, rule: &str, trouble: &Trouble, now_us: i64) -> Alert {
    let since = trouble.since_us.to_string();
    let (title, level, severity_id, what) = match trouble.state {
        SourceState::Silent => ("Source Is Silent", "medium", 3, "sends no records"),
        _ => ("Source Is Failing", "high", 4, "cannot be read"),
    };
    let why = &trouble.why;
    let description = format!(
        "The source `{source}` {what}: {why}. What it would have told is missing from rules and searches. \
         `stormglass sources list` shows how it is doing, `stormglass sources test {source}` tries it step by \
         step. This alert is closed when the source is well again."
    );
    Alert {
        id: AlertId::new(rule, [source.as_str(), since.as_str()]),
        rule: RuleRef {
            id: rule.to_owned(),
            title: format!("{title}: {source}"),
            level: level.to_owned(),
            tags: Vec::new(),
            description,
            response: Vec::new(),
        },
        severity_id,
        time_us: now_us,
        provider: String::new(),
        entities: vec![Entity { kind: EntityKind::Resource, value: source.to_string(), name: None }],
        evidence: Vec::new(),
        joined: Some(Joined {
            by: vec![("source".into(), source.to_string())],
            why: why.clone(),
            begin_us: trouble.since_us,
            events: 0,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_has_one_alert_which_is_closed_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let store = AlertStore::open(state.clone()).unwrap();
        let source = SourceId::new("trail");
        let trouble =
            |since_us| Trouble { state: SourceState::Failing, since_us, why: "no such bucket".into() };
        let mut told = SourceAlerts::new(state.clone(), store.clone());
        assert_eq!(told.tell(&source, None, 1).unwrap(), 0);
        assert_eq!(told.tell(&source, Some(&trouble(5)), 10).unwrap(), 1);
        assert_eq!(told.tell(&source, Some(&trouble(5)), 11).unwrap(), 0);
        // A restart begins another count of the same episode.
        let mut told = SourceAlerts::new(state, store.clone());
        told.adopt(&source).unwrap();
        assert_eq!(told.tell(&source, Some(&trouble(20)), 30).unwrap(), 0);
        assert_eq!(store.count().unwrap(), 1);
        told.tell(&source, None, 40).unwrap();
        let all = |store: &AlertStore| store.list(&AlertFilter::default(), None, 10).unwrap().alerts;
        let [stored] = all(&store).try_into().unwrap();
        assert_eq!((stored.status, stored.updated_us), (AlertStatus::Closed, 40));
        assert_eq!(stored.verdict, Some(Verdict::Benign));
        assert!(stored.alert.rule.description.contains("no such bucket"));
        assert_eq!(told.tell(&source, Some(&trouble(50)), 60).unwrap(), 1, "another episode");
        assert_eq!(all(&store).len(), 2);
    }
}
