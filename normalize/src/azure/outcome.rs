//! How far an operation of Azure has come: the status columns.

use event::Col;

use super::http_status;
use crate::class::Status;
use crate::fields::Fields;
use crate::row::Row;

/// What the rest of the mapping needs to know of it.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The status in the words of the REST API, in every shape.
    pub(super) word: String,
    /// Whether the answer was `201 Created`.
    pub(super) created: bool,
}

/// Sets `status*` and `api_response_*`.
///
/// A long operation writes several events under one correlation id: `Started`, `Accepted`, and at last
/// `Succeeded` or `Failed`. Only these are success or failure; the others keep their word.
pub(super) fn map(fields: &mut Fields<'_>, details: &mut Fields<'_>, row: &mut Row<'_>) -> Outcome {
    const WORDS: [&str; 4] = ["activityStatusValue", "activityStatus", "status", "resultType"];
    let written = WORDS.iter().find_map(|name| fields.peek(name)).unwrap_or_default();
    let word = plain_word(&written).to_owned();
    let code = take_code(fields, details);
    let number = code.as_deref().and_then(http_status::number);
    if let Some(number) = number {
        row.int(Col::ApiResponseCode, number);
    }
    let status = status(&word, number);
    if status == Status::Other {
        row.text(Col::Status, &word);
        fields.forget_repeats(&WORDS, &word);
    }
    row.status(status);
    fields.forget_repeats(&WORDS, status.name());
    row.text_if(Col::StatusCode, code.as_deref());
    map_error(details, row);
    if status == Status::Failure {
        // Resource logs name the error here.
        fields.put(row, Col::ApiResponseError, &["statusText"]);
    }
    Outcome { word, created: number == Some(201) }
}

/// Event hubs and Log Analytics write `Start`, `Accept` and `Success` where the API has `Started` and so on.
fn plain_word(written: &str) -> &str {
    match written.to_ascii_lowercase().as_str() {
        "start" | "started" => "Started",
        "accept" | "accepted" => "Accepted",
        "success" | "succeeded" => "Succeeded",
        "failure" | "failed" | "fail" => "Failed",
        _ => written,
    }
}

fn status(word: &str, number: Option<i32>) -> Status {
    match (word, number) {
        ("Succeeded", _) => Status::Success,
        ("Failed", _) => Status::Failure,
        ("", Some(400..)) => Status::Failure,
        ("", Some(200..300)) => Status::Success,
        ("", _) => Status::Unknown,
        _ => Status::Other,
    }
}

/// The HTTP status of the answer, by number or name. In event hubs it follows the status after a point:
/// `Accepted.Created`, or `Succeeded.` with nothing.
fn take_code(fields: &mut Fields<'_>, details: &mut Fields<'_>) -> Option<String> {
    let names = ["activitySubstatusValue", "activitySubstatus", "subStatus", "statusCode"];
    let code = match details.text("statusCode") {
        Some(code) => {
            fields.forget_repeats(&names, &code);
            Some(code.into_owned())
        }
        None => fields.first(&names).map(|code| code.into_owned()),
    };
    let signature = fields.peek("resultSignature").unwrap_or_default();
    match signature.split_once('.') {
        Some((_, suffix)) => code.or_else(|| Some(suffix.to_owned()).filter(|suffix| !suffix.is_empty())),
        None => code.or_else(|| fields.text("resultSignature").map(|code| code.into_owned())),
    }
}

/// The error of Azure Resource Manager: `{"error": {"code", "message"}}`, or the inner part alone.
fn map_error(details: &mut Fields<'_>, row: &mut Row<'_>) {
    let message = details.nested(&["statusMessage"]);
    let mut outer = message.fields();
    let error = outer.nested(&["error"]);
    let mut inner = error.fields();
    for from in [&mut inner, &mut outer] {
        from.put(row, Col::ApiResponseError, &["code"]);
        if let Some(text) = from.text("message") {
            row.text(Col::ApiResponseErrorMessage, &text);
            row.text(Col::StatusDetail, &text);
        }
    }
    inner.keep(row);
    outer.keep(row);
    details.put(row, Col::StatusDetail, &["statusMessage"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_success_or_failure() {
        for (word, number, expected) in [
            ("Success", None, Status::Success),
            ("succeeded", Some(500), Status::Success),
            ("Failed", None, Status::Failure),
            ("Start", None, Status::Other),
            ("Active", None, Status::Other),
            ("", Some(201), Status::Success),
            ("", Some(409), Status::Failure),
            ("", None, Status::Unknown),
        ] {
            assert_eq!(status(plain_word(word), number), expected, "{word}");
        }
    }
}
