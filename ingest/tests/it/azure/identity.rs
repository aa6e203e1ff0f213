//! Who calls: secrets, certificates, workloads, machines and containers, as Entra and they check them.

use std::process::Command;

use cloudfake::azure::{Azure, TENANT};
use ingest::azure::{AzureAccess, GraphConfig, GraphLog};
use ingest::{Collector, Environment, SecretReference};

use super::{NOW_S, access, event, times};
use crate::options;

async fn fake() -> Azure {
    let azure = Azure::start(NOW_S).await;
    azure.grant(&["AuditLog.Read.All"]);
    azure.state().graph.insert("auditLogs/directoryAudits".into(), vec![event("a", NOW_S - 2_000, 0)]);
    azure
}

/// Reads one page as `access`; the error's text if that is refused.
async fn read(azure: &Azure, access: AzureAccess, environment: &Environment) -> Result<(), String> {
    let config = GraphConfig {
        access,
        endpoint: azure.url.clone(),
        logs: vec![GraphLog::DirectoryAudits],
        times: times(),
        ..GraphConfig::default()
    };
    let collector = config.lists(environment, options(1).now_us);
    let collector = collector.map(|lists| lists.follow(&Default::default(), options(1)));
    let mut collector = collector.map_err(|error| error.to_string())?;
    collector.poll().await.map(|_| ()).map_err(|error| error.to_string())
}

/// A certificate and its key, in one text.
fn certificate(folder: &tempfile::TempDir, name: &str) -> Option<String> {
    let (key, cert) = (folder.path().join(format!("{name}.key")), folder.path().join(format!("{name}.crt")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=app", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("skipped: no openssl");
        return None;
    }
    Some([&key, &cert].map(|path| std::fs::read_to_string(path).unwrap()).concat())
}

#[tokio::test]
async fn applications_prove_who_they_are() {
    let azure = fake().await;
    let folder = tempfile::tempdir().unwrap();
    let empty = Environment::default();
    let good = access(&folder, &azure.url);
    assert_eq!(read(&azure, good.clone(), &empty).await, Ok(()));
    let at = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(SecretReference::File(path))
    };
    let wrong = AzureAccess { client_secret: at("wrong", "hunter2"), ..good.clone() };
    let error = read(&azure, wrong, &empty).await.unwrap_err();
    assert!(error.contains("401 `invalid_client`") && error.contains("AADSTS7000215"), "{error}");
    assert!(!error.contains("hunter2"));
    let other = AzureAccess { client_id: Some("other".into()), ..good.clone() };
    assert!(read(&azure, other, &empty).await.unwrap_err().contains("AADSTS700016"));
    let elsewhere = AzureAccess { tenant: Some("example.com".into()), ..good.clone() };
    assert!(read(&azure, elsewhere, &empty).await.unwrap_err().contains("AADSTS90002"));

    // The same from the environment, with the authority's slash that Microsoft documents.
    let environment = empty
        .clone()
        .with("AZURE_TENANT_ID", TENANT)
        .with("AZURE_CLIENT_ID", "app")
        .with("AZURE_AUTHORITY_HOST", &format!("{}/", azure.url));
    let secret = environment.clone().with("AZURE_CLIENT_SECRET", "s3cret");
    assert_eq!(read(&azure, AzureAccess::default(), &secret).await, Ok(()));
    azure.state().applications[0].federated_token = Some("pod-token".into());
    at("pod", "pod-token\n");
    let pod = folder.path().join("pod").to_string_lossy().into_owned();
    let pod = environment.clone().with("AZURE_FEDERATED_TOKEN_FILE", &pod);
    assert_eq!(read(&azure, AzureAccess::default(), &pod).await, Ok(()));
    at("pod", "another");
    assert!(read(&azure, AzureAccess::default(), &pod).await.unwrap_err().contains("AADSTS50027"));

    let (Some(mine), Some(foreign)) = (certificate(&folder, "mine"), certificate(&folder, "foreign")) else {
        return;
    };
    azure.state().applications[0].certificate = Some(mine.clone());
    let by = |pem: &str| AzureAccess { client_secret: None, certificate: at("pem", pem), ..good.clone() };
    assert_eq!(read(&azure, by(&mine), &empty).await, Ok(()));
    assert!(read(&azure, by(&foreign), &empty).await.unwrap_err().contains("AADSTS700027"));
    // Another's key under this certificate's name.
    let at_certificate = |pem: &str| pem.find("-----BEGIN CERTIFICATE").unwrap();
    let (_, public) = mine.split_at(at_certificate(&mine));
    let (key, _) = foreign.split_at(at_certificate(&foreign));
    let error = read(&azure, by(&format!("{public}{key}")), &empty).await.unwrap_err();
    assert!(error.contains("failed signature validation"), "{error}");
    // A clock that is an hour off.
    azure.state().now_s += 3_600;
    assert!(read(&azure, by(&mine), &empty).await.unwrap_err().contains("AADSTS700024"));
    let path = folder.path().join("pem").to_string_lossy().into_owned();
    azure.state().now_s = NOW_S;
    std::fs::write(&path, &mine).unwrap();
    let by_path = environment.with("AZURE_CLIENT_CERTIFICATE_PATH", &path);
    assert_eq!(read(&azure, AzureAccess::default(), &by_path).await, Ok(()));
}

#[tokio::test]
async fn machines_and_containers_have_identities() {
    let azure = fake().await;
    let machine = Environment::default().with("AZURE_POD_IDENTITY_AUTHORITY_HOST", &azure.url);
    let none = AzureAccess::default();
    assert_eq!(read(&azure, none.clone(), &machine).await, Ok(()));
    let of = |id: &str| AzureAccess { client_id: Some(id.into()), ..AzureAccess::default() };
    assert_eq!(read(&azure, of("app"), &machine).await, Ok(()));
    let error = read(&azure, of("other"), &machine).await.unwrap_err();
    assert!(error.contains("no managed identity `other`") && error.contains("Identity not found"), "{error}");

    let container = |header: &str| {
        Environment::default()
            .with("IDENTITY_ENDPOINT", &format!("{}/msi/token", azure.url))
            .with("IDENTITY_HEADER", header)
    };
    assert_eq!(read(&azure, none.clone(), &container("not-a-forged-request")).await, Ok(()));
    let error = read(&azure, none, &container("forged")).await.unwrap_err();
    assert!(error.contains("`managed identity` was refused with 401"), "{error}");
}

#[tokio::test]
async fn a_token_that_ends_before_its_time_is_replaced_once() {
    let azure = fake().await;
    let folder = tempfile::tempdir().unwrap();
    let config = GraphConfig {
        access: access(&folder, &azure.url),
        endpoint: azure.url.clone(),
        logs: vec![GraphLog::DirectoryAudits],
        times: ingest::azure::AzureTimes { lookback: std::time::Duration::from_secs(86_400), ..times() },
        gap: std::time::Duration::ZERO,
        ..GraphConfig::default()
    };
    let environment = Environment::default();
    let lists = config.lists(&environment, options(1).now_us).unwrap();
    let mut collector = lists.follow(&Default::default(), options(1));
    collector.poll().await.unwrap();
    azure.end_tokens();
    collector.poll().await.unwrap();
    assert_eq!(azure.state().tokens_given, 2);
    // The permission is taken away, and the next token tells.
    azure.state().applications[0].grants.clear();
    azure.end_tokens();
    let error = collector.poll().await.unwrap_err().to_string();
    assert!(
        error.contains("403 `Authorization_RequestDenied`") && error.contains("AuditLog.Read.All"),
        "{error}"
    );
    assert_eq!(azure.state().tokens_given, 3);
}
