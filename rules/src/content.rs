//! The rules and mappings that come with Stormglass, embedded.

use crate::source::RuleSource;

macro_rules! embed {
    ($($path:literal),* $(,)?) => {
        vec![$(RuleSource {
            path: concat!("content/", $path).to_owned(),
            text: include_str!(concat!("../content/", $path)).to_owned(),
        }),*]
    };
}

/// The rules that come with Stormglass: single events that an intrusion into AWS, Azure, Entra or Google
/// Cloud leaves behind.
pub fn shipped() -> Vec<RuleSource> {
    embed![
        "rules/any/attack_tool_user_agent.yml",
        "rules/aws/access_key_for_another_user.yml",
        "rules/aws/administrator_policy_attached.yml",
        "rules/aws/bucket_public.yml",
        "rules/aws/console_login_without_second_factor.yml",
        "rules/aws/console_password_created.yml",
        "rules/aws/organization_look_denied.yml",
        "rules/aws/root_user_active.yml",
        "rules/aws/secret_read_by_script.yml",
        "rules/aws/security_group_open_to_world.yml",
        "rules/aws/snapshot_shared.yml",
        "rules/aws/trail_stopped.yml",
        "rules/azure/command_run_on_machine.yml",
        "rules/azure/diagnostic_settings_deleted.yml",
        "rules/azure/network_rule_written.yml",
        "rules/azure/owner_assigned.yml",
        "rules/azure/storage_keys_listed.yml",
        "rules/entra/application_secret_added.yml",
        "rules/entra/consent_to_mail_or_files.yml",
        "rules/entra/legacy_protocol_sign_in.yml",
        "rules/entra/powerful_role_given.yml",
        "rules/entra/risky_sign_in_without_second_factor.yml",
        "rules/entra/second_factor_removed.yml",
        "rules/gcp/bucket_public.yml",
        "rules/gcp/firewall_open_to_world.yml",
        "rules/gcp/log_sink_changed.yml",
        "rules/gcp/owner_granted.yml",
        "rules/gcp/person_acts_as_service_account.yml",
        "rules/gcp/service_account_key_created.yml",
    ]
}

/// The field mappings.
pub(crate) fn mappings() -> Vec<RuleSource> {
    embed![
        "mappings/aws_cloudtrail.yaml",
        "mappings/azure_activity.yaml",
        "mappings/entra_audit.yaml",
        "mappings/entra_signin.yaml",
        "mappings/gcp_audit.yaml",
        "mappings/google_workspace.yaml",
        "mappings/ocsf.yaml",
        "mappings/unread.yaml",
    ]
}
