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
    embed![]
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
