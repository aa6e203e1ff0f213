//! Text of logs in reports: it stays text, whatever it is.

/// Text for HTML, in elements and in quoted attributes.
pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(plain(c)),
        }
    }
    escaped
}

/// Text for Markdown, within a line: CommonMark (section 2.4) lets every ASCII punctuation be escaped. `&` and `<`
/// are written as in HTML, as some renderers read those before the escapes.
pub(super) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // Harmless anywhere but at the beginning of a line, where nothing of a log stands.
            '-' | '.' | ',' | ':' | ';' | '/' | '%' | '+' | '=' | '?' => escaped.push(c),
            '\n' | '\t' => escaped.push(' '),
            c if c.is_ascii_punctuation() => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(plain(c)),
        }
    }
    // Renderers make links of bare addresses, of which the first click would be the attacker's.
    escaped.replace("://", ":\u{200b}//")
}

/// Control characters and those that reorder text as U+FFFD; lines stay lines.
fn plain(c: char) -> char {
    let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if (c.is_control() && c != '\n' && c != '\t') || reorders { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_log_is_markup() {
        assert_eq!(
            html("<b onload='x'>&\"\u{202e}\u{1b}"),
            "&lt;b onload=&#39;x&#39;&gt;&amp;&quot;\u{fffd}\u{fffd}"
        );
        assert_eq!(markdown("[a](b) | `c`\n# <d>"), "\\[a\\]\\(b\\) \\| \\`c\\` \\# &lt;d&gt;");
        assert_eq!(markdown("http://x.example"), "http:\u{200b}//x.example");
    }
}
