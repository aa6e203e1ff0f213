//! Profiles in `~/.aws/config` and `~/.aws/credentials`.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>. Keys, roles, web identities and
//! programs are read; single sign-on, which needs a browser, is not, and says so.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Credentials, Role, Source, container, instance, keys_of, none};
use crate::aws::{AwsAccess, Environment, Secret};
use crate::{Error, Result};

/// Roles that lead to roles; a ring of them ends here.
const MAX_ROLES: usize = 5;

type Profiles = BTreeMap<String, BTreeMap<String, String>>;

/// The profile of `access`, or that of the environment, or `default`. `None`: there is none, and nobody
/// asked for one.
pub(super) fn find(access: &AwsAccess, environment: &Environment) -> Result<Option<Source>> {
    let asked = access.profile.as_deref().or_else(|| environment.get("AWS_PROFILE"));
    let mut profiles = Profiles::new();
    for (variable, file) in [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")] {
        let Some(path) = environment.aws_file(variable, file) else { continue };
        match std::fs::read_to_string(&path) {
            Ok(text) => read(&text, &mut profiles),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::File { path, source }),
        }
    }
    let name = asked.unwrap_or("default");
    if asked.is_none() && !profiles.get(name).is_some_and(gives_keys) {
        return Ok(None);
    }
    source(&profiles, name, access, environment, 0).map(Some)
}

/// Adds the profiles of a file. What a later file says of the same key wins.
fn read(text: &str, profiles: &mut Profiles) {
    let mut section: Option<String> = None;
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let name = name.trim();
            let profile = name.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t']));
            // `[sso-session x]` and `[services x]` are no profiles.
            section = match profile {
                Some(profile) => Some(profile.trim().to_owned()),
                None => (!name.contains([' ', '\t'])).then(|| name.to_owned()),
            };
        } else if let (Some(section), Some((key, value))) = (&section, line.split_once('='))
            && !is_nested
        {
            let value = value.split(" #").next().unwrap_or_default().trim();
            profiles.entry(section.clone()).or_default().insert(key.trim().to_lowercase(), value.to_owned());
        }
    }
}

fn gives_keys(profile: &BTreeMap<String, String>) -> bool {
    ["aws_access_key_id", "role_arn", "sso_session", "sso_start_url", "credential_process"]
        .iter()
        .any(|key| profile.contains_key(*key))
}

fn source(
    profiles: &Profiles,
    name: &str,
    access: &AwsAccess,
    environment: &Environment,
    depth: usize,
) -> Result<Source> {
    let profile = profiles.get(name).ok_or_else(|| {
        none(format!("there is no profile `{name}` in ~/.aws/config or ~/.aws/credentials"))
    })?;
    let get = |key: &str| profile.get(key).filter(|value| !value.is_empty());
    if depth > MAX_ROLES {
        return Err(none(format!("more than {MAX_ROLES} roles lead to the profile `{name}`")));
    }
    if let Some(arn) = get("role_arn") {
        let session_name = get("role_session_name").unwrap_or(&access.session_name).clone();
        if let Some(token_file) = get("web_identity_token_file") {
            return Ok(Source::WebIdentity {
                role_arn: arn.clone(),
                token_file: token_file.clone(),
                session_name,
            });
        }
        let base = match (get("source_profile"), get("credential_source").map(String::as_str)) {
            // A profile may name itself: the role is then assumed with its own keys.
            (Some(base), _) if base == name => own_keys(profile, name)?,
            (Some(base), _) => source(profiles, base, access, environment, depth + 1)?,
            (None, Some("Environment")) => Source::Keys(
                keys_of(environment)
                    .ok_or_else(|| none(format!("profile `{name}`: no keys in the environment")))?,
            ),
            (None, Some("EcsContainer")) => container(environment)
                .ok_or_else(|| none(format!("profile `{name}`: no container agent in the environment")))?,
            (None, Some("Ec2InstanceMetadata")) => instance(environment),
            _ => return Err(none(format!("profile `{name}`: `role_arn` needs a `source_profile`"))),
        };
        let duration = get("duration_seconds").and_then(|seconds| seconds.parse().ok());
        let role = Role {
            arn: arn.clone(),
            external_id: get("external_id").cloned(),
            session_name,
            duration: duration.map_or(access.session_duration, Duration::from_secs),
        };
        return Ok(Source::Assume { base: Box::new(base), role });
    }
    own_keys(profile, name)
}

