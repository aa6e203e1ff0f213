//! Entra and Azure: service principals, their applications and managed identities, outside subjects.

use event::{Col, EventBatch};
use memchr::memmem;
use serde::Deserialize;

use super::labels::Labels;
use super::sightings::{Sighting, What};
use super::{Found, succeeded};
use crate::identity::IdentityConfig;
use crate::identity::actor::entra::{is_guid, user_or_service};
use crate::identity::actor::filled;
use crate::identity::json::member;
use crate::identity::link::LinkKind;
use crate::identity::node::{Node, NodeKind};
use crate::identity::subject::oidc_subject;

/// The claim that names the resource of a managed identity, as `unmapped` has it.
const MANAGED_IDENTITY: &[u8] = b"xms_mirid\":\"";

/// OCSF `user.type_id`.
const SERVICE: i64 = 4;

pub(super) struct Evidence<'b> {
    batch: &'b EventBatch,
    config: &'b IdentityConfig,
    is_update: Labels<'b, bool>,
    is_device: Labels<'b, bool>,
    is_activity: Labels<'b, bool>,
    is_trusted: Labels<'b, bool>,
    claim: memmem::Finder<'static>,
}

impl<'b> Evidence<'b> {
    pub(super) fn new(batch: &'b EventBatch, config: &'b IdentityConfig) -> Self {
        Self {
            batch,
            config,
            is_update: Labels::new(batch, Col::ApiOperation),
            is_device: Labels::new(batch, Col::ActorUserType),
            is_activity: Labels::new(batch, Col::LogType),
            is_trusted: Labels::new(batch, Col::ActorUserName),
            claim: memmem::Finder::new(MANAGED_IDENTITY),
        }
    }

    pub(super) fn look(&mut self, row: usize, found: &mut Found<'_>) {
        let Self { batch, config, .. } = *self;
        if batch.int_at(Col::ActorUserTypeId, row) == Some(SERVICE) {
            self.look_at_service(row, found);
        } else if !config.mail_domains.is_empty()
            && self.is_trusted.of(row, |name| config.trusts_address(name)) == Some(true)
            && succeeded(batch, row)
        {
            found.sightings.see(batch, row, What::Mail);
        }
        let is_update = |operation: &str| matches!(operation, "Update application" | "Add application");
        if self.is_update.of(row, is_update) == Some(true) && succeeded(batch, row) {
            self.prove_trusted_subjects(row, found);
        }
    }

    fn look_at_service(&mut self, row: usize, found: &mut Found<'_>) {
        let Self { batch, .. } = *self;
        // A device's token names the client that it was asked for by.
        let is_device = self.is_device.of(row, |kind| kind.eq_ignore_ascii_case("device")) == Some(true);
        if is_device || !succeeded(batch, row) {
            return;
        }
        found.sightings.see(batch, row, What::Application);
        if self.is_activity.of(row, |log| log == "azure_activity") == Some(true)
            && let Some(unmapped) = batch.str_at(Col::Unmapped, row)
            && self.claim.find(unmapped.as_bytes()).is_some()
        {
            found.sightings.see(batch, row, What::ManagedIdentity);
        }
    }

    /// The outside subjects that an application was told to trust.
    fn prove_trusted_subjects(&self, row: usize, found: &mut Found<'_>) {
        let request = filled(self.batch, Col::ApiRequestData, row).unwrap_or_default();
        if memmem::find(request.as_bytes(), b"FederatedIdentityCredentials").is_none() {
            return;
        }
        let targets: Vec<Target> = serde_json::from_str(request).unwrap_or_default();
        let app = filled(self.batch, Col::Unmapped, row).and_then(application).or_else(|| {
            let mut properties = targets.iter().flat_map(|target| &target.properties);
            unquoted(properties.find(|property| property.name == "AppId")?.new.as_deref()?)
        });
        let Some(app) = app.filter(|app| is_guid(app)).and_then(|app| Node::lower(NodeKind::EntraApp, &app))
        else {
            return;
        };
        let properties = targets.iter().flat_map(|target| &target.properties);
        for property in properties.filter(|property| property.name == "FederatedIdentityCredentials") {
            let credentials = property.new.as_deref().and_then(|json| serde_json::from_str(json).ok());
            for Credential { issuer, subject } in credentials.unwrap_or_else(Vec::new) {
                let subject = oidc_subject(&issuer, &subject);
                found.prove(row, LinkKind::FederatedCredential, subject, Some(app.clone()));
            }
        }
    }
}

/// One of `targetResources`.
#[derive(Deserialize)]
struct Target {
    #[serde(default, rename = "modifiedProperties")]
    properties: Vec<Property>,
}

#[derive(Deserialize)]
struct Property {
    #[serde(default, rename = "displayName")]
    name: String,
    /// JSON in a string.
    #[serde(default, rename = "newValue")]
    new: Option<String>,
}

#[derive(Deserialize)]
struct Credential {
    #[serde(alias = "Issuer")]
    issuer: String,
    #[serde(alias = "Subject")]
    subject: String,
}

/// The client id of the application that was changed: `AppId` of `additionalDetails`.
fn application(unmapped: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Detail {
        key: String,
        value: String,
    }
    let is_details = |key: &str| key == "additionalDetails" || key.ends_with(".additionalDetails");
    let details: Vec<Detail> = member(unmapped, is_details)?;
    details.into_iter().find(|detail| detail.key.eq_ignore_ascii_case("appid")).map(|detail| detail.value)
}

fn unquoted(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// The ends of a link that many rows show.
pub(super) fn ends(batch: &EventBatch, sighting: Sighting) -> Option<(Node, Node)> {
    let row = sighting.row;
    let principal =
        user_or_service(batch, row).filter(|node| node.kind() == NodeKind::EntraServicePrincipal)?;
    let owner = match sighting.what {
        What::Application => {
            let app = filled(batch, Col::ActorAppUid, row).filter(|app| is_guid(app))?;
            Node::lower(NodeKind::EntraApp, app)
        }
        _ => {
            let is_claim = |key: &str| key == "xms_mirid" || key.ends_with(".xms_mirid");
            let resource: String = member(filled(batch, Col::Unmapped, row)?, is_claim)?;
            resource.starts_with('/').then(|| Node::lower(NodeKind::ManagedIdentity, &resource)).flatten()
        }
    };
    Some((principal, owner?))
}
