//! One way to ask, for two places: the data folder in this process, or a running server.
//!
//! A command is written once, as requests to the API. On a data folder they go to the router of this
//! process, without a network between.

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt;

use crate::api::{self, Problem};
use crate::app::App;
use crate::auth::{CSRF_HEADER, SESSION_COOKIE};
use crate::cli::Global;
use crate::config::Config;
use crate::kept_session::{self, KeptSession};
use crate::output::UsageError;

/// The variable that names a file of authorities, PEM, whose servers are trusted besides those of the system.
const CA_FILE: &str = "STORMGLASS_CA_FILE";

/// Where requests go.
#[derive(Debug)]
pub(crate) enum Client {
    /// To the data folder that this process has opened.
    Local { app: Arc<App>, router: Router },
    /// To a server.
    Remote { http: reqwest::Client, base: String, means: Means },
}

/// How a server is shown who asks.
#[derive(Debug)]
pub(crate) enum Means {
    /// By the token of `STORMGLASS_TOKEN`.
    Token(String),
    /// By the session that `stormglass login` began.
    Session(KeptSession),
    /// Not at all.
    Nothing,
}

impl Means {
    /// What to add where the server does not know who asks.
    fn unknown(&self) -> &'static str {
        match self {
            Self::Token(_) => "; the token is that of `STORMGLASS_TOKEN`",
            Self::Session(_) => "; the session is that of `stormglass login`, which begins another",
            Self::Nothing => {
                "; the command line takes a token from `STORMGLASS_TOKEN`, which is not set, or `stormglass login USER` \
                 signs in with a password"
            }
        }
    }
}

/// The address of a server as sessions are kept under it.
///
/// # Errors
/// It is none.
pub(crate) fn server_base(url: &str) -> anyhow::Result<String> {
    let base = url.trim_end_matches('/').to_owned();
    if !base.starts_with("http://") && !base.starts_with("https://") {
        bail!(UsageError(format!("`{url}` is no address of a server; write http://HOST:PORT")));
    }
    Ok(base)
}

impl Client {
    /// To the server of `--url`, or the data folder, for a command that reads what is there.
    ///
    /// # Errors
    /// The address is none, or there is no such folder, or it cannot be opened.
    pub(crate) async fn open(global: &Global) -> anyhow::Result<Self> {
        if global.url.is_none() {
            let data = load_config(global)?.data;
            if !data.join("events").is_dir() {
                bail!(
                    "there is no data in `{}`; `stormglass ingest` or `stormglass serve` makes it, \
                     `--data` names another folder",
                    data.display()
                );
            }
        }
        Self::open_or_make(global).await
    }

