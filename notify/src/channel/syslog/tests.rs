use std::sync::Arc;

use proptest::prelude::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::NotificationKind;
use crate::channel::hostile::{TEXTS, is_clean};
use crate::channel::sample::{KINDS, all_of, any_notification, delivery, every, told};
use crate::channel::tests::{certificate, fate, lines, python, run};

fn settings(port: u16, format: SyslogFormat) -> SyslogSettings {
    SyslogSettings {
        host: "localhost".into(),
        port,
        tls: false,
        ca: None,
        format,
        facility: 4,
        hostname: "stormglass.example.com".into(),
    }
}

fn client() -> Client {
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    Client::new(egress::EgressPolicy { allow, ..egress::EgressPolicy::default() }).unwrap()
}

#[test]
fn every_kind_as_a_line() {
    for kind in KINDS {
        let told = told(kind);
        for format in [SyslogFormat::Cef, SyslogFormat::Ocsf] {
            let line = message(delivery(&told), &settings(6514, format));
            insta::assert_snapshot!(format!("{format:?}-{kind:?}"), String::from_utf8(line).unwrap());
        }
    }
}

/// Splits at what is not escaped.
fn split(text: &str, mark: char, most: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let count = parts.len();
        let last = parts.last_mut().unwrap();
        if character == '\\' {
            last.push(character);
            last.extend(characters.next());
        } else if character == mark && count < most {
            parts.push(String::new());
        } else {
            last.push(character);
        }
    }
    parts
}

fn check(told: &Notification) {
    for format in [SyslogFormat::Cef, SyslogFormat::Ocsf] {
        let bytes = message(delivery(told), &settings(6514, format));
        let text = String::from_utf8(bytes).unwrap();
        let (length, line) = text.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), line.len());
        assert!(!line.contains(['\n', '\r']), "{line}");
        assert!(is_clean(line), "{line:?}");
        // Seven fields before the message.
        let fields: Vec<_> = line.splitn(8, ' ').collect();
        assert_eq!(
            (fields[2], fields[3], fields[4], fields[6]),
            ("stormglass.example.com", "stormglass", "-", "-"),
            "{line}"
        );
        match format {
            SyslogFormat::Ocsf => {
                assert!(line.len() <= 32 << 10 && fields[7].starts_with('{'), "{}", line.len())
            }
            SyslogFormat::Cef => {
                assert!(line.len() <= 8 << 10, "{}", line.len());
                let parts = split(fields[7], '|', 8);
                assert_eq!(parts.len(), 8, "{line}");
                assert_eq!((parts[0].as_str(), parts[1].as_str()), ("CEF:0", "Stormglass"));
                assert!((0..=10).contains(&parts[6].parse::<u8>().unwrap()), "{line}");
                // Every equals sign that is not escaped is behind a name of ours.
                let names = [
                    "rt",
                    "externalId",
                    "act",
                    "outcome",
                    "cnt",
                    "cat",
                    "suser",
                    "duser",
                    "fname",
                    "src",
                    "c6a2",
                    "c6a2Label",
                    "cs1",
                    "cs1Label",
                    "cs2",
                    "cs2Label",
                    "cs3",
                    "cs3Label",
                    "msg",
                ];
                let pairs = split(&parts[7], '=', usize::MAX);
                for (number, before) in pairs[..pairs.len() - 1].iter().enumerate() {
                    let name = before.rsplit(' ').next().unwrap();
                    assert!(names.contains(&name), "{name} {number} {line}");
                }
            }
        }
    }
}

