//! What SCIM's messages look like (RFC 7643, 7644), and what is told of that to directories that ask.

use serde::Serialize;
use serde_json::{Value, json};
use storage::accounts::UserRow;
use utoipa::ToSchema;

use super::format_us;

/// The schema of a user.
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// That of a list.
pub(super) const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// A user (RFC 7643, 4.1).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimUser {
    schemas: [&'static str; 1],
    id: String,
    user_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    display_name: String,
    active: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    emails: Vec<ScimEmail>,
    meta: ScimMeta,
}

/// An address of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScimEmail {
    value: String,
    primary: bool,
}

/// What is known of a resource (RFC 7643, 3.1).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimMeta {
    resource_type: &'static str,
    created: String,
    last_modified: String,
    location: String,
}

impl ScimUser {
    pub(super) fn new(user: &UserRow) -> Self {
        let email = Some(user.email.clone()).filter(|email| !email.is_empty());
        Self {
            schemas: [USER],
            id: user.id.clone(),
            user_name: user.name.clone(),
            external_id: user.external_id.clone(),
            display_name: user.display.clone(),
            active: user.is_active,
            emails: email.map(|value| ScimEmail { value, primary: true }).into_iter().collect(),
            meta: ScimMeta {
                resource_type: "User",
                created: format_us(user.created_us),
                last_modified: format_us(user.changed_us),
                location: location(&user.id),
            },
        }
    }
}

/// Where the user with this id is.
pub(super) fn location(id: &str) -> String {
    format!("/scim/v2/Users/{id}")
}

/// A page of users (RFC 7644, 3.4.2).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimList {
    pub(super) schemas: [&'static str; 1],
    pub(super) total_results: usize,
    pub(super) start_index: usize,
    pub(super) items_per_page: usize,
    #[serde(rename = "Resources")]
    pub(super) resources: Vec<ScimUser>,
}

/// A user as a directory sends one. Attributes that are not named here are passed over.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "it describes a body that is read an attribute at a time, in any case of its name"
)]
pub(crate) struct ScimUserRequest {
    schemas: Option<Vec<String>>,
    /// 1 to 128 of a-z, 0-9 and `. _ - @ +`; upper case becomes lower case.
    #[schema(min_length = 1, max_length = 128)]
    user_name: String,
    #[schema(max_length = 256)]
    external_id: Option<String>,
    display_name: Option<String>,
    active: Option<bool>,
}

/// What is to change of a user (RFC 7644, 3.5.2).
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read an operation at a time")]
pub(crate) struct ScimPatchRequest {
    /// Names `urn:ietf:params:scim:api:messages:2.0:PatchOp`.
    #[schema(min_items = 1)]
    schemas: Vec<String>,
    #[schema(rename = "Operations", min_items = 1, max_items = 100)]
    operations: Vec<ScimOperation>,
}

/// An operation of a patch.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read an operation at a time")]
pub(crate) struct ScimOperation {
    /// `add`, `replace` or `remove`, in any case.
    op: String,
    /// The attribute; without one `value` is an object of attributes.
    path: Option<String>,
    /// What it becomes.
    #[schema(value_type = Object)]
    value: Option<Value>,
}

/// What is understood (RFC 7643, 5).
pub(super) fn config(most: usize) -> Value {
    let no = json!({ "supported": false });
    json!({
        "schemas": [CONFIG],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": most },
        "changePassword": no,
        "sort": no,
        "etag": no,
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token of Stormglass with the role `provisioning`",
            "primary": true,
        }],
    })
}

/// The kinds of resources (RFC 7643, 6): users.
pub(super) fn resource_types() -> Value {
    listed(json!({
        "schemas": [RESOURCE_TYPE],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "description": "Who may sign in by single sign-on.",
        "schema": USER,
        "meta": { "resourceType": "ResourceType", "location": "/scim/v2/ResourceTypes/User" },
    }))
}

/// The schemas (RFC 7643, 7): what of a user is kept.
pub(super) fn schemas() -> Value {
    let attribute = |name: &str, kind: &str, required: bool, unique: bool, what: &str| {
        json!({
            "name": name, "type": kind, "multiValued": false, "description": what, "required": required,
            "caseExact": false, "mutability": "readWrite", "returned": "default",
            "uniqueness": if unique { "server" } else { "none" },
        })
    };
    let mut emails = attribute("emails", "complex", false, false, "Of several, the primary one is kept.");
    if let Some(emails) = emails.as_object_mut() {
        emails.insert("multiValued".into(), true.into());
        let parts = json!([
            attribute("value", "string", false, false, "The address."),
            attribute("primary", "boolean", false, false, "Whether it is the one."),
        ]);
        emails.insert("subAttributes".into(), parts);
    }
    listed(json!({
        "schemas": [SCHEMA],
        "id": USER,
        "name": "User",
        "description": "Who may sign in by single sign-on.",
        "attributes": [
            attribute("userName", "string", true, true, "What the user is called; kept in lower case."),
            attribute("externalId", "string", false, true, "What the directory calls the user."),
            attribute("displayName", "string", false, false, "The person."),
            attribute("active", "boolean", false, false, "Whether the user may come in."),
            emails,
        ],
        "meta": { "resourceType": "Schema", "location": format!("/scim/v2/Schemas/{USER}") },
    }))
}

fn listed(only: Value) -> Value {
    json!({ "schemas": [LIST], "totalResults": 1, "startIndex": 1, "itemsPerPage": 1, "Resources": [only] })
}
