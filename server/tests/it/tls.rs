//! TLS of the API, by curl and Python's ssl.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::push::python;
use crate::running::{Server, command};
use crate::syslog::certificates;

fn start(folder: &Path, more: &[(&str, &str)]) -> Server {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (certificate, key) = (path("localhost.pem"), path("localhost.key"));
    let mut settings =
        vec![("STORMGLASS_SERVER_TLS_CERTIFICATE", &*certificate), ("STORMGLASS_SERVER_TLS_KEY", &*key)];
    settings.extend(more);
    Server::start(&folder.join("data"), &settings)
}

fn port(server: &Server) -> String {
    server.url.rsplit_once(':').unwrap().1.to_owned()
}

/// What curl says: its exit code, the answer with its head.
fn curl(server: &Server, arguments: &[&str]) -> (i32, String) {
    let url = format!("https://localhost:{}/health", port(server));
    let output =
        Command::new("curl").args(["-sS", "-i", "--max-time", "20"]).args(arguments).arg(url).output();
    let output = output.unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

fn has_tools(folder: &Path) -> bool {
    let has = certificates(folder) && Command::new("curl").arg("--version").output().is_ok();
    if !has {
        assert!(std::env::var_os("CI").is_none(), "openssl or curl is missing; scripts/need installs them");
        println!("skipped: no openssl and curl");
    }
    has
}

#[test]
fn curl_and_the_command_line_speak_tls() {
    let folder = tempfile::tempdir().unwrap();
    if !has_tools(folder.path()) {
        return;
    }
    let server = start(folder.path(), &[]);
    assert!(server.url.starts_with("https://"));
    let ca = folder.path().join("ca.pem").to_string_lossy().into_owned();
    let (code, said) = curl(&server, &["--cacert", &ca]);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("HTTP/2 200"), "{said}");
    for header in
        ["strict-transport-security: max-age=31536000", "x-content-type-options: nosniff", "x-request-id: "]
    {
        assert!(said.contains(header), "{header} is not in {said}");
    }
    let (code, said) = curl(&server, &["--cacert", &ca, "--http1.1", "--tls-max", "1.2"]);
    assert!(code == 0 && said.starts_with("HTTP/1.1 200"), "{said}");
    let (code, _) =
        curl(&server, &["--cacert", &ca, "--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"]);
    assert_ne!(code, 0, "TLS 1.1 was spoken");
    let url = format!("http://127.0.0.1:{}/health", port(&server));
    let plain = Command::new("curl").args(["-sS", "--max-time", "20", &url]).output().unwrap();
    assert!(!plain.status.success(), "HTTP without TLS was spoken");
    // The command line, with an authority of its own.
    let url = format!("https://localhost:{}", port(&server));
    let ask = |ca: &str| {
        let mut asked = command(&["--url", &url, "sql", "--format", "csv", "SELECT 7 AS n"]);
        asked.env("STORMGLASS_CA_FILE", ca).output().unwrap()
    };
    let answered = ask(&ca);
    assert_eq!(
        String::from_utf8_lossy(&answered.stdout).trim(),
        "n\n7",
        "{}",
        String::from_utf8_lossy(&answered.stderr)
    );
    assert!(!ask("").status.success());
    server.terminate();
}

#[test]
fn only_clients_of_the_authority_come_in() {
    let folder = tempfile::tempdir().unwrap();
    if !has_tools(folder.path()) {
        return;
    }
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let server = start(folder.path(), &[("STORMGLASS_SERVER_TLS_CLIENT_CA", &path("ca.pem"))]);
    let (ca, certificate, key) = (path("ca.pem"), path("client.pem"), path("client.key"));
    assert_eq!(curl(&server, &["--cacert", &ca, "--cert", &certificate, "--key", &key]).0, 0);
    assert_ne!(curl(&server, &["--cacert", &ca]).0, 0, "a client without a certificate came in");
    server.terminate();
}

/// One connection that stays, and new ones that say whose certificate they see.
const CLIENT: &str = r#"
import http.client, json, socket, ssl, sys, time
port, ca, other = int(sys.argv[1]), sys.argv[2], sys.argv[3]

def trusting(path):
    return ssl.create_default_context(cafile=path)

def sees(path):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as tcp:
            with trusting(path).wrap_socket(tcp, server_hostname="localhost") as tls:
                return tls.version() in ("TLSv1.2", "TLSv1.3")
    except ssl.SSLCertVerificationError:
        return False

held = http.client.HTTPSConnection("localhost", port, context=trusting(ca), timeout=20)

def health():
    held.request("GET", "/health")
    answer = held.getresponse()
    return answer.status, json.loads(answer.read())

assert health()[0] == 200
socket_before = held.sock
assert sees(ca) and not sees(other)
print("ready", flush=True)
for line in sys.stdin:
    wanted = line.strip()
    deadline = time.monotonic() + 30
    while True:
        status, told = health()
        new, broken = sees(other), "tls" in told
        if {"new": new and not broken, "broken": new and broken, "mended": sees(ca) and not broken}[wanted]:
            break
        assert time.monotonic() < deadline, (wanted, new, told)
        time.sleep(0.05)
    assert held.sock is socket_before, "the connection was dropped"
    print(wanted, flush=True)
"#;

#[test]
fn certificates_change_under_open_connections() {
    use std::io::{BufRead, BufReader, Write};
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    if !has_tools(folder.path()) || !certificates(other.path()) {
        return;
    }
    let Some(python) = python("ssl") else { return };
    let server = start(folder.path(), &[]);
    let old = tempfile::tempdir().unwrap();
    for name in ["localhost.pem", "localhost.key", "ca.pem"] {
        std::fs::copy(folder.path().join(name), old.path().join(name)).unwrap();
    }
    let ca = |folder: &Path| folder.join("ca.pem").to_string_lossy().into_owned();
    let mut client = Command::new(python)
        .args(["-c", CLIENT, &port(&server), &ca(old.path()), &ca(other.path())])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut ask = client.stdin.take().unwrap();
    let mut answers = BufReader::new(client.stdout.take().unwrap()).lines();
    assert_eq!(answers.next().unwrap().unwrap(), "ready");
    let mut until = |word: &str| {
        writeln!(ask, "{word}").unwrap();
        assert_eq!(answers.next().expect("the client failed").unwrap(), word);
    };
    let put = |from: &Path| {
        for name in ["localhost.pem", "localhost.key"] {
            std::fs::copy(from.join(name), folder.path().join(name)).unwrap();
        }
    };
    put(other.path());
    until("new");
    std::fs::write(folder.path().join("localhost.pem"), "no certificate").unwrap();
    until("broken");
    put(old.path());
    // At once, not when the files are looked at next.
    server.hangup();
    until("mended");
    drop(ask);
    let deadline = Instant::now() + Duration::from_secs(20);
    while client.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "the client does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(client.wait().unwrap().success());
    server.terminate();
}

#[test]
fn nothing_starts_with_half_of_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    let mut serve = command(&["--data", &data, "serve", "--listen", "127.0.0.1:0"]);
    serve
        .env("STORMGLASS_SERVER_TLS_CERTIFICATE", "nowhere.pem")
        .env("STORMGLASS_SERVER_TLS_KEY", "nowhere.key");
    let output = serve.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("nowhere.pem"), "{said}");
}
