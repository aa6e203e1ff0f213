//! Who called: `userIdentity`.

use std::borrow::Cow;

use event::Col;

use super::arn::Arn;
use crate::json::{Member, Object};
use crate::row::Row;

/// What the rest of the mapping needs to know of the caller.
#[derive(Debug, Default)]
pub(super) struct Caller<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) arn: Option<Cow<'a, str>>,
    pub(super) principal: Option<Cow<'a, str>>,
    pub(super) account: Option<Cow<'a, str>>,
    pub(super) mfa: Option<bool>,
    invoked_by: Option<Cow<'a, str>>,
    /// The role behind an assumed-role session.
    role_name: Option<Cow<'a, str>>,
}

impl Caller<'_> {
    /// Whether OCSF's `actor` would be left without any content.
    pub(super) fn is_nobody(&self) -> bool {
        self.name.is_none() && self.arn.is_none() && self.account.is_none() && self.invoked_by.is_none()
    }
}

const PATH: &str = "userIdentity";
const SESSION: &str = "userIdentity.sessionContext";
const ATTRIBUTES: &str = "userIdentity.sessionContext.attributes";
const ISSUER: &str = "userIdentity.sessionContext.sessionIssuer";
const FEDERATION: &str = "userIdentity.sessionContext.webIdFederationData";
const ON_BEHALF_OF: &str = "userIdentity.onBehalfOf";

/// Sets the `actor_*` columns from `userIdentity`.
pub(super) fn map<'a>(identity: &Object<'a>, row: &mut Row<'_>) -> Caller<'a> {
    let mut caller = Caller::default();
    let mut on_behalf_of = None;
    for member in identity.members() {
        let value = &member.value;
        match member.key.as_ref() {
            "type" => {
                caller.kind = value.text().unwrap_or_default();
                row.put(Col::ActorUserType, PATH, &member);
            }
            "principalId" => {
                caller.principal = value.filled_text();
                row.put_filled(Col::ActorUserUidAlt, PATH, &member);
            }
            "arn" => {
                caller.arn = value.filled_text();
                row.put_filled(Col::ActorUserUid, PATH, &member);
            }
            "accountId" => {
                caller.account = value.filled_text();
                row.put_filled(Col::ActorUserAccountUid, PATH, &member);
            }
            "accessKeyId" | "credentialId" => row.put_filled(Col::ActorUserCredentialUid, PATH, &member),
            "userName" => {
                caller.name = value.filled_text();
                row.put_filled(Col::ActorUserName, PATH, &member);
            }
            "invokedBy" => {
                caller.invoked_by = value.filled_text();
                // OCSF 1.2 put `app_name` in the place of `invoked_by`; readers of both exist.
                row.text_if(Col::ActorAppName, caller.invoked_by.as_deref());
                row.put_filled(Col::ActorInvokedBy, PATH, &member);
            }
            "identityProvider" => row.put_filled(Col::ActorIdpName, PATH, &member),
            "sessionContext" => match value.as_object() {
                Some(session) => map_session(&session, &mut caller, row),
                None => row.keep(PATH, &member),
            },
            "onBehalfOf" => match value.as_object() {
                Some(object) => on_behalf_of = Some(object),
                None => row.keep(PATH, &member),
            },
            _ => row.keep(PATH, &member),
        }
    }
    if let Some(object) = on_behalf_of {
        map_on_behalf_of(&object, row);
    }
    row.int(Col::ActorUserTypeId, type_id(&caller.kind));
    set_session_name(&caller, row);
    if caller.name.is_none() {
        caller.name = derived_name(&caller);
        row.text_if(Col::ActorUserName, caller.name.as_deref());
    }
    caller
}

fn map_session<'a>(session: &Object<'a>, caller: &mut Caller<'a>, row: &mut Row<'_>) {
    for member in session.members() {
        let Some(object) = member.value.as_object() else {
            row.keep(SESSION, &member);
            continue;
        };
        match member.key.as_ref() {
            "attributes" => each(&object, |member| match member.key.as_ref() {
                "creationDate" => row.put_time(Col::ActorSessionCreatedTime, ATTRIBUTES, member),
                "mfaAuthenticated" => {
                    caller.mfa = member.value.boolean();
                    row.put_flag(Col::ActorSessionIsMfa, ATTRIBUTES, member);
                }
                _ => row.keep(ATTRIBUTES, member),
            }),
            "sessionIssuer" => each(&object, |member| match member.key.as_ref() {
                "arn" => row.put_filled(Col::ActorSessionIssuer, ISSUER, member),
                "userName" => {
                    caller.role_name = member.value.filled_text();
                    row.keep(ISSUER, member);
                }
                _ => row.keep(ISSUER, member),
            }),
            "webIdFederationData" => each(&object, |member| match member.key.as_ref() {
                "federatedProvider" => row.put_filled(Col::ActorIdpName, FEDERATION, member),
                _ => row.keep(FEDERATION, member),
            }),
            _ => row.keep(SESSION, &member),
        }
    }
}

/// IAM Identity Center: the person behind the session.
fn map_on_behalf_of(object: &Object<'_>, row: &mut Row<'_>) {
    each(object, |member| match member.key.as_ref() {
        // An identity without an ARN is this person; behind a role's session the role stays the user.
        "userId" => row.put_filled(Col::ActorUserUid, ON_BEHALF_OF, member),
        "identityStoreArn" => row.put_filled(Col::ActorIdpUid, ON_BEHALF_OF, member),
        _ => row.keep(ON_BEHALF_OF, member),
    });
}

fn each<'a>(object: &Object<'a>, mut visit: impl FnMut(&Member<'a>)) {
    for member in object.members() {
        visit(&member);
    }
}

/// OCSF `user.type_id`. AWS has more kinds of identity; a role's session may be a person or a machine.
pub(super) fn type_id(kind: &str) -> i32 {
    match kind {
        "IAMUser" | "FederatedUser" | "SAMLUser" | "WebIdentityUser" | "IdentityCenterUser" | "Directory" => {
            1
        }
        "Root" => 2,
        "AWSService" => 4,
        "" | "Unknown" => 0,
        _ => 99,
    }
}

/// The last part of an assumed role's ARN is what the caller chose to call the session; sessions from
/// IAM Identity Center and most identity providers carry the person's name or address there.
fn set_session_name(caller: &Caller<'_>, row: &mut Row<'_>) {
    let session = caller.arn.as_deref().and_then(Arn::parse).and_then(|arn| arn.assumed_role());
    if let Some((_role, name)) = session {
        row.text(Col::ActorSessionUid, name);
        if name.contains('@') && name.contains('.') {
            row.text(Col::ActorUserEmailAddr, name);
        }
    }
}

/// A name where AWS gives none.
fn derived_name<'a>(caller: &Caller<'a>) -> Option<Cow<'a, str>> {
    match caller.kind.as_ref() {
        "Root" => Some(Cow::Borrowed("root")),
        "AWSService" => caller.invoked_by.clone(),
        _ => caller.role_name.clone().or_else(|| {
            let arn = caller.arn.as_deref()?;
            let parsed = Arn::parse(arn)?;
            let name = parsed.assumed_role().map_or(parsed.name(), |(role, _session)| role);
            Some(Cow::Owned(name.to_owned()))
        }),
    }
}
