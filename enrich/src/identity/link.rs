//! Evidence that two nodes are the same identity, or that one acted as the other.

use std::fmt;

use event::EventKey;
use serde::{Deserialize, Serialize};

use super::node::{Node, NodeKind};

macro_rules! kinds {
    ($($variant:ident, $name:literal, $confidence:literal, $joins:literal, $meaning:literal;)*) => {
        /// What ties two nodes together.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum LinkKind { $(#[doc = $meaning] $variant,)* }

        impl LinkKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in rows and in the API.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The kind of this name.
            pub fn by_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
            }

            /// How sure one such piece of evidence is.
            pub fn confidence(self) -> Confidence {
                match self { $(Self::$variant => Confidence($confidence),)* }
            }

            /// Whether both ends are one identity. Links of the other kinds only tell that one may act as
            /// the other: many may act as a service account, and they are not each other.
            pub fn joins(self) -> bool {
                match self { $(Self::$variant => $joins,)* }
            }
        }
    };
}

kinds! {
    AssumedRole, "assumed_role", 100, true, "A temporary key and who asked for it (`AssumeRole`, `GetFederationToken`).";
    Federated, "federated", 100, true, "A temporary key and the SAML or OIDC subject that it was given to.";
    SessionOf, "session_of", 90, true, "A temporary key and the role session that began with it.";
    SeenInSession, "seen_in_session", 90, true, "A temporary key that was used in a role session, such as the console derives.";
    OwnsKey, "owns_key", 100, true, "A long-lived key and its IAM user or root.";
    SameUser, "same_user", 100, true, "The unique id and the ARN of one IAM user.";
    OnBehalfOf, "on_behalf_of", 100, true, "A temporary key and the person in IAM Identity Center behind it.";
    SourceIdentity, "source_identity", 80, true, "A temporary key and the source identity that it was issued with.";
    WorkloadIdentity, "workload_identity", 90, true, "A subject of a Google identity pool and the subject that its provider knows.";
    ServicePrincipalOf, "service_principal_of", 95, true, "A service principal and its application or managed identity.";
    SameMail, "same_mail", 60, true, "An identity and its address, where the address is trusted.";
    Impersonates, "impersonates", 100, false, "Someone who acted as a service account. Joins nothing.";
    FederatedCredential, "federated_credential", 100, false, "An OIDC subject that an application trusts. Joins nothing.";
}

impl LinkKind {
    /// Whether the link is of use only while a temporary credential lives, and for looking back.
    pub fn is_of_session(self) -> bool {
        matches!(
            self,
            Self::AssumedRole
                | Self::Federated
                | Self::SessionOf
                | Self::SeenInSession
                | Self::OnBehalfOf
                | Self::SourceIdentity
        )
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How sure a link is, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub struct Confidence(u8);

impl From<u8> for Confidence {
    fn from(percent: u8) -> Self {
        Self(percent.min(100))
    }
}

impl From<Confidence> for u8 {
    fn from(confidence: Confidence) -> u8 {
        confidence.0
    }
}

/// The id of a link, a function of its kind and ends: 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkId(#[serde(with = "hexadecimal")] EventKey);

impl LinkId {
    fn of(kind: LinkKind, a: &Node, b: &Node) -> Self {
        let parts = [kind.as_str(), a.as_str(), b.as_str()].map(str::as_bytes);
        Self(EventKey::of("identity-link", &parts))
    }

    /// Reads back what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        EventKey::parse(text).map(Self)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.uid().as_str())
    }
}

/// Evidence that ties two nodes together, and when it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "LinkRow", try_from = "LinkRow")]
pub struct Link {
    id: LinkId,
    kind: LinkKind,
    a: Node,
    b: Node,
    seen: Seen,
}

/// When evidence was seen, how sure it is, and the event that proves it: the earliest, by time, then id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) confidence: Confidence,
    pub(super) from_us: i64,
    pub(super) until_us: i64,
    pub(super) proof: EventKey,
}

impl Seen {
    /// Takes in another sighting of the same, in any order.
    pub(super) fn widen(&mut self, other: &Self) {
        self.confidence = self.confidence.max(other.confidence);
        self.until_us = self.until_us.max(other.until_us);
        (self.from_us, self.proof) = (self.from_us, self.proof).min((other.from_us, other.proof));
    }
}

impl Link {
    /// A link from `a`, the credential or the more special name, to `b`, its owner. `None` for what no
    /// evidence can say: a node is linked to itself, or a role session to anything but a temporary key.
    pub fn new(
        kind: LinkKind,
        a: Node,
        b: Node,
        (from_us, until_us): (i64, i64),
        proof: EventKey,
    ) -> Option<Self> {
        let seen = Seen { confidence: kind.confidence(), from_us, until_us: until_us.max(from_us), proof };
        Self::from_seen(kind, a, b, seen)
    }

