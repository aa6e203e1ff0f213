//! `$filter` of OData, as far as lists of events know it: comparisons joined by `and`, and one `any`.

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) field: String,
    /// `eq`, `ge`, `le`, or `any`: a member of the list is the value.
    pub(super) operator: String,
    pub(super) value: String,
}

/// Reads a filter; `None`: it is none that these services know.
pub(super) fn parse(text: &str) -> Option<Vec<Clause>> {
    text.split(" and ").map(|clause| read(clause.trim())).collect()
}

fn read(clause: &str) -> Option<Clause> {
    // signInEventTypes/any(t: t eq 'nonInteractiveUser')
    if let Some((field, rest)) = clause.split_once("/any(") {
        let (name, condition) = rest.strip_suffix(')')?.split_once(':')?;
        let value = condition.trim().strip_prefix(name.trim())?.trim().strip_prefix("eq ")?;
        let value = unquoted(value.trim())?;
        return Some(Clause { field: field.into(), operator: "any".into(), value });
    }
    let mut words = clause.splitn(3, ' ');
    let (field, operator, value) = (words.next()?, words.next()?, words.next()?);
    let is_known = ["eq", "ge", "le"].contains(&operator) && !value.is_empty();
    let value = unquoted(value).unwrap_or_else(|| value.to_owned());
    is_known.then(|| Clause { field: field.into(), operator: operator.into(), value })
}

fn unquoted(value: &str) -> Option<String> {
    let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
    Some(value.replace("''", "'"))
}
