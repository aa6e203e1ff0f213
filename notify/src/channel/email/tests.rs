use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

use super::letter::letter;
use super::*;
use crate::NotificationKind;
use crate::channel::sample::{KINDS, delivery, every, told};
use crate::channel::tests::{certificate, fate, fixed, python};

/// aiosmtpd, which parses what it takes with Python's own readers of mail and HTML and prints a line of JSON.
const SERVER: &str = r#"
import asyncio, json, ssl, sys, email, email.policy
from html.parser import HTMLParser
from aiosmtpd.smtp import SMTP, AuthResult
mode, folder = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + '/cert.pem', folder + '/key.pem')
class Tags(HTMLParser):
    def __init__(self):
        super().__init__(); self.tags = []; self.links = []
    def handle_starttag(self, tag, attributes):
        self.tags.append(tag); self.links += [v for k, v in attributes if k in ('href', 'src') or k.startswith('on')]
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('gone'): return '550 no such user'
        if address.startswith('later'): return '451 later'
        envelope.rcpt_tos.append(address); return '250 OK'
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        page = mail.get_body(('html',)).get_content()
        tags = Tags(); tags.feed(page)
        print(json.dumps({
            'tls': server.transport.get_extra_info('ssl_object') is not None, 'from': envelope.mail_from, 'to': envelope.rcpt_tos,
            'names': sorted(mail.keys()), 'headers': {k: str(v) for k, v in mail.items()},
            'defects': [str(d) for d in mail.defects], 'parts': [p.get_content_type() for p in mail.walk()],
            'text': mail.get_body(('plain',)).get_content(), 'tags': sorted(set(tags.tags)), 'links': tags.links,
        }), flush=True)
        return '250 taken'
def login(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b'stormglass' and data.password == b'hunter2', handled=False)
async def main():
    secure = mode == 'starttls'
    options = {'hostname': 'localhost', 'enable_SMTPUTF8': True}
    if secure: options |= {'tls_context': context, 'require_starttls': True}
    if mode in ('starttls', 'implicit'):
        options |= {'auth_required': True, 'authenticator': login, 'auth_require_tls': secure}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), loop=loop, **options), '127.0.0.1', 0, ssl=context if mode == 'implicit' else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"#;

/// A mail server; it ends with its standard input.
struct Server {
    port: u16,
    stdin: Option<ChildStdin>,
    child: Child,
    /// Reads what it prints as it comes, so that it never waits for that.
    mails: JoinHandle<Vec<Value>>,
}

impl Server {
    fn start(mode: &str, folder: &Path) -> Option<Self> {
        let python = python("aiosmtpd.smtp")?;
        let mut child = Command::new(python)
            .args(["-W", "ignore", "-c", SERVER, mode])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        let read = move || out.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        Some(Self { port, stdin: child.stdin.take(), child, mails: std::thread::spawn(read) })
    }

    /// Ends it; what it took.
    fn mails(mut self) -> Vec<Value> {
        drop(self.stdin.take());
        self.child.wait().unwrap();
        self.mails.join().unwrap()
    }
}

fn settings(port: u16, folder: &Path, security: Security) -> EmailSettings {
    EmailSettings {
        host: "localhost".into(),
        port,
        security,
        plain_host: String::new(),
        ca: Some(std::fs::read(folder.join("cert.pem")).unwrap()),
        user: "stormglass".into(),
        password: Some(fixed("hunter2")),
        from: "Stormglass <stormglass@example.com>".into(),
        to: vec!["ann@example.com".into(), "Bob <bob@example.com>".into()],
    }
}

fn client() -> Client {
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    Client::new(egress::EgressPolicy { allow, ..egress::EgressPolicy::default() }).unwrap()
}

fn email(settings: &EmailSettings) -> Email {
    Email::new(client(), settings).unwrap()
}

#[test]
fn every_kind_as_a_letter() {
    let from: Mailbox = "Stormglass <stormglass@example.com>".parse().unwrap();
    let to: Vec<Mailbox> = vec!["ann@example.com".parse().unwrap()];
    for kind in KINDS {
        let told = told(kind);
        let letter = letter(delivery(&told), &from, &to, Some("<stormglass.1@example.com>")).unwrap();
        insta::assert_snapshot!(
            format!("{kind:?}"),
            String::from_utf8(letter.formatted()).unwrap().replace('\r', "")
        );
    }
}

