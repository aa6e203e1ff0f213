//! Which OCSF class and activity an event has, by service and operation. Data, in order of name.
//!
//! Security Lake selects by the operation's name alone and so calls `DeleteGroup` or `CreateRole` an
//! account change; here users, groups, roles and rights have the classes that OCSF made for them.

use super::cloudtrail::Record;
use super::verb;
use crate::class::{
    Activity, account_change as account, api_activity, authentication as auth, datastore_activity as store,
    entity_management as entity, group_management as group, user_access as access,
};

/// What is changed or read, which says where OCSF's attributes for the class come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// Nothing beyond the API call.
    Nothing,
    /// The user named in the request.
    User,
    /// The user named in the request, and without one the caller.
    UserOrCaller,
    /// The caller, about itself.
    Caller,
    /// A role, as the bearer of rights.
    Role,
    /// A user or group of IAM Identity Center, given rights in an account.
    Assignment,
    /// A group, with a member or a policy where the request names one.
    Group,
    /// Something else that is managed.
    Entity(Entity),
    /// A sign-in or a new session.
    SignIn,
    /// Objects or rows.
    DataStore,
}

/// The entities of identity management that are neither users nor groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entity {
    Role,
    InstanceProfile,
    Policy,
    SamlProvider,
    OpenIdProvider,
    ServerCertificate,
    MfaDevice,
    PermissionSet,
}

/// The selector's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) activity: Activity,
    pub(super) subject: Subject,
}

