//! Subjects of OpenID Connect providers, one spelling for every cloud.

use super::actor::entra::is_guid;
use super::node::{Node, NodeKind};

/// The node of a subject. AWS names the provider by an ARN, others by its URL. What Entra vouches for by an
/// object id is that service principal itself: tokens of people have a subject that is no id.
pub(crate) fn oidc_subject(issuer: &str, subject: &str) -> Option<Node> {
    let issuer = issuer.split_once(":oidc-provider/").map_or(issuer, |(_, url)| url);
    let issuer = without_scheme(issuer);
    if is_guid(subject) && is_entra(issuer) {
        return Node::lower(NodeKind::EntraServicePrincipal, subject);
    }
    Node::scoped(NodeKind::OidcSubject, issuer, subject)
}

/// An issuer as all clouds can agree on it: AWS leaves `https://` out, and a slash at the end means nothing.
pub(crate) fn without_scheme(issuer: &str) -> &str {
    issuer.strip_prefix("https://").unwrap_or(issuer).trim_end_matches('/')
}

fn is_entra(issuer: &str) -> bool {
    issuer.starts_with("sts.windows.net/") || issuer.starts_with("login.microsoftonline.com/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_all() {
        let check = |issuer: &str, subject: &str, expected: &str| {
            assert_eq!(oidc_subject(issuer, subject).unwrap().as_str(), expected);
        };
        let repository = "repo:example/shop:ref:refs/heads/main";
        let expected = format!("oidc:token.actions.githubusercontent.com#{repository}");
        let arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
        check(arn, repository, &expected);
        check("https://token.actions.githubusercontent.com/", repository, &expected);
        let id = "0B5D7A1E-3C2F-4A6B-8D9E-1F2A3B4C5D6E";
        let tenant = "7f3c1a52-8d4e-4b6f-9a10-2c5e7d9b0f31";
        let principal = format!("entra:sp:{}", id.to_lowercase());
        check(&format!("https://sts.windows.net/{tenant}/"), id, &principal);
        check(&format!("login.microsoftonline.com/{tenant}/v2.0"), id, &principal);
        check("https://idp.example.com", id, &format!("oidc:idp.example.com#{id}"));
    }
}
