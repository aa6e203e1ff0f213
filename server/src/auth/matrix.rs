//! Every route, method and role against each other, over the router as it is served.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tower::ServiceExt;

use super::access::{Access, ROUTES, access};
use super::{Right, Rights, Roles, Token, authenticate};
use crate::api;
use crate::app::App;
use crate::config::Config;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Served, but not described: the description itself, and second names of Splunk's paths.
const UNDESCRIBED: [(&str, &str); 3] = [
    ("GET", "/api/v1/openapi.json"),
    ("POST", "/services/collector/event/1.0"),
    ("POST", "/services/collector/raw/1.0"),
];

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

async fn status(router: &Router, method: &str, path: &str, token: Option<&str>) -> StatusCode {
    let path = path.replace("{id}", "17").replace("{name}", "ana").replace("{rule}", "none");
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 4000))));
    router.clone().oneshot(request).await.unwrap().status()
}

#[test]
fn every_route_of_the_router_has_a_stated_right_and_no_other_has() {
    let (_, description) = api::described().split_for_parts();
    let description = serde_json::to_value(&description).unwrap();
    let mut served: BTreeSet<(String, String)> =
        UNDESCRIBED.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            if METHODS.contains(&method.to_uppercase().as_str()) {
                served.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    let listed: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    let unlisted: Vec<_> = served.difference(&listed).collect();
    assert!(unlisted.is_empty(), "say in auth/access.rs who may: {unlisted:?}");
    let unserved: Vec<_> = listed.difference(&served).collect();
    assert!(unserved.is_empty(), "no longer served: {unserved:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_whom_it_says_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (app, callers) = server(folder.path()).await;
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
    let user = storage::accounts::UserRow {
        id: String::new(),
        tenant: storage::accounts::TENANT.into(),
        name: "ana".into(),
        display: String::new(),
        email: String::new(),
        role: "admin".into(),
        origin: storage::accounts::Origin::Local,
        subject: None,
        external_id: None,
        password: None,
        handles: Vec::new(),
        is_active: true,
        created_us: 0,
        changed_us: 0,
    };
    let user = app.auth.directory.add_user(user).unwrap();
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
