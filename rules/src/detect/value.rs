//! A value of a field, as the tests see it.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::fold::fold;

/// What a value was in the log. Objects and lists are the compact text of their JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Number,
    Bool,
    Json,
}

/// A value that is not null.
#[derive(Debug, Clone)]
pub(crate) struct Value<'e> {
    form: Form,
    text: Cow<'e, str>,
    /// Without case; empty where the text is so already.
    folded: OnceCell<Option<String>>,
}

impl<'e> Value<'e> {
    pub(crate) fn new(form: Form, text: impl Into<Cow<'e, str>>) -> Self {
        Self { form, text: text.into(), folded: OnceCell::new() }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text without case.
    pub(crate) fn folded(&self) -> &str {
        let folded = self.folded.get_or_init(|| match fold(&self.text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(folded) => Some(folded),
        });
        folded.as_deref().unwrap_or(&self.text)
    }

    /// A copy that borrows nothing.
    pub(crate) fn into_owned(self) -> Value<'static> {
        Value { form: self.form, text: Cow::Owned(self.text.into_owned()), folded: self.folded }
    }
}
