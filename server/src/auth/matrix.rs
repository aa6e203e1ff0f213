//! Every route, method and role against each other, over the router as it is served.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use alerts::silence::{Matcher, SilenceSpec};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use storage::accounts::{Origin, SecretHash, TENANT, TokenRow, UserRow};
use tower::ServiceExt;

use super::access::{Access, ROUTES, access};
use super::{Right, Rights, Roles, Token, authenticate};
use crate::api;
use crate::app::{App, now_us};
use crate::config::Config;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A server with a token for each role, and for roles of one right each; the tokens are the roles' names.
async fn server(folder: &std::path::Path) -> (Arc<App>, Vec<(String, Rights)>) {
    let mut text = format!("data = {:?}\n[server]\nrequests_per_second = 10000000\n", folder.join("data"));
    let mut callers: Vec<(String, Rights)> =
        Roles::default().iter().map(|role| (role.as_str().to_owned(), role.rights())).collect();
    callers.push(("nothing".into(), Rights::default()));
    for (right, name) in Right::ALL {
        callers.push((format!("only-{}", name.replace('.', "-")), [right].into_iter().collect()));
    }
    for (name, rights) in callers.iter().skip(Roles::default().iter().count()) {
        text.push_str(&format!("[[auth.roles]]\nname = {name:?}\nrights = {:?}\n", rights.names()));
    }
    for (name, _) in &callers {
        let hash = super::token::hex(&Token::hash_of(name));
        text.push_str(&format!("[[auth.tokens]]\nname = {name:?}\nrole = {name:?}\nsha256 = {hash:?}\n"));
    }
    (Arc::new(App::open(Config::from_text(&text)).await.unwrap()), callers)
}

/// What stands in things that there are, and in no refusal.
const MARKER: &str = "zz-told-to-nobody";

/// A user that there is; no word of ours has it in it.
const PRESENT: &str = "xq7";

fn user(name: &str, role: &str) -> UserRow {
    UserRow {
        id: String::new(),
        tenant: TENANT.into(),
        name: name.into(),
        display: MARKER.into(),
        email: String::new(),
        role: role.into(),
        origin: Origin::Local,
        subject: None,
        external_id: None,
        password: None,
        handles: Vec::new(),
        is_active: true,
        created_us: 0,
        changed_us: 0,
    }
}

/// Makes a token of the role `admin`, and returns its row and text.
fn kept(
    app: &App,
    name: &str,
    owner: Option<&UserRow>,
    rights: Option<&str>,
    expires_us: i64,
) -> (TokenRow, String) {
    let row = TokenRow {
        id: String::new(),
        tenant: TENANT.into(),
        name: name.into(),
        owner_id: owner.map(|owner| owner.id.clone()),
        made_by: "admin".into(),
        role: "admin".into(),
        rights: rights.map(Into::into),
        hash: SecretHash([0; 32]),
        created_us: 0,
        expires_us,
        used_us: None,
        revoked_us: None,
    };
    app.auth.directory.add_token(row).unwrap()
}

/// Tokens that let nobody in: expired, revoked, of a user who is out, of nobody, and none at all.
fn dead_tokens(app: &App) -> Vec<String> {
    let now_us = now_us();
    let (_, expired) = kept(app, "expired", None, None, now_us - 1);
    let (row, revoked) = kept(app, "revoked", None, None, i64::MAX);
    app.auth.directory.revoke(&row, now_us).unwrap();
    let owner = app.auth.directory.add_user(user("out", "admin")).unwrap();
    let (_, disabled) = kept(app, "of-out", Some(&owner), None, i64::MAX);
    app.auth.directory.change_user(&owner.id, None, now_us, |user| user.is_active = false).unwrap();
    let never = format!("{}x", expired.split_at(expired.len() - 1).0);
    vec![expired, revoked, disabled, never, "adminx".into(), String::new()]
}

/// Tokens of the role `admin` that may less: by their own rights, and by their owner's role.
fn narrowed_tokens(app: &App) -> [(String, Rights); 2] {
    let (_, scoped) = kept(app, "scoped", None, Some("read,tokens.own"), i64::MAX);
    let owner = app.auth.directory.add_user(user("reader", "read_only")).unwrap();
    let (_, owned) = kept(app, "of-reader", Some(&owner), None, i64::MAX);
    let read_only = Roles::default().named("read_only").unwrap().rights();
    [(scoped, [Right::Read, Right::OwnTokens].into_iter().collect()), (owned, read_only)]
}

