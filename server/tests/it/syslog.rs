//! Syslog from the programs that send it: util-linux's `logger`, rsyslog, and plain sockets.

use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::running::{Server, sql};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that receives as `listeners` say, on `data` below `folder`.
fn start(folder: &Path, listeners: &str) -> Server {
    let config = folder.join("stormglass.toml");
    std::fs::write(&config, listeners).unwrap();
    Server::start(&folder.join("data"), &[("STORMGLASS_CONFIG", &config.to_string_lossy())])
}

async fn metric(server: &Server, name: &str) -> u64 {
    let text = reqwest::get(format!("{}/metrics", server.url)).await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("stormglass_{name} ")));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

/// Waits until so many messages were received.
async fn received(server: &Server, messages: u64) {
    let started = Instant::now();
    while metric(server, "syslog_messages_total").await < messages {
        assert!(started.elapsed() < Duration::from_secs(60), "{messages} messages did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn logger(arguments: &[&str]) -> bool {
    match Command::new("logger").args(arguments).status() {
        Ok(status) => status.success(),
        Err(_) => {
            println!("skipped: no `logger` of util-linux");
            false
        }
    }
}

#[tokio::test]
async fn logger_delivers_over_udp_and_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(), free_port());
    let listeners = format!(
        "[[syslog]]\nsource = \"datagrams\"\ntransport = \"udp\"\nlisten = \"127.0.0.1:{udp}\"\n\
         [[syslog]]\nsource = \"streams\"\ntransport = \"tcp\"\nlisten = \"127.0.0.1:{tcp}\"\n"
    );
    let server = start(folder.path(), &listeners);
    let (udp, tcp) = (udp.to_string(), tcp.to_string());
    let send = |more: &[&str]| logger(&[&["-n", "127.0.0.1", "-t", "shop", "-p", "auth.err"], more].concat());
    if !send(&[
        "-d",
        "-P",
        &udp,
        "--rfc5424",
        "--msgid",
        "M1",
        "--sd-id",
        "a@32473",
        "--sd-param",
        "k=\"v\"",
        "new over udp",
    ]) {
        return;
    }
    assert!(send(&["-d", "-P", &udp, "--rfc3164", "old over udp"]));
    assert!(send(&["-T", "-P", &tcp, "--rfc5424", "--id=77", "new over tcp"]));
    assert!(send(&["-T", "-P", &tcp, "--rfc5424", "--octet-count", "counted over tcp"]));
    assert!(send(&["-T", "-P", &tcp, "--rfc3164", "old over tcp"]));
    // Two equal lines are two events.
    for _ in 0..2 {
        assert!(send(&["-d", "-P", &udp, "--rfc3164", "twice"]));
    }
    let trail = r#"@cee: {"eventVersion":"1.11","eventTime":"2026-03-02T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","eventID":"e-1","userIdentity":{"type":"Root"}}"#;
    assert!(send(&["-T", "-P", &tcp, "--octet-count", trail]));
    received(&server, 8).await;
    server.terminate();
    let data = folder.path().join("data");
    let rows = sql(
        &data,
        "SELECT source, message, metadata_log_name AS facility, severity, metadata_product_name AS app, metadata_event_code AS msgid, count(*) AS n, count(src_endpoint_name) AS hosts FROM events WHERE log_type = 'syslog' GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2",
    );
    let row = |source: &str, message: &str, msgid: Option<&str>, n: u64| json!({"source": source, "message": message, "facility": "auth", "severity": "High", "app": "shop", "msgid": msgid, "n": n, "hosts": n});
    assert_eq!(
        Value::from(rows),
        json!([
            row("datagrams", "new over udp", Some("M1"), 1),
            row("datagrams", "old over udp", None, 1),
            row("datagrams", "twice", None, 2),
            row("streams", "counted over tcp", None, 1),
            row("streams", "new over tcp", None, 1),
            row("streams", "old over tcp", None, 1),
        ])
    );
    let carried =
        sql(&data, "SELECT metadata_uid AS id, unmapped FROM events WHERE log_type = 'aws_cloudtrail'");
    assert_eq!(carried[0]["id"], "e-1");
    assert!(carried[0]["unmapped"].to_string().contains("envelope.syslog"), "{carried:?}");
    let new = sql(&data, "SELECT unmapped FROM events WHERE message = 'new over udp'");
    assert!(new[0]["unmapped"].to_string().contains("32473"), "{new:?}");
}

#[tokio::test]
async fn a_stop_keeps_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let listener = format!("[[syslog]]\ntransport = \"tcp\"\nlisten = \"127.0.0.1:{port}\"\n");
    let server = start(folder.path(), &listener);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let lines: String = (0..5000).map(|n| format!("<13>1 - web-1 shop - - - order {n}\n")).collect();
    stream.write_all(lines.as_bytes()).unwrap();
    stream.write_all(b"<13>1 - web-1 shop - - - torn").unwrap();
    received(&server, 5000).await;
    // The connection is still open, and its last messages wait for their fsync.
    server.terminate();
    let rows = sql(
        &folder.path().join("data"),
        "SELECT count(*) AS n, count(DISTINCT message) AS d, count(*) FILTER (WHERE message = 'torn') AS torn FROM events",
    );
    assert_eq!(rows[0], json!({"n": 5001, "d": 5001, "torn": 1}));
}

