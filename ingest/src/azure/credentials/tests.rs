use std::os::unix::fs::PermissionsExt as _;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::*;

const NOW_S: i64 = 1_700_000_000;

fn access(secret: Option<&str>, certificate: Option<&str>) -> AzureAccess {
    AzureAccess {
        tenant: Some("tenant.example.com".into()),
        client_id: Some("app".into()),
        client_secret: secret.and_then(SecretReference::parse),
        certificate: certificate.and_then(SecretReference::parse),
        authority: None,
    }
}

impl Identity {
    fn name(&self) -> String {
        let identity = |client_id: &Option<String>| match client_id {
            Some(id) => format!("the managed identity `{id}`"),
            None => "the system's managed identity".to_owned(),
        };
        match self {
            Self::Application(application, proof) => {
                let with = match proof {
                    Proof::Secret(_) => "a secret",
                    Proof::Certificate(_) => "a certificate",
                    Proof::Federated(_) => "a workload's token",
                };
                let Application { client_id, tenant, .. } = application;
                format!("the application `{client_id}` of `{tenant}` with {with}")
            }
            Self::Endpoint { client_id, .. } => identity(client_id),
            Self::Arc { url } => format!("Azure Arc at {url}"),
            Self::Machine { client_id, .. } => {
                format!("{}, else whoever is signed in with `az login`", identity(client_id))
            }
        }
    }
}

#[test]
fn the_first_identity_that_is_there_is_taken() {
    let none = AzureAccess::default();
    let name = |access: &AzureAccess, environment: &Environment| {
        Identity::find(access, environment).map(|identity| identity.name())
    };
    let mut environment = Environment::default();
    let machine = "the system's managed identity, else whoever is signed in with `az login`";
    assert_eq!(name(&none, &environment).unwrap(), machine);
    environment = environment.with("AZURE_CLIENT_ID", "mine").with("AZURE_CLIENT_SECRET", "hunter2");
    assert!(name(&none, &environment).unwrap().starts_with("the managed identity `mine`, else"));
    environment = environment.with("IDENTITY_ENDPOINT", "http://10.0.0.1/token").with("IDENTITY_HEADER", "h");
    assert_eq!(name(&none, &environment).unwrap(), "the managed identity `mine`");
    let whole = environment.clone().with("AZURE_TENANT_ID", "t");
    assert_eq!(name(&none, &whole).unwrap(), "the application `mine` of `t` with a secret");
    let whole = whole.with("AZURE_CLIENT_SECRET", "").with("AZURE_FEDERATED_TOKEN_FILE", "/token");
    assert_eq!(name(&none, &whole).unwrap(), "the application `mine` of `t` with a workload's token");
    let whole = whole.with("AZURE_CLIENT_CERTIFICATE_PATH", "/app.pem");
    assert_eq!(name(&none, &whole).unwrap(), "the application `mine` of `t` with a certificate");
    let arc = Environment::default()
        .with("IDENTITY_ENDPOINT", "http://localhost:40342/metadata/identity/oauth2/token")
        .with("IMDS_ENDPOINT", "http://localhost:40342");
    assert_eq!(
        name(&none, &arc).unwrap(),
        "Azure Arc at http://localhost:40342/metadata/identity/oauth2/token"
    );
    assert!(
        name(&none, &arc.with("AZURE_CLIENT_ID", "mine")).unwrap_err().to_string().contains("leave it out")
    );
    // What is configured wins.
    assert_eq!(
        name(&access(Some("env:S"), None), &whole).unwrap(),
        "the application `app` of `tenant.example.com` with a secret"
    );
    assert!(!format!("{:?}", Identity::find(&none, &environment)).contains("hunter2"));
}