const NAMES: [&str; 7] = ["Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];
const TAGS: [&str; 14] =
    ["a", "body", "h2", "h3", "head", "html", "li", "meta", "p", "table", "td", "th", "tr", "ul"];

#[tokio::test]
async fn every_letter_is_one_letter() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let Some(server) = Server::start("starttls", folder.path()) else { return };
    let email = email(&settings(server.port, folder.path(), Security::Starttls));
    let every = every();
    for told in &every {
        assert_eq!(fate(&email.send(delivery(told)).await), "delivered", "{told:?}");
    }
    let mails = server.mails();
    assert_eq!(mails.len(), every.len());
    for (mail, told) in mails.iter().zip(&every) {
        assert_eq!(mail["tls"], true);
        assert_eq!(mail["names"], serde_json::json!(NAMES), "{mail}");
        assert_eq!(mail["to"], serde_json::json!(["ann@example.com", "bob@example.com"]));
        assert_eq!(mail["defects"], serde_json::json!([]));
        assert_eq!(mail["parts"], serde_json::json!(["multipart/alternative", "text/plain", "text/html"]));
        assert!(mail["headers"]["Subject"].as_str().unwrap().starts_with("[HIGH] "), "{mail}");
        for tag in mail["tags"].as_array().unwrap() {
            assert!(TAGS.contains(&tag.as_str().unwrap()), "{tag}");
        }
        let links = usize::from(told.link.is_some());
        assert_eq!(mail["links"].as_array().unwrap().len(), links, "{mail}");
        let text = mail["text"].as_str().unwrap();
        assert_eq!(text.matches("://").count(), links, "{text}");
    }
}

#[tokio::test]
async fn threads_and_implicit_tls() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let Some(server) = Server::start("implicit", folder.path()) else { return };
    let email = email(&settings(server.port, folder.path(), Security::Tls));
    let raised = told(NotificationKind::Raised);
    let Outcome::Delivered { remember: Some(first) } = email.send(delivery(&raised)).await else { panic!() };
    let closed = told(NotificationKind::Closed);
    let later = Delivery { key: "k-2", remembered: Some(&first), ..delivery(&closed) };
    assert_eq!(email.send(later).await, Outcome::Delivered { remember: None });
    // What was remembered cannot bring headers of its own.
    let forged = Delivery { remembered: Some("<stormglass.x>\r\nBcc: eve@example.com>"), ..later };
    assert_eq!(fate(&email.send(forged).await), "delivered");
    let mails = server.mails();
    assert_eq!(mails[0]["headers"]["Message-ID"], first.as_str());
    assert_eq!(mails[1]["headers"]["In-Reply-To"], first.as_str());
    assert_eq!(mails[1]["headers"]["References"], first.as_str());
    assert_ne!(mails[1]["headers"]["Message-ID"], first.as_str());
    assert_eq!(mails[2]["headers"]["Message-ID"], mails[1]["headers"]["Message-ID"]);
    assert!(mails[2]["headers"].get("Bcc").is_none() && mails[2]["headers"].get("In-Reply-To").is_none());
    assert!(mails[0]["tls"].as_bool().unwrap());
}

