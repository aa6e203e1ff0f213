//! An identity as one cloud names it.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use event::EventKey;
use serde::{Deserialize, Serialize};

/// The longest text of a node, in bytes; a longer name is cut and told from others by its hash.
const MAX_BYTES: usize = 512;

/// How a shortened or cleaned name ends: `~` and the hash in hexadecimal digits.
const HASH_BYTES: usize = 33;

macro_rules! kinds {
    ($($variant:ident, $prefix:literal, $meaning:literal;)*) => {
        /// What kind of name a node is, in the order in which the name of a component is chosen: people,
        /// then what signs in by itself, then sessions, then keys.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum NodeKind { $(#[doc = $meaning] $variant,)* }

        impl NodeKind {
            /// Every kind, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What its nodes begin with, without the colon.
            pub fn prefix(self) -> &'static str {
                match self { $(Self::$variant => $prefix,)* }
            }
        }
    };
}

kinds! {
    EntraUser, "entra:user", "A person in Entra, by object id.";
    IdentityCenterUser, "aws:identity-center", "A person in IAM Identity Center: `<ARN of the identity store>#<user id>`.";
    AwsUser, "aws:user", "An IAM user, by ARN.";
    AwsUserId, "aws:user-id", "An IAM user, by unique id (`AIDA…`): all that another account sees of it.";
    AwsRoot, "aws:root", "The root user of an account.";
    GcpUser, "gcp:user", "A Google account, by address.";
    OktaUser, "okta:user", "A user of Okta, by id.";
    GithubUser, "github:user", "A user of GitHub, by login.";
    Mail, "mail", "An address that identity providers vouch for.";
    SamlSubject, "saml", "A subject of a SAML provider: `<issuer>#<subject>`.";
    SourceIdentity, "aws:source-identity", "The source identity of AWS sessions.";
    OidcSubject, "oidc", "A subject of an OpenID Connect provider: `<issuer>#<subject>`.";
    GcpPrincipal, "gcp:principal", "A subject of a workforce or workload identity pool: `//iam.googleapis.com/…`.";
    KubernetesUser, "k8s:user", "A user or service account of a cluster: `<source that delivers its log>#<name>`.";
    EntraApp, "entra:app", "An application in Entra, by client id.";
    EntraServicePrincipal, "entra:sp", "A service principal in Entra, by object id.";
    ManagedIdentity, "azure:managed-identity", "A managed identity, by the id of its resource.";
    GcpServiceAccount, "gcp:sa", "A service account, by address.";
    RoleSession, "aws:role-session", "A session of a role: `<ARN of the session>@<second of its beginning>`.";
    AccessKey, "aws:key", "An access key of AWS, long-lived or temporary.";
}

/// An identity as one cloud names it: a kind and a name, written `aws:user:arn:aws:iam::1:user/ana`.
///
/// Nodes are ordered by kind, then text. The text has at most 512 bytes and no control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Node {
    kind: NodeKind,
    text: Box<str>,
}

impl Node {
    /// A node of this name; `None` if the name is empty.
    pub fn new(kind: NodeKind, name: &str) -> Option<Self> {
        if name.is_empty() {
            return None;
        }
        let prefix = kind.prefix();
        if is_plain(name) && prefix.len() + 1 + name.len() <= MAX_BYTES {
            return Some(Self { kind, text: [prefix, ":", name].concat().into() });
        }
        let hash = EventKey::of("identity-node", &[name.as_bytes()]).uid();
        let mut text = String::with_capacity(MAX_BYTES);
        text.push_str(prefix);
        text.push(':');
        for char in name.chars() {
            let char = if char.is_control() { '\u{fffd}' } else { char };
            if text.len() + char.len_utf8() + HASH_BYTES > MAX_BYTES {
                break;
            }
            text.push(char);
        }
        text.push('~');
        text.push_str(hash.as_str());
        Some(Self { kind, text: text.into() })
    }

    /// As [`new`](Self::new), in lower case: for ids and addresses that are compared so.
    pub fn lower(kind: NodeKind, name: &str) -> Option<Self> {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) || !name.is_ascii() {
            return Self::new(kind, &name.to_lowercase());
        }
        Self::new(kind, name)
    }

    /// A name that holds within a scope: `<scope>#<name>`. A `#` in the scope is escaped, so that no two
    /// pairs are written alike.
    pub fn scoped(kind: NodeKind, scope: &str, name: &str) -> Option<Self> {
        if scope.is_empty() || name.is_empty() {
            return None;
        }
        if scope.contains(['#', '%']) {
            let scope = scope.replace('%', "%25").replace('#', "%23");
            return Self::new(kind, &format!("{scope}#{name}"));
        }
        Self::new(kind, &format!("{scope}#{name}"))
    }

    /// Its kind.
    pub fn kind(&self) -> NodeKind {
        self.kind
    }

    /// The whole text, kind and name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name without the kind.
    pub fn name(&self) -> &str {
        self.text.get(self.kind.prefix().len() + 1..).unwrap_or_default()
    }
}

