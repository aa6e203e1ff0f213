//! Writing JSON text straight into a buffer, without a tree in between.

/// A JSON value under construction at the end of a `String`.
///
/// Commas are its business: call [`key`](Self::key) and [`item`](Self::item) for each member and
/// element, and one value after each.
#[derive(Debug)]
pub struct JsonText<'a> {
    out: &'a mut String,
}

impl<'a> JsonText<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut String) -> Self {
        Self { out }
    }

    /// `{`
    pub fn begin_object(&mut self) {
        self.out.push('{');
    }

    /// `}`
    pub fn end_object(&mut self) {
        self.out.push('}');
    }

    /// `[`
    pub fn begin_array(&mut self) {
        self.out.push('[');
    }

    /// `]`
    pub fn end_array(&mut self) {
        self.out.push(']');
    }

    fn comma(&mut self) {
        if !matches!(self.out.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(',');
        }
    }

    /// The next element of an array comes now.
    pub fn item(&mut self) {
        self.comma();
    }

    /// The next member's name.
    pub fn key(&mut self, name: &str) {
        self.comma();
        self.text(name);
        self.out.push(':');
    }

    /// A string value, escaped.
    pub fn text(&mut self, value: &str) {
        self.out.push('"');
        let mut clean_from = 0;
        for (at, byte) in value.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0..=0x1f => "",
                _ => continue,
            };
            self.out.push_str(value.get(clean_from..at).unwrap_or_default());
            if escape.is_empty() {
                self.out.push_str(&format!("\\u{byte:04x}"));
            } else {
                self.out.push_str(escape);
            }
            clean_from = at + 1;
        }
        self.out.push_str(value.get(clean_from..).unwrap_or_default());
        self.out.push('"');
    }

    /// A value that is JSON text already.
    pub fn raw(&mut self, json: &str) {
        self.out.push_str(json);
    }

    /// A member with a string value.
    pub fn text_member(&mut self, name: &str, value: &str) {
        self.key(name);
        self.text(value);
    }

    /// A member whose value is JSON text already.
    pub fn raw_member(&mut self, name: &str, json: &str) {
        self.key(name);
        self.raw(json);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commas_fall_between() {
        let mut out = String::new();
        let mut json = JsonText::new(&mut out);
        json.begin_object();
        json.text_member("a", "x\n\"");
        json.key("b");
        json.begin_array();
        json.item();
        json.raw("1");
        json.item();
        json.raw("{}");
        json.end_array();
        json.raw_member("c", "null");
        json.end_object();
        assert_eq!(out, r#"{"a":"x\n\"","b":[1,{}],"c":null}"#);
    }

    proptest! {
        #[test]
        fn any_text_reads_back(value in "\\PC*|[\\x00-\\x7f]*") {
            let mut out = String::new();
            JsonText::new(&mut out).text(&value);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), value);
        }
    }
}