#[test]
fn half_an_identity_is_none() {
    let problem = |access: AzureAccess, environment: &Environment| {
        Identity::find(&access, environment).unwrap_err().to_string()
    };
    let empty = Environment::default();
    let both = access(Some("env:S"), Some("file:/app.pem"));
    assert!(problem(both, &empty).contains("not both"));
    let no_tenant = AzureAccess { tenant: None, ..access(Some("env:S"), None) };
    assert!(problem(no_tenant, &empty).contains("AZURE_TENANT_ID"));
    for tenant in ["../x", "a/b", "--help", ""] {
        let odd = AzureAccess { tenant: Some(tenant.into()), ..access(Some("env:S"), None) };
        assert!(Identity::find(&odd, &empty).is_err(), "{tenant}");
    }
    for authority in ["http://login.example.com", "ftp://localhost", "login.example.com"] {
        let odd = AzureAccess { authority: Some(authority.into()), ..access(Some("env:S"), None) };
        assert!(Identity::find(&odd, &empty).is_err(), "{authority}");
    }
}

/// A key and a certificate for it, made by OpenSSL; its own tools check what is signed.
fn certificate(folder: &std::path::Path) -> Option<String> {
    let made = std::process::Command::new("openssl")
        .current_dir(folder)
        .args(
            "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=app"
                .split(' '),
        )
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("skipped: no openssl");
        return None;
    }
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    Some(format!("{}{}", read("cert.pem"), read("key.pem")))
}

#[test]
fn openssl_finds_the_signature_good() {
    let folder = tempfile::tempdir().unwrap();
    let Some(pem) = certificate(folder.path()) else { return };
    let token = assertion::sign(&pem, "app", "https://login.example.com/t", NOW_S).unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let json =
        |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    assert_eq!(json(parts[0])["alg"], "PS256");
    let claims = json(parts[1]);
    assert_eq!((&claims["iss"], &claims["sub"]), (&"app".into(), &"app".into()));
    assert_eq!(
        (&claims["aud"], &claims["exp"]),
        (&"https://login.example.com/t".into(), &(NOW_S + 600).into())
    );

    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("signed", format!("{}.{}", parts[0], parts[1]).as_bytes());
    write("signature", &URL_SAFE_NO_PAD.decode(parts[2]).unwrap());
    let openssl = |line: &str| {
        let run =
            std::process::Command::new("openssl").current_dir(folder.path()).args(line.split(' ')).output();
        String::from_utf8(run.unwrap().stdout).unwrap()
    };
    openssl("x509 -in cert.pem -pubkey -noout -out public.pem");
    let verified = openssl(
        "dgst -sha256 -verify public.pem -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -signature signature signed",
    );
    assert_eq!(verified.trim(), "Verified OK");
    let print = openssl("x509 -in cert.pem -noout -fingerprint -sha256").to_lowercase();
    let thumbprint = URL_SAFE_NO_PAD.decode(json(parts[0])["x5t#S256"].as_str().unwrap()).unwrap();
    let hex: Vec<_> = thumbprint.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(print.trim().ends_with(&hex.join(":")), "{print}");
}

#[test]
fn what_is_wrong_with_a_certificate_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let Some(pem) = certificate(folder.path()) else { return };
    let problem = |pem: &str| assertion::sign(pem, "app", "a", NOW_S).unwrap_err();
    let (cert, key) = pem.split_at(pem.find("-----BEGIN PRIVATE").or(pem.find("-----BEGIN RSA")).unwrap());
    assert!(problem(cert).contains("no key in it"));
    assert!(problem(key).contains("no certificate in it"));
    assert!(problem("").contains("no certificate in it"));
    let torn = pem.replace("MII", "MIX");
    assert!(!problem(&torn).contains("MIX"));
}

