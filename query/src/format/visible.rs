//! Text that cannot drive a terminal, and how wide it is.
//!
//! Who is logged writes part of the log: a user agent or a name may hold escape sequences that clear the
//! screen, set its title or type into the shell, and marks that reorder the line.

/// Adds `text` with every character that a terminal would act on shown as its code.
pub(super) fn push_visible(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if acts(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
        }
    }
}

/// Whether a terminal would act on a character: control characters (C0, C1, delete), and those that reorder, hide or
/// join what stands around them.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The cells that a terminal needs for a character that is not one of those above.
pub(super) fn width(c: char) -> usize {
    match c as u32 {
        // Combining marks lie over the character before them.
        0x300..=0x36f
        | 0x483..=0x489
        | 0x591..=0x5bd
        | 0x610..=0x61a
        | 0x64b..=0x65f
        | 0x1ab0..=0x1aff
        | 0x1dc0..=0x1dff
        | 0x20d0..=0x20ff
        | 0xfe00..=0xfe0f
        | 0xfe20..=0xfe2f => 0,
        // East Asian wide and full-width forms, and pictographs (Unicode TR 11).
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0x33ff
        | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff
        | 0xa000..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The cells that a terminal needs for a text made by [`push_visible`].
pub(super) fn text_width(text: &str) -> usize {
    text.chars().map(width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        push_visible(&mut out, text);
        out
    }

    #[test]
    fn nothing_acts_on_the_terminal() {
        let hostile = [
            "\u{1b}[2J",
            "\u{1b}]0;title\u{7}",
            "\u{9b}31m",
            "\u{90}q",
            "a\u{8}b",
            "\u{7f}",
            "\u{202e}gpj.exe",
            "\u{2066}x\u{2069}",
            "\u{200b}",
            "\u{feff}",
            "\r\nroot#",
            "\u{0}",
            "\u{85}",
            "\u{2028}",
            "\u{e0041}",
        ];
        for text in hostile {
            let out = shown(text);
            assert!(out.chars().all(|c| !acts(c)), "{text:?} -> {out:?}");
        }
        assert_eq!(shown("\u{1b}[31mred\n"), "\\u{1b}[31mred\\n");
        assert_eq!(shown("Größe 東京 🙂"), "Größe 東京 🙂");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!((text_width("abc"), text_width("東京"), text_width("e\u{301}")), (3, 4, 1));
    }
}
