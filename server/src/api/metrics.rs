//! Prometheus metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use pipeline::{PullCounts, SourceReport, SourceState};

use super::Problem;
use super::collectors::behind_seconds;
use crate::app::{App, now_us};
use crate::auth::{Caller, Right};

/// Counters and gauges in Prometheus's text format.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, content_type = "text/plain")))]
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    caller.needs(Right::Read)?;
    let mut out = String::new();
    for (name, meaning, value) in app.pipeline.tally().read() {
        sample(&mut out, &format!("{name}_total"), "counter", meaning, &[("", value as i64)]);
    }
    for (name, meaning, value) in app.push.tally.read() {
        sample(&mut out, &format!("{name}_total"), "counter", meaning, &[("", value as i64)]);
    }
    let progress = app.pipeline.progress();
    let head = app.log.head();
    let correlations = app.pipeline.correlations().correlations;
    let sum =
        |get: fn(&rules::CorrelatorStats) -> u64| correlations.iter().map(|(_, stats)| get(stats)).sum();
    let gauges = [
        (
            "log_pending_records",
            "Records in the log that SQL does not see yet.",
            head.saturating_sub(progress.refined),
        ),
        (
            "log_unraised_records",
            "Records in the log whose alerts are not durable yet.",
            head.saturating_sub(progress.raised),
        ),
        (
            "log_uncommitted_records",
            "Records in the log that are not in the table's files yet.",
            head.saturating_sub(progress.committed),
        ),
        ("log_bytes", "Bytes that the log holds.", app.log.stats().bytes),
        ("table_pending_bytes", "Bytes of rows that wait for a commit.", app.table.pending_bytes() as u64),
        ("table_files", "Parquet files of the table.", app.table.snapshot().files.len() as u64),
        ("rules", "Rules in use.", app.pipeline.rules().len() as u64),
        ("correlations", "Correlations in use.", correlations.len() as u64),
        ("correlation_groups", "Keys that correlations remember.", sum(|stats| stats.groups)),
        ("correlation_events", "Events that correlations remember.", sum(|stats| stats.hits)),
        (
            "correlation_late",
            "Matches too late for a correlation to take, since the start.",
            sum(|stats| stats.late),
        ),
        (
            "correlation_full",
            "Matches for which a correlation had no room, since the start.",
            sum(|stats| stats.full),
        ),
        (
            "request_body_bytes",
            "Bytes of bodies of requests in memory.",
            app.push.body_bytes.load(Ordering::Relaxed) as u64,
        ),
        ("healthy", "1 while the stages run.", u64::from(app.pipeline.health().failure().is_none())),
        ("resident_bytes", "Resident memory of the process.", resident_bytes()),
    ];
    for (name, meaning, value) in gauges {
        sample(&mut out, name, "gauge", meaning, &[("", value as i64)]);
    }
    audit_log(&app, &mut out)?;
    watermarks(&app, &mut out);
    accounts(&app, &mut out)?;
    collectors(&app, &mut out);
    deliveries(&app, &mut out)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], out).into_response())
}

/// How far the audit log reaches and is proved.
fn audit_log(app: &App, out: &mut String) -> Result<(), Problem> {
    let (extent, proofs) = (app.audit.log().extent()?, app.audit.proofs());
    let gauges = [
        ("audit_entries", "Entries of the audit log.", Some(extent.last.saturating_sub(extent.dropped))),
        ("audit_dropped_entries", "Entries that were dropped by retention.", Some(extent.dropped)),
        ("audit_unsigned_entries", "Entries that no checkpoint signs.", {
            Some(extent.last.saturating_sub(extent.signed))
        }),
        ("audit_checkpoint_age_seconds", "Since the newest checkpoint was signed.", proofs.checkpoint_s),
        (
            "audit_anchor_age_seconds",
            "Since the newest checkpoint at the anchor was signed, or since the start.",
            proofs.anchor_s,
        ),
        ("audit_healthy", "1 while the audit log is written, signed, anchored and kept as configured.", {
            Some(u64::from(app.audit.failure().is_none()))
        }),
    ];
    for (name, meaning, value) in gauges {
        if let Some(value) = value {
            sample(out, name, "gauge", meaning, &[("", value as i64)]);
        }
    }
    Ok(())
}

