//! What an operation was about: a file, a user, a group, an application, a mailbox.

use std::borrow::Cow;

use event::Col;

use super::audit::{User, pair};
use crate::class::Activity;
use crate::email;
use crate::fields::Fields;
use crate::required;
use crate::row::{Row, UNKNOWN};

/// Sets what OCSF wants of the activity's class; `ObjectId` is the name or address of the thing.
pub(super) fn map(
    activity: Activity,
    workload: &str,
    user: &User,
    fields: &mut Fields<'_>,
    row: &mut Row<'_>,
) {
    let object = fields.first(&["objectId", "officeObjectId"]);
    match activity.class_uid {
        6006 => return map_file(object.as_deref(), fields, row),
        3002 => map_sign_in(object.as_deref(), workload, user, row),
        3001 | 3005 => map_user(object.as_deref(), fields, row),
        3006 => map_group(object.as_deref(), fields, row),
        3004 => {
            let name = changed(fields, "DisplayName");
            row.text(Col::EntityName, name.as_deref().or(object.as_deref()).unwrap_or(UNKNOWN));
            row.text_if(Col::EntityUid, object.as_deref());
        }
        _ => map_resource(object.as_deref(), fields, row),
    }
    if activity.class_uid == 3005 {
        let role =
            changed(fields, "Role.DisplayName").or_else(|| changed(fields, "Role.WellKnownObjectName"));
        row.texts(Col::Privileges, &[role.as_deref().unwrap_or(UNKNOWN)]);
    }
}

/// What a property was changed to. Entra writes some values as JSON within text.
fn changed<'a>(fields: &Fields<'a>, name: &str) -> Option<Cow<'a, str>> {
    pair(fields.value("modifiedProperties")?, name).filter(|text| !text.starts_with('['))
}

fn map_file(object: Option<&str>, fields: &mut Fields<'_>, row: &mut Row<'_>) {
    row.text_if(Col::FilePath, object);
    let name = fields.first(&["sourceFileName"]);
    let last = object.and_then(|path| path.trim_end_matches('/').rsplit('/').next());
    row.text_if(Col::FileName, name.as_deref().or(last));
    row.text(Col::FileName, UNKNOWN);
    fields.put(row, Col::FileUid, &["listItemUniqueId"]);
    fields.put(row, Col::FileExt, &["sourceFileExtension"]);
    if let Some(size) = fields.integer("fileSizeBytes").or_else(|| fields.integer("fileSize")) {
        row.long(Col::FileSize, size);
    }
    let kind = fields.first(&["itemType"]);
    row.int(
        Col::FileTypeId,
        match kind.as_deref() {
            Some("File") => 1,
            Some("Folder") => 2,
            _ => 0,
        },
    );
    row.text_if(Col::FileType, kind);
    // The file lies in a site.
    fields.put(row, Col::ResourceUid, &["siteUrl"]);
    if row.has(Col::ResourceUid) {
        row.text(Col::ResourceType, "Site");
    }
}

/// The object is the application that was signed in to, by its id.
fn map_sign_in(object: Option<&str>, workload: &str, user: &User, row: &mut Row<'_>) {
    row.text_if(Col::ServiceUid, object);
    row.text(Col::ServiceName, if workload.is_empty() { UNKNOWN } else { workload });
    row.flag(Col::IsRemote, true);
    row.text_if(Col::UserName, user.name.as_deref());
    row.text_if(Col::UserUid, user.uid.as_deref());
    row.text_if(Col::UserEmailAddr, email::of_principal(user.name.as_deref()));
    row.int(Col::UserTypeId, user.type_id);
    if user.type_id == 99 {
        row.text(Col::UserType, "Other");
    }
    required::user(row);
}

fn map_user(object: Option<&str>, fields: &mut Fields<'_>, row: &mut Row<'_>) {
    row.text_if(Col::UserName, object);
    row.text_if(Col::UserEmailAddr, email::of_principal(object));
    row.text_if(Col::UserUid, target_id(fields));
    required::user(row);
}

/// The object id among the ids of the target.
fn target_id(fields: &Fields<'_>) -> Option<String> {
    let ids = fields.value("target")?.as_array()?;
    let ids = ids.filter_map(|id| id.as_object()?.get("ID")?.filled_text().map(Cow::into_owned));
    ids.into_iter().find(|id| id.len() == 36 && id.bytes().filter(|byte| *byte == b'-').count() == 4)
}

fn map_group(object: Option<&str>, fields: &mut Fields<'_>, row: &mut Row<'_>) {
    fields.put(row, Col::GroupName, &["teamName"]);
    fields.put(row, Col::GroupUid, &["teamGuid", "aadGroupId"]);
    row.text_if(Col::GroupName, changed(fields, "Group.DisplayName"));
    row.text_if(Col::GroupUid, changed(fields, "Group.ObjectID"));
    let is_of_group = row.has(Col::GroupName) || row.has(Col::GroupUid);
    let members = fields.value("members").and_then(|list| list.as_array()?.next()?.as_object());
    row.text_if(Col::UserName, members.and_then(|member| member.get("UPN")?.filled_text()));
    if is_of_group {
        // The object is who came or went.
        row.text_if(Col::UserName, object.filter(|name| name.contains('@')));
        row.text_if(Col::ResourceUid, object.filter(|name| !name.contains('@')));
    } else {
        row.text(Col::GroupName, object.unwrap_or(UNKNOWN));
    }
}

/// A mailbox, a site, a rule, a policy: whatever the object is.
fn map_resource(object: Option<&str>, fields: &mut Fields<'_>, row: &mut Row<'_>) {
    row.text_if(Col::ResourceUid, object);
    fields.put(row, Col::ResourceName, &["mailboxOwnerUpn"]);
    if row.has(Col::ResourceName) {
        row.text(Col::ResourceType, "Mailbox");
    }
    row.text_if(Col::ResourceName, object);
    fields.put(row, Col::ResourceType, &["itemType"]);
    // The name of an alert, which is the operation that it is about.
    fields.put(row, Col::Message, &["name", "alertName"]);
}
