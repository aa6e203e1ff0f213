//! Texts of which a regular expression needs one to match.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

use crate::sigma::modifier::RegexFlag;

/// A shorter text is in too many others to be worth looking for.
const SHORTEST: usize = 3;
/// More alternatives are asked about as a whole.
const MOST: usize = 32;

/// Texts of which every match of the expression contains one; `None` if that cannot be said.
pub(crate) fn required(pattern: &str, flags: &[RegexFlag]) -> Option<Vec<String>> {
    let has = |flag| flags.contains(&flag);
    let mut parser = ParserBuilder::new()
        // Letters of any case are no literals then.
        .case_insensitive(has(RegexFlag::IgnoreCase))
        .multi_line(has(RegexFlag::MultiLine))
        .dot_matches_new_line(has(RegexFlag::DotAll))
        .build();
    of(&parser.parse(pattern).ok()?)
}

fn of(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            (text.len() >= SHORTEST).then(|| vec![text.to_owned()])
        }
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => of(&repetition.sub),
        // The longest is in the fewest labels.
        HirKind::Concat(parts) => parts.iter().filter_map(of).max_by_key(|texts| shortest(texts)),
        HirKind::Alternation(parts) => {
            let texts: Vec<_> = parts.iter().map(of).collect::<Option<Vec<_>>>()?.concat();
            (texts.len() <= MOST).then_some(texts)
        }
        _ => None,
    }
}

fn shortest(texts: &[String]) -> usize {
    texts.iter().map(String::len).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_match_must_contain() {
        let texts = |regex: &str| required(regex, &[]).unwrap_or_default().join(" ");
        assert_eq!(texts(".+:assumed-role/aws:.+"), ":assumed-role/aws:");
        assert_eq!(texts("^(Get|List)[A-Z].*Secrets?$"), "Secret");
        assert_eq!(texts("(?:foo|barbar)+x*"), "foo barbar");
        assert_eq!(texts("(abcd){2}"), "abcd");
        // Any case, an option, nothing certain, too short.
        for regex in ["(?i)kali", "(abcd)?", "abcd|.*", "[a-z]+", "ab", "a{0}", "("] {
            assert_eq!(required(regex, &[]), None, "{regex}");
        }
        assert_eq!(required("kali", &[RegexFlag::IgnoreCase]), None);
        assert_eq!(required(r"a\d/100/", &[RegexFlag::IgnoreCase]), Some(vec!["/100/".to_owned()]));
    }

    proptest! {
        #[test]
        fn every_match_contains_one(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("abc"), Just("(abcd|xyz)"), Just("x*"), Just(".+"), Just("(?:k1k|ab)"), Just("[a-c]{3}"),
                    Just("(cab)+"), Just("(?i:abc)"), Just("|"), Just("^"), Just("\\."),
                ],
                0..6,
            ),
            text in "[abcdxyzk1.A]{0,24}",
        ) {
            let pattern = parts.concat();
            let Ok(regex) = regex::Regex::new(&pattern) else { return Ok(()) };
            if let (true, Some(texts)) = (regex.is_match(&text), required(&pattern, &[])) {
                prop_assert!(texts.iter().any(|one| text.contains(one.as_str())), "{pattern} {text} {texts:?}");
            }
        }
    }
}
