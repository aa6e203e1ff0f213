//! Evidence that many rows show alike, gathered by the labels that it consists of.

use event::{Col, EventBatch, EventKey};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::identity::link::LinkKind;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    OwnsKey,
    SameUser,
    OnBehalfOf,
    InSession,
    Application,
    ManagedIdentity,
    Mail,
    ServiceMail,
    Impersonates,
    ClusterKey,
    ClusterMail,
    ServiceAccount,
}

impl What {
    pub(super) fn kind(self) -> LinkKind {
        match self {
            Self::OwnsKey | Self::ClusterKey => LinkKind::OwnsKey,
            Self::ServiceAccount => LinkKind::WorkloadIdentity,
            Self::SameUser => LinkKind::SameUser,
            Self::OnBehalfOf => LinkKind::OnBehalfOf,
            Self::InSession => LinkKind::SeenInSession,
            Self::Application | Self::ManagedIdentity => LinkKind::ServicePrincipalOf,
            Self::Mail | Self::ServiceMail | Self::ClusterMail => LinkKind::SameMail,
            Self::Impersonates => LinkKind::Impersonates,
        }
    }

    /// Whether it was seen in a Kubernetes cluster.
    pub(super) fn is_of_cluster(self) -> bool {
        matches!(self, Self::ClusterKey | Self::ClusterMail | Self::ServiceAccount)
    }

    /// The two columns whose labels tell one such fact from another.
    fn columns(self) -> [Col; 2] {
        match self {
            Self::OwnsKey | Self::InSession => [Col::ActorUserCredentialUid, Col::ActorUserUid],
            Self::SameUser => [Col::ActorUserUidAlt, Col::ActorUserUid],
            // Within a session the person stays the same.
            Self::OnBehalfOf => [Col::ActorUserCredentialUid, Col::ActorIdpUid],
            Self::Application => [Col::ActorUserUid, Col::ActorAppUid],
            Self::ManagedIdentity => [Col::ActorUserUid, Col::LogType],
            Self::Mail => [Col::ActorUserUid, Col::ActorUserName],
            Self::Impersonates => [Col::ActorSessionIssuer, Col::ActorUserUid],
            // Some services tell no id beside the name; several of them may know the same address.
            Self::ServiceMail => [Col::LogType, Col::ActorUserEmailAddr],
            Self::ClusterKey => [Col::ActorUserCredentialUid, Col::ActorUserUidAlt],
            // A name holds within the cluster whose log it stands in.
            Self::ClusterMail => [Col::ActorUserEmailAddr, Col::ActorUserName],
            Self::ServiceAccount => [Col::Source, Col::ActorUserName],
        }
    }
}

/// One fact, and where it was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    pub(super) what: What,
    /// The earliest row that shows it, by time, then id.
    pub(super) row: usize,
    pub(super) from_us: i64,
    pub(super) until_us: i64,
}

type Key = (What, usize, usize);

/// All facts of a batch.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    places: HashMap<Key, usize, RandomState>,
    list: Vec<Sighting>,
    /// Most rows repeat what the one before showed.
    last: Option<(Key, usize)>,
}

impl Sightings {
    /// Notes that a row shows a fact.
    pub(super) fn see(&mut self, batch: &EventBatch, row: usize, what: What) {
        let [one, other] = what.columns().map(|col| batch.label(col).key(row));
        let (Some(one), Some(other)) = (one, other) else { return };
        let Some(time) = batch.int_at(Col::Time, row) else { return };
        let key = (what, one, other);
        let place = match self.last {
            Some((same, place)) if same == key => place,
            _ => *self.places.entry(key).or_insert_with(|| {
                self.list.push(Sighting { what, row, from_us: time, until_us: time });
                self.list.len() - 1
            }),
        };
        self.last = Some((key, place));
        let Some(sighting) = self.list.get_mut(place) else { return };
        sighting.until_us = sighting.until_us.max(time);
        let uid = |row| batch.str_at(Col::EventUid, row).and_then(EventKey::parse);
        if time < sighting.from_us
            || (time == sighting.from_us && row != sighting.row && uid(row) < uid(sighting.row))
        {
            sighting.from_us = time;
            sighting.row = row;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Sighting> {
        self.list.iter().copied()
    }
}
