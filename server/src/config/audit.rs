//! Settings of the audit log.

use std::time::Duration;

use storage::audit::Retention;

use super::{Diagnostic, Getter, refusal};

/// The least that entries are kept.
const LEAST: Duration = Duration::from_secs(24 * 3_600);

/// What the audit log is kept with.
#[derive(Debug, Clone)]
pub(crate) struct AuditConfig {
    /// Where checkpoints go besides; empty for nowhere.
    pub(crate) anchor: String,
    /// How often it is signed.
    pub(crate) checkpoint_every: Duration,
    /// How many changes of a caller may fail in a minute.
    pub(crate) failed_changes: u32,
    /// What is kept; `None`: all.
    pub(crate) retention: Option<Retention>,
    /// Where entries go before they are dropped; empty for nowhere.
    pub(crate) archive: String,
}

/// Reads them.
///
/// # Errors
/// Entries would be dropped that are nowhere else, and nobody has said that they may; or too early.
pub(super) fn resolve(get: &Getter<'_>) -> Result<AuditConfig, Vec<Diagnostic>> {
    let (age, bytes) = (get.span("audit.keep"), get.count("audit.keep_bytes"));
    let archive = get.text("audit.archive");
    if !age.is_zero() && age < LEAST {
        return Err(vec![refusal(
            "audit.keep",
            "entries are kept for a day at least".into(),
            "choose \"1 d\" or longer, or \"never\" to drop none",
        )]);
    }
    let retention = (!age.is_zero() || bytes > 0).then(|| Retention {
        age_us: (!age.is_zero()).then(|| i64::try_from(age.as_micros()).unwrap_or(i64::MAX)),
        bytes: (bytes > 0).then_some(bytes),
    });
    if retention.is_some() && archive.is_empty() && !get.flag("audit.drop_unarchived") {
        let name = if age.is_zero() { "audit.keep_bytes" } else { "audit.keep" };
        return Err(vec![refusal(
            name,
            "entries would be dropped that are nowhere else".into(),
            "name an `audit.archive`, or set `audit.drop_unarchived = true`",
        )]);
    }
    Ok(AuditConfig {
        anchor: get.text("audit.anchor"),
        checkpoint_every: get.span("audit.checkpoint_every"),
        failed_changes: get.count("audit.failed_changes") as u32,
        retention,
        archive,
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Settings, load};

    fn refused(text: &str) -> String {
        let settings: Settings = load::load("s.toml", Some(text), std::iter::empty()).unwrap();
        let problems = Config::resolve(settings).map(|_| ()).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_is_dropped_by_mistake() {
        assert_eq!(Config::from_text("").audit.retention, None);
        assert!(refused("[audit]\nkeep = \"30 d\"\n").contains("nowhere else"));
        assert!(refused("[audit]\nkeep_bytes = \"1 GiB\"\n").contains("`audit.keep_bytes`"));
        assert!(refused("[audit]\nkeep = \"1 h\"\narchive = \"a\"\n").contains("for a day"));
        let kept = Config::from_text("[audit]\nkeep = \"30 d\"\narchive = \"a\"\n").audit;
        assert_eq!(kept.retention.unwrap().age_us, Some(30 * 86_400_000_000));
        let kept = Config::from_text("[audit]\nkeep_bytes = \"1 GiB\"\ndrop_unarchived = true\n").audit;
        assert_eq!(kept.retention.unwrap().bytes, Some(1 << 30));
    }
}
