//! `stormglass serve`

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use storage::audit::{AuditFilter, Fact, Outcome};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::api;
use crate::app::{App, now_us};
use crate::cli::{Global, Serve};
use crate::client::{init_logging, usage};
use crate::config::Config;
use crate::data_folder;
use crate::output::UsageError;
use crate::push::syslog::Listeners;
use crate::tls::{self, Certificates};

/// Runs the server, and the sources that it pulls, until SIGTERM or SIGINT; a second signal ends it at once.
///
/// # Errors
/// The configuration is wrong, the folder is in use, the address is taken, or the stages failed.
pub(crate) async fn run(global: &Global, command: Serve) -> anyhow::Result<ExitCode> {
    if global.url.is_some() {
        return Err(UsageError("`serve` runs a server itself; leave out --url".into()).into());
    }
    let listen = command.listen.as_deref();
    let config = Config::load(global.config.as_deref(), global.data.as_deref(), listen).map_err(usage)?;
    init_logging(&config, "info");
    let (address, grace) = (config.listen, config.shutdown_grace);
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    let certificates = config.tls.clone().map(Certificates::open).transpose()?.map(Arc::new);
    let listener = tls::Listener::new(listener, certificates.clone());
    let app = Arc::new(App { certificates: certificates.clone(), ..App::open(config).await? });
    app.push.problems().next().map_or(Ok(()), Err)?;
    app.reloadable.outward().callbacks.problems().next().map_or(Ok(()), Err)?;
    app.auth.check()?;
    if !address.ip().is_loopback() && !app.auth.lets_anybody_in(now_us()) {
        return Err(UsageError(format!(
            "`server.listen`: `{address}` is beyond loopback and nobody is known; add a first admin to the folder with \
             `stormglass users add NAME --role admin` or `stormglass token create NAME --role admin`, or listen on 127.0.0.1"
        ))
        .into());
    }
    let syslog = Listeners::open(&app).await?;
    let url = format!("{}://{address}", if certificates.is_some() { "https" } else { "http" });
    started(&app, &url).await?;
    if let Some(problem) = data_folder::open_to_others(&app.config.data) {
        tracing::warn!("{problem}");
    }
    app.notifier.start()?;
    app.start_sources()?;
    app.log.announce(&url)?;
    tracing::info!(
        %url,
        data = %app.config.data.display(),
        rules = app.pipeline.rules().len(),
        sources = app.config.sources.len(),
        pending = app.log.head() - app.pipeline.progress().refined,
        "stormglass {} serves", env!("CARGO_PKG_VERSION")
    );
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut asked = async move || {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };
    // Without a handler, it would end the process.
    let hangup = signal(SignalKind::hangup())?;
    let watching = tokio::spawn(crate::reload::watch(app.clone(), hangup));
    if let Some(certificates) = certificates {
        let audit = app.audit.clone();
        let told = move |is_used| {
            let outcome = if is_used { Outcome::Done } else { Outcome::Failed };
            audit.later(Fact { outcome, ..Fact::of_stormglass("tls.certificate") });
        };
        drop(tokio::spawn(certificates.watch(told)));
    }
    let joining = tokio::spawn(crate::incidents::watch(app.clone()));
    let trimming = tokio::spawn(crate::trim::watch(app.clone()));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async move {
        // A dropped sender means the same as a sent word.
        stopped.await.unwrap_or_default();
    };
    let serving =
        tokio::spawn(tls::serve(listener, api::router(app.clone()), tls::Limits::default(), stopped));
    let name = asked().await;
    tracing::info!(signal = name, "stopping: requests in hand are finished, rows go into the table");
    drop(stop);
    app.live.stop();
    watching.abort();
    app.audit.later(Fact::of_stormglass("server.stop").with("signal", name));
    joining.abort();
    trimming.abort();
    let drain = async {
        // What was pulled is made durable, saved and acknowledged; clients that hold their connection open
        // must not hold up the stop.
        let served = tokio::time::timeout(grace / 2, serving);
        let ((), served) = tokio::join!(app.sources.stop(grace / 2), served);
        match served {
            Ok(served) => served?,
            Err(_) => tracing::warn!("some connections are still open and are cut off"),
        }
        if tokio::time::timeout(grace / 2, syslog.close()).await.is_err() {
            tracing::warn!("the log is full: messages of syslog that were read are lost");
        }
        app.close().await
    };
    tokio::select! {
        done = drain => done?,
        name = asked() => tracing::warn!(signal = name, "stopped at once; the log keeps what was not committed"),
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Writes down that the server starts and what it is set to; without that it does not start.
async fn started(app: &App, url: &str) -> anyhow::Result<()> {
    let mut hash = Sha256::new();
    hash.update(crate::config::show(&app.config).as_bytes());
    for token in &app.config.tokens {
        hash.update(token.hash);
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let filter = AuditFilter { action: Some("server.start".into()), ..AuditFilter::default() };
    let before = app.audit.log().newest(&filter, None, 1)?;
    let is_changed = match before.first() {
        Some(row) if row.entry.contains(&hash) => "no",
        Some(_) => "yes",
        // The last start was dropped with what was old.
        None if app.audit.log().extent()?.dropped > 0 => "unknown",
        None => "no",
    };
    let fact = Fact::of_stormglass("server.start")
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("listen", url)
        .with("configuration_sha256", hash)
        .with("configuration_changed", is_changed)
        .with("audit_key", app.audit.log().public_key().to_string());
    match app.audit.now(fact).await {
        Ok(_) => {
            tracing::info!(key = %app.audit.log().public_key(), "the audit log is signed with this key; keep it elsewhere");
            Ok(())
        }
        Err(problem) => bail!("{}", problem.detail),
    }
}
