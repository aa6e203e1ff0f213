//! E-mail addresses.

/// Whether OCSF would take `text` for an e-mail address.
pub(crate) fn is_address(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+,-./=?^_`{|}~".contains(&byte);
    let Some((label, rest)) = domain.split_once('.') else { return false };
    !name.is_empty()
        && name.bytes().all(in_name)
        && !label.is_empty()
        && !rest.is_empty()
        && domain.bytes().all(host)
}

/// The text, if it is an address.
pub(crate) fn address(text: Option<&str>) -> Option<&str> {
    text.filter(|text| is_address(text))
}

/// The name of a principal of Entra, if it is an address; that of a guest, `a_b.c#EXT#@tenant`, is none.
pub(crate) fn of_principal(name: Option<&str>) -> Option<&str> {
    address(name).filter(|name| !name.contains('#'))
}
