//! Can a source work? What each step of such a check found.

use crate::Error;
use crate::Result;

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It works.
    Good,
    /// It does not work.
    Failed,
    /// It does not work, and is needed for other things than to read: a backfill, a proof.
    Spare,
    /// It could not be tried.
    Skipped,
}

impl CheckOutcome {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Failed => "failed",
            Self::Spare => "spare",
            Self::Skipped => "skipped",
        }
    }
}

/// One step of a check: credentials, then each permission that the source needs, whatever the steps before
/// came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckStep {
    /// What was tried.
    pub name: String,
    /// The permission that it needs, as the service names it; empty where it needs none of its own.
    pub grant: String,
    /// How it went.
    pub outcome: CheckOutcome,
    /// What was found, or what the service says. Without secrets.
    pub detail: String,
    /// What to do about it; with a missing permission the statement, command or role that grants it. Empty
    /// where there is nothing to do.
    pub mend: String,
}

/// The steps of a check as they are taken.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<CheckStep>);

impl Checks {
    /// Notes what a try of `name`, which needs `grant`, came to; gives back what it gave.
    pub(crate) fn tried<T>(
        &mut self,
        step: (&str, &str),
        tried: Result<T>,
        describe: impl FnOnce(&T) -> String,
        mend: impl FnOnce(&Error) -> String,
    ) -> Option<T> {
        match tried {
            Ok(value) => {
                let detail = describe(&value);
                self.good(step, detail);
                Some(value)
            }
            Err(error) => {
                let mend = match error.is_passing() {
                    true => "check the network, the region and the endpoint, then try again".into(),
                    false => mend(&error),
                };
                self.failed(step, &error, mend);
                None
            }
        }
    }

    /// What was opened; a failure is one of the settings.
    pub(crate) fn opened<T>(&mut self, opened: Result<T>) -> Option<T> {
        match opened {
            Ok(opened) => Some(opened),
            Err(error) => {
                self.failed(("settings", ""), &error, "correct the setting".into());
                None
            }
        }
    }

    /// Notes what does not work.
    pub(crate) fn failed(&mut self, step: (&str, &str), error: &Error, mend: String) {
        self.push(step, CheckOutcome::Failed, with_cause(error), mend);
    }

    /// Notes what works.
    pub(crate) fn good(&mut self, step: (&str, &str), detail: String) {
        self.push(step, CheckOutcome::Good, detail, String::new());
    }

    /// Notes what could not be tried.
    pub(crate) fn skipped(&mut self, step: (&str, &str), why: &str, mend: &str) {
        self.push(step, CheckOutcome::Skipped, why.into(), mend.into());
    }

    /// If the last step failed, it is one that reading does not need.
    pub(crate) fn last_is_spare(&mut self) {
        if let Some(step) = self.0.last_mut().filter(|step| step.outcome == CheckOutcome::Failed) {
            step.outcome = CheckOutcome::Spare;
        }
    }

    /// All of them.
    pub(crate) fn done(self) -> Vec<CheckStep> {
        self.0
    }

    fn push(&mut self, (name, grant): (&str, &str), outcome: CheckOutcome, detail: String, mend: String) {
        self.0.push(CheckStep { name: name.into(), grant: grant.into(), outcome, detail, mend });
    }
}

/// An error with what is behind it: stores tell the refusal there alone.
fn with_cause(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.ends_with(&told) {
            text.push_str(": ");
            text.extend(told.chars().map(|char| if char.is_control() { ' ' } else { char }).take(600));
        }
        cause = error.source();
    }
    text
}
