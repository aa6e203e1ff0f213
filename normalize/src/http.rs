//! What the logs of HTTP have in common: the request line, the address in its parts, the answer's code.

use core::net::IpAddr;
use std::borrow::Cow;

use event::Col;

use crate::class::{Activity, Status, http_activity};
use crate::json::Object;
use crate::row::Row;

/// A request in its parts, for what is placed when all of a record is read.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) method: Cow<'a, str>,
    pub(crate) scheme: Cow<'a, str>,
    pub(crate) host: Cow<'a, str>,
    pub(crate) path: Cow<'a, str>,
    pub(crate) query: Cow<'a, str>,
}

impl Request<'_> {
    /// Sets class and method, host and port, and the whole address. Scheme, path and query string as columns
    /// of their own are the mapping's.
    pub(crate) fn map(&self, row: &mut Row<'_>) {
        method(&self.method, row);
        host(&self.host, row);
        compose(&self.scheme, &self.host, &self.path, &self.query, row);
        require_path(row);
    }
}

/// Hands over each member that is a text, as of a log that has a line of text and JSON for the same; the
/// others are kept.
pub(crate) fn each_text<'a>(
    record: &Object<'a>,
    row: &mut Row<'_>,
    mut take: impl FnMut(&str, Cow<'a, str>, &mut Row<'_>),
) {
    for member in record.members() {
        match member.value.text() {
            Some(value) => take(&member.key, value, row),
            None => row.keep("", &member),
        }
    }
}

/// Notes a text for later. `true`: it is placed.
pub(crate) fn note<'a>(slot: &mut Cow<'a, str>, value: Cow<'a, str>) -> bool {
    *slot = value;
    true
}

/// Sets the class by the method, and the method. OCSF has a list of methods; others are kept as
/// `http_method` and name the activity.
pub(crate) fn method(text: &str, row: &mut Row<'_>) {
    let Some(activity) = activity(text) else {
        if matches!(text, "" | "-") {
            row.class(&http_activity::UNKNOWN);
        } else {
            row.keep_text("", "http_method", text);
            row.class_named(&http_activity::OTHER, text);
        }
        return;
    };
    row.text(Col::HttpRequestHttpMethod, text);
    row.class(&activity);
}

fn activity(method: &str) -> Option<Activity> {
    Some(match method {
        "CONNECT" => http_activity::CONNECT,
        "DELETE" => http_activity::DELETE,
        "GET" => http_activity::GET,
        "HEAD" => http_activity::HEAD,
        "OPTIONS" => http_activity::OPTIONS,
        "POST" => http_activity::POST,
        "PUT" => http_activity::PUT,
        "TRACE" => http_activity::TRACE,
        "PATCH" => http_activity::PATCH,
        _ => return None,
    })
}

/// The method, address and version in `GET https://www.example.com:443/a?b=c HTTP/1.1`; an address may hold blanks.
pub(crate) fn request_line(line: &str) -> Option<(&str, &str, &str)> {
    let (method, rest) = line.split_once(' ')?;
    let (address, version) = rest.rsplit_once(' ')?;
    Some((method, address, version))
}

/// Sets an address and its parts; a path alone sets path and query.
pub(crate) fn url(text: &str, row: &mut Row<'_>) {
    if matches!(text, "" | "-") {
        return;
    }
    let Some((scheme, rest)) = text.split_once("://") else { return path(text, row) };
    row.text(Col::HttpRequestUrl, text);
    row.text_if(Col::HttpRequestUrlScheme, Some(scheme));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
    host(authority, row);
    path(target, row);
}

/// Sets host and port of the address from `www.example.com:443`.
pub(crate) fn host(authority: &str, row: &mut Row<'_>) {
    if matches!(authority, "" | "-") {
        return;
    }
    match authority.rsplit_once(':').map(|(name, port)| (name, port.parse::<u16>())) {
        Some((name, Ok(port))) if !name.is_empty() && authority.parse::<IpAddr>().is_err() => {
            row.text(Col::HttpRequestUrlHostname, name);
            row.int(Col::HttpRequestUrlPort, i32::from(port));
        }
        _ => row.text(Col::HttpRequestUrlHostname, authority),
    }
}

/// Sets path and query string.
pub(crate) fn path(target: &str, row: &mut Row<'_>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    row.text_if(Col::HttpRequestUrlPath, Some(path));
    row.text_if(Col::HttpRequestUrlQueryString, Some(query));
}

/// Puts the whole address together where the record has it in parts.
pub(crate) fn compose(scheme: &str, host: &str, path: &str, query: &str, row: &mut Row<'_>) {
    let is_absent = |text: &str| matches!(text, "" | "-");
    if is_absent(scheme) || is_absent(host) {
        return;
    }
    let mark = if is_absent(query) { "" } else { "?" };
    let query = if is_absent(query) { "" } else { query };
    row.text(Col::HttpRequestUrl, &format!("{scheme}://{host}{path}{mark}{query}"));
}

/// OCSF wants an address to be whole or to have a path.
pub(crate) fn require_path(row: &mut Row<'_>) {
    let has_part = [Col::HttpRequestUrlHostname, Col::HttpRequestUrlQueryString, Col::HttpRequestUrlScheme]
        .iter()
        .any(|col| row.has(*col));
    if has_part && !row.has(Col::HttpRequestUrl) && !row.has(Col::HttpRequestUrlPath) {
        row.text(Col::HttpRequestUrlPath, "/");
    }
}

/// Sets the response's code, and by it the status: 2 Failure from 400 on. `false` where it is no code.
pub(crate) fn code(text: &str, row: &mut Row<'_>) -> bool {
    let Some(code) = text.parse::<i32>().ok().filter(|code| *code > 0) else { return false };
    row.int(Col::HttpResponseCode, code);
    row.text(Col::StatusCode, text);
    row.status(if code < 400 { Status::Success } else { Status::Failure });
    true
}

/// Sets the addresses of `X-Forwarded-For`; `false` where one of them is none.
pub(crate) fn forwarded_for(text: &str, row: &mut Row<'_>) -> bool {
    let addresses: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if addresses.is_empty() || !addresses.iter().all(|address| address.parse::<IpAddr>().is_ok()) {
        return false;
    }
    row.texts(Col::HttpRequestXForwardedFor, &addresses);
    true
}
