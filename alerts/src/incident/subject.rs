//! What of an alert decides where it belongs: who, with what, from where, to what.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::names::Names;
use super::tactic::Tactic;
use crate::{Entity, EntityKind};

/// Of so many of a kind an alert is about each; with more it is about the many, and joins none of them.
const MOST_OF_A_KIND: usize = 5;

/// Names of identities that many use as one: who holds them says little about who acted.
const SERVICES: [&str; 7] =
    ["gcp:sa:", "entra:sp:", "entra:app:", "azure:managed-identity:", "k8s:user:", "oidc:", "gcp:principal:"];

/// Who is nobody.
const NOBODY: [&str; 5] = ["", "-", "unknown", "anonymous", "00000000-0000-0000-0000-000000000000"];

/// Where an alert stands among others: its time in microseconds since 1970, then its id.
pub type Place = (i64, Arc<str>);

/// An alert as those see it who decide which incident it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The alert.
    pub id: String,
    /// When its deciding event happened, microseconds since 1970.
    pub time_us: i64,
    /// When it was raised, microseconds since 1970.
    pub created_us: i64,
    /// 1 to 5.
    pub severity_id: u8,
    /// Its rule.
    pub rule_id: String,
    /// Its rule's title.
    pub title: String,
    /// Its rule's tactics, in order.
    pub tactics: Vec<Tactic>,
    /// AWS, Azure, GCP, or several, joined by commas.
    pub provider: String,
    /// The event that decided it.
    pub event: Option<String>,
    /// Who and what it is about.
    pub entities: Vec<Entity>,
    /// Whether nobody needs to look at it any more.
    pub is_closed: bool,
    /// Whether somebody has found that it means no harm: it stays where it is and weighs nothing.
    pub is_harmless: bool,
    /// Whether a silence hides it: it has a risk of its own, and no part in anything else.
    pub is_hidden: bool,
}

/// A seed with what is known of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The alert.
    pub seed: Seed,
    /// Who acted: the names of identities.
    pub people: Vec<String>,
    /// Who acted, of those whom many may be: service accounts, applications, sessions of unknown owners.
    pub services: Vec<String>,
    /// Credentials used that belong to no identity known.
    pub credentials: Vec<String>,
    /// To whom it was done, if that is somebody else.
    pub targets: Vec<String>,
    /// Addresses it came from.
    pub addresses: Vec<String>,
    /// What it was done to, accounts aside: those hold everything.
    pub resources: Vec<String>,
    /// The names that were looked up, and what was found: while none of them comes to mean something else, it stays
    /// as it is.
    pub(super) looked_up: BTreeSet<String>,
}

