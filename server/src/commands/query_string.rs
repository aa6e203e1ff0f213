//! The query part of a request's address.

/// Text as a part of an address (RFC 3986, section 2).
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

/// Gathers `name=value` pairs, encoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryString {
    text: String,
}

impl QueryString {
    /// Adds a pair.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.text.push(if self.text.is_empty() { '?' } else { '&' });
        self.text.push_str(name);
        self.text.push('=');
        self.text.push_str(&encode(value));
    }

    /// Adds a pair where there is a value.
    pub(crate) fn add_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// The address with the pairs.
    pub(crate) fn after(&self, path: &str) -> String {
        format!("{path}{}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded() {
        let mut query = QueryString::default();
        query.add("a", "x y&z=é");
        query.add_some("b", None);
        query.add_some("c", Some("1"));
        assert_eq!(query.after("/p"), "/p?a=x%20y%26z%3D%C3%A9&c=1");
    }
}
