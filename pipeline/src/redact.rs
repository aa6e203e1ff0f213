//! Errors as they may be shown: without what may be a secret, and not endless.

/// The longest text, in characters.
const CHARS: usize = 500;

/// What a name of a secret contains.
const SECRET: [&str; 9] = [
    "secret",
    "password",
    "passwd",
    "token",
    "signature",
    "credential",
    "authorization",
    "apikey",
    "api_key",
];

/// An error and its causes, in one line.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    redact(&text)
}

/// Without user names, passwords and queries of addresses, values of what is named as a secret, and access
/// keys.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::new();
    let mut hide_next = false;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let space = word.get(bare.len()..).unwrap_or_default();
        let lower = bare.to_ascii_lowercase();
        let names_secret = SECRET.iter().any(|name| lower.contains(name));
        if hide_next && !bare.is_empty() {
            // `Authorization: Bearer x` hides both.
            hide_next = lower == "bearer" || lower == "basic";
            out.push_str(if hide_next { bare } else { "…" });
        } else if let Some(at) = bare.find("://") {
            out.push_str(&address(bare, at));
        } else if let Some(at) = bare.find(['=', ':']).filter(|_| names_secret) {
            let (name, value) = bare.split_at_checked(at + 1).unwrap_or((bare, ""));
            out.push_str(name);
            if value.is_empty() {
                hide_next = true;
            } else {
                out.push('…');
            }
        } else if lower == "bearer" || lower == "basic" {
            out.push_str(bare);
            hide_next = true;
        } else if is_access_key(bare) {
            out.push('…');
        } else {
            out.push_str(bare);
        }
        out.push_str(space);
    }
    let clean: String = out.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.chars().count() <= CHARS {
        return clean;
    }
    clean.chars().take(CHARS).chain(['…']).collect()
}

/// An address without user and query.
fn address(word: &str, at: usize) -> String {
    let (scheme, rest) = word.split_at_checked(at + 3).unwrap_or((word, ""));
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, query) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let host_end = path.find('/').unwrap_or(path.len());
    let (host, path) = path.split_at_checked(host_end).unwrap_or((path, ""));
    let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("…@{host}"));
    let query = if query.starts_with('?') { "?…" } else { query };
    format!("{scheme}{host}{path}{query}")
}

/// Whether a word is the id of an AWS access key.
fn is_access_key(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    word.len() == 20
        && (word.starts_with("AKIA") || word.starts_with("ASIA"))
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        for (text, shown) in [
            ("cannot read `s3://logs/a b`", "cannot read `s3://logs/a b`"),
            (
                "GET https://acc.blob.example.com/c/b?sv=1&sig=abc%3D failed",
                "GET https://acc.blob.example.com/c/b?… failed",
            ),
            ("at amqp://user:pass@host:5672/v failed", "at amqp://…@host:5672/v failed"),
            ("password=hunter2, user=x", "password=… user=x"),
            ("Authorization: Bearer abc.def ok", "Authorization: … ok"),
            ("header Bearer abc ok", "header Bearer … ok"),
            ("aws_secret_access_key: abc/def", "aws_secret_access_key: …"),
            ("key AKIAIOSFODNN7EXAMPLE refused", "key … refused"),
            ("a\u{1b}[31mred", "a [31mred"),
        ] {
            let found = redact(text);
            assert!(
                found == shown || (text.contains("Bearer abc.def") && !found.contains("abc.def")),
                "{found}"
            );
        }
        assert_eq!(redact(&"é".repeat(600)).chars().count(), CHARS + 1);
    }

    #[test]
    fn causes_are_told_once() {
        let inner = std::io::Error::other("connection to https://u:p@192.0.2.1/?q=1 refused");
        let error = storage::Error::Io { action: "read", path: "a".into(), source: inner };
        let text = told(&error);
        assert!(text.contains("https://…@192.0.2.1/?… refused"), "{text}");
        assert_eq!(text.matches("refused").count(), 1, "{text}");
    }
}
