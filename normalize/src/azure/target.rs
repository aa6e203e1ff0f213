//! Whom or what an entry of the Entra audit log changed: `targetResources`.

use std::borrow::Cow;

use event::Col;

use super::change::Subject;
use super::claims::{Actor, SERVICE, USER};
use crate::fields::same_name;
use crate::json::{Object, Tokens, Value};
use crate::row::{Row, UNKNOWN};

/// One target of a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a>(pub(super) Object<'a>);

impl<'a> Target<'a> {
    fn get(&self, name: &str) -> Option<Value<'a>> {
        self.0.members().find(|member| same_name(&member.key, name)).map(|member| member.value)
    }

    fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.filled_text()
    }

    /// User, Group, Role, Application, ServicePrincipal, Device, Policy and so on.
    pub(super) fn kind(&self) -> String {
        self.text("type").unwrap_or_default().into_owned()
    }

    fn is(&self, kind: &str) -> bool {
        self.text("type").is_some_and(|text| text.eq_ignore_ascii_case(kind))
    }

    /// Users go by their principal name.
    fn name(&self) -> Option<Cow<'a, str>> {
        self.text("userPrincipalName").or_else(|| self.text("displayName"))
    }

    /// The value of a changed property after the change, or before where there is none after.
    fn property(&self, name: &str) -> Option<String> {
        let property =
            self.get("modifiedProperties")?.as_array()?.filter_map(|element| element.as_object()).find(
                |property| {
                    Self(*property).text("displayName").is_some_and(|text| text.eq_ignore_ascii_case(name))
                },
            )?;
        let value = |key| Self(property).text(key).and_then(|text| plain(&text));
        value("newValue").or_else(|| value("oldValue"))
    }
}

/// The values of properties are JSON in text, `"\"Reader\""` or `"[\"Reader\"]"`; in a few services plain.
fn plain(text: &str) -> Option<String> {
    let mut tokens = Tokens::default();
    if tokens.scan(text).is_err() {
        return Some(text.to_owned());
    }
    let value = Value::root(text, &tokens);
    let value = match value.as_array() {
        Some(mut elements) => elements.next()?,
        None => value,
    };
    value.filled_text().map(Cow::into_owned)
}

