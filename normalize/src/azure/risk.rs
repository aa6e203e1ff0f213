//! What Entra's Identity Protection thinks of a sign-in.

use std::borrow::Cow;

use event::Col;

use crate::fields::Fields;
use crate::nested::Nested;
use crate::row::Row;

/// The risk of a sign-in, at the time and as revised since.
#[derive(Debug)]
pub(super) struct Risk<'a> {
    texts: Vec<(&'static str, Cow<'a, str>)>,
    event_types: Nested<'a>,
}

const STATE: &str = "riskState";
const DURING: &str = "riskLevelDuringSignIn";
const AGGREGATED: &str = "riskLevelAggregated";

impl<'a> Risk<'a> {
    pub(super) fn take(fields: &mut Fields<'a>) -> Self {
        let names = [STATE, DURING, AGGREGATED, "riskDetail"];
        let texts = names.into_iter().filter_map(|name| Some((name, fields.text(name)?))).collect();
        Self { texts, event_types: fields.nested(&["riskEventTypesV2", "riskEventTypes"]) }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(of, _)| *of == name).map(|(_, text)| text.as_ref())
    }

    /// An opinion, as opposed to `none`, and to `hidden`, which tenants without the licence get.
    fn said(&self, name: &str) -> Option<&str> {
        self.text(name)
            .filter(|text| !text.eq_ignore_ascii_case("none") && !text.eq_ignore_ascii_case("hidden"))
    }

    /// State and level, in lower case and empty where there is none: a record with another opinion is
    /// news, not a repetition.
    pub(super) fn opinion(&self) -> [String; 2] {
        [STATE, AGGREGATED].map(|name| self.said(name).unwrap_or_default().to_ascii_lowercase())
    }

    /// Sets `risk_level` and, where there is an opinion, `enrichments`.
    pub(super) fn map(&self, row: &mut Row<'_>) {
        let level = [DURING, AGGREGATED]
            .into_iter()
            .filter_map(|name| self.said(name))
            .max_by_key(|level| rank(level));
        row.text_if(Col::RiskLevel, level.or_else(|| self.text(DURING)).or_else(|| self.text(AGGREGATED)));
        if !self.has_opinion() {
            return;
        }
        row.json(Col::Enrichments, |json| {
            json.begin_array();
            json.item();
            json.begin_object();
            json.text_member("name", "risk");
            json.text_member("provider", "Microsoft Entra ID Protection");
            json.text_member("value", self.said(STATE).or(level).unwrap_or("none"));
            json.key("data");
            json.begin_object();
            for (name, text) in &self.texts {
                json.text_member(name, text);
            }
            if let Some(value) = self.event_types.value() {
                json.key("riskEventTypes");
                value.write(json);
            }
            json.end_object();
            json.end_object();
            json.end_array();
        });
    }

    /// Whether anything says more than none.
    fn has_opinion(&self) -> bool {
        self.texts.iter().any(|(name, _)| self.said(name).is_some()) || self.event_types.value().is_some()
    }
}

fn rank(level: &str) -> u8 {
    match level.to_ascii_lowercase().as_str() {
        "high" => 3,
        "medium" => 2,
        "low" => 1,
        _ => 0,
    }
}
