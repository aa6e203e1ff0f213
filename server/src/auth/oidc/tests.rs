//! Single sign-on against providers that do it right, and that do everything wrong.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloudfake::Fake;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Oidc, OidcConfig, OidcError, Return, SignedIn};
use crate::auth::jwt::{Algorithm, Distrust};
use crate::auth::signer::{Signer, part};

/// What a provider answers; a test changes what it wants to be wrong.
struct Answers {
    discovery: Value,
    keys: Value,
    /// Of `/token`; a redirect where it is text.
    token: Value,
    token_status: u16,
    /// Whether `/jwks` sends elsewhere.
    keys_are_elsewhere: bool,
    /// The form that `/token` got last.
    redeemed: HashMap<String, String>,
}

type Shared = Arc<Mutex<Answers>>;

struct Provider {
    answers: Shared,
    signer: Signer,
    oidc: Oidc,
    _fake: Fake,
    issuer: String,
}

const NOW_S: i64 = 1_800_000_000;

impl Provider {
    async fn start() -> Self {
        let signer = Signer::new("k1");
        let answers: Shared = Arc::new(Mutex::new(Answers {
            discovery: Value::Null,
            keys: json!({"keys": [{"kty": "oct", "k": "AAAA"}, "no key", signer.jwk()]}),
            token: Value::Null,
            token_status: 200,
            keys_are_elsewhere: false,
            redeemed: HashMap::new(),
        }));
        async fn discovery(State(answers): State<Shared>) -> Json<Value> {
            Json(answers.lock().discovery.clone())
        }
        async fn keys(State(answers): State<Shared>) -> Response {
            let answers = answers.lock();
            if answers.keys_are_elsewhere {
                return Redirect::temporary("/elsewhere").into_response();
            }
            Json(answers.keys.clone()).into_response()
        }
        async fn elsewhere(State(answers): State<Shared>) -> Json<Value> {
            Json(answers.lock().keys.clone())
        }
        async fn token(State(answers): State<Shared>, Form(form): Form<HashMap<String, String>>) -> Response {
            let mut answers = answers.lock();
            answers.redeemed = form;
            match &answers.token {
                Value::String(url) => Redirect::temporary(url).into_response(),
                body => {
                    let status = StatusCode::from_u16(answers.token_status).unwrap();
                    (status, Json(body.clone())).into_response()
                }
            }
        }
        let router = axum::Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(keys))
            .route("/elsewhere", get(elsewhere).post(token))
            .route("/token", post(token))
            .with_state(answers.clone());
        let fake = Fake::start(router).await;
        let issuer = fake.url.clone();
        answers.lock().discovery = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
        });
        let oidc = Oidc::open(config(&issuer)).unwrap();
        Self { answers, signer, oidc, _fake: fake, issuer }
    }

    fn claims(&self, nonce: &str) -> Value {
        json!({
            "iss": self.issuer, "aud": "stormglass", "sub": "17", "nonce": nonce,
            "iat": NOW_S, "exp": NOW_S + 300,
            "preferred_username": "Ana", "name": "Ana Example", "email": "ana@example.com",
            "groups": ["staff", "soc"],
        })
    }

    /// A sign-in whose token `make` makes from the good claims.
    async fn sign_in(&self, make: impl FnOnce(&Signer, Value) -> String) -> Result<SignedIn, OidcError> {
        let departure = self.oidc.begin(NOW_S).await?;
        let query: HashMap<_, _> =
            url::Url::parse(&departure.url).unwrap().query_pairs().into_owned().collect();
        let id_token = make(&self.signer, self.claims(&query["nonce"]));
        self.answers.lock().token =
            json!({"access_token": "a", "token_type": "Bearer", "id_token": id_token});
        let back =
            Return { code: Some("code".into()), state: Some(query["state"].clone()), ..Return::default() };
        let signed_in = self.oidc.finish(&back, Some(&departure.browser), NOW_S).await;
        // What the browser was sent with is what the code was redeemed with.
        if let Some(verifier) = self.answers.lock().redeemed.get("code_verifier") {
            let hashed = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
            assert_eq!(
                (hashed, query["code_challenge_method"].as_str()),
                (query["code_challenge"].clone(), "S256")
            );
        }
        signed_in
    }
}

fn config(issuer: &str) -> OidcConfig {
    OidcConfig {
        issuer: issuer.into(),
        client_id: "stormglass".into(),
        client_secret: None,
        redirect_uri: "https://logs.example.com/api/v1/session/oidc/callback".into(),
        scopes: vec!["openid".into(), "email".into()],
        hosts: Vec::new(),
        algorithms: vec![Algorithm::Rs256, Algorithm::Es256],
        name_claim: "preferred_username".into(),
        groups_claim: "groups".into(),
        group_roles: vec![("admins".into(), "admin".into()), ("soc".into(), "analyst".into())],
        default_role: None,
    }
}