    /// The same for a command that writes: a folder that is not there is made.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) async fn open_or_make(global: &Global) -> anyhow::Result<Self> {
        if let Some(url) = &global.url {
            let base = server_base(url)?;
            let token = std::env::var("STORMGLASS_TOKEN").ok().filter(|token| !token.is_empty());
            let means = match token {
                Some(token) => Means::Token(token),
                None => kept_session::of(&base)?.map_or(Means::Nothing, Means::Session),
            };
            return Self::remote(base, means);
        }
        let config = load_config(global)?;
        init_logging(&config, "warn");
        let app = Arc::new(App::open(config).await.map_err(ask_the_server)?);
        // What an earlier run left in the log belongs to the answer.
        app.catch_up().await?;
        Ok(Self::Local { router: api::router(app.clone()), app })
    }

    /// To the server at `base`, as nobody.
    ///
    /// # Errors
    /// There is no TLS.
    pub(crate) fn anonymous(base: &str) -> anyhow::Result<Self> {
        Self::remote(base.to_owned(), Means::Nothing)
    }

    /// To the server at `base`, by a session.
    ///
    /// # Errors
    /// There is no TLS.
    pub(crate) fn by_session(base: &str, session: KeptSession) -> anyhow::Result<Self> {
        Self::remote(base.to_owned(), Means::Session(session))
    }

    fn remote(base: String, means: Means) -> anyhow::Result<Self> {
        let mut http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(std::time::Duration::from_secs(10));
        if let Some(path) = std::env::var_os(CA_FILE).filter(|path| !path.is_empty()) {
            let what = || format!("{CA_FILE}=`{}` holds no certificates in PEM", path.display());
            let pem = std::fs::read(&path).with_context(what)?;
            for certificate in reqwest::Certificate::from_pem_bundle(&pem).with_context(what)? {
                http = http.add_root_certificate(certificate);
            }
        }
        let http = http.build()?;
        Ok(Self::Remote { http, base, means })
    }

    /// `GET path`, answered with JSON.
    ///
    /// # Errors
    /// The server's problem, or that it cannot be reached.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer = self.send(Method::GET, path, None, "application/json", "application/json").await?;
        read_json(answer).await
    }

    /// `POST path` with JSON, answered with JSON.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        read_json(self.post_for(path, body, "application/json").await?).await
    }

    /// `GET path`, answered with a stream of the media type `accept`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn get_for(&self, path: &str, accept: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None, "application/json", accept).await
    }

    /// `PATCH path` with JSON, answered with JSON.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let body = Bytes::from(serde_json::to_vec(body)?);
        read_json(self.send(Method::PATCH, path, Some(body), "application/json", "application/json").await?)
            .await
    }

    /// `DELETE path`, whatever is answered.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(Method::DELETE, path, None, "application/json", "application/json").await.map(drop)
    }

    /// `POST path` with JSON, answered with a stream of the media type `accept`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn post_for(
        &self,
        path: &str,
        body: &impl Serialize,
        accept: &str,
    ) -> anyhow::Result<Answer> {
        let body = Bytes::from(serde_json::to_vec(body)?);
        self.send(Method::POST, path, Some(body), "application/json", accept).await
    }

    /// `POST path` with `body` as it is, answered with JSON.
    ///
    /// # Errors
    /// As [`get`](Self::get); a 429 comes as [`Busy`].
    pub(crate) async fn push<T: DeserializeOwned>(&self, path: &str, body: Bytes) -> anyhow::Result<T> {
        read_json(
            self.send(Method::POST, path, Some(body), "application/x-ndjson", "application/json").await?,
        )
        .await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        content: &str,
        accept: &str,
    ) -> anyhow::Result<Answer> {
        match self {
            Self::Local { router, .. } => {
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header(header::CONTENT_TYPE, content)
                    .header(header::ACCEPT, accept)
                    .body(Body::from(body.unwrap_or_default()))?;
                let response = router.clone().oneshot(api::in_process(request)).await?;
                let status = response.status().as_u16();
                let stream = response.into_body().into_data_stream().map(|chunk| chunk.map_err(Into::into));
                Answer { status, cookie: None, stream: Box::pin(stream) }.checked("").await
            }
            Self::Remote { http, base, means } => {
                let mut request = http
                    .request(method, format!("{base}{path}"))
                    .header(header::CONTENT_TYPE, content)
                    .header(header::ACCEPT, accept);
                match means {
                    Means::Token(token) => request = request.bearer_auth(token),
                    Means::Session(session) => {
                        request = request
                            .header(header::COOKIE, &session.cookie)
                            .header(CSRF_HEADER, &session.csrf_token);
                    }
                    Means::Nothing => {}
                }
                let response = request.body(body.unwrap_or_default()).send().await;
                let response = response.with_context(|| format!("the server at {base} cannot be reached"))?;
                let status = response.status().as_u16();
                let cookie = session_cookie(response.headers());
                let stream = response.bytes_stream().map(|chunk| chunk.map_err(Into::into));
                // Of who signs in, the server says all there is to say.
                let unknown = if path == "/api/v1/session" { "" } else { means.unknown() };
                Answer { status, cookie, stream: Box::pin(stream) }.checked(unknown).await
            }
        }
    }

    /// The limits on input: the folder's configuration, or the defaults.
    pub(crate) fn limits(&self) -> ingest::Limits {
        match self {
            Self::Local { app, .. } => app.config.limits.clone(),
            Self::Remote { .. } => ingest::Limits::default(),
        }
    }

    /// Waits until all that was handed over can be queried, its alerts are raised and counted.
    ///
    /// # Errors
    /// The stages failed.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        match self {
            Self::Local { app, .. } => Ok(app.pipeline.flushed(app.log.head()).await?),
            // Asking for verified accounts waits for what was accepted before.
            Self::Remote { .. } => self.get::<api::SourceList>("/api/v1/sources?verify=true").await.map(drop),
        }
    }

    /// Ends the work on a data folder: everything goes into the table.
    ///
    /// # Errors
    /// The stages failed; nothing is lost.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Local { app, .. } => app.close().await,
            Self::Remote { .. } => Ok(()),
        }
    }
}

