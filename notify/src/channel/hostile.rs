//! Texts that a log line's author might choose, for every renderer: none may mention, link, format, run or break.

use serde_json::Value;

/// Where a text must not reach outside of itself.
pub(crate) const TEXTS: &[&str] = &[
    // Mentions.
    "<!channel>",
    "<!here>",
    "<!everyone>",
    "<@U012AB3CD>",
    "<!subteam^S012AB3CD>",
    "@everyone",
    "@here",
    "<@123456789012345678>",
    "<@&123456789012345678>",
    "<#123456789012345678>",
    "<at>Ann Example</at>",
    "[~ann]",
    "[~accountid:5b10a2844c20165700ede21g]",
    "@ann@example.com",
    // Links.
    "<https://evil.example.com|Sign in>",
    "[Sign in](https://evil.example.com)",
    "https://evil.example.com/?a=1",
    "http://evil.example.com",
    "www.evil.example.com",
    "mailto:ann@example.com",
    "[a]: https://evil.example.com",
    "![x](https://evil.example.com/p.png)",
    "<a href=\"https://evil.example.com\">x</a>",
    "javascript://evil.example.com/%0aalert(1)",
    "tel:+15550100",
    "[text|https://evil.example.com]",
    "<javascript:alert(1)|x>",
    "ftp://evil.example.com/",
    // HTML.
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "</td></table><h1>x</h1>",
    "<!--",
    "]]>",
    "<style>*{display:none}</style>",
    "&lt;script&gt;",
    "&#60;script&#62;",
    "' onmouseover='alert(1)",
    "<iframe src=//evil.example.com>",
    "<base href=//evil.example.com>",
    "<meta http-equiv=refresh content=0>",
    // ServiceNow's HTML in journal fields.
    "[code]<script>alert(1)</script>[/code]",
    "[CODE]<b>x</b>[/CODE]",
    // Markup.
    "*bold* _it_ ~no~ `code` ```block```",
    "# heading",
    "> quote",
    "- list\n- list",
    "{code}x{code}",
    "{{title}}",
    "{{ json }}",
    "h1. x",
    "||a||b||",
    "!https://evil.example.com/x.png!",
    ":skull:",
    "[x] [ ] - [ ]",
    // Headers and lines.
    "a\r\nBcc: eve@example.com",
    "a\nX-Evil: 1",
    "a\r\n\r\nbody",
    "a\r\n.\r\nMAIL FROM:<eve@example.com>",
    "a\u{85}b\u{2028}c\u{2029}d",
    "=?utf-8?q?evil?=",
    "a\0b",
    "\r\nHTTP/1.1 200 OK\r\n",
    // CEF and syslog.
    "a|b|10|suser=root",
    "x=y src=192.0.2.1 act=allow",
    "a\\|b\\=c\\",
    "<13>1 2026-01-01T00:00:00Z evil app - - - forged",
    "a\n<13>Jan  1 00:00:00 evil forged",
    // Formulas.
    "=HYPERLINK(\"http://evil.example.com\")",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "＝1+1",
    // Terminals and directions.
    "\u{1b}[2J\u{1b}]0;evil\u{7}",
    "\u{9b}31m",
    "user\u{202e}gpj.exe",
    "\u{2066}a\u{2069}",
    "a\u{200b}b\u{feff}c",
    "\u{e0001}\u{e0041}",
    // JSON.
    "\",\"status\":\"closed",
    "\\\",\\\"x\\\":1",
    "}\n{\"forged\":1}",
    "\\u0022",
    "\u{8}\u{c}",
    // Lengths.
    "",
    " ",
    "\u{301}\u{301}\u{301}\u{301}",
    "🙂🙂🙂🙂🙂🙂🙂🙂",
];

#[test]
fn there_are_enough() {
    assert!(TEXTS.len() >= 60, "{}", TEXTS.len());
}

/// Calls `see` with the place and every text in a body.
pub(crate) fn each_text(value: &Value, see: &mut impl FnMut(&str, &str)) {
    walk("", value, see);
}

fn walk(at: &str, value: &Value, see: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => see(at, text),
        Value::Array(items) => items.iter().for_each(|item| walk(at, item, see)),
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| walk(&format!("{at}/{name}"), member, see))
        }
        _ => {}
    }
}

/// What must not be in any text that a person sees: controls, marks of direction, what is unseen.
pub(crate) fn is_clean(text: &str) -> bool {
    !text.chars().any(|c| c != '\n' && c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{e0000}'..='\u{e0fff}'))
}
