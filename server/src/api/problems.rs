//! The kinds of problems, each with an address that stays.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// Where the kinds are explained; `type` of a problem is this with the kind's word behind `#`.
pub(super) const TYPES: &str = "/api/v1/problems";

/// Word, status, title, and what it means.
pub(crate) const KINDS: [(&str, u16, &str, &str); 20] = [
    (
        "audit_unavailable",
        503,
        "The audit log cannot be written",
        "Nothing is done that the audit log would not tell of. `/health` says what is wrong with it.",
    ),
    (
        "bad_request",
        400,
        "The request cannot be understood",
        "`detail` names the parameter or field and what it must be.",
    ),
    (
        "conflict",
        409,
        "The state does not allow it",
        "Such as closing an alert that is closed. Read it again.",
    ),
    (
        "csrf",
        403,
        "Not sent by a page of ours",
        "A change by cookie comes from the server's own address, with the session's token in `X-CSRF-Token`.",
    ),
    ("forbidden", 403, "The role may not do this", "Use a token whose role may."),
    ("internal", 500, "An error of ours", "The server's log has it under the request's id."),
    (
        "invalid",
        422,
        "The body is not what is asked for",
        "It is JSON, but a field is missing, unknown or of another type.",
    ),
    (
        "media_type",
        415,
        "The body is of another type",
        "Send the `Content-Type` that the description of the API names.",
    ),
    (
        "method_not_allowed",
        405,
        "The method is not allowed here",
        "The description of the API has those that are.",
    ),
    ("not_acceptable", 406, "No format of ours is accepted", "`detail` has those that there are."),
    ("not_found", 404, "There is no such thing", "Nor a trace of one that there was."),
    (
        "provider",
        502,
        "The provider of single sign-on cannot be used",
        "The server's log says why; users with a password here are not concerned.",
    ),
    ("sql", 400, "The statement is wrong", "`line` and `column` say where, where that is known."),
    ("sql_forbidden", 403, "The statement is not allowed", "Only one that reads is."),
    ("sql_timeout", 408, "The query took too long", "Ask for less, or for more time."),
    (
        "stale",
        412,
        "It has changed since it was read",
        "Read it again, and send the new `ETag` as `If-Match`.",
    ),
    ("too_large", 413, "The body is too large", "Send it in parts; `server.max_body` is the limit."),
    (
        "too_many_requests",
        429,
        "Too many requests, or no room just now",
        "Try again after `retry_after` seconds.",
    ),
    ("unauthorized", 401, "No token, or not one of ours", "Send `Authorization: Bearer TOKEN`."),
    (
        "unavailable",
        503,
        "It cannot be worked on now",
        "A stage has failed, or the request took longer than `server.request_timeout`; `/health` says which.",
    ),
];

/// The title of a kind.
pub(super) fn title(word: &str) -> &'static str {
    KINDS.iter().find(|(known, ..)| *known == word).map_or("The request failed", |(_, _, title, _)| title)
}

/// A kind of problem.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemKind {
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
    problems: Vec<ProblemKind>,
}

/// Lists the kinds of problems.
#[utoipa::path(get, path = "/api/v1/problems", tag = "health", responses((status = 200, body = ProblemKinds)))]
pub(crate) async fn list() -> Json<ProblemKinds> {
    let problems = KINDS.iter().map(|&(word, status, title, meaning)| ProblemKind {
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
    for (word, status, title, meaning) in KINDS {
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

    /// Every word that the code uses is in the table.
    #[test]
    fn every_kind_is_explained() {
        let mut words = 0;
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                // The word is the first text behind a status; within the type itself it is `Self`.
                let calls = ["Problem::new(", "Self::new("].map(|call| text.split(call).skip(1));
                for call in calls.into_iter().flatten() {
                    if !call.trim_start().starts_with("StatusCode::") {
                        continue;
                    }
                    let word = call.split('"').nth(1).unwrap();
                    assert!(KINDS.iter().any(|(known, ..)| *known == word), "{}: `{word}`", path.display());
                    words += 1;
                }
            }
        }
        assert!(words > 15, "only {words} were found");
    }
}
