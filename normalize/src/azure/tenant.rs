//! Which tenant an Entra record belongs to.

use event::Col;

use super::resource_id::ResourceId;
use crate::fields::Fields;
use crate::row::Row;

/// Sets the tenant, and the service that Entra's logs name.
///
/// Diagnostic settings have the tenant's id beside the record, Log Analytics in `AADTenantId` (its
/// `TenantId` is the workspace), and both in the path that says where the log lies. Graph has it for
/// users in `resourceTenantId`, unless the sign-in crossed tenants.
pub(crate) fn map(fields: &mut Fields<'_>, row: &mut Row<'_>) {
    let path = fields.path("resourceId");
    let log = path.as_deref().map(ResourceId::parse).unwrap_or_default();
    let is_row = fields.has("timeGenerated") || fields.has("sourceSystem");
    let tenant = fields.text("aadTenantId").or_else(|| if is_row { None } else { fields.last("tenantId") });
    let tenant = tenant.as_deref().or(log.tenant).map(str::to_ascii_lowercase);
    let tenant = tenant.or_else(|| {
        let resource = fields.peek("resourceTenantId")?;
        (fields.peek("homeTenantId")? == resource).then(|| resource.to_ascii_lowercase())
    });
    if let Some(tenant) = tenant {
        row.text(Col::CloudOrgUid, &tenant);
        row.text(Col::MetadataTenantUid, &tenant);
        if !is_row {
            fields.forget_repeats(&["tenantId", "resourceTenantId"], &tenant);
        }
    }
    row.text_if(Col::MetadataLogProvider, log.provider);
}