impl Subject {
    /// A seed with its names looked up.
    pub fn new(seed: Seed, names: &dyn Names) -> Self {
        let looked_up = RefCell::new(BTreeSet::new());
        let identity_of = |name: &str| {
            let identity = names.identity(name);
            looked_up.borrow_mut().extend(identity.clone());
            looked_up.borrow_mut().insert(name.to_owned());
            identity
        };
        let of = |kind| seed.entities.iter().filter(move |entity| entity.kind == kind);
        let mut people = BTreeSet::new();
        let mut services = BTreeSet::new();
        let mut credentials = BTreeSet::new();
        let mut add = |name: &str| {
            if is_personal(name) {
                people.insert(name.to_owned())
            } else {
                services.insert(name.to_owned())
            };
        };
        let mut has_owner = false;
        for credential in of(EntityKind::Credential) {
            match identity_of(&credential.value) {
                Some(name) => {
                    has_owner = true;
                    add(&name);
                }
                None if !is_nobody(&credential.value) => {
                    credentials.insert(credential.value.clone());
                }
                None => {}
            }
        }
        for actor in of(EntityKind::Actor).filter(|actor| !is_nobody(&actor.value)) {
            // The name of a session says nothing once its key has said whose it is.
            match identity_of(&actor.value) {
                Some(name) => add(&name),
                None if has_owner && is_session(&actor.value) => {}
                None => add(&raw_name(actor)),
            }
        }
        let identity = |entity: &Entity| {
            let by_arn = || identity_of(&arn_of_user(&seed, &entity.value)?);
            identity_of(&entity.value).or_else(by_arn).unwrap_or_else(|| raw_name(entity))
        };
        let targets: BTreeSet<_> = of(EntityKind::User)
            .filter(|user| !is_nobody(&user.value))
            .map(identity)
            .filter(|name| !people.contains(name) && !services.contains(name))
            .collect();
        let addresses: BTreeSet<_> = of(EntityKind::Address)
            .filter(|address| address.value.parse::<IpAddr>().is_ok())
            .map(|address| address.value.clone())
            .collect();
        let accounts: BTreeSet<_> = of(EntityKind::Account).map(|account| account.value.as_str()).collect();
        let resources: BTreeSet<_> = of(EntityKind::Resource)
            .map(|resource| resource.value.as_str())
            .filter(|value| !is_nobody(value) && !accounts.contains(value))
            .map(str::to_owned)
            .collect();
        Self {
            people: few(people),
            services: few(services),
            credentials: few(credentials),
            targets: few(targets),
            addresses: few(addresses),
            resources: few(resources),
            looked_up: looked_up.into_inner(),
            seed,
        }
    }

    /// Everybody who acted.
    pub fn actors(&self) -> impl Iterator<Item = &str> {
        self.people.iter().chain(&self.services).map(String::as_str)
    }

    /// Whether it belongs where another does, whatever that is worth.
    pub(super) fn joins_like(&self, other: &Self) -> bool {
        self.seed.time_us == other.seed.time_us
            && self.seed.is_hidden == other.seed.is_hidden
            && self.seed.rule_id == other.seed.rule_id
            && self.seed.tactics == other.seed.tactics
            && self.people == other.people
            && self.services == other.services
            && self.credentials == other.credentials
            && self.targets == other.targets
            && self.addresses == other.addresses
            && self.resources == other.resources
    }

