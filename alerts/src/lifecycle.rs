//! The life of an alert, without clock or store.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// Nobody has looked at it.
    New,
    /// Somebody works on it.
    Acknowledged,
    /// Done with; the verdict says how.
    Closed,
}

/// What a closed alert turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// What the rule looks for, and bad.
    TruePositive,
    /// Not what the rule looks for.
    FalsePositive,
    /// What the rule looks for, and harmless.
    Benign,
    /// Told already by another alert.
    Duplicate,
    /// Events that came late show that it never was; Stormglass itself says so.
    Refuted,
}

/// A step in the life of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Somebody takes it.
    Acknowledge,
    /// It is done with.
    Close(Verdict),
    /// It was closed too early.
    Reopen,
}

impl AlertStatus {
    /// The name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
        }
    }

    /// The status after `change`; `None` where the change makes no sense. Acknowledging twice is
    /// harmless and allowed. Closing twice is not: the second would put its verdict and reason in the
    /// place of somebody else's. Reopen first.
    pub fn after(self, change: Change) -> Option<Self> {
        match (self, change) {
            (Self::New | Self::Acknowledged, Change::Acknowledge) => Some(Self::Acknowledged),
            (Self::Closed, Change::Acknowledge) => None,
            (Self::New | Self::Acknowledged, Change::Close(_)) => Some(Self::Closed),
            (Self::Closed, Change::Close(_)) => None,
            (Self::Closed, Change::Reopen) => Some(Self::New),
            (Self::New | Self::Acknowledged, Change::Reopen) => None,
        }
    }
}

impl FromStr for AlertStatus {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::New, Self::Acknowledged, Self::Closed]
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or_else(|| format!("unknown status `{name}`; choose new, acknowledged or closed"))
    }
}

impl Verdict {
    /// The name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TruePositive => "true_positive",
            Self::FalsePositive => "false_positive",
            Self::Benign => "benign",
            Self::Duplicate => "duplicate",
            Self::Refuted => "refuted",
        }
    }
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::TruePositive, Self::FalsePositive, Self::Benign, Self::Duplicate, Self::Refuted]
            .into_iter()
            .find(|verdict| verdict.as_str() == name)
            .ok_or_else(|| {
                format!("unknown verdict `{name}`; choose true_positive, false_positive, benign or duplicate")
            })
    }
}

impl Change {
    /// The change as a past participle, for messages and for the history.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledged",
            Self::Close(_) => "closed",
            Self::Reopen => "reopened",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_and_change() {
        use AlertStatus::*;
        let close = Change::Close(Verdict::Benign);
        for (from, change, to) in [
            (New, Change::Acknowledge, Some(Acknowledged)),
            (Acknowledged, Change::Acknowledge, Some(Acknowledged)),
            (Closed, Change::Acknowledge, None),
            (New, close, Some(Closed)),
            (Acknowledged, close, Some(Closed)),
            (Closed, close, None),
            (New, Change::Reopen, None),
            (Acknowledged, Change::Reopen, None),
            (Closed, Change::Reopen, Some(New)),
        ] {
            assert_eq!(from.after(change), to, "{from:?} {change:?}");
        }
    }

    #[test]
    fn names_read_back() {
        assert_eq!("closed".parse(), Ok(AlertStatus::Closed));
        for status in [AlertStatus::New, AlertStatus::Acknowledged, AlertStatus::Closed] {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        let verdicts = [Verdict::TruePositive, Verdict::FalsePositive, Verdict::Benign, Verdict::Duplicate];
        for verdict in verdicts {
            assert_eq!(verdict.as_str().parse(), Ok(verdict));
        }
        assert!("done".parse::<AlertStatus>().is_err());
        assert!("".parse::<Verdict>().is_err());
    }
}