#[tokio::test]
async fn senders_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(), free_port());
    let listeners = format!(
        "[[syslog]]\ntransport = \"udp\"\nlisten = \"127.0.0.1:{udp}\"\nmessages_per_second = 1\n\
         [[syslog]]\ntransport = \"tcp\"\nlisten = \"127.0.0.1:{tcp}\"\nconnections = 1\nmax_message = 480\n"
    );
    let server = start(folder.path(), &listeners);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..20 {
        socket.send_to(b"<13>x", ("127.0.0.1", udp)).unwrap();
    }
    let mut stream = TcpStream::connect(("127.0.0.1", tcp)).unwrap();
    stream.write_all(format!("<13>{}\n<13>short\n", "x".repeat(2000)).as_bytes()).unwrap();
    let started = Instant::now();
    while metric(&server, "syslog_cut_total").await < 1 || metric(&server, "syslog_limited_total").await < 1 {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing was limited or cut");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = TcpStream::connect(("127.0.0.1", tcp)).unwrap();
    while metric(&server, "syslog_refused_connections_total").await < 1 {
        assert!(started.elapsed() < Duration::from_secs(60), "the second connection was not refused");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop((stream, second));
    server.terminate();
    let rows = sql(
        &folder.path().join("data"),
        "SELECT max(length(message)) AS longest, count(*) FILTER (WHERE message = 'short') AS short FROM events",
    );
    assert_eq!(rows[0], json!({"longest": 476, "short": 1}));
}

/// A certificate authority, and certificates for `localhost` and `client`, by openssl.
pub(crate) fn certificates(folder: &Path) -> bool {
    let script = r#"
        set -e
        key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        openssl req -x509 $key -days 30 -subj /CN=ca -keyout ca.key -out ca.pem
        for name in localhost client; do
            openssl req $key -subj /CN=$name -keyout $name.key -out $name.csr
            printf 'subjectAltName=DNS:%s\n' $name > $name.ext
            openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile $name.ext -out $name.pem
        done
    "#;
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).stderr(Stdio::null()).status();
    made.is_ok_and(|status| status.success())
}

struct Rsyslog(Child);

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn rsyslog_delivers_over_tls_with_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_string_lossy().into_owned();
    if !certificates(folder.path()) {
        return println!("skipped: no openssl that makes certificates");
    }
    let port = free_port();
    let listener = format!(
        "[[syslog]]\ntransport = \"tls\"\nlisten = \"127.0.0.1:{port}\"\ncertificate = \"{here}/localhost.pem\"\n\
         key = \"{here}/localhost.key\"\nclient_ca = \"{here}/ca.pem\"\n"
    );
    let server = start(folder.path(), &listener);
    // Nobody without a certificate of that authority, and nobody without TLS.
    let anonymous = Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-no_ign_eof",
            "-CAfile",
            &format!("{here}/ca.pem"),
            "-connect",
            &format!("127.0.0.1:{port}"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    anonymous.unwrap();
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.write_all(b"<13>1 - web-1 shop - - - in the clear\n").unwrap();
    drop(plain);
    let started = Instant::now();
    while metric(&server, "syslog_refused_connections_total").await < 2 {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "a sender without a certificate was not refused"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(metric(&server, "syslog_messages_total").await, 0);
    let binary = ["/usr/sbin/rsyslogd", "/sbin/rsyslogd"].into_iter().find(|path| Path::new(path).exists());
    let Some(binary) = binary else {
        assert!(std::env::var_os("CI").is_none(), "rsyslogd is missing; scripts/need installs it");
        return println!("skipped: no rsyslogd with rsyslog-openssl; `scripts/need test` installs them");
    };
    let config = format!(
        r#"global(workDirectory="{here}" defaultNetstreamDriverCAFile="{here}/ca.pem" defaultNetstreamDriverCertFile="{here}/client.pem" defaultNetstreamDriverKeyFile="{here}/client.key")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{here}/log.sock")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted" StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="localhost" template="RSYSLOG_SyslogProtocol23Format")
"#
    );
    std::fs::write(folder.path().join("rsyslog.conf"), config).unwrap();
    let child = Command::new(binary)
        .args(["-n", "-f", &format!("{here}/rsyslog.conf"), "-i", &format!("{here}/rsyslog.pid")])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let rsyslog = Rsyslog(child);
    let socket = folder.path().join("log.sock");
    while !socket.exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "rsyslogd does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let socket = socket.to_string_lossy().into_owned();
    for number in 0..50 {
        if !logger(&["-u", &socket, "-t", "shop", "-p", "auth.warning", &format!("order {number}")]) {
            return;
        }
    }
    // rsyslog tells of its own start as well, so the count of messages does not say when all are here.
    let ask = json!({"sql": "SELECT count(*) AS n FROM events WHERE metadata_product_name = 'shop'"});
    loop {
        let url = format!("{}/api/v1/sql", server.url);
        let answer = reqwest::Client::new().post(url).json(&ask).send().await.unwrap();
        if answer.json::<Value>().await.unwrap()[0]["n"] == 50 {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "not every line of rsyslog came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(rsyslog);
    server.terminate();
    let rows = sql(
        &folder.path().join("data"),
        "SELECT count(*) AS n, count(DISTINCT message) AS d, min(severity) AS severity, min(metadata_log_version) AS version FROM events WHERE message LIKE 'order %' AND metadata_product_name = 'shop'",
    );
    assert_eq!(rows[0], json!({"n": 50, "d": 50, "severity": "Medium", "version": "1"}));
}
