//! Events of Splunk's HTTP Event Collector.

use event::{Col, EventKey, LogType};

use crate::class::Severity;
use crate::json::{Object, Value};
use crate::reason::MapError;
use crate::row::Row;
use crate::time;

/// Where each column's value comes from.
pub(crate) const FIELDS: &[(Col, &str)] = &[
    (Col::Time, "`time`, else `received`"),
    (Col::MetadataOriginalTime, "`time`"),
    (Col::MetadataUid, "`id`, given at reception"),
    (Col::ClassUid, "0, Base Event"),
    (Col::ActivityId, "0"),
    (Col::SeverityId, "1, Informational"),
    (Col::Message, "`event`, as JSON where it is no text"),
    (Col::MetadataLogName, "`sourcetype`"),
    (Col::MetadataLogProvider, "`source`"),
    (Col::MetadataProductName, "`Unknown`: HEC does not say"),
    (Col::SrcEndpointName, "`host`"),
    (Col::SrcEndpointIp, "`host` where it is an address"),
];

pub(crate) fn map(record: &Object<'_>, row: &mut Row<'_>) -> Result<EventKey, MapError> {
    let super::Said { said, carried } = super::said(record, "hec", "event", row)?;
    super::message(row, carried);
    let (mut happened, mut received) = (None, None);
    for member in said.members() {
        match member.key.as_ref() {
            "id" => {}
            "time" => {
                happened = seconds(&member.value).or_else(|| time::of_value(&member.value).ok());
                row.put(Col::MetadataOriginalTime, "hec", &member);
            }
            "received" => {
                received = time::of_value(&member.value).ok();
                row.keep("hec", &member);
            }
            "host" => super::host(row, "hec", &member),
            "source" => row.put_filled(Col::MetadataLogProvider, "hec", &member),
            "sourcetype" => row.put_filled(Col::MetadataLogName, "hec", &member),
            _ => row.keep("hec", &member),
        }
    }
    if let Some(micros) = happened.or(received) {
        row.time(Col::Time, micros);
    }
    super::base(LogType::Hec, &said, Severity::Informational, row)
}

/// Seconds with a fraction, which is how HEC writes times; to the microsecond.
fn seconds(value: &Value<'_>) -> Option<i64> {
    let text = value.text().filter(|text| text.contains('.'))?;
    let micros = text.trim().parse::<f64>().ok()? * 1e6;
    (0.0..9e15).contains(&micros).then(|| micros.round() as i64)
}
