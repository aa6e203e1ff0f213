//! A record's JSON, read once and never built into a tree.
//!
//! [`Tokens::scan`] checks a record in one pass (syntax, depth, number of keys, length of numbers) and
//! notes where each value lies. [`Object`] and [`Value`] are `Copy` views over the text and those notes,
//! so walking into a nested object costs nothing and reading no string twice.
//!
//! ```text
//! for member in record.members() {
//!     match member.key.as_ref() {
//!         "eventName" => row.put(Col::ApiOperation, "", &member),      // any scalar, verbatim
//!         "userIdentity" => match member.value.as_object() {
//!             Some(identity) => map_identity(identity, row),           // its rest: row.keep("userIdentity", &m)
//!             None => row.keep("", &member),
//!         },
//!         _ => row.keep("", &member),                                  // goes to `unmapped`
//!     }
//! }
//! record.get("eventID")               // Option<Value>; null and absent are both None
//! record.at(&["status", "errorCode"]) // the same by path
//! value.as_str()                      // Option<Cow<str>>: strings only; unescaped only where needed
//! value.text()                        // Option<Cow<str>>: string, number or boolean
//! value.integer()                     // Option<i64>: 5 or "5"
//! value.as_object() as_array() as_bool() as_i64() as_f64() is_null()
//! value.compact()                     // Cow<str>: JSON text without blanks, for Kind::Json columns
//! Embedded::parse(&text)              // JSON held in a string (Log Analytics columns): .value()
//! ```
//!
//! Duplicate keys: the last one wins, as in every common parser; `members()` yields each key once.
//! [`Tokens::duplicates`] names those found, and the framework lists them under `duplicate_keys` in
//! `unmapped`. Lone surrogates and NUL stay escaped (`\ud800`, `\u0000`) in the text of a string.

mod scan;
mod shallow;
mod unescape;

use std::borrow::Cow;

use event::JsonText;
pub(crate) use event::{MAX_DEPTH, MAX_KEYS, MAX_NUMBER_CHARS};

pub(crate) use scan::{JsonError, Tokens};
use scan::{Kind, Token};
pub(crate) use shallow::{Name, Names, Shallow, ShallowValue, members};

/// A JSON value somewhere in a record.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    text: &'a str,
    tokens: &'a Tokens,
    at: usize,
}

/// A JSON object somewhere in a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    value: Value<'a>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) value: Value<'a>,
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.raw())
    }
}

impl<'a> Value<'a> {
    /// The value that `tokens` found in `text`.
    pub(crate) fn root(text: &'a str, tokens: &'a Tokens) -> Self {
        Self { text, tokens, at: 0 }
    }

    #[inline]
    fn token(&self) -> Token {
        self.tokens.get(self.at)
    }

    /// A number that tells the values of a record apart.
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    /// Whether the value at `place` lies within this one.
    pub(crate) fn holds(&self, place: usize) -> bool {
        place > self.at && place < self.token().next as usize
    }

