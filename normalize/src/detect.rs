//! Which log a record is from, told by its keys.

use event::LogType;

use crate::json::Object;
use crate::reason::{MapError, Reason};

/// The log type of a record that lies in no envelope.
///
/// # Errors
/// [`Reason::UnknownLogType`].
pub(crate) fn log_type(record: &Object<'_>) -> Result<LogType, MapError> {
    for member in record.members() {
        match member.key.as_ref() {
            "eventSource" | "eventName" | "eventVersion" => return Ok(LogType::AwsCloudtrail),
            "protoPayload" | "logName" | "insertId" => return Ok(LogType::GcpAudit),
            _ => {}
        }
    }
    Err(MapError::new(Reason::UnknownLogType, "the record's keys fit no known log"))
}
