//! What kind of thing a request does, by its method and the template of its path.
//!
//! What is not named here is a change, or a read where the method says so: a new route is recorded before
//! anybody thinks of it.

use axum::http::Method;

/// How a request is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Announced before, told after, each durable.
    Change,
    /// Changes nothing, and is told each time.
    Query,
    /// Told folded, by who reads what.
    Read,
    /// Records come in: they have accounts of their own; told folded.
    Push,
    /// Asked by machines all the time, and tells nothing: not recorded, unless refused.
    Probe,
}

/// Paths and what lies below them, whatever the method.
const PUSH: [&str; 5] = [
    "/api/v1/ingest",
    "/services/collector",
    "/hooks",
    "/v1/logs",
    "/opentelemetry.proto.collector.logs.v1.LogsService",
];
const PROBE: [&str; 6] = [
    "/health",
    "/ready",
    "/metrics",
    "/api/v1/openapi.json",
    "/api/v1/problems",
    "/services/collector/health",
];
const QUERY: [&str; 4] =
    ["/api/v1/sql", "/api/v1/audit", "/api/v1/audit/export", "/api/v1/rules/{rule}/backtest"];

/// The class of a route; `None` for a path that is none of ours.
pub(crate) fn class(method: &Method, template: &str) -> Class {
    if PROBE.contains(&template) {
        return Class::Probe;
    }
    if QUERY.contains(&template) {
        return Class::Query;
    }
    let below = |start: &&str| {
        template.strip_prefix(*start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if PUSH.iter().any(below) {
        return Class::Push;
    }
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE => Class::Read,
        _ => Class::Change,
    }
}

/// What the request does, in words that stay: `POST /api/v1/alerts/{id}/close` is `alerts.close`.
pub(crate) fn action(method: &Method, template: &str) -> String {
    let path = template.strip_prefix("/api/v1").unwrap_or(template);
    let names: Vec<_> = path.split('/').filter(|part| !part.is_empty() && !part.starts_with('{')).collect();
    let ends_in_name = !path.ends_with('}');
    let verb = match *method {
        Method::GET | Method::HEAD => "read",
        Method::DELETE => "delete",
        Method::PUT | Method::PATCH => "update",
        _ if names.len() > 1 && ends_in_name => "",
        _ => "create",
    };
    let names = names.join(".");
    match names.as_str() {
        "" => "unknown".to_owned(),
        "sql" => "sql.query".to_owned(),
        "audit.export" => names,
        _ if verb.is_empty() => names,
        _ => format!("{names}.{verb}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_have_words_and_classes() {
        for (method, template, word, kind) in [
            (Method::POST, "/api/v1/alerts/{id}/close", "alerts.close", Class::Change),
            (Method::GET, "/api/v1/alerts/{id}", "alerts.read", Class::Read),
            (Method::POST, "/api/v1/silences", "silences.create", Class::Change),
            (Method::DELETE, "/api/v1/silences/{id}", "silences.delete", Class::Change),
            (Method::PUT, "/api/v1/users/{id}", "users.update", Class::Change),
            (Method::POST, "/api/v1/sql", "sql.query", Class::Query),
            (Method::POST, "/api/v1/ingest", "ingest.create", Class::Push),
            (Method::POST, "/services/collector/event/1.0", "services.collector.event.1.0", Class::Push),
            (Method::GET, "/services/collector/health", "services.collector.health.read", Class::Probe),
            (Method::POST, "/hookshot", "hookshot.create", Class::Change),
            (Method::GET, "/api/v1/audit/export", "audit.export", Class::Query),
            (Method::POST, "", "unknown", Class::Change),
        ] {
            assert_eq!(action(&method, template), word, "{method} {template}");
            assert_eq!(class(&method, template), kind, "{method} {template}");
        }
    }
}