/// An answer on its way.
pub(crate) struct Answer {
    status: u16,
    cookie: Option<String>,
    stream: std::pin::Pin<Box<dyn Stream<Item = anyhow::Result<Bytes>> + Send>>,
}

/// The session that the headers of an answer begin.
fn session_cookie(headers: &header::HeaderMap) -> Option<String> {
    let values = headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.filter_map(|value| value.split(';').next());
    let is_ours = |pair: &&str| pair.split('=').next().is_some_and(|name| name.ends_with(SESSION_COOKIE));
    pairs.filter(is_ours).map(str::to_owned).next()
}

/// The server takes no more just now.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Busy {
    detail: String,
    /// Seconds to wait.
    pub(crate) retry_after: u64,
}

impl Answer {
    /// `NAME=SECRET` of the session that the answer begins.
    pub(crate) fn session_cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// The next piece of the body.
    pub(crate) async fn next(&mut self) -> Option<anyhow::Result<Bytes>> {
        self.stream.next().await
    }

    /// The whole body.
    ///
    /// # Errors
    /// The answer broke off.
    pub(crate) async fn all(mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = self.next().await {
            body.extend_from_slice(&chunk.context("the answer broke off")?);
        }
        Ok(body)
    }

    /// The answer, if it is a good one; `unknown` is added where the server does not know the caller.
    async fn checked(self, unknown: &str) -> anyhow::Result<Self> {
        if self.status < 400 {
            return Ok(self);
        }
        let status = self.status;
        let body = self.all().await?;
        let Ok(problem) = serde_json::from_slice::<Problem>(&body) else {
            bail!("the server answered {status}: {}", String::from_utf8_lossy(&body));
        };
        if let Some(retry_after) = problem.retry_after {
            bail!(Busy { detail: problem.detail, retry_after });
        }
        bail!("{}{}", problem.detail, if status == 401 { unknown } else { "" })
    }
}

async fn read_json<T: DeserializeOwned>(answer: Answer) -> anyhow::Result<T> {
    let body = answer.all().await?;
    serde_json::from_slice(&body).context("the answer is not what this version of the program expects")
}

/// Adds to "the folder is in use" how to ask the one who uses it.
fn ask_the_server(error: anyhow::Error) -> anyhow::Error {
    let url = match error.downcast_ref::<storage::Error>() {
        Some(storage::Error::Locked { holder, .. }) => holder.url.clone(),
        _ => None,
    };
    match url {
        Some(url) => error.context(format!("a server has the folder open; ask it with `--url {url}`")),
        None => error,
    }
}

/// The configuration that the flags name.
///
/// # Errors
/// Every problem in it, a line each; exit status 2.
pub(crate) fn load_config(global: &Global) -> anyhow::Result<Config> {
    Config::load(global.config.as_deref(), global.data.as_deref(), None).map_err(usage)
}

/// Problems of the configuration as an error of usage.
pub(crate) fn usage(problems: Vec<event::Diagnostic>) -> anyhow::Error {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    UsageError(lines.join("\n")).into()
}

/// Logs to standard error; a one-shot command logs at `least` unless the configuration says otherwise.
pub(crate) fn init_logging(config: &Config, least: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = if config.log_filter == "info" { least } else { &config.log_filter };
    // The table's library tells every step at `info`; a filter that names it says otherwise.
    let filter = format!("buoyant_kernel=warn,delta_kernel=warn,deltalake_core=warn,{filter}");
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second call keeps the first subscriber.
    let _done = if config.log_json { subscriber.json().try_init() } else { subscriber.try_init() };
}
