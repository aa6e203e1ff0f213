//! Each published rule for AWS, Azure, Entra and Google Cloud fires on a record that is made to its measure, in every
//! form in which its log arrives; or `rules check` says why it cannot.

use std::collections::{BTreeMap, BTreeSet};

use rules::{LoadOptions, Placeholders, Scratch};
use serde_json::Value;

use crate::native::Log;
use crate::{corpus, events, products, wishes};

/// Rules that no record of their log can satisfy, by the set that they are of, and what a check says of them. The
/// reasons are the vendors' own lists of what the fields hold: `content/values` names them.
const CANNOT: &[(&str, &[(&str, &str)])] = &[
    (
        "sigma/sigmahq",
        &[
            // The Activity Log has no devices.
            ("azure_device_or_configuration_modified_or_deleted", "are in the log `azure/auditlogs`"),
            // The activity's name ends with a blank.
            ("azure_app_credential_added", "blanks included"),
            ("azure_app_role_added", "did you mean `ServicePrincipal`?"),
            ("azure_app_uri_modifications", "the activity is `Update application`"),
            ("azure_group_user_addition_ca_modification", "the activity is `Add member to group`"),
            ("azure_guest_to_member", "values that were changed are in `targetResources.modifiedProperties`"),
            ("azure_pim_activation_approve_deny", "request approved (PIM activation)`"),
            ("azure_priviledged_role_assignment_add", "`Add eligible member to role in PIM completed"),
            (
                "azure_priviledged_role_assignment_bulk_change",
                "`Remove eligible member from role in PIM completed",
            ),
            // An event has one activity.
            ("azure_privileged_account_creation", "are two values of the field, and an event has one"),
            ("azure_subscription_permissions_elevation_via_auditlogs", "never holds `Administrative`"),
            ("azure_user_password_change", "`UPN` stands for a value of your own"),
            ("azure_ad_account_created_deleted_nonapproved_user", "never holds `Sucess`"),
            ("azure_app_device_code_authentication", "did you mean `deviceCode`?"),
            ("azure_blocked_account_attempt", "the result in one word is in `status`"),
            // Its field is the name of a page of the portal.
            ("azure_legacy_authentication_protocols", "are not known to have this field"),
            ("gcp_breakglass_container_workload_deployed", "it holds a name such as"),
            ("gcp_dlp_re_identifies_sensitive_information", "audit logs write methods otherwise"),
            ("gcp_kubernetes_admission_controller", "audit logs write methods otherwise"),
            ("gcp_kubernetes_cronjob", "audit logs write methods otherwise"),
            ("gcp_vpn_tunnel_modified_or_deleted", "audit logs write methods otherwise"),
        ],
    ),
    ("sigma/suzaku", &[("azure_app_device_code_authentication", "did you mean `deviceCode`?")]),
];

/// Where a rule names a list of one's own, the value that stands for it here.
pub(crate) fn placeholder(text: &str) -> String {
    text.replace('%', "").to_lowercase()
}

