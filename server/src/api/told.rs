//! How far an alert or incident was told, as the API shows it with either.

use notify::{Reason, Standing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::notifications::{DeliveryBody, delivery};
use super::time::format_us;

/// How far an alert or incident was told.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ToldBody {
    /// Of deliveries the worst: `dead`, `retrying`, `waiting` or `delivered`. Where there are none, why: `silenced`,
    /// `held` (counted until a window closes), `unrouted`, `taken` (by somebody, before it was told), `pending` or
    /// `unknown`.
    pub(crate) state: String,
    /// Why it is not told, or not by itself.
    pub(crate) reasons: Vec<ToldReasonBody>,
    /// What was told or is to be, newest first, 100 at most; `/api/v1/notifications` has all.
    pub(crate) deliveries: Vec<ToldAsBody>,
}

/// Why an alert or incident is not told, or not by itself.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ToldReasonBody {
    /// `silenced`, `incident` (it is told with it), `counted` (with an incident that has been told), `digest`, `fold`
    /// (there are many of its rule), `unrouted`, `nobody` (is on call), `taken`, `closed`, `pending` or `unknown`.
    pub(crate) kind: String,
    /// In words.
    pub(crate) text: String,
    /// The silence, incident, channel or route that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) of: Option<String>,
    /// Until when it is so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) until: Option<String>,
}

/// A delivery, and as what it tells of the alert or incident.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ToldAsBody {
    /// `itself`, `incident`, `alert` (of the incident asked for), `digest` or `flood`.
    #[serde(rename = "as")]
    pub(crate) vehicle: String,
    #[serde(flatten)]
    pub(crate) delivery: DeliveryBody,
}

impl From<Standing> for ToldBody {
    fn from(standing: Standing) -> Self {
        let deliveries = standing
            .deliveries
            .into_iter()
            .map(|told| ToldAsBody { vehicle: told.vehicle.into(), delivery: delivery(told.delivery) });
        Self {
            state: standing.state.as_str().into(),
            reasons: standing.reasons.into_iter().map(reason).collect(),
            deliveries: deliveries.collect(),
        }
    }
}

fn reason(reason: Reason) -> ToldReasonBody {
    ToldReasonBody {
        kind: reason.kind.into(),
        text: reason.text,
        of: reason.of,
        until: reason.until_us.map(format_us),
    }
}
