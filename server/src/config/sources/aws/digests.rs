//! `type = "aws_cloudtrail_digests"`: the proof that a trail's log files are whole, and those never announced.

use ingest::aws::{DigestsCollector, Environment, FollowDigestsConfig, Trail, TrailArn, check_digests};

use super::super::{Reads, SourceConfig, SourceKind, options};
use super::{ENDPOINT, EXTERNAL_ID, PROFILE, READ, ROLE, access};
use crate::app::now_us;
use crate::config::key::{Key, Kind, key};

/// How many chains one source follows.
const MAX_CHAINS: usize = 1_000;

const KEYS: &[Key] = &[
    key("trail", Kind::Text, "", "The trail's ARN: arn:aws:cloudtrail:REGION:ACCOUNT:trail/NAME."),
    key("bucket", Kind::Text, "", "The bucket that the trail writes to."),
    key("prefix", Kind::Text, r#""""#, "What comes before AWSLogs in its keys."),
    key("organization", Kind::Text, r#""""#, "The organisation's id (o-…), for a trail of one."),
    key(
        "accounts",
        Kind::Texts,
        "[]",
        "The accounts whose digests are followed; without any, the trail's own.",
    ),
    key(
        "regions",
        Kind::Texts,
        "[]",
        "The regions whose digests are followed; without any, the trail's own.",
    ),
    key(
        "public_keys",
        Kind::Text,
        r#""""#,
        "A file with what `aws cloudtrail list-public-keys` prints, instead of asking CloudTrail.",
    ),
    key(
        "verify_logs",
        Kind::Flag,
        "true",
        "Whether every log file is read and held against its hash; otherwise only those are read that were never announced.",
    ),
    key("lookback", Kind::Span, r#""1 d""#, "How far back the first look begins."),
    key(
        "late_after",
        Kind::Span,
        r#""3 h""#,
        "Without a new digest for so long an alert says so. One is written every hour.",
    ),
    key("every", Kind::Span, r#""5 min""#, "How often is looked for a new one."),
    key(
        "silent_after",
        Kind::SpanOrNever,
        r#""never""#,
        "Without records for so long it is silent. Records are the exception here: files that were never announced.",
    ),
    PROFILE,
    ROLE,
    EXTERNAL_ID,
    ENDPOINT,
];

/// A trail's digests.
pub(crate) const KIND: SourceKind = SourceKind {
    name: "aws_cloudtrail_digests",
    doc: "CloudTrail's digests, hour by hour: what was changed or is missing becomes an alert, and log files that no notification told of are read.",
    keys: KEYS,
    check,
    reads: Reads::Own {
        open: |source, limits, positions| {
            let followed =
                config(source).map_err(|problem| ingest::Error::BadSetting { field: "trail", problem })?;
            let (environment, options) = (Environment::of_process(), options(source, limits));
            let collector = DigestsCollector::open(followed, &environment, positions, options)?;
            Ok(Box::new(collector.beside(READ.clone())))
        },
        backfill: None,
        check_access: Some(|source| {
            let source = source.clone();
            Box::pin(async move {
                match config(&source) {
                    Ok(config) => check_digests(&config, &Environment::of_process(), now_us).await,
                    Err(_) => Vec::new(),
                }
            })
        }),
    },
    explain: |_| None,
};

fn check(source: &SourceConfig) -> Vec<(&'static str, String, String)> {
    if let Err(problem) = source.get().text("trail").parse::<TrailArn>() {
        return vec![("trail", problem, "the console and `aws cloudtrail describe-trails` show it".into())];
    }
    let mut wrong = Vec::new();
    let count = config(source).map_or(0, |config| config.chains.len());
    if count > MAX_CHAINS {
        let problem = format!("accounts and regions make {count} chains; {MAX_CHAINS} at most");
        wrong.push(("accounts", problem, "make several sources".into()));
    }
    let is_account = |account: &String| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    if let Some(bad) = source.get().texts("accounts").iter().find(|account| !is_account(account)) {
        wrong.push(("accounts", format!("`{bad}` is no account"), "twelve digits".into()));
    }
    let is_region = |region: &String| {
        region.split('-').count() >= 3
            && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if let Some(bad) = source.get().texts("regions").iter().find(|region| !is_region(region)) {
        wrong.push(("regions", format!("`{bad}` is no region"), "such as eu-west-1".into()));
    }
    wrong
}

fn config(source: &SourceConfig) -> Result<FollowDigestsConfig, String> {
    let get = source.get();
    let arn: TrailArn = get.text("trail").parse()?;
    let given = |name: &str| Some(get.text(name)).filter(|text| !text.is_empty());
    let or_own = |mut texts: Vec<String>, own: &str| {
        if texts.is_empty() {
            texts.push(own.to_owned());
        }
        texts
    };
    let mut chains = Vec::new();
    for account in or_own(get.texts("accounts"), &arn.account) {
        for region in or_own(get.texts("regions"), &arn.region) {
            chains.push(Trail {
                bucket: get.text("bucket"),
                prefix: get.text("prefix").trim_matches('/').to_owned(),
                organization: given("organization"),
                account: account.clone(),
                region,
                name: arn.name.clone(),
                home_region: arn.region.clone(),
            });
        }
    }
    Ok(FollowDigestsConfig {
        chains,
        access: access(source),
        public_keys: given("public_keys").map(Into::into),
        verify_logs: get.flag("verify_logs"),
        lookback: get.span("lookback"),
        late_after: get.span("late_after"),
        every: get.span("every"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::super::load;

    fn problems(settings: &str) -> String {
        let text = format!(
            "[[sources]]\nname = \"d\"\ntype = \"aws_cloudtrail_digests\"\nbucket = \"b\"\n{settings}"
        );
        match load::load("s.toml", Some(&text), std::iter::empty()) {
            Ok(config) => format!("{:?}", super::config(&config.sources[0]).unwrap().chains),
            Err(found) => found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        }
    }

    #[test]
    fn a_trail_has_a_chain_for_each_account_and_region() {
        let arn = "trail = \"arn:aws:cloudtrail:eu-west-1:111122223333:trail/main\"\n";
        let chains = problems(arn);
        assert_eq!(chains.matches("home_region: \"eu-west-1\"").count(), 1, "{chains}");
        let more =
            "accounts = [\"111122223333\", \"444455556666\"]\nregions = [\"eu-west-1\", \"us-east-1\"]\n";
        let chains = problems(&format!("{arn}{more}"));
        assert_eq!(chains.matches("name: \"main\"").count(), 4, "{chains}");
        assert!(problems("trail = \"main\"\n").contains("is not as `arn:aws:cloudtrail:"));
        assert!(problems(&format!("{arn}accounts = [\"1111\"]\n")).contains("`1111` is no account"));
        assert!(problems(&format!("{arn}regions = [\"x/../y\"]\n")).contains("is no region"));
    }
}
