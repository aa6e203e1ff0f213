//! The partitions of the table: one per UTC day of the events' own time and cloud.
//!
//! Delta keeps partition values in the log and the path, not in the files: the columns `event_day` and
//! `cloud_provider` of a row are those of the file it lies in.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use event::Col;
use object_store::path::Path;

/// Which rows a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// The value of `event_day`: days since 1970-01-01.
    pub day: i32,
    /// The value of `cloud_provider`.
    pub provider: Arc<str>,
}

/// 0001-01-01, the first day that a Delta date can be.
const FIRST_DAY: i32 = -719_162;
/// 9999-12-31, the last one.
const LAST_DAY: i32 = 2_932_896;

impl Partition {
    /// The partition of rows with these values.
    ///
    /// Days outside years 1 to 9999 cannot be written as a Delta date and fall to the nearest one that
    /// can; an empty provider would read back as null and becomes `Unknown`. Mappings make neither.
    pub fn new(day: i32, provider: &str) -> Self {
        let provider = if provider.is_empty() { "Unknown" } else { provider };
        Self { day: Self::day_in_table(day), provider: provider.into() }
    }

    /// The partition's day for events of `day`.
    pub fn day_in_table(day: i32) -> i32 {
        day.clamp(FIRST_DAY, LAST_DAY)
    }

    /// The names of the partition columns.
    pub(crate) fn columns() -> [&'static str; 2] {
        [Col::EventDay.name(), Col::CloudProvider.name()]
    }

    /// The values as the Delta log has them.
    pub(crate) fn values(&self) -> HashMap<String, Option<String>> {
        let [day, provider] = Self::columns();
        HashMap::from([
            (day.to_owned(), Some(self.date())),
            (provider.to_owned(), Some(self.provider.to_string())),
        ])
    }

    /// Reads [`values`](Self::values) back; `None` if another engine wrote something else.
    pub(crate) fn from_values(values: &HashMap<String, Option<String>>) -> Option<Self> {
        let [day, provider] = Self::columns();
        let date = NaiveDate::parse_from_str(values.get(day)?.as_deref()?, "%Y-%m-%d").ok()?;
        let day = date.signed_duration_since(NaiveDate::default()).num_days();
        Some(Self { day: i32::try_from(day).ok()?, provider: values.get(provider)?.as_deref()?.into() })
    }

    /// A path for the file `name` of this partition, in the layout of Hive.
    pub(crate) fn path(&self, name: &str) -> Path {
        let [day, provider] = Self::columns();
        // `Path` escapes what a provider's name must not bring into a path.
        Path::from_iter([
            format!("{day}={}", self.date()),
            format!("{provider}={}", self.provider),
            name.into(),
        ])
    }

    fn date(&self) -> String {
        // In range by construction or because it was parsed from a date.
        let date = NaiveDate::from_num_days_from_ce_opt(self.day.saturating_sub(FIRST_DAY).saturating_add(1));
        date.unwrap_or_default().format("%Y-%m-%d").to_string()
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.date(), self.provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_dates() {
        let path = |day, provider| Partition::new(day, provider).path("x.parquet").to_string();
        assert_eq!(path(0, "AWS"), "event_day=1970-01-01/cloud_provider=AWS/x.parquet");
        assert_eq!(path(20_780, "GCP"), "event_day=2026-11-23/cloud_provider=GCP/x.parquet");
        assert_eq!(path(-1, "AWS"), "event_day=1969-12-31/cloud_provider=AWS/x.parquet");
        assert_eq!(path(i32::MIN, ""), "event_day=0001-01-01/cloud_provider=Unknown/x.parquet");
        assert_eq!(path(i32::MAX, "../x"), "event_day=9999-12-31/cloud_provider=..%2Fx/x.parquet");
    }

    proptest! {
        #[test]
        fn values_read_back(day in any::<i32>(), provider in "\\PC{0,8}") {
            let partition = Partition::new(day, &provider);
            prop_assert_eq!(Partition::from_values(&partition.values()), Some(partition.clone()));
            // Nothing in a provider's name leaves the table's folder.
            prop_assert_eq!(partition.path("x").parts().count(), 3);
        }
    }
}