#[test]
fn every_rule_for_a_cloud_fires() {
    let mut counts: BTreeMap<Log, (usize, usize, usize)> = BTreeMap::new();
    let mut wrong = BTreeSet::new();
    for (set, cannot) in CANNOT {
        let mut excused = BTreeSet::new();
        let Some(folder) = corpus::folder(set) else { return };
        let mut sources = corpus::files(&folder, ".yml");
        let mut rules = BTreeMap::new();
        let mut placeholders = Placeholders::default();
        sources.retain(|source| {
            let rule: Value = serde_saphyr::from_str(&source.text).unwrap();
            let Some(log) = Log::of(&rule["logsource"]) else { return false };
            for name in source.text.split('%').filter(|name| Placeholders::is_name(name)) {
                placeholders.set(name, [placeholder(name)]);
            }
            rules.insert(source.path.clone(), (log, rule));
            true
        });
        let options = LoadOptions { lint: true, placeholders, ..LoadOptions::default() };
        let loaded = rules::load_with(&sources, &options);
        assert_eq!(
            (loaded.rules.len(), loaded.counts.waiting),
            (rules.len(), 0),
            "{:#?}",
            loaded.diagnostics
        );

        let mut told: BTreeMap<&str, String> = BTreeMap::new();
        for finding in &loaded.diagnostics {
            told.entry(&finding.file).or_default().push_str(&format!("{finding}\n"));
        }
        let mut records = Vec::new();
        let mut of = Vec::new();
        for (path, (log, rule)) in &rules {
            let told = told.get(path.as_str()).map_or("", String::as_str);
            let (possible, forms, _) = counts.entry(*log).or_default();
            let name = path.rsplit('/').next().unwrap().trim_end_matches(".yml");
            if let Some((name, why)) = cannot.iter().find(|(known, _)| *known == name) {
                excused.insert(*name);
                if !told.contains(why) {
                    wrong.insert(format!("{path} is not told of: {why}\n{told}"));
                }
                continue;
            }
            if told.contains("can never be true") {
                wrong.insert(format!("{path} can never match\n{told}"));
                continue;
            }
            *possible += 1;
            for way in wishes::of(rule) {
                // A value that no record has is told of, and the others count.
                let is_told = |value: &Value| {
                    value.as_str().is_some_and(|value| told.contains(&format!("never holds `{value}`")))
                };
                if way.iter().any(|(_, value)| is_told(value)) {
                    continue;
                }
                for (form, record) in log.records(&way) {
                    *forms += 1;
                    of.push((path, form));
                    records.push(record.to_string());
                }
            }
        }
        let normalized = events::normalized(&records);
        assert!(normalized.rejects.is_empty(), "{:?}", normalized.rejects);
        assert_eq!(normalized.events.len(), records.len());
        let matches = loaded.rules.matches(&normalized.events, &mut Scratch::default());
        let fired: BTreeSet<(usize, &str)> = matches
            .iter()
            .map(|matched| (matched.row as usize, loaded.rules.rules()[matched.rule as usize].path()))
            .collect();
        for (row, (path, form)) in of.iter().enumerate() {
            if !fired.contains(&(row, path.as_str())) {
                wrong.insert(format!("{path} does not fire ({form}): {}", records[row]));
            }
        }
        let with_records: BTreeSet<_> = of.iter().map(|(path, _)| path.as_str()).collect();
        for (path, (log, _)) in &rules {
            counts.entry(*log).or_default().2 += 1;
            let name = path.rsplit('/').next().unwrap().trim_end_matches(".yml");
            if !with_records.contains(path.as_str()) && !excused.contains(name) {
                wrong.insert(format!("{path} has no record"));
            }
        }
        assert_eq!(excused.len(), cannot.len(), "one is not there any more: {excused:?}");
    }
    println!("rules that fire, their records, all rules, by log: {counts:?}");
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

/// No rule is in none of these tests: what is left waits for a log that is not read yet, and a check says so.
#[test]
fn no_rule_is_left_out() {
    let mut waiting: BTreeMap<String, usize> = BTreeMap::new();
    for (set, _) in CANNOT {
        let Some(folder) = corpus::folder(set) else { return };
        for source in corpus::files(&folder, ".yml") {
            let rule: Value = serde_saphyr::from_str(&source.text).unwrap();
            if Log::of(&rule["logsource"]).is_some() || products::is_tested(&source) {
                continue;
            }
            let loaded = rules::load(std::slice::from_ref(&source));
            assert_eq!((loaded.rules.len(), loaded.counts.waiting), (1, 1), "{}", source.path);
            let told = loaded.diagnostics.iter().any(|finding| finding.mend.contains("no such log yet"));
            assert!(told, "{:?}", loaded.diagnostics);
            *waiting.entry(rule["logsource"]["product"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    let expected = [("bitbucket", 14), ("cisco", 1), ("onelogin", 2)];
    assert!(waiting.iter().map(|(product, count)| (product.as_str(), *count)).eq(expected), "{waiting:?}");
}