fn es256() -> Value {
    json!({"alg": "ES256", "kid": "k1", "typ": "JWT"})
}

#[tokio::test]
async fn a_good_provider_signs_in_whom_it_knows() {
    let provider = Provider::start().await;
    let departure = provider.oidc.begin(NOW_S).await.unwrap();
    let url = url::Url::parse(&departure.url).unwrap();
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["redirect_uri"], "https://logs.example.com/api/v1/session/oidc/callback");
    assert_eq!((query["response_type"].as_str(), query["scope"].as_str()), ("code", "openid email"));
    let signed_in = provider.sign_in(|signer, claims| signer.sign(&es256(), &claims)).await.unwrap();
    assert_eq!(signed_in.subject, format!("{} 17", provider.issuer));
    assert_eq!((signed_in.name.as_str(), signed_in.role.as_str()), ("ana", "analyst"));
    assert_eq!((signed_in.display.as_str(), signed_in.email.as_str()), ("Ana Example", "ana@example.com"));
    {
        let redeemed = &provider.answers.lock().redeemed;
        assert_eq!(redeemed["redirect_uri"], query["redirect_uri"]);
        assert_eq!((redeemed["client_id"].as_str(), redeemed["code"].as_str()), ("stormglass", "code"));
    }
    // Without an id, the only key that fits; an audience among others where the token is ours.
    let other = provider.sign_in(|signer, mut claims| {
        claims["aud"] = json!(["stormglass", "other"]);
        claims["azp"] = json!("stormglass");
        claims["groups"] = json!("admins");
        signer.sign(&json!({"alg": "ES256"}), &claims)
    });
    assert_eq!(other.await.unwrap().role, "admin");
}

