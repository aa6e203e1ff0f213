//! The little of XML that the query services and S3 answer with: elements by name, text inside.

/// The text of the first element `name`, wherever it is. Attributes are not expected, as these answers
/// have none on elements that hold text.
pub(crate) fn text_of(xml: &str, name: &str) -> Option<String> {
    inside(xml, name).map(|(text, _)| unescape(text))
}

/// What is inside each element `name`, as it is written.
pub(crate) fn each<'a>(xml: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (text, after) = inside(rest, name)?;
        rest = after;
        Some(text)
    })
}

fn inside<'a>(xml: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>"))
}

fn unescape(text: &str) -> String {
    // The ampersand comes last, or `&amp;lt;` would become `<`.
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&#39;", "'").replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_name() {
        let xml = "<?xml?><L a=\"1\"><C><K>a&amp;lt;</K></C><C><K>b</K></C><T>x</L>";
        assert_eq!(text_of(xml, "K").as_deref(), Some("a&lt;"));
        assert_eq!(each(xml, "C").collect::<Vec<_>>(), ["<K>a&amp;lt;</K>", "<K>b</K>"]);
        assert_eq!(text_of(xml, "T"), None);
        assert_eq!(text_of("", "T"), None);
    }
}
