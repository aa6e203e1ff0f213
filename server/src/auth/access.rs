//! What each route asks of its callers: every one is listed, and one that is not is shut.

use axum::http::Method;

use super::Right;

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing: it looks for itself (signed hooks, signing in), or has nothing to hide.
    Open,
    /// Nothing, but who is known may be told more: probes.
    Probe,
    /// To be somebody, whoever it is.
    Known,
    /// A right.
    Needs(Right),
}

/// Why a request does not reach its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shut {
    /// The path has no such method.
    Method,
    /// Nobody has said who may.
    Unlisted,
}

use Access::{Known, Needs, Open, Probe};
use Right::{
    Export, Manage, ManageRules, ManageUsers, Provision, Push, Query, Read, ReadAlerts, ReadAudit, ReadUsers,
    Triage,
};

/// Method, path as the router has it, what it asks for.
pub(crate) const ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/health", Probe),
    ("GET", "/ready", Probe),
    ("GET", "/metrics", Needs(Read)),
    ("GET", "/api/v1/openapi.json", Known),
    ("GET", "/api/v1/alerts", Needs(ReadAlerts)),
    ("GET", "/api/v1/alerts/{id}", Needs(ReadAlerts)),
    ("POST", "/api/v1/alerts/{id}/acknowledge", Needs(Triage)),
    ("POST", "/api/v1/alerts/{id}/close", Needs(Triage)),
    ("POST", "/api/v1/alerts/{id}/reopen", Needs(Triage)),
    ("GET", "/api/v1/alerts/live", Needs(ReadAlerts)),
    ("GET", "/api/v1/alerts/noise", Needs(ReadAlerts)),
    ("GET", "/api/v1/alerts/{id}/risk", Needs(ReadAlerts)),
    ("POST", "/api/v1/alerts/bulk", Needs(Triage)),
    ("POST", "/api/v1/alerts/{id}/start", Needs(Triage)),
    ("POST", "/api/v1/alerts/{id}/assign", Needs(Triage)),
    ("POST", "/api/v1/alerts/{id}/unassign", Needs(Triage)),
    ("POST", "/api/v1/alerts/{id}/comments", Needs(Triage)),
    ("POST", "/api/v1/alerts/{id}/labels", Needs(Triage)),
    ("POST", "/api/v1/alerts/{id}/release", Needs(Triage)),
    ("GET", "/api/v1/silences", Needs(ReadAlerts)),
    ("POST", "/api/v1/silences", Needs(Triage)),
    ("POST", "/api/v1/silences/test", Needs(ReadAlerts)),
    ("GET", "/api/v1/silences/{id}", Needs(ReadAlerts)),
    ("POST", "/api/v1/silences/{id}/end", Needs(Triage)),
    ("POST", "/api/v1/silences/{id}/release", Needs(Triage)),
    ("GET", "/api/v1/incidents", Needs(ReadAlerts)),
    ("GET", "/api/v1/incidents/{id}", Needs(ReadAlerts)),
    ("POST", "/api/v1/incidents/bulk", Needs(Triage)),
    ("POST", "/api/v1/incidents/{id}/acknowledge", Needs(Triage)),
    ("POST", "/api/v1/incidents/{id}/start", Needs(Triage)),
    ("POST", "/api/v1/incidents/{id}/assign", Needs(Triage)),
    ("POST", "/api/v1/incidents/{id}/unassign", Needs(Triage)),
    ("POST", "/api/v1/incidents/{id}/labels", Needs(Triage)),
    ("POST", "/api/v1/incidents/{id}/comment", Needs(Triage)),
    ("POST", "/api/v1/incidents/{id}/close", Needs(Triage)),
    ("POST", "/api/v1/incidents/{id}/reopen", Needs(Triage)),
    ("POST", "/api/v1/incidents/{id}/merge", Needs(Triage)),
    ("POST", "/api/v1/incidents/{id}/split", Needs(Triage)),
    ("POST", "/api/v1/incidents/{id}/export", Needs(Export)),
    ("GET", "/api/v1/entities", Needs(ReadAlerts)),
    ("GET", "/api/v1/entities/{entity}/risk", Needs(ReadAlerts)),
    ("GET", "/api/v1/assets", Needs(Read)),
    ("POST", "/api/v1/assets", Needs(Manage)),
    ("DELETE", "/api/v1/assets/{name}", Needs(Manage)),
    ("GET", "/api/v1/notifications", Needs(ReadAlerts)),
    ("GET", "/api/v1/notifications/channels", Needs(Read)),
    ("POST", "/api/v1/notifications/channels/{name}/test", Needs(Manage)),
    ("POST", "/api/v1/notifications/resend", Needs(Manage)),
    ("POST", "/api/v1/notifications/reload", Needs(Manage)),
    ("GET", "/api/v1/notifications/preview/{id}", Needs(ReadAlerts)),
    // Signed by whoever calls back.
    ("POST", "/callbacks/slack/{channel}", Open),
    ("POST", "/callbacks/pagerduty/{channel}", Open),
    ("GET", "/api/v1/problems", Known),
    ("GET", "/api/v1/audit", Needs(ReadAudit)),
    ("GET", "/api/v1/audit/checkpoint", Needs(ReadAudit)),
    ("GET", "/api/v1/audit/export", Needs(ReadAudit)),
    ("POST", "/api/v1/sql", Needs(Query)),
    ("GET", "/api/v1/sources", Needs(Read)),
    ("POST", "/api/v1/sources/{name}/pause", Needs(Manage)),
    ("POST", "/api/v1/sources/{name}/resume", Needs(Manage)),
    ("POST", "/api/v1/sources/{name}/backfill", Needs(Manage)),
    ("GET", "/api/v1/dead-letters", Needs(Read)),
    ("GET", "/api/v1/dead-letters/{id}", Needs(Read)),
    ("POST", "/api/v1/dead-letters/retry", Needs(Manage)),
    ("GET", "/api/v1/rules", Needs(Read)),
    ("POST", "/api/v1/rules/reload", Needs(ManageRules)),
    ("POST", "/api/v1/rules/{rule}/backtest", Needs(Query)),
    ("POST", "/api/v1/rules/{rule}/hunt", Needs(Triage)),
    ("GET", "/api/v1/identity/links", Needs(Query)),
    ("POST", "/api/v1/identity/links/{id}/undo", Needs(Triage)),
    // Pushed.
    ("POST", "/api/v1/ingest", Needs(Push)),
    ("POST", "/services/collector", Needs(Push)),
    ("POST", "/services/collector/event", Needs(Push)),
    ("POST", "/services/collector/raw", Needs(Push)),
    ("POST", "/services/collector/event/1.0", Needs(Push)),
    ("POST", "/services/collector/raw/1.0", Needs(Push)),
    ("POST", "/services/collector/ack", Needs(Push)),
    ("GET", "/services/collector/health", Open),
    ("POST", "/hooks/{name}", Open),
    ("GET", "/hooks/{name}", Open),
    ("POST", "/v1/logs", Needs(Push)),
    ("POST", "/opentelemetry.proto.collector.logs.v1.LogsService/Export", Needs(Push)),
    // Who comes in.
    ("POST", "/api/v1/session", Open),
    ("GET", "/api/v1/session", Known),
    ("DELETE", "/api/v1/session", Known),
    ("POST", "/api/v1/session/password", Known),
    ("GET", "/api/v1/session/oidc", Open),
    ("GET", "/api/v1/session/oidc/callback", Open),
    ("GET", "/api/v1/users", Needs(ReadUsers)),
    ("POST", "/api/v1/users", Needs(ManageUsers)),
    ("GET", "/api/v1/users/{name}", Needs(ReadUsers)),
    ("PATCH", "/api/v1/users/{name}", Needs(ManageUsers)),
    ("DELETE", "/api/v1/users/{name}", Needs(ManageUsers)),
    ("DELETE", "/api/v1/users/{name}/sessions", Needs(ManageUsers)),
    ("GET", "/api/v1/roles", Needs(ReadUsers)),
    // Of one's own with `tokens.own`, of others with more; the handler looks.
    ("GET", "/api/v1/tokens", Known),
    ("POST", "/api/v1/tokens", Known),
    ("DELETE", "/api/v1/tokens/{name}", Known),
    ("GET", "/scim/v2/ServiceProviderConfig", Needs(Provision)),
    ("GET", "/scim/v2/ResourceTypes", Needs(Provision)),
    ("GET", "/scim/v2/Schemas", Needs(Provision)),
    ("GET", "/scim/v2/Users", Needs(Provision)),
    ("POST", "/scim/v2/Users", Needs(Provision)),
    ("GET", "/scim/v2/Users/{id}", Needs(Provision)),
    ("PATCH", "/scim/v2/Users/{id}", Needs(Provision)),
    ("PUT", "/scim/v2/Users/{id}", Needs(Provision)),
    ("DELETE", "/scim/v2/Users/{id}", Needs(Provision)),
];