/// The first changed property of any target that has one of the names, tried in their order.
fn property(targets: &[Target<'_>], names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| targets.iter().find_map(|target| target.property(name)))
}

/// Sets the `resource_*` columns from the first target, and `resources` from all, in the class that has it.
pub(super) fn map_resources(subject: Subject, targets: &[Target<'_>], row: &mut Row<'_>) {
    let Some(first) = targets.first() else { return };
    row.text_if(Col::ResourceUid, first.text("id"));
    row.text_if(Col::ResourceName, first.name());
    row.text_if(Col::ResourceType, first.text("type"));
    if subject != Subject::Rights {
        return;
    }
    row.json(Col::Resources, |json| {
        json.begin_array();
        for target in targets {
            json.item();
            json.begin_object();
            for (name, value) in
                [("uid", target.text("id")), ("name", target.name()), ("type", target.text("type"))]
            {
                if let Some(value) = value {
                    json.text_member(name, &value);
                }
            }
            json.end_object();
        }
        json.end_array();
    });
}

/// Sets what OCSF requires for the subject's class.
pub(super) fn map(
    subject: Subject,
    targets: &[Target<'_>],
    activity: &str,
    actor: &Actor,
    row: &mut Row<'_>,
) {
    match subject {
        Subject::User => {
            let user = targets.iter().find(|target| target.is("User")).or(targets.first());
            map_user(user, row);
            require(row, [Col::UserName, Col::UserUid]);
        }
        Subject::Group => map_group(targets, activity, row),
        Subject::Rights => map_rights(targets, activity, actor, row),
        Subject::Entity => {
            if let Some(entity) = targets.first() {
                row.text_if(Col::EntityUid, entity.text("id"));
                row.text_if(Col::EntityName, entity.name());
                row.text_if(Col::EntityType, entity.text("type"));
            }
            require(row, [Col::EntityName, Col::EntityUid]);
        }
        Subject::Nothing => {}
    }
}

/// Puts a name where neither of the two columns has a value.
fn require(row: &mut Row<'_>, [name, uid]: [Col; 2]) {
    if !row.has(name) && !row.has(uid) {
        row.text(name, UNKNOWN);
    }
}

fn map_user(user: Option<&Target<'_>>, row: &mut Row<'_>) {
    let Some(user) = user else { return };
    row.text_if(Col::UserUid, user.text("id"));
    row.text_if(Col::UserName, user.name());
    row.text_if(Col::UserType, user.text("type"));
    let type_id = if user.is("User") {
        USER
    } else if user.is("ServicePrincipal") {
        SERVICE
    } else {
        99
    };
    row.int(Col::UserTypeId, type_id);
}

/// The member or owner carries the group's id and name among its changed properties; the group itself
/// stands beside it, in older records without a name.
fn map_group(targets: &[Target<'_>], activity: &str, row: &mut Row<'_>) {
    let of_member = |target: &&Target<'_>| target.property("Group.ObjectID").is_some() || !target.is("Group");
    let member = targets.iter().find(of_member);
    row.text_if(Col::GroupUid, property(targets, &["Group.ObjectID"]));
    row.text_if(Col::GroupName, property(targets, &["Group.DisplayName"]));
    if let Some(group) = targets.iter().find(|target| target.is("Group") && !of_member(target)) {
        row.text_if(Col::GroupUid, group.text("id"));
        row.text_if(Col::GroupName, group.name());
    }
    map_user(member, row);
    require(row, [Col::GroupName, Col::GroupUid]);
    if activity.to_ascii_lowercase().contains("owner") {
        row.texts(Col::Privileges, &["owner"]);
    }
}

/// A role by its name, and who got or lost it. Roles of applications name the principal only among the
/// changed properties: the first target is the application whose role it is.
fn map_rights(targets: &[Target<'_>], activity: &str, actor: &Actor, row: &mut Row<'_>) {
    let is_app_role = activity.to_ascii_lowercase().contains("app role");
    let role = if is_app_role {
        property(targets, &["AppRole.Value", "AppRole.DisplayName", "AppRole.Id"])
    } else {
        let name =
            targets.iter().find(|target| target.is("Role")).and_then(Target::name).map(Cow::into_owned);
        property(targets, &["Role.DisplayName"])
            .or(name)
            .or_else(|| property(targets, &["Role.TemplateId", "Role.ObjectID"]))
    };
    if is_app_role {
        row.text_if(
            Col::UserUid,
            property(targets, &["ServicePrincipal.ObjectID", "User.ObjectID", "Group.ObjectID"]),
        );
        let names = ["ServicePrincipal.DisplayName", "User.UPN", "Group.DisplayName"];
        row.text_if(Col::UserName, property(targets, &names));
    } else {
        let principal = ["User", "Group", "ServicePrincipal"]
            .into_iter()
            .find_map(|kind| targets.iter().find(|target| target.is(kind)));
        map_user(principal, row);
    }
    // Whoever elevates gives this role to themselves; there is no target.
    let elevated = activity.contains("elevated their access") || activity.contains("user access admin");
    let role = role.or_else(|| elevated.then(|| "User Access Administrator".to_owned()));
    if elevated && !row.has(Col::UserUid) {
        row.text_if(Col::UserName, actor.name.as_deref());
        row.text_if(Col::UserUid, actor.uid.as_deref());
    }
    row.texts(Col::Privileges, &[role.as_deref().unwrap_or(UNKNOWN)]);
    require(row, [Col::UserName, Col::UserUid]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_properties_are_json_or_not() {
        assert_eq!(plain(r#""Global Administrator""#).as_deref(), Some("Global Administrator"));
        assert_eq!(plain(r#"["a","b"]"#).as_deref(), Some("a"));
        assert_eq!(plain("DirectorySync").as_deref(), Some("DirectorySync"));
        assert_eq!(plain("[true]").as_deref(), Some("true"));
        assert_eq!(plain("[]"), None);
        assert_eq!(plain("null"), None);
    }
}
