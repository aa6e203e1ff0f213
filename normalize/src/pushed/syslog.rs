//! Lines of syslog (RFC 5424, RFC 3164).

use event::{Col, EventKey, LogType};

use crate::class::Severity;
use crate::json::Object;
use crate::reason::MapError;
use crate::row::Row;
use crate::time;

/// Where each column's value comes from.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`timestamp`, else `received`"),
    (Col::MetadataOriginalTime, "`timestamp`"),
    (Col::MetadataUid, "`id`, given at reception"),
    (Col::ClassUid, "0, Base Event"),
    (Col::ActivityId, "0"),
    (
        Col::SeverityId,
        "`severity`: 0 Fatal, 1 and 2 Critical, 3 High, 4 Medium, 5 Low, 6 and 7 Informational",
    ),
    (Col::Message, "the text behind the header"),
    (Col::MetadataLogName, "`facility` by name: auth, daemon, local0"),
    (Col::MetadataLogVersion, "`version`"),
    (Col::MetadataProductName, "`app`: APP-NAME or tag"),
    (Col::MetadataEventCode, "`msgid`"),
    (Col::SrcEndpointName, "`host`"),
    (Col::SrcEndpointIp, "`host` where it is an address"),
];

/// The names of RFC 5424's table, as `syslog.conf` writes them.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let super::Said { said, carried } = super::said(record, "syslog", "message", row)?;
    super::message(row, carried);
    let mut severity = Severity::Informational;
    let (mut stamp, mut received) = (None, None);
    for member in said.members() {
        match member.key.as_ref() {
            "id" => {}
            // In `raw_data` as it is.
            "raw" => {}
            "timestamp" => {
                stamp = time::of_value(&member.value).ok();
                row.put(Col::MetadataOriginalTime, "syslog", &member);
            }
            "received" => {
                received = time::of_value(&member.value).ok();
                row.keep("syslog", &member);
            }
            "severity" => {
                severity = member.value.integer().map_or(severity, level);
                row.keep("syslog", &member);
            }
            "facility" => {
                let index = member.value.integer().and_then(|number| usize::try_from(number).ok());
                row.text_if(Col::MetadataLogName, index.and_then(|index| FACILITIES.get(index)));
                row.keep("syslog", &member);
            }
            "version" => row.put(Col::MetadataLogVersion, "syslog", &member),
            "host" => super::host(row, "syslog", &member),
            "app" => row.put_filled(Col::MetadataProductName, "syslog", &member),
            "msgid" => row.put_filled(Col::MetadataEventCode, "syslog", &member),
            _ => row.keep("syslog", &member),
        }
    }
    if let Some(micros) = stamp.or(received) {
        row.time(Col::Time, micros);
    }
    super::base(LogType::Syslog, &said, severity, row)
}

fn level(severity: i64) -> Severity {
    match severity {
        0 => Severity::Fatal,
        1 | 2 => Severity::Critical,
        3 => Severity::High,
        4 => Severity::Medium,
        5 => Severity::Low,
        _ => Severity::Informational,
    }
}