#[tokio::test]
async fn nothing_is_sent_without_what_must_be() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let told = told(NotificationKind::Raised);
    // Another authority, a wrong password, another name, users that are not there.
    let Some(server) = Server::start("starttls", folder.path()) else { return };
    let good = settings(server.port, folder.path(), Security::Starttls);
    let untrusted = EmailSettings { ca: None, ..good.clone() };
    let outcome = email(&untrusted).send(delivery(&told)).await;
    assert!(matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("TLS")), "{outcome:?}");
    let wrong = EmailSettings { password: Some(fixed("hunter1")), ..good.clone() };
    let outcome = email(&wrong).send(delivery(&told)).await;
    assert_eq!(fate(&outcome), "disabled", "{outcome:?}");
    assert!(!format!("{outcome:?}").contains("hunter"));
    for (to, wanted) in [("gone@example.com", "refused"), ("later@example.com", "retry")] {
        let outcome =
            email(&EmailSettings { to: vec![to.into()], ..good.clone() }).send(delivery(&told)).await;
        assert_eq!(fate(&outcome), wanted, "{outcome:?}");
    }
    let elsewhere = Email::new(Client::new(egress::EgressPolicy::default()).unwrap(), &good).unwrap();
    assert_eq!(fate(&elsewhere.send(delivery(&told)).await), "disabled");
    assert_eq!(server.mails(), [Value::Null; 0]);
    // A server without STARTTLS: not a word.
    let server = Server::start("plain", folder.path()).unwrap();
    let good = settings(server.port, folder.path(), Security::Starttls);
    let outcome = email(&good).send(delivery(&told)).await;
    assert!(
        matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("no STARTTLS")),
        "{outcome:?}"
    );
    let outcome =
        email(&EmailSettings { security: Security::Tls, ..good.clone() }).send(delivery(&told)).await;
    assert_eq!(fate(&outcome), "retry");
    // The same server by its name.
    let plain = EmailSettings {
        security: Security::Plain,
        plain_host: "localhost".into(),
        user: String::new(),
        password: None,
        ..good
    };
    assert_eq!(fate(&email(&plain).send(delivery(&told)).await), "delivered");
    assert_eq!(server.mails().len(), 1);
}

/// Somebody on the way answers in the clear what TLS should hide (CVE-2011-0411 and its kin).
#[tokio::test]
async fn what_is_slipped_in_before_tls_is_not_read() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = vec![0; 1 << 10];
        stream.write_all(b"220 smtp.example.com\r\n").await.unwrap();
        for answer in
            ["250-smtp.example.com\r\n250 STARTTLS\r\n", "220 go\r\n250-forged\r\n250 AUTH PLAIN\r\n"]
        {
            assert!(stream.read(&mut seen).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.ok();
        rest
    });
    let told = told(NotificationKind::Raised);
    let outcome = email(&settings(port, folder.path(), Security::Starttls)).send(delivery(&told)).await;
    assert!(matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("TLS")), "{outcome:?}");
    // No command and no password: a record of TLS, if anything.
    let rest = task.await.unwrap();
    assert!(rest.first().is_none_or(|first| *first == 22 || *first == 21), "{rest:?}");
    assert!(!rest.windows(4).any(|window| window == b"AUTH" || window == b"EHLO"));
}

#[test]
fn settings_are_checked() {
    let good = EmailSettings {
        host: "smtp.example.com".into(),
        port: 587,
        security: Security::Starttls,
        plain_host: String::new(),
        ca: None,
        user: "u".into(),
        password: Some(fixed("p")),
        from: "a@example.com".into(),
        to: vec!["b@example.com".into()],
    };
    let problem = |settings: EmailSettings| Email::new(client(), &settings).unwrap_err().field;
    assert!(Email::new(client(), &good).is_ok());
    assert_eq!(problem(EmailSettings { from: "a".into(), ..good.clone() }), "from");
    assert_eq!(
        problem(EmailSettings { from: "a@example.com\r\nBcc: e@example.com".into(), ..good.clone() }),
        "from"
    );
    assert_eq!(problem(EmailSettings { to: vec![], ..good.clone() }), "to");
    assert_eq!(problem(EmailSettings { security: Security::Plain, ..good.clone() }), "tls");
    assert_eq!(
        problem(EmailSettings {
            security: Security::Plain,
            plain_host: "smtp.example.com".into(),
            ..good.clone()
        }),
        "password"
    );
    assert_eq!(problem(EmailSettings { password: None, ..good.clone() }), "password");
    assert_eq!(problem(EmailSettings { user: String::new(), ..good.clone() }), "user");
    assert_eq!(problem(EmailSettings { host: "a b".into(), ..good.clone() }), "server");
    assert_eq!(problem(EmailSettings { ca: Some(b"x".to_vec()), ..good }), "ca_file");
}