#[tokio::test]
async fn tokens_of_every_kind_of_forger_are_refused() {
    type Forge = fn(&Signer, Value) -> String;
    fn with(claims: &mut Value, name: &str, value: Value) {
        claims[name] = value;
    }
    fn hs256(key: &[u8], claims: &Value) -> String {
        let signed = format!("{}.{}", part(&json!({"alg": "HS256", "kid": "k1"})), part(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
    let forgeries: Vec<(&str, Distrust, Forge)> = vec![
        ("none", Distrust::Algorithm, |_, c| format!("{}.{}.", part(&json!({"alg": "none"})), part(&c))),
        ("None", Distrust::Algorithm, |_, c| format!("{}.{}.", part(&json!({"alg": "None"})), part(&c))),
        ("HS256 with the public key", Distrust::Algorithm, |s, c| hs256(s.point(), &c)),
        ("HS256 with the published key", Distrust::Algorithm, |s, c| {
            hs256(s.jwk().to_string().as_bytes(), &c)
        }),
        ("RS256 by an EC key", Distrust::Key, |s, c| s.sign(&json!({"alg": "RS256", "kid": "k1"}), &c)),
        ("an algorithm not allowed", Distrust::Algorithm, |s, c| {
            s.sign(&json!({"alg": "ES384", "kid": "k1"}), &c)
        }),
        ("an unknown key", Distrust::Key, |s, c| s.sign(&json!({"alg": "ES256", "kid": "k2"}), &c)),
        ("another key", Distrust::Signature, |_, c| Signer::new("k1").sign(&es256(), &c)),
        ("a key that it brings", Distrust::Signature, |_, c| {
            let forger = Signer::new("k1");
            let (jwk, jku) = (forger.jwk(), "https://evil.example.com/jwks");
            forger.sign(&json!({"alg": "ES256", "kid": "k1", "jwk": jwk, "jku": jku, "x5u": jku}), &c)
        }),
        ("critical", Distrust::Malformed, |s, c| {
            s.sign(&json!({"alg": "ES256", "kid": "k1", "crit": ["b64"]}), &c)
        }),
        ("changed", Distrust::Signature, |s, mut c| {
            let token = s.sign(&es256(), &c);
            let old = part(&c);
            with(&mut c, "groups", json!(["admins"]));
            token.replace(&old, &part(&c))
        }),
        ("cut off", Distrust::Malformed, |s, c| s.sign(&es256(), &c).rsplit_once('.').unwrap().0.to_owned()),
        ("no token", Distrust::Malformed, |_, _| "hello".into()),
        ("huge", Distrust::Malformed, |s, mut c| {
            with(&mut c, "groups", json!("x".repeat(20_000)));
            s.sign(&es256(), &c)
        }),
        ("another issuer", Distrust::Issuer, |s, mut c| {
            with(&mut c, "iss", json!("https://id.example.com"));
            s.sign(&es256(), &c)
        }),
        ("nearly the issuer", Distrust::Issuer, |s, mut c| {
            let nearly = format!("{}/", c["iss"].as_str().unwrap());
            with(&mut c, "iss", json!(nearly));
            s.sign(&es256(), &c)
        }),
        ("no issuer", Distrust::Issuer, |s, mut c| {
            with(&mut c, "iss", Value::Null);
            s.sign(&es256(), &c)
        }),
        ("another audience", Distrust::Audience, |s, mut c| {
            with(&mut c, "aud", json!("other"));
            s.sign(&es256(), &c)
        }),
        ("several audiences, nobody authorized", Distrust::Audience, |s, mut c| {
            with(&mut c, "aud", json!(["stormglass", "other"]));
            s.sign(&es256(), &c)
        }),
        ("another authorized party", Distrust::Audience, |s, mut c| {
            with(&mut c, "azp", json!("other"));
            s.sign(&es256(), &c)
        }),
        ("over", Distrust::Time, |s, mut c| {
            with(&mut c, "exp", json!(NOW_S - 60));
            s.sign(&es256(), &c)
        }),
        ("not yet", Distrust::Time, |s, mut c| {
            with(&mut c, "nbf", json!(NOW_S + 61));
            s.sign(&es256(), &c)
        }),
        ("from the future", Distrust::Time, |s, mut c| {
            with(&mut c, "iat", json!(NOW_S + 61));
            s.sign(&es256(), &c)
        }),
        ("without an end", Distrust::Claim, |s, mut c| {
            c.as_object_mut().unwrap().remove("exp");
            s.sign(&es256(), &c)
        }),
        ("another nonce", Distrust::Nonce, |s, mut c| {
            with(&mut c, "nonce", json!("0"));
            s.sign(&es256(), &c)
        }),
        ("no nonce", Distrust::Nonce, |s, mut c| {
            with(&mut c, "nonce", Value::Null);
            s.sign(&es256(), &c)
        }),
        ("nobody", Distrust::Claim, |s, mut c| {
            with(&mut c, "sub", json!(""));
            s.sign(&es256(), &c)
        }),
        ("an endless subject", Distrust::Claim, |s, mut c| {
            with(&mut c, "sub", json!("x".repeat(256)));
            s.sign(&es256(), &c)
        }),
    ];
    let provider = Provider::start().await;
    for (name, why, forge) in forgeries {
        match provider.sign_in(forge).await {
            Err(OidcError::Token(distrust)) => assert_eq!(distrust, why, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let no_role = provider.sign_in(|signer, mut claims| {
        claims["groups"] = json!(["staff", {"soc": true}]);
        signer.sign(&es256(), &claims)
    });
    assert!(matches!(no_role.await, Err(OidcError::NoRole)));
}

#[tokio::test]
async fn a_state_is_good_once_and_for_the_browser_that_began() {
    let provider = Provider::start().await;
    let (ours, theirs) =
        (provider.oidc.begin(NOW_S).await.unwrap(), provider.oidc.begin(NOW_S).await.unwrap());
    let query: HashMap<_, _> = url::Url::parse(&ours.url).unwrap().query_pairs().into_owned().collect();
    let id_token = provider.signer.sign(&es256(), &provider.claims(&query["nonce"]));
    provider.answers.lock().token = json!({"id_token": id_token});
    let back = |state: Option<&str>| Return {
        code: Some("code".into()),
        state: state.map(str::to_owned),
        ..Return::default()
    };
    let state = Some(query["state"].as_str());
    for (back, browser) in [
        (back(None), Some(ours.browser.as_str())),
        (back(Some("")), Some(ours.browser.as_str())),
        (back(Some("0")), Some(ours.browser.as_str())),
        (back(state), None),
        (back(state), Some("")),
        (back(state), Some(theirs.browser.as_str())),
    ] {
        let refused = provider.oidc.finish(&back, browser, NOW_S).await;
        assert!(matches!(refused, Err(OidcError::Flow)), "{back:?} {browser:?}");
    }
    assert!(provider.answers.lock().redeemed.is_empty(), "no code was redeemed");
    assert!(provider.oidc.finish(&back(state), Some(&ours.browser), NOW_S).await.is_ok());
    let replayed = provider.oidc.finish(&back(state), Some(&ours.browser), NOW_S).await;
    assert!(matches!(replayed, Err(OidcError::Flow)));
}

#[tokio::test]
async fn what_comes_back_instead_of_a_code() {
    let provider = Provider::start().await;
    let finish = async |change: &dyn Fn(&mut Return)| {
        let departure = provider.oidc.begin(NOW_S).await.unwrap();
        let query: HashMap<_, _> =
            url::Url::parse(&departure.url).unwrap().query_pairs().into_owned().collect();
        let mut back =
            Return { state: Some(query["state"].clone()), code: Some("c".into()), ..Return::default() };
        change(&mut back);
        provider.oidc.finish(&back, Some(&departure.browser), NOW_S).await.unwrap_err()
    };
    let said = |error: OidcError| error.to_string();
    assert!(
        said(finish(&|back| back.error = Some("access_denied\n\u{1b}[31m".into())).await)
            .ends_with("access_denied[31m")
    );
    assert!(matches!(finish(&|back| back.code = None).await, OidcError::Flow));
    assert!(matches!(finish(&|back| back.code = Some("c".repeat(5_000))).await, OidcError::Flow));
    let elsewhere = finish(&|back| back.iss = Some("https://evil.example.com".into())).await;
    assert!(matches!(elsewhere, OidcError::Token(Distrust::Issuer)));
}

#[tokio::test]
async fn answers_of_the_token_endpoint_that_are_none() {
    let provider = Provider::start().await;
    let redeem = async |status: u16, token: Value| {
        let departure = provider.oidc.begin(NOW_S).await.unwrap();
        let query: HashMap<_, _> =
            url::Url::parse(&departure.url).unwrap().query_pairs().into_owned().collect();
        {
            let mut answers = provider.answers.lock();
            (answers.token, answers.token_status) = (token, status);
        }
        let back =
            Return { state: Some(query["state"].clone()), code: Some("c".into()), ..Return::default() };
        provider.oidc.finish(&back, Some(&departure.browser), NOW_S).await.unwrap_err()
    };
    assert!(matches!(redeem(400, json!({"error": "invalid_grant"})).await, OidcError::Refused(_)));
    assert!(matches!(redeem(500, json!([])).await, OidcError::Provider(_)));
    assert!(matches!(redeem(200, json!([])).await, OidcError::Provider(_)));
    assert!(matches!(redeem(200, json!({})).await, OidcError::Token(Distrust::Malformed)));
    assert!(matches!(redeem(200, json!({"id_token": "x".repeat(300_000)})).await, OidcError::Provider(_)));
    // Nobody is followed.
    assert!(matches!(redeem(200, json!("/elsewhere")).await, OidcError::Provider(_)));
}

#[tokio::test]
async fn keys_that_are_too_many_too_large_or_elsewhere() {
    let jwk = |id: usize| json!({"kty": "EC", "crv": "P-256", "kid": id.to_string(), "x": "A".repeat(43), "y": "A".repeat(43)});
    let many: Vec<_> = (0..1_000).map(jwk).collect();
    for (keys, elsewhere, why) in [
        (
            json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "x": "A".repeat(400_000)}]}),
            false,
            Distrust::NoKeys,
        ),
        (json!({"keys": []}), false, Distrust::NoKeys),
        (json!({"keys": "k1"}), false, Distrust::NoKeys),
        (json!([]), false, Distrust::NoKeys),
        (json!({"keys": many}), false, Distrust::Key),
        (Value::Null, true, Distrust::NoKeys),
    ] {
        let provider = Provider::start().await;
        {
            let mut answers = provider.answers.lock();
            // Where they are elsewhere, they are the right ones.
            if !elsewhere {
                answers.keys = keys;
            }
            answers.keys_are_elsewhere = elsewhere;
        }
        match provider.sign_in(|signer, claims| signer.sign(&es256(), &claims)).await {
            Err(OidcError::Token(distrust)) => assert_eq!(distrust, why),
            other => panic!("{why:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_provider_is_what_the_configuration_says_and_nothing_else() {
    for (name, value, said) in [
        ("issuer", json!("https://id.example.com"), "says to be"),
        ("issuer", Value::Null, "reading"),
        ("token_endpoint", json!("https://evil.example.com/token"), "oidc.hosts"),
        ("token_endpoint", json!("http://127.0.0.1:1/token"), "oidc.hosts"),
        ("jwks_uri", json!("https://evil.example.com/jwks"), "oidc.hosts"),
        ("jwks_uri", json!("file:///etc/passwd"), "https"),
        ("authorization_endpoint", json!("javascript:alert(1)"), "https"),
        ("jwks_uri", json!("http://192.0.2.1/jwks"), "https"),
        ("claims_supported", json!("x".repeat(300_000)), "larger"),
    ] {
        let provider = Provider::start().await;
        provider.answers.lock().discovery[name] = value.clone();
        let refused = provider.oidc.begin(NOW_S).await.unwrap_err().to_string();
        assert!(
            refused.contains(said) || (said == "oidc.hosts" && refused.contains("https")),
            "{name} {value}: {refused}"
        );
        // It is not asked again at once.
        let again = provider.oidc.begin(NOW_S).await.unwrap_err().to_string();
        assert!(again.contains("provider"), "{again}");
    }
}
