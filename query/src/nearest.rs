//! The name that somebody probably meant.

use datafusion::common::utils::datafusion_strsim::levenshtein;

/// The name of `known` that is nearest to `wanted`, if any is near enough to be meant: one that differs in
/// a third of its letters, or that ends with what was written (`user_name`, `actor_user_name`).
pub(crate) fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let lower = name.to_lowercase();
        let distance = if lower == wanted {
            0
        } else if wanted.len() > 2 && lower.ends_with(&format!("_{wanted}")) {
            1
        } else {
            levenshtein(&wanted, &lower)
        };
        let near = distance <= wanted.chars().count().max(lower.chars().count()) / 3;
        if near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_mistakes_are_mended() {
        let known = ["time", "user_name", "actor_user_name", "event_uid", "src_endpoint_ip"];
        let cases = [
            ("usr_name", Some("user_name")),
            ("actor_usr_name", Some("actor_user_name")),
            ("TIME", Some("time")),
            ("eventuid", Some("event_uid")),
            ("endpoint_ip", Some("src_endpoint_ip")),
            ("password", None),
            ("x", None),
            ("", None),
        ];
        for (wanted, expected) in cases {
            assert_eq!(nearest(wanted, known), expected, "{wanted}");
        }
    }
}
