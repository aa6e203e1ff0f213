//! Which alerts a list shows, and where its next page begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::{AlertStatus, Error, Result, StoredAlert};

/// Which alerts to list; an empty filter lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Only with this status.
    pub status: Option<AlertStatus>,
    /// Only of at least this severity, 1 to 5.
    pub min_severity_id: Option<u8>,
    /// Only of this rule.
    pub rule_id: Option<String>,
    /// Only of this provider.
    pub provider: Option<String>,
    /// Only about this entity, of whichever kind.
    pub entity: Option<String>,
    /// Only with an event at or after this, microseconds since 1970.
    pub since_us: Option<i64>,
    /// Only with an event before this, microseconds since 1970.
    pub until_us: Option<i64>,
}

/// A page of alerts, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertPage {
    /// The alerts.
    pub alerts: Vec<StoredAlert>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// A place in the list of alerts; it holds while alerts are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) time_us: i64,
    pub(crate) id: String,
}

impl Cursor {
    /// The text handed to clients.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}:{}", self.time_us, self.id))
    }

    /// Reads a client's text.
    ///
    /// # Errors
    /// [`Error::CursorUnknown`] for anything that [`Cursor::encode`] did not write.
    pub fn decode(text: &str) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::CursorUnknown)?;
        let text = String::from_utf8(bytes).map_err(|_| Error::CursorUnknown)?;
        let (time_us, id) = text.split_once(':').ok_or(Error::CursorUnknown)?;
        Ok(Self { time_us: time_us.parse().map_err(|_| Error::CursorUnknown)?, id: id.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_read_back(time_us: i64, id in "[0-9a-f]{32}") {
            let cursor = Cursor { time_us, id };
            prop_assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
        }

        #[test]
        fn any_text_is_refused_or_read(text in ".*") {
            drop(Cursor::decode(&text));
        }
    }
}
