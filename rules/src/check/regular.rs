//! Regular expressions of rules: bounded in size, and linear in time by their engine.

use regex::RegexBuilder;

use super::required::required;
use super::test::RegexTest;
use crate::sigma::modifier::RegexFlag;

/// The longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 4096;
/// The largest compiled program, in bytes.
const MAX_NFA_BYTES: usize = 1 << 20;
/// The cache of the lazy automaton, in bytes for each thread.
const MAX_DFA_BYTES: usize = 256 << 10;
const MAX_NESTING: u32 = 50;

/// What is wrong with a pattern, and what to do.
pub(crate) type Refusal = (String, &'static str);

/// Compiles a pattern.
pub(crate) fn compile(pattern: &str, flags: &[RegexFlag]) -> Result<RegexTest, Refusal> {
    if pattern.len() > MAX_PATTERN_BYTES {
        let problem =
            format!("the regular expression has {} bytes, limit {MAX_PATTERN_BYTES} bytes", pattern.len());
        return Err((problem, "split it"));
    }
    let has = |flag| flags.contains(&flag);
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(has(RegexFlag::IgnoreCase))
        .multi_line(has(RegexFlag::MultiLine))
        .dot_matches_new_line(has(RegexFlag::DotAll))
        .size_limit(MAX_NFA_BYTES)
        .dfa_size_limit(MAX_DFA_BYTES)
        .nest_limit(MAX_NESTING)
        .build()
        .map_err(|error| explain(&error))?;
    let source = format!("{flags:?}{pattern}");
    Ok(RegexTest { source, regex, required: required(pattern, flags) })
}

fn explain(error: &regex::Error) -> Refusal {
    let text = error.to_string();
    if text.contains("look-around") {
        let problem =
            "look-around (`(?=`, `(?!`, `(?<=`, `(?<!`) is not supported: it can take time without bound";
        return (problem.to_owned(), "write a second search and join it with `and` or `and not`");
    }
    if text.contains("backreferences") {
        let problem = "back-references are not supported: they can take time without bound";
        return (problem.to_owned(), "write the alternatives out");
    }
    if let regex::Error::CompiledTooBig(limit) = error {
        let problem = format!("the regular expression compiles to more than {limit} bytes");
        return (problem, "use smaller repetitions");
    }
    let reason = text.lines().last().unwrap_or_default();
    let reason = reason.strip_prefix("error: ").unwrap_or(reason);
    (format!("no valid regular expression: {reason}"), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_says_why() {
        for (pattern, problem) in [
            ("a(?=b)", "look-around"),
            ("(?<!a)b", "look-around"),
            (r"(a)\1", "back-references"),
            ("(?:a{1000}){1000}", "compiles to more than"),
            ("a(", "unclosed group"),
            ("[z-a]", "no valid regular expression"),
        ] {
            let (found, _) = compile(pattern, &[]).unwrap_err();
            assert!(found.contains(problem), "{pattern}: {found}");
        }
        let (found, _) = compile(&"a".repeat(5000), &[]).unwrap_err();
        assert!(found.contains("has 5000 bytes"), "{found}");
        let nested = format!("{}a{}", "(".repeat(200), ")".repeat(200));
        assert!(compile(&nested, &[]).is_err());
    }

    #[test]
    fn flags_count() {
        let matches = |flags: &[RegexFlag], text: &str| compile("^a.b$", flags).unwrap().regex.is_match(text);
        assert!(!matches(&[], "A\nB"));
        assert!(matches(&[RegexFlag::IgnoreCase], "AxB"));
        assert!(matches(&[RegexFlag::DotAll], "a\nb"));
        assert!(matches(&[RegexFlag::MultiLine], "x\naxb\ny"));
        assert_ne!(compile("a", &[]).unwrap(), compile("a", &[RegexFlag::IgnoreCase]).unwrap());
    }
}