#[test]
fn hostile_texts_forge_no_field() {
    for text in TEXTS {
        check(&all_of(text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn limits_hold(told in any_notification()) {
        check(&told);
    }
}

async fn take(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

async fn server(tls: Option<TlsAcceptor>) -> (u16, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        match tls {
            Some(acceptor) => match acceptor.accept(stream).await {
                Ok(stream) => take(stream).await,
                Err(_) => Vec::new(),
            },
            None => take(stream).await,
        }
    });
    (port, task)
}

#[tokio::test]
async fn a_server_gets_the_whole_message() {
    let told = told(NotificationKind::Raised);
    let (port, task) = server(None).await;
    let settings = settings(port, SyslogFormat::Cef);
    let syslog = Syslog::new(client(), settings.clone()).unwrap();
    assert_eq!(fate(&syslog.send(delivery(&told)).await), "delivered");
    assert_eq!(task.await.unwrap(), message(delivery(&told), &settings));
    // It is gone.
    assert_eq!(fate(&syslog.send(delivery(&told)).await), "retry");
    let elsewhere = Syslog::new(Client::new(egress::EgressPolicy::default()).unwrap(), settings).unwrap();
    assert_eq!(fate(&elsewhere.send(delivery(&told)).await), "disabled");
}

#[tokio::test]
async fn tls_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let chain =
        CertificateDer::pem_file_iter(folder.path().join("cert.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(folder.path().join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let told = told(NotificationKind::Raised);
    let ca = std::fs::read(folder.path().join("cert.pem")).unwrap();
    for (ca, wanted) in [(Some(ca), "delivered"), (None, "retry")] {
        let (port, task) = server(Some(acceptor.clone())).await;
        let settings = SyslogSettings { tls: true, ca, ..settings(port, SyslogFormat::Ocsf) };
        let syslog = Syslog::new(client(), settings.clone()).unwrap();
        assert_eq!(fate(&syslog.send(delivery(&told)).await), wanted);
        let taken = task.await.unwrap();
        assert_eq!(taken.is_empty(), wanted == "retry");
        if wanted == "delivered" {
            assert_eq!(taken, message(delivery(&told), &settings));
        }
    }
}

/// Parsers of RFC 5424 and of CEF read every message, and CEF's dictionary knows its names, types and lengths.
#[test]
fn parsers_of_others_read_every_message() {
    let Some(python) = python("syslog_rfc5424_parser, pycef, cefevent") else { return };
    let script = r#"
import json, re, sys
import pycef
from cefevent import CEFEvent
from syslog_rfc5424_parser.parser import parse
count = 0
for line in sys.stdin:
    kind, cef, ocsf = json.loads(line)
    for text in (cef, ocsf):
        length, rest = text.split(' ', 1)
        assert int(length) == len(rest.encode()), text
        header = parse(rest).header
        assert (header.version, header.hostname, header.appname, header.msgid) == (1, 'stormglass.example.com', 'stormglass', kind), text
    json.loads(parse(ocsf.split(' ', 1)[1]).message)
    message = parse(cef.split(' ', 1)[1]).message
    # pycef knows neither of these in the header.
    if re.search(r'[\\=]', '|'.join(re.split(r'(?<!\\)\|', message)[:6])):
        continue
    # Names of custom fields stand for them there; the dictionary has them as they are sent.
    found = pycef.parse(message.replace('Label=', 'Lable='))
    event = CEFEvent(strict=True)
    for name, value in found.items():
        if name in ('CEFVersion', 'DeviceVendor', 'DeviceProduct', 'DeviceVersion', 'DeviceEventClassID', 'Name', 'DeviceName', 'Severity', 'DeviceSeverity'):
            continue
        name, value = name.replace('Lable', 'Label'), re.sub(r'\\(.)', lambda found: '\n' if found[1] == 'n' else found[1], value)
        # In revision 26 and not in this dictionary, which has the one before: `eventOutcome`, 63 characters.
        if name == 'outcome': assert len(value) <= 63; continue
        event.set_field(name, int(value) if name in ('rt', 'cnt') else value)
    assert found['externalId'] and found['act'] == kind and found['DeviceVendor'] == 'Stormglass' and 0 <= int(found['Severity']) <= 10, found
    count += 1
for name, value in (('colour', 'red'), ('externalId', 'x' * 41), ('src', '203.0.113.256')):
    try: CEFEvent(strict=True).set_field(name, value); raise SystemExit('a flaw was taken: ' + name)
    except ValueError: pass
print(count)
"#;
    let every = every();
    let rows = every.iter().map(|told| {
        let [cef, ocsf] = [SyslogFormat::Cef, SyslogFormat::Ocsf]
            .map(|format| String::from_utf8(message(delivery(told), &settings(6514, format))).unwrap());
        serde_json::json!([told.kind.as_str(), cef, ocsf])
    });
    let count: usize = run(&python, script, &lines(rows)).trim().parse().unwrap();
    assert!(count > every.len() * 3 / 4, "{count} of {}", every.len());
}