/// What `method` on the route `path` asks for.
///
/// # Errors
/// It is shut.
pub(crate) fn access(method: &Method, path: &str) -> Result<Access, Shut> {
    // The router answers HEAD with the head of GET.
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let mut is_listed = false;
    for (wanted, route, access) in ROUTES {
        if *route == path {
            is_listed = true;
            if *wanted == method {
                return Ok(*access);
            }
        }
    }
    Err(if is_listed { Shut::Method } else { Shut::Unlisted })
}

/// The methods of the route `path`, as the header `Allow` has them (RFC 9110, 10.2.1).
pub(crate) fn methods(path: &str) -> String {
    let mut methods = Vec::new();
    for (method, route, _) in ROUTES {
        if *route == path {
            methods.push(*method);
        }
    }
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_shut() {
        assert_eq!(access(&Method::GET, "/api/v1/alerts"), Ok(Needs(ReadAlerts)));
        assert_eq!(access(&Method::HEAD, "/api/v1/alerts"), Ok(Needs(ReadAlerts)));
        assert_eq!(access(&Method::POST, "/api/v1/alerts"), Err(Shut::Method));
        assert_eq!(access(&Method::GET, "/api/v1/alert"), Err(Shut::Unlisted));
        assert_eq!(access(&Method::GET, "/api/v1/alerts/"), Err(Shut::Unlisted));
        assert_eq!(access(&Method::OPTIONS, "/hooks/{name}"), Err(Shut::Method));
    }

    #[test]
    fn methods_of_a_route_are_told() {
        assert_eq!(methods("/api/v1/silences"), "GET, POST, HEAD");
        assert_eq!(methods("/api/v1/ingest"), "POST");
        assert_eq!(methods("/api/v1/alert"), "");
    }

    #[test]
    fn every_route_is_listed_once() {
        for (at, (method, path, _)) in ROUTES.iter().enumerate() {
            let twice = ROUTES.iter().skip(at + 1).any(|(m, p, _)| (m, p) == (method, path));
            assert!(!twice, "{method} {path}");
        }
    }
}
