//! Conditions: which search identifiers together make a match.
//!
//! ```text
//! or   := and ('or' and)*
//! and  := not ('and' not)*
//! not  := 'not' not | atom
//! atom := ('1' | 'any' | 'all') 'of' ('them' | pattern) | identifier | '(' or ')'
//! ```
//!
//! Operators are lower case in Sigma; upper case is accepted with a warning, because many rules of
//! private collections have it.

use super::yaml::MAX_DEPTH;

/// A condition as written; names are not resolved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// A search identifier and its place in the text.
    Name {
        name: String,
        offset: usize,
    },
    /// `1 of …`, `any of …`, `all of …`.
    Of {
        every: bool,
        pattern: String,
        offset: usize,
    },
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// A condition that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) condition: Condition,
    /// Operators in upper case, with their places.
    pub(crate) upper_case: Vec<(String, usize)>,
}

/// Why a condition could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConditionError {
    /// Where, in characters from the start of the condition.
    pub(crate) offset: usize,
    pub(crate) problem: String,
    pub(crate) mend: String,
}

/// Reads a condition.
pub(crate) fn parse(text: &str) -> Result<Parsed, ConditionError> {
    let tokens = tokenize(text)?;
    let end = text.chars().count();
    let mut parser = ConditionParser { tokens, at: 0, end, upper_case: Vec::new() };
    if parser.tokens.is_empty() {
        return Err(error(0, "the condition is empty", "name a search identifier"));
    }
    let condition = parser.or(0)?;
    if let Some(token) = parser.peek() {
        let problem = format!("`{}` is not expected here", token.text);
        return Err(error(token.offset, &problem, "join two parts with `and` or `or`"));
    }
    Ok(Parsed { condition, upper_case: parser.upper_case })
}

#[derive(Debug, Clone)]
struct Token {
    text: String,
    offset: usize,
}

impl Token {
    fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

fn error(offset: usize, problem: &str, mend: &str) -> ConditionError {
    ConditionError { offset, problem: problem.to_owned(), mend: mend.to_owned() }
}

fn tokenize(text: &str) -> Result<Vec<Token>, ConditionError> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut in_word = false;
    for (offset, char) in text.chars().enumerate() {
        let is_word = char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '*');
        if is_word {
            match tokens.last_mut() {
                Some(token) if in_word => token.text.push(char),
                _ => tokens.push(Token { text: char.into(), offset }),
            }
        } else if matches!(char, '(' | ')') {
            tokens.push(Token { text: char.into(), offset });
        } else if char == '|' {
            return Err(error(
                offset,
                "aggregations (`|`) left Sigma in version 2",
                "write a correlation rule with `type: event_count` or `value_count`",
            ));
        } else if !char.is_whitespace() {
            let problem = format!("`{char}` has no meaning in a condition");
            return Err(error(offset, &problem, "use `and`, `or`, `not`, `1 of`, `all of` and parentheses"));
        }
        in_word = is_word;
    }
    Ok(tokens)
}

struct ConditionParser {
    tokens: Vec<Token>,
    at: usize,
    end: usize,
    upper_case: Vec<(String, usize)>,
}

