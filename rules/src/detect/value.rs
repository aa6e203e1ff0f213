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
    /// See [`Value::is_spelling`].
    is_spelling: bool,
}

impl<'e> Value<'e> {
    pub(crate) fn new(form: Form, text: impl Into<Cow<'e, str>>) -> Self {
        Self { form, text: text.into(), folded: OnceCell::new(), is_spelling: false }
    }

    /// The same as another spelling of a value.
    pub(crate) fn respelled(self) -> Self {
        Self { is_spelling: true, ..self }
    }

    /// Whether it only spells another value of the same field otherwise: rules may compare with it, but it is not one
    /// more to be counted.
    pub(crate) fn is_spelling(&self) -> bool {
        self.is_spelling
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
        let Self { form, text, folded, is_spelling } = self;
        Value { form, text: Cow::Owned(text.into_owned()), folded, is_spelling }
    }
}