    /// The text exactly as it stands in the record.
    #[inline]
    pub(crate) fn raw(&self) -> &'a str {
        self.token().slice(self.text)
    }

    #[inline]
    pub(crate) fn is_null(&self) -> bool {
        self.token().kind == Kind::Null
    }

    pub(crate) fn is_string(&self) -> bool {
        matches!(self.token().kind, Kind::Text | Kind::EscapedText)
    }

    #[inline]
    pub(crate) fn as_str(&self) -> Option<Cow<'a, str>> {
        let token = self.token();
        let inner = token.inside_quotes(self.text);
        match token.kind {
            Kind::Text => Some(Cow::Borrowed(inner)),
            Kind::EscapedText => Some(Cow::Owned(unescape::unescape(inner))),
            _ => None,
        }
    }

    /// The text of a string, number or boolean; `None` for null, objects and arrays.
    #[inline]
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        match self.token().kind {
            Kind::Number | Kind::True | Kind::False => Some(Cow::Borrowed(self.raw())),
            _ => self.as_str(),
        }
    }

    /// As [`text`](Self::text), but `None` for the empty string too.
    #[inline]
    pub(crate) fn filled_text(&self) -> Option<Cow<'a, str>> {
        self.text().filter(|text| !text.is_empty())
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self.token().kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// A boolean, or a string that says one in any case: AWS and Azure write both.
    pub(crate) fn boolean(&self) -> Option<bool> {
        if let Some(flag) = self.as_bool() {
            return Some(flag);
        }
        let text = self.as_str()?;
        if text.eq_ignore_ascii_case("true") {
            Some(true)
        } else if text.eq_ignore_ascii_case("false") {
            Some(false)
        } else {
            None
        }
    }

    /// An integer, or a string that holds one.
    pub(crate) fn integer(&self) -> Option<i64> {
        self.text()?.parse().ok()
    }

    #[inline]
    pub(crate) fn as_object(&self) -> Option<Object<'a>> {
        (self.token().kind == Kind::Object).then_some(Object { value: *self })
    }

    /// The elements of an array.
    #[inline]
    pub(crate) fn as_array(&self) -> Option<Elements<'a>> {
        let token = self.token();
        (token.kind == Kind::Array).then_some(Elements {
            value: *self,
            at: self.at + 1,
            end: token.next as usize,
        })
    }

    /// The value as JSON text without blanks between tokens, each key once, valid for the strictest
    /// reader. Borrowed where the record was written like that, which clouds do.
    #[inline]
    pub(crate) fn compact(&self) -> Cow<'a, str> {
        if self.tokens.is_compact() {
            return Cow::Borrowed(self.raw());
        }
        let mut out = String::with_capacity(self.raw().len());
        self.write(&mut JsonText::new(&mut out));
        Cow::Owned(out)
    }

    /// Writes the value as [`compact`](Self::compact) gives it. Recursion ends at [`MAX_DEPTH`].
    pub(crate) fn write(&self, out: &mut JsonText<'_>) {
        if self.tokens.is_compact() {
            out.raw(self.raw());
        } else if let Some(object) = self.as_object() {
            out.begin_object();
            for member in object.members() {
                out.key(&member.key);
                member.value.write(out);
            }
            out.end_object();
        } else if let Some(elements) = self.as_array() {
            out.begin_array();
            for element in elements {
                out.item();
                element.write(out);
            }
            out.end_array();
        } else if self.token().kind == Kind::EscapedText {
            out.text(&self.as_str().unwrap_or_default());
        } else {
            out.raw(self.raw());
        }
    }
}

impl<'a> Object<'a> {
    /// The members in the order of the record, each key once.
    #[inline]
    pub(crate) fn members(&self) -> Members<'a> {
        let token = self.value.token();
        Members { value: self.value, at: self.value.at + 1, end: token.next as usize }
    }

    /// The member called `key`, unless it is null.
    pub(crate) fn get(&self, key: &str) -> Option<Value<'a>> {
        self.members()
            .find(|member| member.key == key)
            .map(|member| member.value)
            .filter(|value| !value.is_null())
    }

    /// The value at a path of keys, unless it is null.
    pub(crate) fn at(&self, path: &[&str]) -> Option<Value<'a>> {
        let (last, parents) = path.split_last()?;
        let mut object = *self;
        for key in parents {
            object = object.get(key)?.as_object()?;
        }
        object.get(last)
    }

    /// The text exactly as it stands in the record.
    pub(crate) fn raw(&self) -> &'a str {
        self.value.raw()
    }

    /// Writes the object as [`Value::write`] does.
    pub(crate) fn write(&self, out: &mut JsonText<'_>) {
        self.value.write(out);
    }
}

/// The members of an object; see [`Object::members`].
#[derive(Debug, Clone)]
pub(crate) struct Members<'a> {
    value: Value<'a>,
    at: usize,
    end: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    #[inline]
    fn next(&mut self) -> Option<Member<'a>> {
        while self.at < self.end {
            let key = self.value.tokens.get(self.at);
            let value = Value { at: self.at + 1, ..self.value };
            self.at = value.token().next as usize;
            let name = key.inside_quotes(self.value.text);
            return Some(match key.kind {
                Kind::ShadowedKey => continue,
                Kind::EscapedKey => Member { key: Cow::Owned(unescape::unescape(name)), value },
                _ => Member { key: Cow::Borrowed(name), value },
            });
        }
        None
    }
}

/// The elements of an array; see [`Value::as_array`].
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a> {
    value: Value<'a>,
    at: usize,
    end: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        if self.at >= self.end {
            return None;
        }
        let element = Value { at: self.at, ..self.value };
        self.at = element.token().next as usize;
        Some(element)
    }
}

/// JSON that lay in a string of a record, such as `properties` in a row of Log Analytics.
#[derive(Debug)]
pub(crate) struct Embedded<'t> {
    text: &'t str,
    tokens: Tokens,
}

impl<'t> Embedded<'t> {
    /// Reads `text`; `None` if it is no JSON within the limits of a record, or merely a scalar.
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
        if !text.starts_with(['{', '[']) {
            return None;
        }
        let mut tokens = Tokens::default();
        tokens.scan(text).ok()?;
        Some(Self { text, tokens })
    }

    /// The object or array.
    pub(crate) fn value(&self) -> Value<'_> {
        Value::root(self.text, &self.tokens)
    }
}

#[cfg(test)]
mod tests;