impl ConditionParser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Takes the next token if it is this keyword.
    fn take(&mut self, keyword: &str) -> bool {
        let Some(token) = self.tokens.get(self.at).filter(|token| token.is(keyword)) else { return false };
        if token.text != keyword {
            self.upper_case.push((token.text.clone(), token.offset));
        }
        self.at += 1;
        true
    }

    fn or(&mut self, depth: usize) -> Result<Condition, ConditionError> {
        let mut parts = vec![self.and(depth)?];
        while self.take("or") {
            parts.push(self.and(depth)?);
        }
        Ok(single(parts, Condition::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Condition, ConditionError> {
        let mut parts = vec![self.not(depth)?];
        while self.take("and") {
            parts.push(self.not(depth)?);
        }
        Ok(single(parts, Condition::And))
    }

    fn not(&mut self, depth: usize) -> Result<Condition, ConditionError> {
        if depth > MAX_DEPTH {
            let problem = format!("the condition nests deeper than {MAX_DEPTH} levels");
            return Err(error(self.peek().map_or(self.end, |token| token.offset), &problem, ""));
        }
        if self.take("not") {
            return Ok(Condition::Not(Box::new(self.not(depth + 1)?)));
        }
        self.atom(depth)
    }

    fn atom(&mut self, depth: usize) -> Result<Condition, ConditionError> {
        let Some(token) = self.peek().cloned() else {
            return Err(error(self.end, "the condition ends too early", "a search identifier must follow"));
        };
        if self.take("(") {
            let inside = self.or(depth + 1)?;
            if !self.take(")") {
                return Err(error(token.offset, "this parenthesis is never closed", "add `)`"));
            }
            return Ok(inside);
        }
        if self.tokens.get(self.at + 1).is_some_and(|next| next.is("of")) {
            return self.of(&token);
        }
        let reserved = ["and", "or", "not", ")"].iter().any(|word| token.is(word));
        if reserved || token.text.contains('*') {
            let problem = format!("`{}` is not expected here", token.text);
            let mend =
                if reserved { "a search identifier must stand here" } else { "write `1 of` before it" };
            return Err(error(token.offset, &problem, mend));
        }
        self.at += 1;
        Ok(Condition::Name { name: token.text, offset: token.offset })
    }

    fn of(&mut self, quantity: &Token) -> Result<Condition, ConditionError> {
        let every = quantity.is("all");
        if !self.take("all") && !self.take("any") && !self.take("1") {
            let problem = format!("`{} of` is not Sigma", quantity.text);
            return Err(error(quantity.offset, &problem, "use `1 of`, `any of` or `all of`"));
        }
        self.take("of");
        if self.take("them") {
            return Ok(Condition::Of { every, pattern: "them".into(), offset: quantity.offset });
        }
        let pattern = self.peek().cloned().filter(|token| !token.is("(") && !token.is(")"));
        let Some(pattern) = pattern else {
            return Err(error(
                self.end,
                "`of` must be followed by a name",
                "write `them` or a pattern such as `selection_*`",
            ));
        };
        self.at += 1;
        Ok(Condition::Of { every, pattern: pattern.text, offset: pattern.offset })
    }
}

fn single(mut parts: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => join(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The condition with every operator in parentheses.
    fn show(condition: &Condition) -> String {
        let join = |parts: &[Condition], by: &str| parts.iter().map(show).collect::<Vec<_>>().join(by);
        match condition {
            Condition::Name { name, .. } => name.clone(),
            Condition::Of { every, pattern, .. } => {
                format!("{} of {pattern}", if *every { "all" } else { "1" })
            }
            Condition::Not(inner) => format!("!{}", show(inner)),
            Condition::And(parts) => format!("({})", join(parts, " & ")),
            Condition::Or(parts) => format!("({})", join(parts, " | ")),
        }
    }

    #[test]
    fn precedence_is_or_and_not_of() {
        for (text, expected) in [
            ("a", "a"),
            ("a or b and not c", "(a | (b & !c))"),
            ("not a and b", "(!a & b)"),
            ("not (a or b) and c", "(!(a | b) & c)"),
            ("a and b and c or d", "((a & b & c) | d)"),
            ("not not a", "!!a"),
            ("1 of sel* and not 1 of filter_*", "(1 of sel* & !1 of filter_*)"),
            ("all of them", "all of them"),
            ("any of them or all of x-y*", "(1 of them | all of x-y*)"),
            ("notepad and nothing and order and android", "(notepad & nothing & order & android)"),
            ("((a))", "a"),
            ("1 of selection", "1 of selection"),
            ("(a)and(b)", "(a & b)"),
            ("all", "all"),
            ("sel_1 or 1", "(sel_1 | 1)"),
        ] {
            assert_eq!(show(&parse(text).unwrap().condition), expected, "{text}");
        }
    }

    #[test]
    fn upper_case_is_noted() {
        let parsed = parse("a AND NOT b OR 1 OF x* or ALL of THEM").unwrap();
        let words: Vec<_> = parsed.upper_case.iter().map(|(word, _)| word.as_str()).collect();
        assert_eq!(words, ["AND", "NOT", "OR", "OF", "ALL", "THEM"]);
        assert_eq!(parsed.upper_case[0].1, 2);
        assert!(parse("a and not b").unwrap().upper_case.is_empty());
    }

    #[test]
    fn what_is_refused_says_why_and_where() {
        for (text, offset, problem) in [
            ("", 0, "the condition is empty"),
            ("a and", 5, "ends too early"),
            ("(a or b", 0, "never closed"),
            ("a b", 2, "`b` is not expected here"),
            ("a )", 2, "`)` is not expected here"),
            ("and a", 0, "`and` is not expected here"),
            ("sel* and b", 0, "`sel*` is not expected here"),
            ("2 of sel*", 0, "`2 of` is not Sigma"),
            ("1 of", 4, "must be followed"),
            ("a | count() by b > 5", 2, "aggregations"),
            ("a and b.c", 7, "`.` has no meaning"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.problem.contains(problem), "{text}: {error:?}");
            assert_eq!(error.offset, offset, "{text}: {error:?}");
        }
        assert!(parse(&"not ".repeat(100_000)).unwrap_err().problem.contains("deeper"));
        assert!(parse(&"(".repeat(100_000)).unwrap_err().problem.contains("deeper"));
        let deep = format!("{}a{}", "(".repeat(60), ")".repeat(60));
        assert!(parse(&deep).is_ok());
    }
}
