//! The table of mappings: one per log type.

use event::{Col, EventKey, LogType};

use crate::json::Object;
use crate::reason::MapError;
use crate::row::Row;
use crate::{aws, azure, gcp};

/// How records of one log type become rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapping {
    /// Fills the row from a record; returns the event's identity. What no column takes must go to
    /// [`Row::keep`], so that nothing is lost.
    pub(crate) map: fn(&Object<'_>, &mut Row<'_>) -> Result<EventKey, MapError>,
    /// Where each column's value comes from, in the cloud's own field names.
    pub(crate) fields: &'static [(Col, &'static str)],
}

impl Mapping {
    pub(crate) fn of(log_type: LogType) -> Self {
        match log_type {
            LogType::AwsCloudtrail => Self { map: aws::cloudtrail::map, fields: aws::cloudtrail::FIELDS },
            LogType::AzureActivity => Self { map: azure::activity::map, fields: azure::activity::FIELDS },
            LogType::EntraSignin => Self { map: azure::signin::map, fields: azure::signin::FIELDS },
            LogType::EntraAudit => Self { map: azure::audit::map, fields: azure::audit::FIELDS },
            LogType::GcpAudit => Self { map: gcp::audit::map, fields: gcp::audit::FIELDS },
        }
    }
}
