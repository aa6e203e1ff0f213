//! Files of assets: what things and people are worth, and what is known to be bad.

use std::path::Path;

use alerts::risk::{Asset, Assets, Criticality, Indicator, MAX_ASSETS};
use event::Diagnostic;
use toml_edit::{Document, Item, Table};

use super::load::{self, Place};

/// The largest file of assets, in bytes.
const MAX_FILE_BYTES: usize = 16 << 20;

/// Reads the files of `risk.assets`.
///
/// # Errors
/// Every problem found, each with file, line, field and mend.
pub(crate) fn read_files<'a>(
    paths: impl IntoIterator<Item = &'a std::path::PathBuf>,
) -> Result<Assets, Vec<Diagnostic>> {
    let mut assets = Assets::default();
    let mut problems = Vec::new();
    for path in paths {
        match load::read(path) {
            Ok(text) => read(path, &text, &mut assets, &mut problems),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(assets) } else { Err(problems) }
}

fn read(path: &Path, text: &str, assets: &mut Assets, problems: &mut Vec<Diagnostic>) {
    let file = path.display().to_string();
    let place = Place::new(&file, text);
    if text.len() > MAX_FILE_BYTES {
        let problem = format!("it has {} bytes, limit {MAX_FILE_BYTES}", text.len());
        problems.push(place.problem(0, "", problem, "use patterns instead of single names".into()));
        return;
    }
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let problem = error.message().trim().to_owned();
            problems.push(place.problem(at, "", problem, "mend the TOML syntax".into()));
            return;
        }
    };
    for (name, item) in document.as_table().iter() {
        let at = document.as_table().key(name).and_then(|key| key.span()).map_or(0, |span| span.start);
        match (name, item.as_array_of_tables()) {
            ("assets", Some(tables)) => {
                for table in tables {
                    assets.assets.extend(asset(&place, table, problems));
                }
            }
            ("indicators", Some(tables)) => {
                for table in tables {
                    assets.indicators.extend(indicator(&place, table, problems));
                }
            }
            _ => {
                let problem = "there is no such table".to_owned();
                problems.push(place.problem(at, name, problem, "write [[assets]] or [[indicators]]".into()));
            }
        }
    }
    if assets.assets.len() > MAX_ASSETS {
        let problem = format!("there are more than {MAX_ASSETS} assets");
        problems.push(place.problem(0, "assets", problem, "use patterns instead of single names".into()));
    }
}

fn asset(place: &Place<'_>, table: &Table, problems: &mut Vec<Diagnostic>) -> Option<Asset> {
    let before = problems.len();
    let known = ["name", "patterns", "criticality", "owner", "tags"];
    refuse_others(place, table, "assets", &known, problems);
    let text = |name: &str| table.get(name).and_then(Item::as_str).map(str::trim).unwrap_or_default();
    let at = |name: &str| {
        let span = table.get(name).and_then(Item::span).or_else(|| table.span());
        span.map_or(0, |span| span.start)
    };
    let mut texts = |name: &str| -> Vec<String> {
        let Some(item) = table.get(name) else { return Vec::new() };
        let list = item.as_array().map(|list| list.iter().map(|text| text.as_str().map(str::to_owned)));
        match list.and_then(Iterator::collect::<Option<Vec<_>>>) {
            Some(texts) => texts,
            None => {
                let problem = "this is no list of text".to_owned();
                let mend = "write [\"a\", \"b\"]".to_owned();
                problems.push(place.problem(at(name), &format!("assets.{name}"), problem, mend));
                Vec::new()
            }
        }
    };
    let (patterns, tags) = (texts("patterns"), texts("tags"));
    let criticality = Criticality::by_name(text("criticality"));
    if criticality.is_none() {
        let problem = format!("`{}` is no criticality", text("criticality"));
        let mend = "choose low, normal, high or critical".to_owned();
        problems.push(place.problem(at("criticality"), "assets.criticality", problem, mend));
    }
    let asset = Asset {
        name: text("name").to_owned(),
        patterns,
        criticality: criticality.unwrap_or_default(),
        owner: text("owner").to_owned(),
        tags,
    };
    if problems.len() > before {
        return None;
    }
    if let Some((field, problem, mend)) = asset.fault() {
        problems.push(place.problem(at(field), &format!("assets.{field}"), problem.into(), mend.into()));
        return None;
    }
    Some(asset)
}

fn indicator(place: &Place<'_>, table: &Table, problems: &mut Vec<Diagnostic>) -> Option<Indicator> {
    refuse_others(place, table, "indicators", &["value", "confidence"], problems);
    let value = table.get("value").and_then(Item::as_str).map(str::trim).unwrap_or_default();
    let confidence = table.get("confidence").and_then(Item::as_integer);
    let confidence = confidence.and_then(|number| u8::try_from(number).ok()).filter(|number| *number <= 100);
    match confidence {
        Some(confidence) if !value.is_empty() => Some(Indicator { value: value.to_owned(), confidence }),
        _ => {
            let at = table.span().map_or(0, |span| span.start);
            let problem = "an indicator needs a value and a confidence".to_owned();
            let mend = "write value = \"198.51.100.7\" and confidence = 90, from 0 to 100".to_owned();
            problems.push(place.problem(at, "indicators", problem, mend));
            None
        }
    }
}

fn refuse_others(
    place: &Place<'_>,
    table: &Table,
    path: &str,
    known: &[&str],
    problems: &mut Vec<Diagnostic>,
) {
    for (name, _) in table.iter().filter(|(name, _)| !known.contains(name)) {
        let at = table.key(name).and_then(|key| key.span()).map_or(0, |span| span.start);
        let mend = format!("use {}", known.join(", "));
        problems.push(place.problem(at, &format!("{path}.{name}"), "there is no such setting".into(), mend));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> (Assets, Vec<String>) {
        let (mut assets, mut problems) = (Assets::default(), Vec::new());
        read(Path::new("a.toml"), text, &mut assets, &mut problems);
        (assets, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn assets_and_indicators_are_read() {
        let text = "[[assets]]\nname = \"admins\"\npatterns = [\"*user/ana\"]\ncriticality = \"critical\"\nowner = \"dana\"\n\
                    tags = [\"people\"]\n[[indicators]]\nvalue = \"198.51.100.7\"\nconfidence = 90\n";
        let (assets, problems) = check(text);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            (assets.assets[0].criticality, assets.indicators[0].confidence),
            (Criticality::Critical, 90)
        );
    }

    #[test]
    fn all_problems_are_told_at_once_with_place_and_mend() {
        let text = "[[assets]]\nname = \"a\"\npatterns = \"x\"\ncriticality = \"huge\"\nowners = \"b\"\n\
                    [[assets]]\nname = \"b\"\npatterns = [\"*\"]\ncriticality = \"high\"\n\
                    [[indicators]]\nvalue = \"x\"\nconfidence = 101\n[other]\n";
        let (assets, problems) = check(text);
        assert!(assets.assets.is_empty() && assets.indicators.is_empty());
        for part in [
            "a.toml:3:",
            "assets.patterns",
            "a.toml:4:",
            "`huge` is no criticality",
            "a.toml:5:",
            "assets.owners",
            "matches everything",
            "0 to 100",
            "[[assets]] or [[indicators]]",
        ] {
            assert!(problems.iter().any(|line| line.contains(part)), "{part}: {problems:#?}");
        }
        assert!(check("x = ").1[0].starts_with("a.toml:1:"));
    }
}
