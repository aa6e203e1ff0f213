//! Every kind of channel before a network and a service that fail: one table of kinds, and the faults that each of
//! them meets at each of its requests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cloudfake::notify::{Receiver, Reply, Service};
use cloudfake::{Fault, Proxy, answer};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::sample::{delivery, told};
use super::tests::{certificate, fate, fixed};
use super::*;
use crate::NotificationKind;

/// What a service makes of the same delivery when it comes twice.
#[derive(Debug, Clone, Copy)]
enum Again {
    /// It has it once: so many requests to this path make something.
    Once(&'static str),
    /// It can tell by the same value of this header.
    Header(&'static str),
    /// It can tell by the same value in the body.
    Body(&'static str),
    /// It cannot tell, as docs/channels.md says.
    Twice,
}

/// A kind that speaks HTTP.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    service: fn() -> Service,
    open: fn(&str) -> Arc<dyn Channel>,
    again: Again,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const KINDS: [Kind; 13] = [
    Kind {
        name: "webhook",
        service: anything,
        open: |url| Arc::new(Webhook::new(client(), webhook(url, None)).unwrap()),
        again: Again::Header("webhook-id"),
    },
    Kind {
        name: "webhook of CloudEvents",
        service: || {
            Box::new(|request| match request.method.as_str() {
                "OPTIONS" => {
                    let headers = "webhook-allowed-origin: siem.example.com\r\n".into();
                    Reply { headers, ..Reply::new(200, "") }
                }
                _ => Reply::new(200, "{}"),
            })
        },
        open: |url| Arc::new(Webhook::new(client(), webhook(url, Some(CloudEvents::Binary))).unwrap()),
        again: Again::Header("ce-id"),
    },
    Kind {
        name: "slack",
        service: || cloudfake::notify::slack("hunter2"),
        open: |url| {
            let access = SlackAccess::Bot { token: fixed("hunter2"), channel: "C012AB3CD".into() };
            Arc::new(Slack::new(client(), SlackSettings { access, api: format!("{url}/api"), buttons: true }))
        },
        again: Again::Twice,
    },
    Kind {
        name: "slack by webhook",
        service: cloudfake::notify::slack_hook,
        open: |url| {
            let access = SlackAccess::Hook(fixed(&format!("{url}/services/hunter2")));
            Arc::new(Slack::new(client(), SlackSettings { access, api: String::new(), buttons: false }))
        },
        again: Again::Twice,
    },
    Kind {
        name: "teams",
        service: || cloudfake::notify::teams("hunter2"),
        open: |url| Arc::new(Teams::new(client(), fixed(&format!("{url}/invoke?sig=hunter2")))),
        again: Again::Twice,
    },
    Kind {
        name: "pagerduty",
        service: || cloudfake::notify::pagerduty("hunter2"),
        open: |url| Arc::new(PagerDuty::new(client(), fixed("hunter2"), format!("{url}/v2/enqueue"))),
        again: Again::Body("/dedup_key"),
    },
    Kind {
        name: "jsm",
        service: || cloudfake::notify::jsm("hunter2"),
        open: |url| Arc::new(Jsm::new(client(), fixed("hunter2"), format!("{url}/v2"))),
        again: Again::Body("/alias"),
    },
    Kind {
        name: "opsgenie",
        service: || cloudfake::notify::jsm("hunter2"),
        open: |url| Arc::new(Jsm::new(client(), fixed("hunter2"), format!("{url}/opsgenie/v2"))),
        again: Again::Body("/alias"),
    },
    Kind {
        name: "jira",
        service: || cloudfake::notify::jira("ann@example.com", "hunter2"),
        open: |url| jira(url, JiraEdition::Cloud { user: "ann@example.com".into() }),
        again: Again::Once("/rest/api/3/issue"),
    },
    Kind {
        name: "jira of a data center",
        service: || cloudfake::notify::jira_data_center("hunter2"),
        open: |url| jira(url, JiraEdition::DataCenter),
        again: Again::Once("/rest/api/2/issue"),
    },
    Kind {
        name: "servicenow",
        service: || cloudfake::notify::servicenow("stormglass", "hunter2"),
        open: |url| {
            let settings = ServiceNowSettings {
                instance: url.into(),
                user: "stormglass".into(),
                password: fixed("hunter2"),
                table: "incident".into(),
                close_state: "6".into(),
                close_code: String::new(),
            };
            Arc::new(ServiceNow::new(client(), settings))
        },
        again: Again::Once("/api/now/table/incident"),
    },
    Kind {
        name: "discord",
        service: cloudfake::notify::discord,
        open: |url| Arc::new(Discord::new(client(), fixed(&format!("{url}/api/webhooks/1/hunter2")))),
        again: Again::Twice,
    },
    Kind {
        name: "ocsf",
        service: anything,
        open: |url| Arc::new(Ocsf::new(client(), fixed(url), Vec::new())),
        again: Again::Header("idempotency-key"),
    },
];

thread_local! {
    /// A test is a thread, and has one of them: to make one takes longer than most of what is done with it.
    static CLIENT: egress::Client = super::tests::client();
}

fn client() -> egress::Client {
    CLIENT.with(Clone::clone)
}

fn anything() -> Service {
    Box::new(|_| Reply::new(200, "{}"))
}

fn webhook(url: &str, cloud_events: Option<CloudEvents>) -> WebhookSettings {
    WebhookSettings {
        url: fixed(&format!("{url}/hook?token=hunter2")),
        method: "POST",
        keys: Vec::new(),
        headers: Vec::new(),
        origin: if cloud_events.is_some() { "siem.example.com".into() } else { String::new() },
        cloud_events,
        source: "/stormglass".into(),
        template: None,
        content_type: "application/json".into(),
    }
}

fn jira(url: &str, edition: JiraEdition) -> Arc<dyn Channel> {
    let settings = JiraSettings {
        site: url.into(),
        edition,
        token: fixed("hunter2"),
        project: "SEC".into(),
        issue_type: "Task".into(),
        close_transition: "Done".into(),
        reopen_transition: String::new(),
    };
    Arc::new(Jira::new(client(), settings))
}

/// A request of a kind: of the first delivery in a thread, or of the one that closes it.
#[derive(Debug, Clone, Copy)]
struct Place {
    kind: Kind,
    at: usize,
    is_later: bool,
}

/// A service, its channel, and between the two a fault that comes once.
struct Bench {
    place: Place,
    receiver: Receiver,
    proxy: Proxy,
    channel: Arc<dyn Channel>,
    remembered: Option<String>,
    /// How many requests came before that which is looked at.
    before: usize,
}

impl Bench {
    async fn start(place: Place, fault: Fault) -> Self {
        let receiver = Receiver::start((place.kind.service)()).await;
        let mut number = 0;
        let proxy = Proxy::start(&receiver.url(), move |_| {
            number += 1;
            if number == place.at + 1 { fault.clone() } else { Fault::Pass }
        })
        .await;
        let channel = (place.kind.open)(&proxy.url);
        let mut bench = Self { place, receiver, proxy, channel, remembered: None, before: 0 };
        if place.is_later {
            let raised = told(NotificationKind::Raised);
            let Outcome::Delivered { remember } = bench.channel.send(delivery(&raised)).await else {
                panic!("{place:?}")
            };
            bench.remembered = remember;
            bench.before = bench.receiver.seen().len();
        }
        bench
    }

    /// The fate of an attempt, which ends and tells no secret.
    async fn send(&self, attempt: u32) -> String {
        let kind = if self.place.is_later { NotificationKind::Closed } else { NotificationKind::Raised };
        let (told, remembered) = (told(kind), self.remembered.as_deref());
        let sending = self.channel.send(Delivery { attempt, remembered, ..delivery(&told) });
        let outcome = tokio::time::timeout(Duration::from_secs(60), sending).await.unwrap();
        assert!(!format!("{outcome:?}").contains("hunter2"), "{:?}: {outcome:?}", self.place);
        fate(&outcome)
    }

    /// After attempts of which more than one may have come through: the receiver can tell.
    fn check_again(&self, context: &str) {
        let seen = self.receiver.seen().split_off(self.before);
        let posts: Vec<_> = seen.iter().filter(|one| one.method == "POST").collect();
        let is_one = match self.place.kind.again {
            Again::Once(_) if self.place.is_later => {
                posts.iter().filter(|one| one.path.ends_with("/comment")).count() <= 1
            }
            Again::Once(path) => posts.iter().filter(|one| one.path == path).count() == 1,
            Again::Header(name) => posts.iter().all(|one| one.header(name) == "k-5f2e9a77"),
            Again::Body(path) => {
                let thread = told(NotificationKind::Raised).thread;
                posts.iter().all(|one| match one.path.split_once("/alerts/") {
                    Some((_, action)) => action.starts_with(&thread),
                    None => one.json().pointer(path).is_some_and(|value| *value == thread),
                })
            }
            Again::Twice => true,
        };
        assert!(is_one && !seen.is_empty(), "{:?} {context}: {seen:#?}", self.place);
    }
}

/// All requests of all kinds.
async fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for kind in KINDS {
        let mut before = 0;
        for is_later in [false, true] {
            let place = Place { kind, at: usize::MAX - 1, is_later };
            let bench = Bench::start(place, Fault::Pass).await;
            assert_eq!(bench.send(1).await, "delivered", "{place:?}");
            let count = bench.proxy.seen.lock().len();
            assert!((before + 1..=before + 4).contains(&count), "{place:?}: {count}");
            places.extend((before..count).map(|at| Place { at, ..place }));
            before = count;
        }
    }
    places
}

/// Runs a check for each of them, all at once.
async fn at_each_request<F>(check: fn(Place) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut running = JoinSet::new();
    for place in places().await {
        running.spawn(check(place));
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn refusals_have_their_fate_at_each_request() {
    at_each_request(|place| async move {
        let elsewhere = Receiver::start(anything()).await;
        let location = format!("location: {}/hunter2\r\n", elsewhere.url());
        for (status, headers, wanted) in [
            ("408 Request Timeout", "", "retry"),
            ("425 Too Early", "", "retry"),
            ("429 Too Many Requests", "", "retry"),
            ("429 Too Many Requests", "retry-after: 7\r\n", "retry 7.5s"),
            ("500 Internal Server Error", "", "retry"),
            ("502 Bad Gateway", "", "retry"),
            ("503 Service Unavailable", "retry-after: 120\r\n", "retry 120.5s"),
            ("504 Gateway Timeout", "", "retry"),
            ("400 Bad Request", "", "refused"),
            ("413 Content Too Large", "", "refused"),
            ("401 Unauthorized", "", "disabled"),
            ("403 Forbidden", "", "disabled"),
            ("410 Gone", "", "disabled"),
            ("301 Moved Permanently", location.as_str(), "disabled"),
            ("302 Found", location.as_str(), "disabled"),
            ("307 Temporary Redirect", location.as_str(), "disabled"),
            ("308 Permanent Redirect", location.as_str(), "disabled"),
        ] {
            // Slack's answers are words, which are repeated; this is none.
            let bench = Bench::start(place, answer(status, headers, "hunter2 <hunter2>")).await;
            let is_question = place.kind.name == "webhook of CloudEvents" && place.at == 0;
            // Who does not say that it wants CloudEvents wants none, whatever it says.
            let wanted = if is_question && wanted == "refused" { "disabled" } else { wanted };
            assert_eq!(bench.send(1).await, wanted, "{place:?} {status}");
            assert_eq!(bench.proxy.seen.lock().len(), place.at + 1, "{place:?} {status}");
            // It has passed, or somebody has mended it.
            assert_eq!(bench.send(2).await, "delivered", "{place:?} {status}");
            bench.check_again(status);
        }
        assert_eq!(elsewhere.seen().len(), 0, "{place:?}");
    })
    .await;
}

#[tokio::test]
async fn broken_connections_are_tried_again() {
    at_each_request(|place| async move {
        for torn in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\ncontent-len", "\u{1}\u{2}\u{3}\r\n\r\n"] {
            let bench = Bench::start(place, Fault::Answer(torn.into())).await;
            assert_eq!(bench.send(1).await, "retry", "{place:?} {torn:?}");
            assert_eq!(bench.send(2).await, "delivered", "{place:?} {torn:?}");
            bench.check_again(torn);
        }
        // The service has done it, and half of its answer is lost: that may be enough to know.
        let bench = Bench::start(place, Fault::Cut).await;
        let first = bench.send(1).await;
        assert!(["delivered", "retry"].contains(&first.as_str()), "{place:?}: {first}");
        assert_eq!(bench.send(2).await, "delivered", "{place:?}");
        bench.check_again("cut");
    })
    .await;
}

#[tokio::test]
async fn slow_answers_end() {
    at_each_request(|place| async move {
        let bench = Bench::start(place, Fault::Delay(Duration::from_secs(3_600))).await;
        assert_eq!(bench.send(1).await, "retry", "{place:?}");
        assert_eq!(bench.send(2).await, "delivered", "{place:?}");
        bench.check_again("delay");
    })
    .await;
}

#[tokio::test]
async fn slow_bodies_end() {
    at_each_request(|place| async move {
        let bench = Bench::start(place, Fault::Drip(Duration::from_secs(60))).await;
        let first = bench.send(1).await;
        // A body that nothing depends on may be missing.
        assert!(["delivered", "retry"].contains(&first.as_str()), "{place:?}: {first}");
        assert_eq!(bench.send(2).await, "delivered", "{place:?}");
        bench.check_again("drip");
    })
    .await;
}

/// What a server does with a connection.
type Serve = fn(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes a channel to a server on a port.
type Open<'a> = &'a dyn Fn(u16) -> Arc<dyn Channel>;

const SERVERS: [(&str, Serve); 5] = [
    ("resets", |stream| {
        Box::pin(async move {
            stream.set_zero_linger().unwrap();
        })
    }),
    ("resets later", |mut stream| {
        Box::pin(async move {
            stream.read_u8().await.ok();
            stream.set_zero_linger().unwrap();
        })
    }),
    ("is not what was meant", |mut stream| {
        Box::pin(async move {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
            stream.read_u8().await.ok();
            stream.set_zero_linger().unwrap();
        })
    }),
    ("is busy", |mut stream| {
        Box::pin(async move {
            stream.write_all(b"421 too many connections, come back later\r\n").await.ok();
            stream.read_u8().await.ok();
            stream.set_zero_linger().unwrap();
        })
    }),
    ("says nothing", |mut stream| {
        Box::pin(async move {
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen).await.ok();
            std::future::pending::<()>().await;
        })
    }),
];

/// Mail and syslog. A syslog server that says nothing is as good as one that takes everything.
#[tokio::test]
async fn mail_and_syslog_are_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let ca = Some(std::fs::read(folder.path().join("cert.pem")).unwrap());
    let client = || {
        let allow = vec!["127.0.0.0/8".parse().unwrap()];
        egress::Client::new(egress::EgressPolicy { allow, ..egress::EgressPolicy::default() }).unwrap()
    };
    let mail = |port, security| -> Arc<dyn Channel> {
        let is_plain = security == Security::Plain;
        let settings = EmailSettings {
            host: "localhost".into(),
            port,
            security,
            plain_host: if is_plain { "localhost".into() } else { String::new() },
            ca: ca.clone(),
            user: if is_plain { String::new() } else { "stormglass".into() },
            password: (!is_plain).then(|| fixed("hunter2")),
            from: "stormglass@example.com".into(),
            to: vec!["ann@example.com".into()],
        };
        Arc::new(Email::new(client(), &settings).unwrap())
    };
    let syslog = |port, tls| -> Arc<dyn Channel> {
        let settings = SyslogSettings {
            host: "localhost".into(),
            port,
            tls,
            ca: ca.clone(),
            format: SyslogFormat::Cef,
            facility: 4,
            hostname: "stormglass".into(),
        };
        Arc::new(Syslog::new(client(), settings).unwrap())
    };
    let ways: [(&str, Open<'_>); 5] = [
        ("mail with STARTTLS", &|port| mail(port, Security::Starttls)),
        ("mail over TLS", &|port| mail(port, Security::Tls)),
        ("mail without TLS", &|port| mail(port, Security::Plain)),
        ("syslog over TCP", &|port| syslog(port, false)),
        ("syslog over TLS", &|port| syslog(port, true)),
    ];
    let mut running = JoinSet::new();
    for (way, open) in ways {
        for (server, serve) in SERVERS {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let channel = open(listener.local_addr().unwrap().port());
            running.spawn(async move {
                let attempts = Arc::new(Mutex::new(0));
                let counted = attempts.clone();
                let serving = tokio::spawn(async move {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        *counted.lock() += 1;
                        tokio::spawn(serve(stream));
                    }
                });
                let told = told(NotificationKind::Raised);
                let sending = channel.send(delivery(&told));
                let outcome = tokio::time::timeout(Duration::from_secs(60), sending).await.unwrap();
                let says_nothing = (way, server) == ("syslog over TCP", "says nothing");
                let wanted = if says_nothing { "delivered" } else { "retry" };
                assert_eq!(fate(&outcome), wanted, "{way}, {server}: {outcome:?}");
                assert!(!format!("{outcome:?}").contains("hunter2"));
                assert_eq!(*attempts.lock(), 1, "{way}, {server}");
                serving.abort();
                // Nobody is there any more.
                drop(serving.await);
                assert_eq!(fate(&channel.send(delivery(&told)).await), "retry", "{way}");
            });
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}