/// How far correlations have come, and how late each source is itself.
fn watermarks(app: &App, out: &mut String) {
    let state = app.pipeline.correlations();
    let Some(watermark_us) = state.watermark() else { return };
    let age = |at_us: i64| now_us().saturating_sub(at_us).max(0) / 1_000_000;
    let meaning = "Since the time before which correlations wait for no event.";
    sample(out, "correlation_watermark_age_seconds", "gauge", meaning, &[("", age(watermark_us))]);
    type Get<'a> = &'a dyn Fn(&pipeline::SourceReached) -> i64;
    let gauges: [(&str, &str, Get<'_>); 2] = [
        ("source_watermark_age_seconds", "Since the time of the newest event.", &|r| age(r.event_us)),
        ("source_event_lag_seconds", "How long after its newest event's time records last came.", &|r| {
            r.lag_us / 1_000_000
        }),
    ];
    for (name, meaning, get) in gauges {
        let samples: Vec<_> =
            state.sources.iter().map(|(source, reached)| (source.as_str(), get(reached))).collect();
        sample(out, name, "gauge", meaning, &samples);
    }
}

/// The account of each source; `unaccounted` must be 0.
fn accounts(app: &App, out: &mut String) -> Result<(), Problem> {
    let sources = app.state.read(storage::ledger::all)?;
    type Get = fn(&storage::ledger::SourceCounts) -> i64;
    let columns: [(&str, &str, Get); 6] = [
        ("source_received_records", "Records received and accounted for.", |c| c.received as i64),
        ("source_rows", "Events that became rows.", |c| c.rows as i64),
        ("source_dead_letters", "Records that became dead letters.", |c| c.dead_letters as i64),
        ("source_duplicates", "Events delivered before.", |c| c.duplicates as i64),
        ("source_dropped", "Events dropped on purpose.", |c| c.dropped as i64),
        ("source_unaccounted", "received - rows - dead letters - duplicates - dropped; always 0.", |c| {
            c.unaccounted()
        }),
    ];
    for (name, meaning, get) in columns {
        let samples: Vec<_> = sources.iter().map(|(source, counts)| (source.as_str(), get(counts))).collect();
        sample(out, name, "gauge", meaning, &samples);
    }
    Ok(())
}

/// What is pulled.
fn collectors(app: &App, out: &mut String) {
    let sources: Vec<_> = app.sources.all().into_iter().filter(|source| source.is_live()).collect();
    if sources.is_empty() {
        return;
    }
    let now = now_us();
    let reports: Vec<_> = sources.iter().map(|source| (source.id().as_str(), source.report())).collect();
    let mut tell = |name: &str, kind: &str, meaning: &str, get: &dyn Fn(&SourceReport) -> Option<i64>| {
        let samples = reports.iter().filter_map(|(source, report)| Some((*source, get(report)?)));
        sample(out, name, kind, meaning, &samples.collect::<Vec<_>>());
    };
    type Count = fn(&PullCounts) -> u64;
    let counters: [(&str, &str, Count); 9] = [
        ("pulled_batches", "Batches taken from the source.", |c| c.batches),
        ("pulled_records", "Records taken from the source.", |c| c.records),
        ("pulled_bytes", "Bytes of records taken from the source.", |c| c.bytes),
        ("rejected_records", "Records that the source knows to be none.", |c| c.rejected),
        ("retries", "Errors after which the source is tried again.", |c| c.retries),
        ("throttles", "Errors that ask for fewer requests.", |c| c.throttles),
        ("failures", "Errors after which the source is opened anew.", |c| c.failures),
        ("findings", "Findings about what is missing or changed at the source.", |c| c.findings),
        ("lost_acks", "Acknowledgements that the source did not take.", |c| c.lost_acks),
    ];
    for (name, meaning, get) in counters {
        tell(&format!("source_{name}_total"), "counter", meaning, &|r| Some(get(&r.counts) as i64));
    }
    tell("source_in_flight_bytes", "gauge", "Bytes taken and not yet durable.", &|r| {
        Some(r.counts.in_flight_bytes as i64)
    });
    tell("source_lag_seconds", "gauge", "How far the newest event lies back.", &|r| {
        r.lag_us.map(|lag_us| lag_us / 1_000_000)
    });
    tell("source_waiting_records", "gauge", "What waits at the source, where it tells that.", &|r| {
        r.backlog.map(|backlog| i64::try_from(backlog.records).unwrap_or(i64::MAX))
    });
    tell("source_waiting_seconds", "gauge", "How far reading is behind; 0 where nothing waits.", &|r| {
        behind_seconds(r.backlog?, now)
    });
    tell("source_state", "gauge", "0 ok, 1 lagging, 2 silent, 3 failing, 4 paused.", &|r| {
        let state = SourceState::ALL.iter().position(|state| *state == r.health.state);
        state.map(|state| state as i64)
    });
    type At = fn(&SourceReport) -> Option<i64>;
    let ages: [(&str, &str, At); 3] = [
        ("source_success_age_seconds", "Since the source last answered.", |r| r.last_success_us),
        ("source_records_age_seconds", "Since its last record came.", |r| r.last_records_us),
        ("source_checkpoint_age_seconds", "Since its position was last saved.", |r| r.last_saved_us),
    ];
    for (name, meaning, at) in ages {
        tell(name, "gauge", meaning, &|r| at(r).map(|at_us| (now - at_us).max(0) / 1_000_000));
    }
}

/// What is told.
fn deliveries(app: &App, out: &mut String) -> Result<(), Problem> {
    let queues = app.notifier.queues()?;
    if queues.is_empty() {
        return Ok(());
    }
    out.push_str(
        "# HELP stormglass_deliveries_total Attempts to deliver a notification.\n\
         # TYPE stormglass_deliveries_total counter\n",
    );
    for ((channel, outcome), count) in app.notifier.outcomes() {
        // A channel's name holds only a-z 0-9 . _ -, so it needs no escaping.
        let labels = format!("channel=\"{channel}\",outcome=\"{outcome}\"");
        out.push_str(&format!("stormglass_deliveries_total{{{labels}}} {count}\n"));
    }
    let now = now_us();
    type Get = fn(&notify::ChannelQueue, i64) -> i64;
    let gauges: [(&str, &str, Get); 4] = [
        ("deliveries_waiting", "Notifications that wait for their channel.", |queue, _| queue.waiting as i64),
        ("deliveries_dead", "Notifications that are not tried any more.", |queue, _| queue.dead as i64),
        (
            "delivery_oldest_age_seconds",
            "How long the oldest that waits has waited; 0 if none does.",
            |queue, now| queue.oldest_us.map_or(0, |oldest_us| (now - oldest_us).max(0) / 1_000_000),
        ),
        ("channel_failing", "1 while the channel does not deliver.", |queue, _| {
            i64::from(queue.failing.is_some())
        }),
    ];
    for (name, meaning, get) in gauges {
        out.push_str(&format!("# HELP stormglass_{name} {meaning}\n# TYPE stormglass_{name} gauge\n"));
        for (channel, _, queue) in &queues {
            out.push_str(&format!("stormglass_{name}{{channel=\"{channel}\"}} {}\n", get(queue, now)));
        }
    }
    Ok(())
}

fn sample(out: &mut String, name: &str, kind: &str, meaning: &str, values: &[(&str, i64)]) {
    out.push_str(&format!("# HELP stormglass_{name} {meaning}\n# TYPE stormglass_{name} {kind}\n"));
    for (source, value) in values {
        out.push_str(&match *source {
            "" => format!("stormglass_{name} {value}\n"),
            // A source's name holds only a-z 0-9 . _ -, so it needs no escaping.
            source => format!("stormglass_{name}{{source=\"{source}\"}} {value}\n"),
        });
    }
}

/// From `/proc/self/statm`; 0 where there is none.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}
