//! `stormglass trail`: a trail's log files against CloudTrail's own digests.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use ingest::aws::{
    AwsAccess, DigestReport, DigestState, Environment, Finding, Trail, TrailArn, TrailDigests,
    TrailDigestsConfig,
};
use serde::Serialize;

use crate::api::{HuntBody, format_us};
use crate::app::now_us;
use crate::cli::{Global, TrailVerify};
use crate::output::{UsageError, columns, print, say};

/// A digest is written every hour and delivered within the next, in seconds.
const NEWEST_S: i64 = 2 * 3_600;

/// What is found, as JSON.
#[derive(Debug, Serialize)]
struct Told {
    account: String,
    region: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// All that is printed as JSON.
#[derive(Debug, Serialize)]
struct Answer {
    trail: String,
    start: String,
    end: String,
    valid: bool,
    /// How many objects and spans have each state.
    counts: BTreeMap<&'static str, usize>,
    findings: Vec<Told>,
}

/// Verifies each chain. Exit status 1 if anything is not as it should be, or if nothing is proven.
///
/// # Errors
/// Wrong arguments; a listing, a key or an object cannot be read.
pub(crate) async fn verify(global: &Global, command: TrailVerify) -> anyhow::Result<ExitCode> {
    let arn: TrailArn = command.trail.parse().map_err(UsageError)?;
    let span = HuntBody { since: command.start.clone(), until: command.end.clone(), rules: Vec::new() };
    let (start_us, end_us) = span.moments().map_err(|problem| UsageError(problem.detail))?;
    if start_us >= end_us {
        return Err(UsageError("`--start` is not before `--end`".into()).into());
    }
    let mut findings = Vec::new();
    let (mut counts, mut is_valid, mut is_proven) = (BTreeMap::new(), true, true);
    for trail in chains(&arn, &command).await? {
        if !global.quiet && !command.json {
            say(&format!("account {}, region {}", trail.account, trail.region));
        }
        let report = one(&command, trail.clone(), start_us, end_us).await;
        let report = report.with_context(|| format!("account {}, region {}", trail.account, trail.region))?;
        is_valid &= report.is_valid();
        is_proven &= is_covered(&report, start_us / 1_000_000);
        for finding in report.findings {
            *counts.entry(finding.state.as_str()).or_default() += 1;
            if command.verbose || finding.state != DigestState::Valid {
                findings.push(told(&trail, finding));
            }
        }
    }
    let is_good = is_valid && is_proven;
    if command.json {
        let answer = Answer {
            trail: arn.to_string(),
            start: format_us(start_us),
            end: format_us(end_us),
            valid: is_good,
            counts,
            findings,
        };
        print(&serde_json::to_string(&answer)?)?;
    } else {
        print_table(&findings, &counts)?;
        print(match (is_valid, is_proven) {
            (true, true) => "all that the digests name is there and as it was",
            (true, false) => "NOT PROVEN: there is time for which no digest speaks",
            (false, _) => "NOT as CloudTrail wrote it",
        })?;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether digests speak for the time that was asked for. A trail may have begun in it, and the digest of
/// its newest hours need not be there yet.
fn is_covered(report: &DigestReport, start_unix_s: i64) -> bool {
    let is_hole = |finding: &Finding| {
        let is_long = finding.span.is_some_and(|(from, to)| from > start_unix_s && to - from > NEWEST_S);
        finding.state == DigestState::NotCovered && is_long
    };
    let has_any = report.findings.iter().any(|finding| finding.state == DigestState::Valid);
    has_any && !report.findings.iter().any(is_hole)
}

/// The chains that are asked for.
async fn chains(arn: &TrailArn, command: &TrailVerify) -> anyhow::Result<Vec<Trail>> {
    let (bucket, prefix) = match &command.bucket {
        Some(bucket) => (bucket.clone(), command.prefix.clone().unwrap_or_default()),
        None => {
            let place = arn.find(&access(command), &Environment::of_process(), now_us).await?;
            if place.is_organization && command.organization.is_none() {
                let problem =
                    "it is the trail of an organisation; give the organisation's id, `--organization o-…`";
                return Err(UsageError(problem.into()).into());
            }
            (place.bucket, command.prefix.clone().unwrap_or(place.prefix))
        }
    };
    let or_own =
        |texts: &[String], own: &String| if texts.is_empty() { vec![own.clone()] } else { texts.to_vec() };
    let mut chains = Vec::new();
    for account in or_own(&command.accounts, &arn.account) {
        for region in or_own(&command.regions, &arn.region) {
            chains.push(Trail {
                bucket: bucket.clone(),
                prefix: prefix.trim_matches('/').to_owned(),
                organization: command.organization.clone(),
                account: account.clone(),
                region,
                name: arn.name.clone(),
                home_region: arn.region.clone(),
            });
        }
    }
    Ok(chains)
}

fn access(command: &TrailVerify) -> AwsAccess {
    AwsAccess {
        profile: command.profile.clone(),
        role_arn: command.role.clone(),
        external_id: command.external_id.clone(),
        endpoint_url: command.endpoint.clone(),
        ..AwsAccess::default()
    }
}

async fn one(
    command: &TrailVerify,
    trail: Trail,
    start_us: i64,
    end_us: i64,
) -> ingest::Result<DigestReport> {
    let config = TrailDigestsConfig {
        trail,
        access: access(command),
        public_keys: command.public_keys.clone(),
        read_logs: !command.digests_only,
    };
    let digests = TrailDigests::open(config, &Environment::of_process(), now_us)?;
    digests.verify(start_us.div_euclid(1_000_000), end_us.div_euclid(1_000_000)).await
}

fn told(trail: &Trail, finding: Finding) -> Told {
    let moment = |unix_s: i64| format_us(unix_s.saturating_mul(1_000_000));
    Told {
        account: trail.account.clone(),
        region: trail.region.clone(),
        state: finding.state.as_str(),
        object: finding.object.map(|object| object.to_string()),
        from: finding.span.map(|(from, _)| moment(from)),
        to: finding.span.map(|(_, to)| moment(to)),
        detail: finding.detail,
    }
}

fn print_table(findings: &[Told], counts: &BTreeMap<&str, usize>) -> anyhow::Result<()> {
    if !findings.is_empty() {
        let mut rows = vec![["STATE", "OBJECT", "FROM", "TO", "DETAIL"].map(str::to_owned).to_vec()];
        for told in findings {
            let cell = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
            rows.push(vec![
                told.state.to_owned(),
                cell(&told.object),
                cell(&told.from),
                cell(&told.to),
                told.detail.clone(),
            ]);
        }
        print(&columns(&rows))?;
        print("")?;
    }
    let counted: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    print(&counted.join(", "))
}
