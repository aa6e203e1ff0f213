//! The kinds of problems, each with an address that stays.

use axum::Json;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// Where the kinds are explained; `type` of a problem is this with the kind's word behind `#`.
pub(super) const TYPES: &str = "/api/v1/problems";

/// A kind of problem. It alone decides the status, so that a kind has the same one everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    AuditUnavailable,
    BadRequest,
    Conflict,
    Csrf,
    Forbidden,
    Internal,
    Invalid,
    MediaType,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    Provider,
    Sql,
    SqlForbidden,
    SqlTimeout,
    Stale,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
}

impl ProblemKind {
    /// What is behind `#` in its address.
    pub(super) fn word(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().2).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The kind in words.
    pub(super) fn title(self) -> &'static str {
        self.row().3
    }

    /// The kind of an error that a library made, by its status.
    pub(crate) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            406 => Self::NotAcceptable,
            409 => Self::Conflict,
            412 => Self::Stale,
            413 => Self::TooLarge,
            415 => Self::MediaType,
            422 => Self::Invalid,
            429 => Self::TooManyRequests,
            400..500 => Self::BadRequest,
            503 | 504 => Self::Unavailable,
            _ => Self::Internal,
        }
    }

    fn row(self) -> (Self, &'static str, u16, &'static str, &'static str) {
        let row = KINDS.iter().find(|(kind, ..)| *kind == self).copied();
        row.unwrap_or((self, "internal", 500, "An error of ours", ""))
    }
}

/// Each kind with its word, status and title, and what it means; in the order of their words.
const KINDS: [(ProblemKind, &str, u16, &str, &str); 20] = [
    (
        ProblemKind::AuditUnavailable,
        "audit_unavailable",
        503,
        "The audit log cannot be written",
        "Nothing is done that the audit log would not tell of. `/health` says what is wrong with it.",
    ),
    (
        ProblemKind::BadRequest,
        "bad_request",
        400,
        "The request cannot be understood",
        "`detail` names the parameter or field and what it must be.",
    ),
    (
        ProblemKind::Conflict,
        "conflict",
        409,
        "The state does not allow it",
        "Such as closing an alert that is closed. Read it again.",
    ),
    (
        ProblemKind::Csrf,
        "csrf",
        403,
        "Not sent by a page of ours",
        "A change by cookie comes from the server's own address, with the session's token in `X-CSRF-Token`.",
    ),
    (ProblemKind::Forbidden, "forbidden", 403, "The role may not do this", "Use a token whose role may."),
    (
        ProblemKind::Internal,
        "internal",
        500,
        "An error of ours",
        "The server's log has it under the request's id.",
    ),
    (
        ProblemKind::Invalid,
        "invalid",
        422,
        "The body is not what is asked for",
        "It is JSON, but a field is missing, unknown or of another type.",
    ),
    (
        ProblemKind::MediaType,
        "media_type",
        415,
        "The body is of another type",
        "Send the `Content-Type` that the description of the API names, compressed with gzip, zstd or not at all.",
    ),
    (
        ProblemKind::MethodNotAllowed,
        "method_not_allowed",
        405,
        "The method is not allowed here",
        "The description of the API has those that are.",
    ),
    (
        ProblemKind::NotAcceptable,
        "not_acceptable",
        406,
        "No format of ours is accepted",
        "`detail` has those that there are.",
    ),
    (ProblemKind::NotFound, "not_found", 404, "There is no such thing", "Nor a trace of one that there was."),
    (
        ProblemKind::Provider,
        "provider",
        502,
        "The provider of single sign-on cannot be used",
        "The server's log says why; users with a password here are not concerned.",
    ),
    (
        ProblemKind::Sql,
        "sql",
        400,
        "The statement is wrong",
        "`line` and `column` say where, where that is known.",
    ),
    (
        ProblemKind::SqlForbidden,
        "sql_forbidden",
        403,
        "The statement is not allowed",
        "Only one that reads is.",
    ),
    (
        ProblemKind::SqlTimeout,
        "sql_timeout",
        408,
        "The query took too long",
        "Ask for less, or for more time.",
    ),
    (
        ProblemKind::Stale,
        "stale",
        412,
        "It has changed since it was read",
        "Read it again, and send the new `ETag` as `If-Match`.",
    ),
    (
        ProblemKind::TooLarge,
        "too_large",
        413,
        "The body is too large",
        "Send it in parts; `server.max_body` is the limit.",
    ),
    (
        ProblemKind::TooManyRequests,
        "too_many_requests",
        429,
        "Too many requests, or no room just now",
        "Try again after `retry_after` seconds.",
    ),
    (
        ProblemKind::Unauthorized,
        "unauthorized",
        401,
        "No token, or not one of ours",
        "Send `Authorization: Bearer TOKEN`.",
    ),
    (
        ProblemKind::Unavailable,
        "unavailable",
        503,
        "It cannot be worked on now",
        "A stage has failed, or the request took longer than `server.request_timeout`; `/health` says which.",
    ),
];