type Table = [(&'static str, Activity, Subject)];

/// The class of a record.
pub(super) fn select(record: &Record<'_>) -> Selection {
    if record.is_insight {
        return Selection { activity: api_activity::OTHER, subject: Subject::Nothing };
    }
    let name = record.event_name.as_ref();
    let table: &Table = match record.event_source.as_ref() {
        "iam.amazonaws.com" => IAM,
        "sts.amazonaws.com" => STS,
        "signin.amazonaws.com" => SIGN_IN,
        "sso.amazonaws.com" => SSO,
        "identitystore.amazonaws.com" | "sso-directory.amazonaws.com" => IDENTITY_STORE,
        "rolesanywhere.amazonaws.com" => ROLES_ANYWHERE,
        "s3.amazonaws.com" | "s3express.amazonaws.com" => S3,
        "dynamodb.amazonaws.com" => DYNAMODB,
        _ => &[],
    };
    match table.binary_search_by(|(candidate, ..)| (*candidate).cmp(name)).ok().and_then(|at| table.get(at)) {
        Some((_, activity, subject)) => Selection { activity: *activity, subject: *subject },
        None => Selection { activity: verb::activity(name, record.read_only), subject: Subject::Nothing },
    }
}

const IAM: &Table = {
    use Entity::*;
    use Subject::{Entity as E, Group, Role as RoleRights, User, UserOrCaller};
    &[
        ("AddClientIDToOpenIDConnectProvider", entity::UPDATE, E(OpenIdProvider)),
        ("AddRoleToInstanceProfile", entity::UPDATE, E(InstanceProfile)),
        ("AddUserToGroup", group::ADD_USER, Group),
        ("AttachGroupPolicy", group::ASSIGN_PRIVILEGES, Group),
        ("AttachRolePolicy", access::ASSIGN_PRIVILEGES, RoleRights),
        ("AttachUserPolicy", access::ASSIGN_PRIVILEGES, User),
        ("ChangePassword", account::PASSWORD_CHANGE, UserOrCaller),
        ("CreateAccessKey", account::OTHER, UserOrCaller),
        ("CreateGroup", group::CREATE, Group),
        ("CreateInstanceProfile", entity::CREATE, E(InstanceProfile)),
        // A first password is what lets a user into the console, and its removal shuts the user out.
        ("CreateLoginProfile", account::ENABLE, UserOrCaller),
        ("CreateOpenIDConnectProvider", entity::CREATE, E(OpenIdProvider)),
        ("CreatePolicy", entity::CREATE, E(Policy)),
        ("CreatePolicyVersion", entity::UPDATE, E(Policy)),
        ("CreateRole", entity::CREATE, E(Role)),
        ("CreateSAMLProvider", entity::CREATE, E(SamlProvider)),
        ("CreateServiceLinkedRole", entity::CREATE, E(Role)),
        ("CreateServiceSpecificCredential", account::OTHER, UserOrCaller),
        ("CreateUser", account::CREATE, User),
        ("CreateVirtualMFADevice", entity::CREATE, E(MfaDevice)),
        ("DeactivateMFADevice", account::MFA_DISABLE, UserOrCaller),
        ("DeleteAccessKey", account::OTHER, UserOrCaller),
        ("DeleteGroup", group::DELETE, Group),
        ("DeleteGroupPolicy", group::REVOKE_PRIVILEGES, Group),
        ("DeleteInstanceProfile", entity::DELETE, E(InstanceProfile)),
        ("DeleteLoginProfile", account::DISABLE, UserOrCaller),
        ("DeleteOpenIDConnectProvider", entity::DELETE, E(OpenIdProvider)),
        ("DeletePolicy", entity::DELETE, E(Policy)),
        ("DeletePolicyVersion", entity::UPDATE, E(Policy)),
        ("DeleteRole", entity::DELETE, E(Role)),
        // A boundary limits rights: neither putting nor deleting one assigns or revokes what it names.
        ("DeleteRolePermissionsBoundary", access::OTHER, RoleRights),
        ("DeleteRolePolicy", access::REVOKE_PRIVILEGES, RoleRights),
        ("DeleteSAMLProvider", entity::DELETE, E(SamlProvider)),
        ("DeleteSSHPublicKey", account::OTHER, User),
        ("DeleteServerCertificate", entity::DELETE, E(ServerCertificate)),
        ("DeleteServiceLinkedRole", entity::DELETE, E(Role)),
        ("DeleteServiceSpecificCredential", account::OTHER, UserOrCaller),
        ("DeleteSigningCertificate", account::OTHER, UserOrCaller),
        ("DeleteUser", account::DELETE, User),
        ("DeleteUserPermissionsBoundary", access::OTHER, User),
        ("DeleteUserPolicy", access::REVOKE_PRIVILEGES, User),
        ("DeleteVirtualMFADevice", entity::DELETE, E(MfaDevice)),
        ("DetachGroupPolicy", group::REVOKE_PRIVILEGES, Group),
        ("DetachRolePolicy", access::REVOKE_PRIVILEGES, RoleRights),
        ("DetachUserPolicy", access::REVOKE_PRIVILEGES, User),
        ("EnableMFADevice", account::MFA_ENABLE, UserOrCaller),
        ("PutGroupPolicy", group::ASSIGN_PRIVILEGES, Group),
        ("PutRolePermissionsBoundary", access::OTHER, RoleRights),
        ("PutRolePolicy", access::ASSIGN_PRIVILEGES, RoleRights),
        ("PutUserPermissionsBoundary", access::OTHER, User),
        ("PutUserPolicy", access::ASSIGN_PRIVILEGES, User),
        ("RemoveClientIDFromOpenIDConnectProvider", entity::UPDATE, E(OpenIdProvider)),
        ("RemoveRoleFromInstanceProfile", entity::UPDATE, E(InstanceProfile)),
        ("RemoveUserFromGroup", group::REMOVE_USER, Group),
        ("ResetServiceSpecificCredential", account::OTHER, UserOrCaller),
        ("ResyncMFADevice", account::OTHER, UserOrCaller),
        ("SetDefaultPolicyVersion", entity::UPDATE, E(Policy)),
        ("TagInstanceProfile", entity::UPDATE, E(InstanceProfile)),
        ("TagMFADevice", entity::UPDATE, E(MfaDevice)),
        ("TagOpenIDConnectProvider", entity::UPDATE, E(OpenIdProvider)),
        ("TagPolicy", entity::UPDATE, E(Policy)),
        ("TagRole", entity::UPDATE, E(Role)),
        ("TagSAMLProvider", entity::UPDATE, E(SamlProvider)),
        ("TagServerCertificate", entity::UPDATE, E(ServerCertificate)),
        ("TagUser", account::OTHER, User),
        ("UntagInstanceProfile", entity::UPDATE, E(InstanceProfile)),
        ("UntagMFADevice", entity::UPDATE, E(MfaDevice)),
        ("UntagOpenIDConnectProvider", entity::UPDATE, E(OpenIdProvider)),
        ("UntagPolicy", entity::UPDATE, E(Policy)),
        ("UntagRole", entity::UPDATE, E(Role)),
        ("UntagSAMLProvider", entity::UPDATE, E(SamlProvider)),
        ("UntagServerCertificate", entity::UPDATE, E(ServerCertificate)),
        ("UntagUser", account::OTHER, User),
        ("UpdateAccessKey", account::OTHER, UserOrCaller),
        ("UpdateAssumeRolePolicy", entity::UPDATE, E(Role)),
        ("UpdateGroup", group::OTHER, Group),
        ("UpdateLoginProfile", account::PASSWORD_RESET, User),
        ("UpdateOpenIDConnectProviderThumbprint", entity::UPDATE, E(OpenIdProvider)),
        ("UpdateRole", entity::UPDATE, E(Role)),
        ("UpdateRoleDescription", entity::UPDATE, E(Role)),
        ("UpdateSAMLProvider", entity::UPDATE, E(SamlProvider)),
        ("UpdateSSHPublicKey", account::OTHER, User),
        ("UpdateServerCertificate", entity::UPDATE, E(ServerCertificate)),
        ("UpdateServiceSpecificCredential", account::OTHER, UserOrCaller),
        ("UpdateSigningCertificate", account::OTHER, UserOrCaller),
        ("UpdateUser", account::OTHER, User),
        ("UploadSSHPublicKey", account::OTHER, User),
        ("UploadServerCertificate", entity::CREATE, E(ServerCertificate)),
        ("UploadSigningCertificate", account::OTHER, UserOrCaller),
    ]
};

/// Security Lake calls AssumeRole a Logon; a session token for oneself is a ticket.
const STS: &Table = &[
    ("AssumeRole", auth::LOGON, Subject::SignIn),
    ("AssumeRoleWithSAML", auth::LOGON, Subject::SignIn),
    ("AssumeRoleWithWebIdentity", auth::LOGON, Subject::SignIn),
    ("AssumeRoot", auth::LOGON, Subject::SignIn),
    ("GetDelegatedAccessToken", auth::AUTHENTICATION_TICKET, Subject::SignIn),
    ("GetFederationToken", auth::AUTHENTICATION_TICKET, Subject::SignIn),
    ("GetSessionToken", auth::AUTHENTICATION_TICKET, Subject::SignIn),
    ("GetWebIdentityToken", auth::AUTHENTICATION_TICKET, Subject::SignIn),
];

const SIGN_IN: &Table = &[
    ("AssumeRole", auth::LOGON, Subject::SignIn),
    ("CheckMfa", auth::PREAUTH, Subject::SignIn),
    ("ConsoleLogin", auth::LOGON, Subject::SignIn),
    ("CreateOAuth2Token", auth::AUTHENTICATION_TICKET, Subject::SignIn),
    ("CredentialChallenge", auth::PREAUTH, Subject::SignIn),
    ("CredentialVerification", auth::PREAUTH, Subject::SignIn),
    ("ExitRole", auth::ACCOUNT_SWITCH, Subject::SignIn),
    ("ExternalIdPDirectoryLogin", auth::LOGON, Subject::SignIn),
    ("GetSigninToken", auth::AUTHENTICATION_TICKET, Subject::SignIn),
    ("Logout", auth::LOGOFF, Subject::SignIn),
    ("PasswordRecoveryCompleted", account::PASSWORD_RESET, Subject::Caller),
    ("PasswordRecoveryRequested", account::PASSWORD_RESET, Subject::Caller),
    ("PasswordUpdated", account::PASSWORD_CHANGE, Subject::Caller),
    ("RenewRole", auth::SERVICE_TICKET_RENEW, Subject::SignIn),
    ("SwitchRole", auth::ACCOUNT_SWITCH, Subject::SignIn),
    ("UserAuthentication", auth::LOGON, Subject::SignIn),
];

const SSO: &Table = {
    use Subject::{Assignment, Entity as E, SignIn};
    &[
        ("AttachCustomerManagedPolicyReferenceToPermissionSet", entity::UPDATE, E(Entity::PermissionSet)),
        ("AttachManagedPolicyToPermissionSet", entity::UPDATE, E(Entity::PermissionSet)),
        ("Authenticate", auth::LOGON, SignIn),
        ("CreateAccountAssignment", access::ASSIGN_PRIVILEGES, Assignment),
        ("CreatePermissionSet", entity::CREATE, E(Entity::PermissionSet)),
        ("CreateToken", auth::AUTHENTICATION_TICKET, SignIn),
        ("CreateTokenWithIAM", auth::AUTHENTICATION_TICKET, SignIn),
        ("DeleteAccountAssignment", access::REVOKE_PRIVILEGES, Assignment),
        ("DeleteInlinePolicyFromPermissionSet", entity::UPDATE, E(Entity::PermissionSet)),
        ("DeletePermissionSet", entity::DELETE, E(Entity::PermissionSet)),
        ("DetachManagedPolicyFromPermissionSet", entity::UPDATE, E(Entity::PermissionSet)),
        ("Federate", auth::LOGON, SignIn),
        ("GetRoleCredentials", auth::AUTHENTICATION_TICKET, SignIn),
        ("Logout", auth::LOGOFF, SignIn),
        ("ProvisionPermissionSet", entity::UPDATE, E(Entity::PermissionSet)),
        ("PutInlinePolicyToPermissionSet", entity::UPDATE, E(Entity::PermissionSet)),
        ("PutPermissionsBoundaryToPermissionSet", entity::UPDATE, E(Entity::PermissionSet)),
        ("UpdatePermissionSet", entity::UPDATE, E(Entity::PermissionSet)),
    ]
};

const IDENTITY_STORE: &Table = &[
    ("AddMemberToGroup", group::ADD_USER, Subject::Group),
    ("CreateGroup", group::CREATE, Subject::Group),
    ("CreateGroupMembership", group::ADD_USER, Subject::Group),
    ("CreateUser", account::CREATE, Subject::User),
    ("DeleteGroup", group::DELETE, Subject::Group),
    ("DeleteGroupMembership", group::REMOVE_USER, Subject::Group),
    ("DeleteUser", account::DELETE, Subject::User),
    ("DisableUser", account::DISABLE, Subject::User),
    ("EnableUser", account::ENABLE, Subject::User),
    ("RemoveMemberFromGroup", group::REMOVE_USER, Subject::Group),
    ("UpdateGroup", group::OTHER, Subject::Group),
    ("UpdatePassword", account::PASSWORD_RESET, Subject::User),
    ("UpdateUser", account::OTHER, Subject::User),
];

const ROLES_ANYWHERE: &Table = &[("CreateSession", auth::LOGON, Subject::SignIn)];

/// Operations on objects; those on buckets are API activity.
const S3: &Table = {
    use Subject::DataStore;
    &[
        ("AbortMultipartUpload", store::DELETE, DataStore),
        ("CompleteMultipartUpload", store::WRITE, DataStore),
        ("CopyObject", store::WRITE, DataStore),
        ("CreateMultipartUpload", store::WRITE, DataStore),
        ("DeleteObject", store::DELETE, DataStore),
        ("DeleteObjectTagging", store::UPDATE, DataStore),
        ("DeleteObjects", store::DELETE, DataStore),
        ("GetObject", store::READ, DataStore),
        ("GetObjectAcl", store::READ, DataStore),
        ("GetObjectAttributes", store::READ, DataStore),
        ("GetObjectLegalHold", store::READ, DataStore),
        ("GetObjectRetention", store::READ, DataStore),
        ("GetObjectTagging", store::READ, DataStore),
        ("GetObjectTorrent", store::READ, DataStore),
        ("HeadObject", store::READ, DataStore),
        ("ListMultipartUploads", store::LIST, DataStore),
        ("ListObjectVersions", store::LIST, DataStore),
        ("ListObjects", store::LIST, DataStore),
        ("ListObjectsV2", store::LIST, DataStore),
        ("ListParts", store::LIST, DataStore),
        ("PostObject", store::WRITE, DataStore),
        ("PutObject", store::WRITE, DataStore),
        ("PutObjectAcl", store::UPDATE, DataStore),
        ("PutObjectLegalHold", store::UPDATE, DataStore),
        ("PutObjectRetention", store::UPDATE, DataStore),
        ("PutObjectTagging", store::UPDATE, DataStore),
        ("RestoreObject", store::UPDATE, DataStore),
        ("SelectObjectContent", store::QUERY, DataStore),
        ("UploadPart", store::WRITE, DataStore),
        ("UploadPartCopy", store::WRITE, DataStore),
    ]
};

/// Operations on items; those on tables are API activity.
const DYNAMODB: &Table = {
    use Subject::DataStore;
    &[
        ("BatchExecuteStatement", store::QUERY, DataStore),
        ("BatchGetItem", store::READ, DataStore),
        ("BatchWriteItem", store::WRITE, DataStore),
        ("DeleteItem", store::DELETE, DataStore),
        ("ExecuteStatement", store::QUERY, DataStore),
        ("ExecuteTransaction", store::QUERY, DataStore),
        ("GetItem", store::READ, DataStore),
        ("GetRecords", store::READ, DataStore),
        ("PutItem", store::WRITE, DataStore),
        ("Query", store::QUERY, DataStore),
        ("Scan", store::QUERY, DataStore),
        ("TransactGetItems", store::READ, DataStore),
        ("TransactWriteItems", store::WRITE, DataStore),
        ("UpdateItem", store::UPDATE, DataStore),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order() {
        for table in [IAM, STS, SIGN_IN, SSO, IDENTITY_STORE, ROLES_ANYWHERE, S3, DYNAMODB] {
            assert!(table.is_sorted_by(|(one, ..), (other, ..)| one < other));
        }
    }

    #[test]
    fn service_and_operation_decide() {
        let class = |source: &'static str, name: &'static str| {
            let mut record = Record::default();
            record.event_name = name.into();
            record.event_source = source.into();
            let selection = select(&record);
            (selection.activity.type_uid(), selection.subject)
        };
        assert_eq!(class("iam.amazonaws.com", "CreateUser"), (300_101, Subject::User));
        assert_eq!(class("transfer.amazonaws.com", "CreateUser"), (600_301, Subject::Nothing));
        assert_eq!(class("iam.amazonaws.com", "DeleteGroup"), (300_605, Subject::Group));
        assert_eq!(class("iam.amazonaws.com", "CreateRole"), (300_401, Subject::Entity(Entity::Role)));
        assert_eq!(class("iam.amazonaws.com", "ListUsers"), (600_302, Subject::Nothing));
        assert_eq!(class("sts.amazonaws.com", "AssumeRole"), (300_201, Subject::SignIn));
        assert_eq!(class("s3.amazonaws.com", "PutObject"), (600_505, Subject::DataStore));
        assert_eq!(class("s3.amazonaws.com", "PutBucketPolicy"), (600_303, Subject::Nothing));
    }
}