    /// Every name that it goes by, of whatever kind, as looked up and as written.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.actors().collect();
        names.extend(self.targets.iter().map(String::as_str));
        for entity in &self.seed.entities {
            names.push(&entity.value);
            names.extend(entity.name.as_deref());
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The name that stands for the alert where one is wanted: who acted, else to whom it was done, else where.
    pub fn headline(&self) -> Option<&str> {
        let lists = [&self.people, &self.services, &self.targets, &self.resources, &self.addresses];
        lists.into_iter().find_map(|list| list.first()).map(String::as_str)
    }
}

fn few(names: BTreeSet<String>) -> Vec<String> {
    if names.len() > MOST_OF_A_KIND { Vec::new() } else { names.into_iter().collect() }
}

fn is_nobody(value: &str) -> bool {
    NOBODY.iter().any(|nobody| value.eq_ignore_ascii_case(nobody)) || value.ends_with(".amazonaws.com")
}

fn is_session(value: &str) -> bool {
    value.contains(":assumed-role/")
}

/// The name of somebody of whom nothing more is known. An id of Entra does not tell a person from an application;
/// a person's comes with a name that is an address.
fn raw_name(entity: &Entity) -> String {
    let is_guid = entity.value.len() == 36 && entity.value.bytes().filter(|byte| *byte == b'-').count() == 4;
    let has_address = entity.name.as_deref().is_some_and(|name| name.contains('@'));
    match (is_guid, has_address) {
        (true, true) => format!("entra:user:{}", entity.value.to_ascii_lowercase()),
        (true, false) => format!("entra:sp:{}", entity.value.to_ascii_lowercase()),
        _ => entity.value.clone(),
    }
}

/// The ARN of a user whom a call of IAM names without one, if it is clear in which account.
fn arn_of_user(seed: &Seed, name: &str) -> Option<String> {
    let mut accounts = seed.entities.iter().filter(|entity| entity.kind == EntityKind::Account);
    let account = accounts.next().filter(|_| accounts.next().is_none())?;
    let is_plain = seed.provider == "AWS" && !name.contains(':');
    is_plain.then(|| format!("arn:aws:iam::{}:user/{name}", account.value))
}

/// Whether a name is one person's, or at least one session's.
fn is_personal(name: &str) -> bool {
    let is_service = SERVICES.iter().any(|prefix| name.starts_with(prefix));
    let is_anybodys_session = is_session(name) && !name.starts_with("aws:role-session:");
    !is_service
        && !is_anybodys_session
        && !name.ends_with("gserviceaccount.com")
        && !name.starts_with("system:")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn entity(kind: EntityKind, value: &str) -> Entity {
        Entity { kind, value: value.into(), name: None }
    }

    fn subject(entities: Vec<Entity>, names: &[(&str, &str)]) -> Subject {
        let seed = Seed {
            id: "a".into(),
            time_us: 0,
            created_us: 0,
            severity_id: 3,
            rule_id: "r".into(),
            title: "t".into(),
            tactics: Vec::new(),
            provider: "AWS".into(),
            event: None,
            entities,
            is_closed: false,
            is_harmless: false,
            is_hidden: false,
        };
        let names = names.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        Subject::new(seed, &names.collect::<HashMap<_, _>>())
    }

    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/Admin/GitHubActions";

    #[test]
    fn a_key_tells_whose_the_session_is() {
        use EntityKind::{Actor, Credential};
        let both = || vec![entity(Actor, SESSION), entity(Credential, "ASIAEXAMPLE")];
        let known = subject(both(), &[("ASIAEXAMPLE", "aws:user:ana")]);
        assert_eq!((known.people, known.services.len()), (vec!["aws:user:ana".to_owned()], 0));
        let unknown = subject(both(), &[]);
        assert_eq!((unknown.people.len(), unknown.services), (0, vec![SESSION.to_owned()]));
        assert_eq!(unknown.credentials, ["ASIAEXAMPLE"]);
    }

    #[test]
    fn a_user_that_is_named_without_its_arn_is_known_by_its_account() {
        let made = |provider: &str| {
            let mut seed = subject(
                vec![entity(EntityKind::User, "backup"), entity(EntityKind::Account, "111122223333")],
                &[],
            )
            .seed;
            seed.provider = provider.into();
            let arn = "arn:aws:iam::111122223333:user/backup".to_owned();
            Subject::new(seed, &HashMap::from([(arn, "aws:user:backup".to_owned())])).targets
        };
        assert_eq!(made("AWS"), ["aws:user:backup"]);
        assert_eq!(made("Azure"), ["backup"]);
    }

    #[test]
    fn nobody_accounts_and_crowds_join_nothing() {
        use EntityKind::{Account, Actor, Address, Resource};
        let none = subject(
            vec![
                entity(Actor, "Unknown"),
                entity(Actor, "ec2.amazonaws.com"),
                entity(Account, "111122223333"),
                entity(Resource, "111122223333"),
                entity(Address, "cloudtrail.amazonaws.com"),
            ],
            &[],
        );
        assert_eq!(none.headline(), None);
        let crowd = (0..6).map(|n| entity(Actor, &format!("u{n}"))).collect();
        assert!(subject(crowd, &[]).people.is_empty());
    }

    #[test]
    fn an_id_of_entra_is_a_person_where_its_name_is_an_address() {
        let guid = "0aaaaaaa-aaaa-4bbb-accc-000000000003";
        let mut actor = entity(EntityKind::Actor, guid);
        assert_eq!(subject(vec![actor.clone()], &[]).services, [format!("entra:sp:{guid}")]);
        actor.name = Some("ana@example.com".into());
        assert_eq!(subject(vec![actor], &[]).people, [format!("entra:user:{guid}")]);
    }
}