    pub(super) fn from_seen(kind: LinkKind, a: Node, b: Node, seen: Seen) -> Option<Self> {
        let ends_in_session = (a.kind(), b.kind()) == (NodeKind::AccessKey, NodeKind::RoleSession);
        let has_session = a.kind() == NodeKind::RoleSession || b.kind() == NodeKind::RoleSession;
        let fits = match kind {
            LinkKind::SessionOf | LinkKind::SeenInSession => ends_in_session,
            _ => !has_session,
        };
        (fits && a != b).then(|| Self { id: LinkId::of(kind, &a, &b), kind, a, b, seen })
    }

    /// The same with another confidence.
    pub fn with_confidence(mut self, confidence: Confidence) -> Self {
        self.seen.confidence = confidence;
        self
    }

    /// Its id.
    pub fn id(&self) -> LinkId {
        self.id
    }

    /// What ties the nodes.
    pub fn kind(&self) -> LinkKind {
        self.kind
    }

    /// The credential, the session or the more special name.
    pub fn a(&self) -> &Node {
        &self.a
    }

    /// Its owner.
    pub fn b(&self) -> &Node {
        &self.b
    }

    /// How sure it is.
    pub fn confidence(&self) -> Confidence {
        self.seen.confidence
    }

    /// The time of the earliest event that shows it.
    pub fn from_us(&self) -> i64 {
        self.seen.from_us
    }

    /// The time of the latest.
    pub fn until_us(&self) -> i64 {
        self.seen.until_us
    }

    /// The earliest event that shows it: a value of the column `event_uid`.
    pub fn proof(&self) -> EventKey {
        self.seen.proof
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }
}

/// A link as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct LinkRow {
    id: LinkId,
    a: Node,
    b: Node,
    kind: LinkKind,
    confidence: Confidence,
    from_us: i64,
    until_us: i64,
    #[serde(with = "hexadecimal")]
    proof: EventKey,
}

impl From<Link> for LinkRow {
    fn from(link: Link) -> Self {
        let Link { id, kind, a, b, seen: Seen { confidence, from_us, until_us, proof } } = link;
        Self { id, a, b, kind, confidence, from_us, until_us, proof }
    }
}

impl TryFrom<LinkRow> for Link {
    type Error = String;

    fn try_from(row: LinkRow) -> Result<Self, String> {
        let LinkRow { id, a, b, kind, confidence, from_us, until_us, proof } = row;
        let seen = Seen { confidence, from_us, until_us, proof };
        Self::from_seen(kind, a, b, seen)
            .filter(|link| link.id == id)
            .ok_or_else(|| format!("link `{id}` does not fit its ends"))
    }
}

/// An [`EventKey`] as 32 hexadecimal digits.
mod hexadecimal {
    use std::borrow::Cow;

    use event::EventKey;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(key: &EventKey, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(key.uid().as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<EventKey, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        EventKey::parse(&text).ok_or_else(|| de::Error::custom("expected 32 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        text.parse().unwrap()
    }

    fn link() -> Link {
        let (key, user) = (node("aws:key:ASIA1"), node("aws:user:arn:aws:iam::1:user/ana"));
        Link::new(LinkKind::AssumedRole, key, user, (5, 9), EventKey(0xab)).unwrap()
    }

    #[test]
    fn a_row_reads_back() {
        let link = link();
        let json = serde_json::to_string(&link).unwrap();
        assert_eq!(serde_json::from_str::<Link>(&json).unwrap(), link);
        assert!(
            json.contains(r#""kind":"assumed_role","confidence":100,"from_us":5,"until_us":9"#),
            "{json}"
        );
        assert_eq!(LinkId::parse(&link.id().to_string()), Some(link.id()));
        let forged = json.replace("ASIA1", "ASIA2");
        assert!(serde_json::from_str::<Link>(&forged).unwrap_err().to_string().contains("does not fit"));
    }

    #[test]
    fn names_read_back() {
        for kind in LinkKind::ALL {
            assert_eq!(LinkKind::by_name(kind.as_str()), Some(*kind));
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{kind}\""));
        }
    }

    #[test]
    fn sessions_belong_to_keys_alone() {
        let (key, session) = (node("aws:key:ASIA1"), node("aws:role-session:s@1"));
        let new = |kind, a: &Node, b: &Node| Link::new(kind, a.clone(), b.clone(), (0, 0), EventKey(0));
        assert!(new(LinkKind::SessionOf, &key, &session).is_some());
        assert!(new(LinkKind::SessionOf, &session, &key).is_none());
        assert!(new(LinkKind::SessionOf, &key, &node("mail:a@b.c")).is_none());
        assert!(new(LinkKind::AssumedRole, &key, &session).is_none());
        assert!(new(LinkKind::AssumedRole, &key, &key).is_none());
    }

    #[test]
    fn the_earliest_event_is_the_proof() {
        let seen = |time, proof| Seen {
            confidence: 50.into(),
            from_us: time,
            until_us: time,
            proof: EventKey(proof),
        };
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let sightings = [seen(7, 1), seen(3, 9), seen(3, 4)];
            let mut whole = sightings[order[0]];
            order.iter().for_each(|index| whole.widen(&sightings[*index]));
            assert_eq!((whole.from_us, whole.until_us, whole.proof), (3, 7, EventKey(4)));
        }
    }
}
