//! Azure Resource Manager's resource ids.

/// The parts of a resource id such as
/// `/subscriptions/{id}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}`.
/// Keywords are read in any case, because event hubs carry ids in capitals.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ResourceId<'a> {
    pub(super) subscription: Option<&'a str>,
    /// Of ids that begin with `/tenants/`, as Entra's do.
    pub(super) tenant: Option<&'a str>,
    /// The namespace of the last provider in the id: that of an extension resource such as a lock.
    pub(super) provider: Option<&'a str>,
    /// Provider and type: `Microsoft.Compute/virtualMachines`.
    pub(super) kind: Option<String>,
    pub(super) name: Option<&'a str>,
}

impl<'a> ResourceId<'a> {
    /// Takes an id apart; anything that does not begin with a slash has no parts.
    pub(super) fn parse(id: &'a str) -> Self {
        let mut parts = Self::default();
        let Some(path) = id.strip_prefix('/') else { return parts };
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        while let Some(keyword) = segments.next() {
            if keyword.eq_ignore_ascii_case("providers") {
                // A provider within a provider is an extension of the resource before it.
                parts.provider = segments.next();
                parts.kind = None;
                parts.name = None;
                continue;
            }
            let name = segments.next();
            if let Some(provider) = parts.provider {
                let kind = parts.kind.get_or_insert_with(|| provider.to_owned());
                kind.push('/');
                kind.push_str(keyword);
                parts.name = name;
            } else if keyword.eq_ignore_ascii_case("subscriptions") {
                parts.subscription = name;
            } else if keyword.eq_ignore_ascii_case("tenants") {
                parts.tenant = name;
            }
        }
        parts.name_group_or_subscription(path);
        parts
    }

    /// Resource groups and subscriptions are resources too, with types of their own.
    fn name_group_or_subscription(&mut self, path: &'a str) {
        if self.provider.is_some() || self.subscription.is_none() {
            return;
        }
        let mut segments = path.split('/').filter(|segment| !segment.is_empty()).skip(2);
        match (segments.next(), segments.next()) {
            (Some(keyword), Some(group)) if keyword.eq_ignore_ascii_case("resourceGroups") => {
                self.kind = Some("Microsoft.Resources/subscriptions/resourceGroups".to_owned());
                self.name = Some(group);
            }
            _ => {
                self.kind = Some("Microsoft.Resources/subscriptions".to_owned());
                self.name = self.subscription;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(id: &str) -> (Option<&str>, Option<String>, Option<&str>) {
        let ResourceId { subscription, kind, name, .. } = ResourceId::parse(id);
        (subscription, kind, name)
    }

    #[test]
    fn kinds_of_ids() {
        let group = "/subscriptions/s1/resourceGroups/g1";
        assert_eq!(
            parts(&format!("{group}/providers/Microsoft.Sql/servers/db/firewallRules/all")),
            (Some("s1"), Some("Microsoft.Sql/servers/firewallRules".into()), Some("all"))
        );
        assert_eq!(
            parts(&format!(
                "{group}/providers/Microsoft.Web/sites/w/providers/Microsoft.Authorization/locks/l"
            )),
            (Some("s1"), Some("Microsoft.Authorization/locks".into()), Some("l"))
        );
        assert_eq!(
            parts("/SUBSCRIPTIONS/S1/RESOURCEGROUPS/G1"),
            (Some("S1"), Some("Microsoft.Resources/subscriptions/resourceGroups".into()), Some("G1"))
        );
        assert_eq!(
            parts("/subscriptions/s1"),
            (Some("s1"), Some("Microsoft.Resources/subscriptions".into()), Some("s1"))
        );
        assert_eq!(
            parts("/providers/Microsoft.Authorization/roleAssignments/r"),
            (None, Some("Microsoft.Authorization/roleAssignments".into()), Some("r"))
        );
        let tenant = ResourceId::parse("/tenants/t1/providers/Microsoft.aadiam");
        assert_eq!(
            (tenant.tenant, tenant.provider, tenant.name),
            (Some("t1"), Some("Microsoft.aadiam"), None)
        );
        for odd in ["", "/", "//", "guid", "/subscriptions", "/providers", "/providers/x/y"] {
            ResourceId::parse(odd);
        }
    }
}