/// Whether a name stands in a node as it is. A name that ends as a cleaned one does is cleaned too, so that
/// nobody can take a cleaned node's place by choosing its text as a name.
fn is_plain(name: &str) -> bool {
    let ends_in_hash = name
        .len()
        .checked_sub(HASH_BYTES)
        .and_then(|at| name.as_bytes().get(at..)?.split_first())
        .is_some_and(|(first, digits)| *first == b'~' && digits.iter().all(u8::is_ascii_hexdigit));
    // Only beyond ASCII is a character worth decoding.
    let is_clean = if name.is_ascii() {
        !name.bytes().any(|byte| byte.is_ascii_control())
    } else {
        !name.chars().any(char::is_control)
    };
    is_clean && !ends_in_hash
}

impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        self.kind.cmp(&other.kind).then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Node> for String {
    fn from(node: Node) -> Self {
        node.text.into()
    }
}

impl FromStr for Node {
    type Err = String;

    /// Reads back what [`as_str`](Node::as_str) wrote.
    fn from_str(text: &str) -> Result<Self, String> {
        let kind = NodeKind::ALL.iter().copied().find(|kind| {
            text.strip_prefix(kind.prefix()).and_then(|rest| rest.strip_prefix(':')).is_some_and(|name| {
                !name.is_empty() && text.len() <= MAX_BYTES && !name.chars().any(char::is_control)
            })
        });
        kind.map(|kind| Self { kind, text: text.into() })
            .ok_or_else(|| format!("`{}` names no identity", text.chars().take(64).collect::<String>()))
    }
}

impl TryFrom<String> for Node {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn kinds_have_prefixes_of_their_own() {
        let prefixes: HashSet<_> = NodeKind::ALL.iter().map(|kind| kind.prefix()).collect();
        assert_eq!(prefixes.len(), NodeKind::ALL.len());
    }

    #[test]
    fn people_come_first_and_keys_last() {
        let node = |text: &str| text.parse::<Node>().unwrap();
        let mut nodes =
            ["aws:key:A", "aws:role-session:s@1", "gcp:sa:s", "oidc:i#s", "mail:m", "entra:user:u"]
                .map(node)
                .to_vec();
        nodes.sort();
        let texts: Vec<_> = nodes.iter().map(Node::as_str).collect();
        assert_eq!(
            texts,
            ["entra:user:u", "mail:m", "oidc:i#s", "gcp:sa:s", "aws:role-session:s@1", "aws:key:A"]
        );
    }

    #[test]
    fn scopes_do_not_run_into_names() {
        let one = Node::scoped(NodeKind::SamlSubject, "a#b", "c").unwrap();
        let two = Node::scoped(NodeKind::SamlSubject, "a", "b#c").unwrap();
        assert_eq!((one.as_str(), two.as_str()), ("saml:a%23b#c", "saml:a#b#c"));
        assert_ne!(one, Node::scoped(NodeKind::SamlSubject, "a%23b", "c").unwrap());
        assert_eq!(Node::scoped(NodeKind::SamlSubject, "", "c"), None);
    }

    #[test]
    fn what_was_cleaned_cannot_be_named() {
        let cleaned = Node::new(NodeKind::AwsUser, "a\nb").unwrap();
        assert!(!cleaned.as_str().contains('\n'));
        assert_ne!(cleaned, Node::new(NodeKind::AwsUser, "a\rb").unwrap());
        assert_ne!(cleaned, Node::new(NodeKind::AwsUser, cleaned.name()).unwrap());
    }

    proptest! {
        #[test]
        fn any_name_reads_back(name in "\\PC{0,40}|[\\x00-\\x7f]{0,40}|(ab#%~\\n){0,300}", scope in "[a#%]{0,4}") {
            let nodes = [
                Node::new(NodeKind::AwsUser, &name),
                Node::lower(NodeKind::Mail, &name),
                Node::scoped(NodeKind::OidcSubject, &scope, &name),
            ];
            for node in nodes.into_iter().flatten() {
                prop_assert!(node.as_str().len() <= MAX_BYTES);
                prop_assert_eq!(node.as_str().parse::<Node>(), Ok(node.clone()));
                let json = serde_json::to_string(&node).unwrap();
                prop_assert_eq!(serde_json::from_str::<Node>(&json).unwrap(), node);
            }
        }

        #[test]
        fn different_names_are_different_nodes(one in "[a~\\n]{0,3}(x{600})?", two in "[a~\\n]{0,3}(x{600})?") {
            let node = |name: &str| Node::new(NodeKind::AwsUser, name);
            prop_assert_eq!(node(&one) == node(&two), one == two);
        }
    }
}
