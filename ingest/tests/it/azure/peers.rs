//! Microsoft's own clients against the fakes: MSAL gets its tokens, `azure-mgmt-monitor` lists the activity
//! log. A fake that they cannot use would be no measure for the collectors.

use std::process::Command;

use cloudfake::azure::{Azure, TENANT};

use super::event;
use crate::aws::moto::python;

const SUBSCRIPTION: &str = "11111111-0000-4000-8000-000000000001";

const SCRIPT: &str = r#"
import sys, json, time, requests, msal
from azure.core.credentials import AccessToken
from azure.mgmt.monitor import MonitorManagementClient
url, tenant, subscription, secret, pem, times, old = sys.argv[1:8]

class Tunnel:
    """Speaks to the fake in the name of a server with TLS, which MSAL insists on."""
    def __init__(self): self.session = requests.Session()
    def _do(self, method, address, headers=None, **rest):
        headers = dict(headers or {}, **{"Host": "login.example.com", "X-Forwarded-Proto": "https"})
        rest.pop("timeout", None)
        address = address.replace("https://login.example.com", url)
        return self.session.request(method, address, headers=headers, **rest)
    def get(self, address, **rest): return self._do("GET", address, **rest)
    def post(self, address, **rest): return self._do("POST", address, **rest)
    def close(self): self.session.close()

def token(credential):
    app = msal.ConfidentialClientApplication(
        "app", client_credential=credential, authority=f"https://login.example.com/{tenant}",
        instance_discovery=False, http_client=Tunnel())
    return app.acquire_token_for_client([f"{url}/.default"])

by_secret, wrong = token(secret), token("wrong")
by_certificate = token({"private_key": open(pem).read(), "public_certificate": open(pem).read()}) if pem else None

class Credential:
    def get_token(self, *scopes, **rest):
        return AccessToken(by_secret["access_token"], int(time.time()) + by_secret["expires_in"])

monitor = MonitorManagementClient(
    Credential(), subscription, base_url=url, credential_scopes=[f"{url}/.default"], enforce_https=False)
def listed(filter):
    return [event.event_data_id for event in monitor.activity_logs.list(filter=filter, enforce_https=False)]
refused = []
for odd in [times.split(" and ")[1], times + " and caller eq 'x'", old]:
    try: listed(odd)
    except Exception as error: refused.append(getattr(error, "status_code", None) or str(error))
print(json.dumps({
    "secret": by_secret.get("token_type"), "wrong": wrong.get("error_description", "")[:14],
    "certificate": by_certificate and by_certificate.get("token_type", str(by_certificate)),
    "events": listed(times), "refused": refused}))
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn microsofts_own_clients_can_use_the_fakes() {
    let Some(python) = python("msal, azure.mgmt.monitor, requests") else { return };
    // MSAL signs with the time of day.
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now_s = i64::try_from(clock.as_secs()).unwrap();
    let azure = Azure::start(now_s).await;
    azure.grant(&[&format!("Reader/{SUBSCRIPTION}")]);
    let events = (0..7).map(|n| {
        let mut event = event(&n.to_string(), now_s - 1_800 - n * 60, 0);
        event.record = serde_json::json!({
            "eventDataId": n.to_string(), "eventTimestamp": "2023-11-14T21:43:20Z", "level": "Informational",
            "operationName": {"value": "Microsoft.Compute/virtualMachines/write", "localizedValue": "w"},
        });
        event
    });
    azure.state().activity.insert(SUBSCRIPTION.into(), events.collect());
    azure.state().page_size = 3;
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("app.pem");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=app"])
        .arg("-keyout")
        .arg(folder.path().join("key"))
        .arg("-out")
        .arg(folder.path().join("crt"))
        .output();
    let has_certificate = made.is_ok_and(|made| made.status.success());
    if has_certificate {
        let both = ["key", "crt"].map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap());
        std::fs::write(&pem, both.concat()).unwrap();
        azure.state().applications[0].certificate = Some(both.concat());
    }
    let from = |back_s: i64| {
        let time = |unix_s| chrono::DateTime::from_timestamp(unix_s, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ");
        let (start, end) = (time(now_s - back_s), time(now_s));
        format!("eventTimestamp ge '{start}' and eventTimestamp le '{end}'")
    };
    let (times, old) = (from(3_600), from(91 * 86_400));
    let (url, pem) =
        (azure.url.clone(), if has_certificate { pem.display().to_string() } else { String::new() });
    let run = tokio::task::spawn_blocking(move || {
        Command::new(python)
            .args(["-c", SCRIPT, &url, TENANT, SUBSCRIPTION, "s3cret", &pem, &times, &old])
            .output()
    });
    let output = run.await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_str(told.trim()).unwrap();
    assert_eq!(told["secret"], "Bearer");
    assert_eq!(told["wrong"], "AADSTS7000215:");
    if has_certificate {
        assert_eq!(told["certificate"], "Bearer");
    }
    assert_eq!(told["events"], serde_json::json!(["0", "1", "2", "3", "4", "5", "6"]));
    assert_eq!(told["refused"], serde_json::json!([400, 400, 400]));
}
