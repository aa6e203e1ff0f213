//! The envelope of diagnostic settings: a log's own members under `properties`, in a frame of Azure's.
//!
//! Log Analytics lays the same members flat, as columns beside those of the frame. Read together, both are one
//! ("Common and service-specific schemas for Azure resource logs", "Azure Monitor Logs reference").

use crate::fields::Fields;
use crate::json::Object;
use crate::nested::Nested;

/// A record of a diagnostic log.
#[derive(Debug)]
pub(crate) struct Diagnostic<'a> {
    frame: Fields<'a>,
    properties: Nested<'a>,
}

impl<'a> Diagnostic<'a> {
    /// Opens a record.
    pub(crate) fn of(record: Object<'a>) -> Self {
        let mut frame = Fields::of(record, "");
        let properties = frame.nested(&["properties"]);
        Self { frame, properties }
    }

    /// The members of the log, and behind them those of the frame: of a name that both have, the log's is found
    /// first.
    pub(crate) fn fields(&mut self) -> Fields<'_> {
        let mut fields = Fields::default();
        if let Some(object) = self.properties.object() {
            fields.add(object, self.properties.path());
        }
        fields.append(std::mem::take(&mut self.frame));
        fields
    }
}