fn own_keys(profile: &BTreeMap<String, String>, name: &str) -> Result<Source> {
    let get = |key: &str| profile.get(key).filter(|value| !value.is_empty());
    if let (Some(id), Some(secret)) = (get("aws_access_key_id"), get("aws_secret_access_key")) {
        return Ok(Source::Keys(Credentials {
            access_key_id: id.clone(),
            secret_access_key: Secret::new(secret),
            session_token: get("aws_session_token").map(Secret::new),
            expires_unix_s: None,
        }));
    }
    if let Some(line) = get("credential_process") {
        if line.contains(['"', '\'']) {
            return Err(none(format!(
                "profile `{name}`: `credential_process` is split at blanks, and quotes are not read; let a script \
                 call the program"
            )));
        }
        return Ok(Source::Process { line: line.clone() });
    }
    if get("sso_session").is_some() || get("sso_start_url").is_some() {
        return Err(none(format!(
            "profile `{name}` signs in through a browser, which a service cannot; use a role, or \
             put the output of `aws configure export-credentials --format env` into the environment"
        )));
    }
    Err(none(format!("profile `{name}` has neither keys nor a role")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(config: &str, credentials: &str, profile: Option<&str>) -> Result<Option<Source>> {
        let folder = tempfile::tempdir().unwrap();
        let path = |file: &str| folder.path().join(file).to_string_lossy().into_owned();
        std::fs::write(path("config"), config).unwrap();
        std::fs::write(path("credentials"), credentials).unwrap();
        let environment = Environment::default()
            .with("AWS_CONFIG_FILE", &path("config"))
            .with("AWS_SHARED_CREDENTIALS_FILE", &path("credentials"));
        let access = AwsAccess { profile: profile.map(Into::into), ..AwsAccess::default() };
        find(&access, &environment)
    }

    #[test]
    fn keys_and_roles_of_profiles_are_found() {
        let config = "[default]\nregion = us-east-1\ns3 =\n  aws_access_key_id = no\n\
             [profile reader]\nrole_arn=arn:aws:iam::111122223333:role/r\nsource_profile = base\n\
             external_id = e # why\n[sso-session x]\naws_access_key_id = no\n[profile ring]\nrole_arn = a\n\
             source_profile = ring2\n[profile ring2]\nrole_arn = b\nsource_profile = ring\n\
             [profile browser]\nsso_session = x\n[profile program]\ncredential_process = /opt/helper --profile a\n\
             [profile quoted]\ncredential_process = \"/opt/a helper\"\n";
        let credentials = "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = s3cret\n";
        assert_eq!(find_in(config, credentials, None).unwrap(), None);
        let Some(Source::Assume { base, role }) = find_in(config, credentials, Some("reader")).unwrap()
        else {
            panic!("no role")
        };
        assert_eq!(base.name(), "the access key `AKIDBASE`");
        assert_eq!(role.external_id.as_deref(), Some("e"));
        assert_eq!(role.arn, "arn:aws:iam::111122223333:role/r");
        let program = find_in(config, credentials, Some("program")).unwrap().unwrap();
        assert_eq!(program.name(), "what `/opt/helper --profile a` prints");
        for (profile, problem) in [
            ("ring", "more than 5 roles"),
            ("absent", "there is no profile `absent`"),
            ("browser", "export-credentials"),
            ("default", "neither keys nor a role"),
            ("quoted", "let a script call the program"),
        ] {
            let error = find_in(config, credentials, Some(profile)).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
