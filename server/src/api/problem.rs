//! Errors of the API, as RFC 9457 problem details.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use event::Fate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problems::{ProblemKind, TYPES};

/// What an error answer says (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Problem {
    /// The kind of problem, a stable address below the server's own: `/api/v1/problems#not_found`.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    pub(crate) kind: String,
    /// The kind in words.
    #[serde(default)]
    #[schema(value_type = String)]
    pub(crate) title: Box<str>,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What is wrong and what to do about it.
    pub(crate) detail: String,
    /// Line and column in the SQL text, where the problem has a place.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) line: Option<u32>,
    /// See `line`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) column: Option<u32>,
    /// Seconds to wait before trying again; also in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) retry_after: Option<u64>,
    /// The request's id; the server's log has it in every line about the request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>)]
    pub(crate) request_id: Option<Box<str>>,
}

impl Problem {
    /// A problem of a kind.
    pub(crate) fn new(kind: ProblemKind, detail: &str) -> Self {
        Self {
            kind: format!("{TYPES}#{}", kind.word()),
            title: kind.title().into(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            line: None,
            column: None,
            retry_after: None,
            request_id: None,
        }
    }

    /// 400: the request cannot be understood.
    pub(crate) fn bad_request(detail: &str) -> Self {
        Self::new(ProblemKind::BadRequest, detail)
    }

    /// 401: no token, or not one of ours.
    pub(crate) fn unauthorized(detail: &str) -> Self {
        Self::new(ProblemKind::Unauthorized, detail)
    }

    /// 403: the role may not.
    pub(crate) fn forbidden(detail: &str) -> Self {
        Self::new(ProblemKind::Forbidden, detail)
    }

    /// 404.
    pub(crate) fn not_found(detail: &str) -> Self {
        Self::new(ProblemKind::NotFound, detail)
    }

    /// 409: the state does not allow it.
    pub(crate) fn conflict(detail: &str) -> Self {
        Self::new(ProblemKind::Conflict, detail)
    }

    /// 412: what is to be changed is not as the client knows it.
    pub(crate) fn stale(detail: &str) -> Self {
        Self::new(ProblemKind::Stale, detail)
    }

    /// 429, with the seconds to wait.
    pub(crate) fn too_many(detail: &str, seconds: u64) -> Self {
        let seconds = seconds.max(1);
        let detail = format!("{detail}; try again in {seconds} s");
        Self { retry_after: Some(seconds), ..Self::new(ProblemKind::TooManyRequests, &detail) }
    }

    /// 500 or 503: our fault; the log has the details.
    pub(crate) fn internal(error: &dyn std::fmt::Display, fate: Fate) -> Self {
        match fate {
            Fate::Retry { after } => Self::too_many(&error.to_string(), after.as_secs().max(1)),
            Fate::Stop => Self::new(ProblemKind::Unavailable, &error.to_string()),
            Fate::Reject => Self::bad_request(&error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        self.request_id = self.request_id.or_else(super::requests::current_id);
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<alerts::Error> for Problem {
    fn from(error: alerts::Error) -> Self {
        match &error {
            alerts::Error::AlertUnknown { .. }
            | alerts::Error::SilenceUnknown { .. }
            | alerts::Error::IncidentUnknown { .. } => Self::not_found(&error.to_string()),
            alerts::Error::ChangeRefused { .. }
            | alerts::Error::SilenceOver { .. }
            | alerts::Error::IncidentRefused { .. }
            | alerts::Error::PackageTooLarge { .. } => Self::conflict(&error.to_string()),
            alerts::Error::Stale { .. } | alerts::Error::IncidentStale { .. } => {
                Self::stale(&error.to_string())
            }
            _ => Self::internal(&error, error.fate()),
        }
    }
}

impl From<notify::Error> for Problem {
    fn from(error: notify::Error) -> Self {
        match error {
            notify::Error::Alerts(error) => error.into(),
            notify::Error::ChannelUnknown { .. }
            | notify::Error::SubjectUnknown { .. }
            | notify::Error::DeliveryUnknown { .. } => Self::not_found(&error.to_string()),
            error => Self::internal(&error, error.fate()),
        }
    }
}

impl From<storage::Error> for Problem {
    fn from(error: storage::Error) -> Self {
        Self::internal(&error, error.fate())
    }
}

impl From<pipeline::Error> for Problem {
    fn from(error: pipeline::Error) -> Self {
        Self::internal(&error, error.fate())
    }
}
