//! `stormglass alerts noise`

use super::query_string::QueryString;
use crate::api::{NoiseBody, NoiseList};
use crate::cli::{AlertsNoise, NoiseFormat};
use crate::client::Client;
use crate::output::{columns, print, say};

/// The columns of the CSV.
const CSV: [&str; 14] = [
    "rule_id",
    "title",
    "level",
    "alerts",
    "suppressed",
    "open",
    "true_positive",
    "false_positive",
    "benign",
    "duplicate",
    "refuted",
    "attention",
    "median_acknowledge_s",
    "median_close_s",
];

/// The columns of the table.
const TABLE: [&str; 12] = [
    "ATTENTION",
    "ALERTS",
    "HIDDEN",
    "OPEN",
    "TRUE",
    "FALSE",
    "BENIGN",
    "OTHER",
    "ACKED IN",
    "CLOSED IN",
    "LEVEL",
    "TITLE",
];

/// Says which rules cost attention and find little.
///
/// # Errors
/// The store or the server cannot be asked.
pub(super) async fn noise(client: &Client, wanted: &AlertsNoise) -> anyhow::Result<()> {
    let mut query = QueryString::default();
    query.add("since", &wanted.since);
    let list: NoiseList = client.get(&query.after("/api/v1/alerts/noise")).await?;
    match wanted.format {
        NoiseFormat::Json => print(&serde_json::to_string(&list)?),
        NoiseFormat::Csv => {
            let mut lines = vec![CSV.join(",")];
            lines.extend(list.rules.iter().map(line));
            print(&lines.join("\n"))
        }
        NoiseFormat::Table if list.rules.is_empty() => {
            say(&format!("no alert was raised since {}", list.since));
            Ok(())
        }
        NoiseFormat::Table => {
            let mut rows = vec![TABLE.map(String::from).to_vec()];
            rows.extend(list.rules.iter().map(row));
            print(&columns(&rows))
        }
    }
}

fn row(rule: &NoiseBody) -> Vec<String> {
    vec![
        format!("{:.1}", rule.attention),
        rule.alerts.to_string(),
        rule.suppressed.to_string(),
        rule.open.to_string(),
        rule.true_positive.to_string(),
        rule.false_positive.to_string(),
        rule.benign.to_string(),
        (rule.duplicate + rule.refuted).to_string(),
        span(rule.median_acknowledge_s),
        span(rule.median_close_s),
        rule.level.clone(),
        rule.title.clone(),
    ]
}

/// Seconds in the unit that reads best.
fn span(seconds: Option<i64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 120 => format!("{seconds}s"),
        Some(seconds) if seconds < 7_200 => format!("{}m", seconds / 60),
        Some(seconds) if seconds < 172_800 => format!("{}h", seconds / 3_600),
        Some(seconds) => format!("{}d", seconds / 86_400),
    }
}

fn line(rule: &NoiseBody) -> String {
    let number = |found: Option<i64>| found.map(|number| number.to_string()).unwrap_or_default();
    [
        cell(&rule.rule_id),
        cell(&rule.title),
        cell(&rule.level),
        rule.alerts.to_string(),
        rule.suppressed.to_string(),
        rule.open.to_string(),
        rule.true_positive.to_string(),
        rule.false_positive.to_string(),
        rule.benign.to_string(),
        rule.duplicate.to_string(),
        rule.refuted.to_string(),
        format!("{:.1}", rule.attention),
        number(rule.median_acknowledge_s),
        number(rule.median_close_s),
    ]
    .join(",")
}

/// A text as a cell of CSV (RFC 4180). A spreadsheet must not take it for a formula (OWASP, CSV Injection).
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        return format!("\"'{}\"", text.replace('"', "\"\""));
    }
    if text.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_no_formulas() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a, b", "\"a, b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-2", "\"'-2\""),
            ("\t=1", "\"'\t=1\""),
            ("a\nb", "\"a\nb\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn spans_read_well() {
        let read = [None, Some(0), Some(119), Some(120), Some(7_200), Some(172_800)].map(span);
        assert_eq!(read, ["-", "0s", "119s", "2m", "2h", "2d"]);
    }
}