/// The id of a silence that there is.
fn silence(app: &App) -> String {
    let spec = SilenceSpec {
        matchers: vec![Matcher::read("rule", &["none".to_owned()]).unwrap()],
        starts_us: now_us(),
        ends_us: now_us() + 3_600_000_000,
        schedule: None,
        owner: MARKER.into(),
        reason: MARKER.into(),
        is_of_all: false,
    };
    app.alerts.add_silence(&spec, "admin", now_us()).unwrap().id
}

/// The path of a route, about things that there are or are not.
fn filled(path: &str, id: &str, name: &str) -> String {
    path.replace("{id}", id).replace("{name}", name).replace("{rule}", "none")
}

/// Status and body of an answer, without the request's id.
async fn answer(router: &Router, method: &str, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path).header("x-request-id", "matrix");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 4000))));
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    // A stream of events has no end to wait for.
    let body = match status.is_success() {
        true => Default::default(),
        false => to_bytes(answer.into_body(), 1 << 20).await.unwrap(),
    };
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn status(router: &Router, method: &str, path: &str, token: Option<&str>) -> StatusCode {
    let path = filled(path, "17", "ana");
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 4000))));
    router.clone().oneshot(request).await.unwrap().status()
}

#[test]
fn every_route_that_is_described_has_a_stated_right_and_no_other_has() {
    let description = serde_json::to_value(api::description()).unwrap();
    let mut described: BTreeSet<(String, String)> = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            if METHODS.contains(&method.to_uppercase().as_str()) {
                described.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    let listed: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    let unlisted: Vec<_> = described.difference(&listed).collect();
    assert!(unlisted.is_empty(), "say in auth/access.rs who may: {unlisted:?}");
    let undescribed: Vec<_> = listed.difference(&described).collect();
    assert!(undescribed.is_empty(), "in no description: {undescribed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_whom_it_says_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (app, mut callers) = server(folder.path()).await;
    callers.extend(narrowed_tokens(&app));
    let router = api::router(app.clone());
    let paths: BTreeSet<&str> = ROUTES.iter().map(|(_, path, _)| *path).collect();
    let mut asked = 0;
    for path in paths {
        for method in METHODS {
            let wanted = access(&method.parse().unwrap(), path);
            let anonymous = status(&router, method, path, None).await;
            match wanted {
                Ok(Access::Open) => assert_ne!(anonymous, StatusCode::FORBIDDEN, "{method} {path}"),
                Ok(Access::Probe) => assert_eq!(anonymous, StatusCode::OK, "{method} {path}"),
                _ => assert_eq!(anonymous, StatusCode::UNAUTHORIZED, "{method} {path}"),
            }
            for (name, rights) in &callers {
                let found = status(&router, method, path, Some(name)).await;
                let case = format!("{method} {path} as {name}: {found}");
                let is_in = match wanted {
                    Ok(Access::Open) => continue,
                    Ok(Access::Known) if path == "/api/v1/tokens" && method != "POST" => {
                        rights.contain(Right::ReadUsers) || rights.contain(Right::OwnTokens)
                    }
                    Ok(Access::Known) if path == "/api/v1/tokens/{name}" => {
                        rights.contain(Right::ManageUsers) || rights.contain(Right::OwnTokens)
                    }
                    Ok(Access::Known | Access::Probe) => true,
                    Ok(Access::Needs(right)) => rights.contain(right),
                    Err(_) => {
                        assert_eq!(found, StatusCode::METHOD_NOT_ALLOWED, "{case}");
                        continue;
                    }
                };
                assert_ne!(found, StatusCode::UNAUTHORIZED, "{case}");
                assert_ne!(found, StatusCode::METHOD_NOT_ALLOWED, "{case}");
                assert_eq!(found != StatusCode::FORBIDDEN, is_in, "{case}");
                asked += 1;
            }
        }
    }
    assert!(asked > 1_000, "{asked}");
    // Where there is no route, who is known is told so, and others are not.
    assert_eq!(status(&router, "GET", "/api/v1/alert", Some("nothing")).await, StatusCode::NOT_FOUND);
    assert_eq!(status(&router, "GET", "/api/v1/alert", None).await, StatusCode::UNAUTHORIZED);
    app.close().await.unwrap();
}

/// A cookie alone changes nothing, on no route: a page of somebody else's cannot use it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_made_by_a_cookie_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _) = server(folder.path()).await;
    let user = app.auth.directory.add_user(user("ana", "admin")).unwrap();
    let secret = app.auth.directory.open_session(&user, [192, 0, 2, 7].into(), crate::app::now_us()).unwrap();
    let router = api::router(app.clone());
    let mut asked = 0;
    for (method, path, wanted) in ROUTES {
        // Those ask for a signature or a password, and take tokens of their own kind alone.
        if *method == "GET" || *wanted == Access::Open {
            continue;
        }
        let path = path.replace("{id}", "17").replace("{name}", "ana").replace("{rule}", "none");
        let mut request = Request::builder()
            .method(*method)
            .uri(&path)
            .header("cookie", format!("stormglass_session={secret}"))
            .header("content-type", "application/json")
            .body(Body::from("{}"))
            .unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 4000))));
        let found = router.clone().oneshot(request).await.unwrap().status();
        assert!(
            matches!(found, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED),
            "{method} {path} by a cookie alone: {found}"
        );
        asked += 1;
    }
    assert!(asked > 40, "{asked}");
    app.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_refused_learns_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (app, mut callers) = server(folder.path()).await;
    let router = api::router(app.clone());
    app.auth.directory.add_user(user(PRESENT, "analyst")).unwrap();
    let id = silence(&app);
    callers.extend(narrowed_tokens(&app));
    let dead = dead_tokens(&app);
    let mut refused = 0;
    for (method, path, wanted) in ROUTES {
        let Access::Needs(right) = *wanted else { continue };
        let (there, not_there) = (filled(path, &id, PRESENT), filled(path, "7fffffff", "nobody"));
        let mut outsiders: Vec<(Option<&str>, &str)> =
            dead.iter().map(|token| (Some(token.as_str()), "dead")).collect();
        outsiders.push((None, "anonymous"));
        outsiders.extend(
            callers
                .iter()
                .filter(|(_, rights)| !rights.contain(right))
                .map(|(token, _)| (Some(token.as_str()), "may not")),
        );
        for (token, why) in outsiders {
            let case = format!("{method} {path}, {why} {token:?}");
            let (status, body) = answer(&router, method, &there, token).await;
            // Splunk's clients are told 403 of a token that is none.
            let is_right = match why {
                "may not" => status == StatusCode::FORBIDDEN,
                "dead" if path.starts_with("/services/") => status == StatusCode::FORBIDDEN,
                _ => status == StatusCode::UNAUTHORIZED,
            };
            assert!(is_right, "{case}: {status} {body}");
            assert!(
                !body.contains(MARKER) && !body.contains(PRESENT) && !body.contains(&id),
                "{case}: {body}"
            );
            let token_text = token.filter(|token| token.len() > 20);
            assert!(token_text.is_none_or(|token| !body.contains(token)), "{case}: {body}");
            let other = answer(&router, method, &not_there, token).await;
            assert_eq!((status, body), other, "{case}: it shows whether there is such a thing");
            refused += 1;
        }
    }
    assert!(refused > 1_500, "{refused}");
    // Of tokens of others, whoever may manage only its own learns nothing either.
    for (token, rights) in &callers {
        if rights.contain(Right::OwnTokens) && !rights.contain(Right::ManageUsers) {
            let of = async |name: &str| {
                let (status, body) =
                    answer(&router, "DELETE", &format!("/api/v1/tokens/{name}"), Some(token)).await;
                (status, body.replace(name, "NAME"))
            };
            let found = of("scoped").await;
            assert_eq!(found.0, StatusCode::NOT_FOUND);
            assert_eq!(found, of("nobodys").await);
        }
    }
    app.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_listed_is_served_and_says_which_methods_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _) = server(folder.path()).await;
    let router = api::router(app.clone());
    for (method, path, _) in ROUTES {
        let (_, body) = answer(&router, method, &filled(path, "17", "none"), Some("admin")).await;
        assert!(!body.contains("there is no such resource"), "{method} {path} is not served: {body}");
        let mut request = Request::builder().method("TRACE").uri(filled(path, "17", "none"));
        request = request.header("authorization", "Bearer admin");
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = answer.headers()["allow"].to_str().unwrap();
        assert!(allowed.split(", ").any(|one| one == *method), "{method} {path}: {allowed}");
    }
    app.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_nobody_listed_is_shut_even_for_admin() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _) = server(folder.path()).await;
    let forgotten = Router::new()
        .route("/api/v1/forgotten", get(|| async { "secret" }))
        .layer(from_fn_with_state(app.auth.clone(), authenticate));
    assert_eq!(status(&forgotten, "GET", "/api/v1/forgotten", Some("admin")).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&forgotten, "GET", "/api/v1/forgotten", None).await, StatusCode::UNAUTHORIZED);
    app.close().await.unwrap();
}