/// The answers of `az` 2.60 as a script.
#[tokio::test]
async fn a_person_that_is_signed_in_is_the_last_resort() {
    let folder = tempfile::tempdir().unwrap();
    let az = folder.path().join("az");
    let script = "#!/bin/sh\n[ \"$*\" = 'account get-access-token --output json --scope https://r.example.com/.default --tenant t' ] || exit 3\necho '{\"accessToken\": \"person\", \"expires_on\": 1700003600, \"expiresOn\": \"2023-11-14 23:13:20.000000\"}'\n";
    std::fs::write(&az, script).unwrap();
    std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o755)).unwrap();
    // Nothing listens there.
    let environment = Environment::default()
        .with("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")
        .with("AZURE_TENANT_ID", "t");
    let entra = |access: &AzureAccess, az: &str| {
        let entra =
            Entra::new(access, &environment, "https://r.example.com/.default", Web::new().unwrap(), || {
                NOW_S * 1_000_000
            })
            .unwrap();
        Entra { az: az.into(), ..entra }
    };
    let none = AzureAccess::default();
    let token = entra(&none, az.to_str().unwrap()).token().await.unwrap();
    assert_eq!((token.secret.as_str(), token.expires_us), ("person", (NOW_S + 3600) * 1_000_000));
    let error = entra(&none, "/nowhere/az").token().await.unwrap_err().to_string();
    assert!(error.contains("no machine with a metadata service") && error.contains("az login"), "{error}");
    let mine = AzureAccess { client_id: Some("mine".into()), ..none };
    let error = entra(&mine, az.to_str().unwrap()).token().await.unwrap_err().to_string();
    assert!(error.contains("no managed identity `mine`"), "{error}");
}

/// The agent as Microsoft's page on managed identities of Arc shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_of_arc_names_a_file_and_takes_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("tokens");
    std::fs::create_dir(&keys).unwrap();
    std::fs::write(folder.path().join("shadow.key"), "hunter2").unwrap();
    std::fs::write(keys.join("large.key"), "x".repeat(5000)).unwrap();
    std::fs::write(keys.join("good.txt"), "hunter2").unwrap();
    std::fs::write(keys.join("good.key"), "challenge").unwrap();
    std::os::unix::fs::symlink(folder.path().join("shadow.key"), keys.join("link.key")).unwrap();
    let named = std::sync::Arc::new(parking_lot::Mutex::new(String::new()));
    let shown = named.clone();
    let agent = cloudfake::Proxy::start("http://127.0.0.1:1", move |seen| {
        let head = seen.head.to_lowercase();
        assert!(head.contains("metadata: true") && head.contains("api-version=2020-06-01"), "{head}");
        assert!(!head.contains("hunter2"));
        if head.contains("authorization: basic challenge") {
            let body = "{\"access_token\":\"arc\",\"expires_on\":\"1700003600\"}";
            return cloudfake::answer("200 OK", "", body);
        }
        let header = format!("WWW-Authenticate: Basic realm={}\r\n", shown.lock());
        cloudfake::answer("401 Unauthorized", &header, "")
    })
    .await;
    let environment = Environment::default()
        .with("IDENTITY_ENDPOINT", &format!("{}/metadata/identity/oauth2/token", agent.url))
        .with("IMDS_ENDPOINT", &agent.url);
    let scope = "https://r.example.com/.default";
    let none = AzureAccess::default();
    let entra = Entra::new(&none, &environment, scope, Web::new().unwrap(), || NOW_S * 1_000_000).unwrap();
    let entra = Entra { arc_keys: keys.clone(), ..entra };
    let ask = async |path: &str| {
        *named.lock() = path.to_owned();
        entra.token().await
    };
    let at = |name: &str| keys.join(name).to_string_lossy().into_owned();
    let token = ask(&at("good.key")).await.unwrap();
    assert_eq!((token.secret.as_str(), token.expires_us), ("arc", (NOW_S + 3600) * 1_000_000));
    for (path, told) in [
        (at("../shadow.key"), "no key in"),
        ("/etc/shadow".into(), "no key in"),
        (at("good.txt"), "no key in"),
        (at("large.key"), "at most 4096 bytes"),
        (at("link.key"), "at most 4096 bytes"),
        (at("absent.key"), "group `himds`"),
    ] {
        let before = agent.seen.lock().len();
        let error = ask(&path).await.unwrap_err().to_string();
        assert!(error.contains(told), "{path}: {error}");
        assert_eq!(agent.seen.lock().len(), before + 1, "nothing is sent");
    }
}
