//! Insight events: CloudTrail's own finding that an operation is called, or fails, unusually often.

use event::Col;

use super::cloudtrail::Record;
use crate::json::Object;
use crate::row::Row;

const PATH: &str = "insightDetails";

/// Takes the operation from `insightDetails`: an insight has neither a caller nor a call of its own.
pub(super) fn map<'a>(record: &mut Record<'a>, details: &Object<'a>, row: &mut Row<'_>) {
    for member in details.members() {
        match member.key.as_ref() {
            "eventSource" if record.event_source.is_empty() => {
                record.event_source = member.value.text().unwrap_or_default();
                row.put(Col::ApiServiceName, PATH, &member);
            }
            "eventName" if record.event_name.is_empty() => {
                record.event_name = member.value.text().unwrap_or_default();
                row.put(Col::ApiOperation, PATH, &member);
            }
            // ApiCallRateInsight, ApiErrorRateInsight.
            "insightType" => row.put(Col::Message, PATH, &member),
            _ => row.keep(PATH, &member),
        }
    }
}