/// A kind of problem, as it is listed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KindBody {
    /// As `type` of a problem has it.
    #[serde(rename = "type")]
    kind: String,
    status: u16,
    title: &'static str,
    /// What it means and what to do.
    meaning: &'static str,
}

/// The kinds of problems that answers tell of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemKinds {
    problems: Vec<KindBody>,
}

/// Lists the kinds of problems.
#[utoipa::path(get, path = "/api/v1/problems", tag = "health", responses((status = 200, body = ProblemKinds)))]
pub(crate) async fn list() -> Json<ProblemKinds> {
    let problems = KINDS.iter().map(|&(_, word, status, title, meaning)| KindBody {
        kind: format!("{TYPES}#{word}"),
        status,
        title,
        meaning,
    });
    Json(ProblemKinds { problems: problems.collect() })
}

/// The table in `docs/api.md`.
#[cfg(test)]
fn table() -> String {
    let mut out = String::from("| `type` | status | title | what to do |\n| --- | --- | --- | --- |\n");
    for (_, word, status, title, meaning) in KINDS {
        out.push_str(&format!("| `{TYPES}#{word}` | {status} | {title} | {meaning} |\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- problems: printed from the program -->\n";
    const END: &str = "<!-- end -->\n";

    /// The table in the repository is the one that the program prints.
    #[test]
    fn the_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let wanted = format!("{before}{BEGIN}{}{END}{after}", table());
        if std::env::var_os("STORMGLASS_BLESS").is_some() {
            std::fs::write(path, &wanted).unwrap();
            return;
        }
        assert!(page == wanted, "docs/api.md differs; STORMGLASS_BLESS=1 cargo test -p server rewrites it");
    }

    /// Every kind that there is is in the table, once, and is told by some part of the code.
    #[test]
    fn every_kind_is_explained_and_used() {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/problems.rs");
        let source = std::fs::read_to_string(own).unwrap();
        let (_, rest) = source.split_once("pub(crate) enum ProblemKind {").unwrap();
        let (variants, _) = rest.split_once('}').unwrap();
        let variants: Vec<_> = variants
            .lines()
            .map(|line| line.trim().trim_end_matches(','))
            .filter(|line| !line.is_empty())
            .collect();
        let listed: Vec<_> = KINDS.iter().map(|(kind, ..)| format!("{kind:?}")).collect();
        assert_eq!(listed, variants);
        assert!(KINDS.iter().is_sorted_by(|one, other| one.1 < other.1));
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        let mut code = String::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("api/problems.rs") {
                    code.push_str(&std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        for (kind, word, status, ..) in KINDS {
            assert!(code.contains(&format!("ProblemKind::{kind:?},")), "nothing tells of `{word}`");
            assert_eq!((kind.word(), kind.status().as_u16()), (word, status));
            assert!((400..600).contains(&status));
        }
    }

    #[test]
    fn errors_of_libraries_keep_their_status_where_there_is_a_kind_for_it() {
        for (_, _, status, ..) in KINDS.iter().filter(|(_, _, status, ..)| !matches!(status, 408 | 502)) {
            assert_eq!(ProblemKind::of(StatusCode::from_u16(*status).unwrap()).status().as_u16(), *status);
        }
        for (status, as_status) in [(408, 400), (411, 400), (431, 400), (500, 500), (501, 500), (504, 503)] {
            assert_eq!(ProblemKind::of(StatusCode::from_u16(status).unwrap()).status().as_u16(), as_status);
        }
    }
}
