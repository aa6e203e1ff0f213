//! Containers of a storage account, opened as any identity of [`AzureAccess`], with the account's key, or with
//! a shared access signature.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::azure::{AzureAccessKey, AzureConfigKey, AzureCredential, MicrosoftAzureBuilder};
use object_store::path::Path;

use super::AzureAccess;
use super::blobs::Blobs;
use super::credentials::{Entra, https};
use crate::check::Checks;
use crate::collect::{BLOBS_READ, Place, Rights, check_places};
use crate::token::TokenCache;
use crate::web::Web;
use crate::{
    CheckStep, Environment, Error, Objects, ObjectsConfig, Result, SecretReference, Sweep, SweepProgress,
};

/// What a token for blobs is for, in every cloud.
const SCOPE: &str = "https://storage.azure.com/.default";

/// Containers of a storage account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StorageConfig {
    /// Who reads, without a key and a signature.
    pub access: AzureAccess,
    /// The account's name.
    pub account: String,
    /// `CONTAINER` or `CONTAINER/PREFIX`.
    pub containers: Vec<String>,
    /// The account's key.
    pub account_key: Option<SecretReference>,
    /// A shared access signature: `sv=…&sig=…`.
    pub signature: Option<SecretReference>,
    /// Where the account's blobs are; otherwise `https://ACCOUNT.blob.core.windows.net`.
    pub endpoint: Option<String>,
}

impl StorageConfig {
    /// A collector that goes on at `positions`; `objects` says how, its addresses are not used. Call it on a
    /// runtime. A key or signature is read now.
    ///
    /// # Errors
    /// [`Error::BadSetting`], [`Error::NoCredentials`], [`Error::Store`].
    pub fn open(
        &self,
        environment: &Environment,
        objects: ObjectsConfig,
        positions: &BTreeMap<String, String>,
    ) -> Result<Objects> {
        let places = self.places(environment, objects.now_us)?;
        Ok(Objects::of(places, objects, positions))
    }

    /// Reads what was modified in `modified_us` (microseconds since 1970) once and ends.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn backfill(
        &self,
        environment: &Environment,
        objects: ObjectsConfig,
        modified_us: Range<i64>,
        positions: &BTreeMap<String, String>,
        progress: Arc<SweepProgress>,
    ) -> Result<Sweep> {
        let places = self.places(environment, objects.now_us)?;
        Ok(Sweep::of(places, objects, modified_us, positions, progress))
    }

    /// Tries everything that the collector needs, and changes nothing: a token, if there is neither key nor
    /// signature, and of each container to list and to read a blob.
    pub async fn check_access(&self, environment: &Environment, now_us: fn() -> i64) -> Vec<CheckStep> {
        let mut checks = Checks::default();
        let Some(places) = checks.opened(self.places(environment, now_us)) else { return checks.done() };
        let mend = |error: &Error| super::mend(error).unwrap_or_else(|| "mend what Azure says".into());
        if self.signature.is_none() && self.account_key.is_none() {
            let entra = Web::new().and_then(|web| Entra::new(&self.access, environment, SCOPE, web, now_us));
            let Some(entra) = checks.opened(entra) else { return checks.done() };
            let token = TokenCache::new(Arc::new(entra), now_us).get().await;
            if checks.tried(("credentials", ""), token, |_| "there is a token".into(), mend).is_none() {
                return checks.done();
            }
        }
        let (list, read) = match &self.signature {
            Some(_) => ("sp=l", "sp=r"),
            None => (BLOBS_READ, BLOBS_READ),
        };
        let mend_right = |error: &Error, grant: &str| match (&self.signature, mend(error)) {
            // A signature has its rights in itself.
            (Some(_), told) if !told.contains("wrong or has ended") => format!(
                "make a shared access signature that may read and list (`sp=rl`); this one misses `{grant}`: \
                 `az storage container generate-sas --account-name {} --name CONTAINER --permissions rl`",
                self.account
            ),
            (_, told) => told,
        };
        check_places(&mut checks, places, &Rights { list, read, mend: &mend_right }).await;
        checks.done()
    }

    /// What is wrong with the settings, as far as they tell.
    ///
    /// # Errors
    /// [`Error::BadSetting`].
    pub fn check(&self) -> Result<()> {
        let bad = |field, problem: &str| Err(Error::BadSetting { field, problem: problem.to_owned() });
        let is_name = |text: &str| {
            !text.is_empty() && text.chars().all(|char| matches!(char, 'a'..='z' | '0'..='9' | '-' | '$'))
        };
        if !is_name(&self.account) {
            return bad("account", "it is no name of a storage account: letters and digits");
        }
        if self.containers.is_empty() {
            return bad("containers", "name one at least, such as `insights-activity-logs`");
        }
        for text in &self.containers {
            let (container, prefix) = text.split_once('/').unwrap_or((text, ""));
            if !is_name(container) || Path::parse(prefix.trim_end_matches('/')).is_err() {
                return bad("containers", &format!("`{text}` is no container and prefix"));
            }
        }
        if self.account_key.is_some() && self.signature.is_some() {
            return bad("signature", "give it or the account's key, not both");
        }
        Ok(())
    }

    fn places(&self, environment: &Environment, now_us: fn() -> i64) -> Result<Vec<Place>> {
        self.check()?;
        let endpoint = match &self.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://{}.blob.core.windows.net", self.account),
        };
        let is_plain = https("endpoint", &endpoint)?.scheme() == "http";
        let credentials = self.credentials(environment, now_us)?;
        let open = |text: &String| {
            let (container, prefix) = text.split_once('/').unwrap_or((text, ""));
            let mut builder = MicrosoftAzureBuilder::new()
                .with_account(&self.account)
                .with_container_name(container)
                .with_endpoint(endpoint.clone())
                .with_allow_http(is_plain);
            builder = match &credentials {
                Credentials::Of(provider) => builder.with_credentials(provider.clone()),
                Credentials::Signature(signature) => builder.with_config(AzureConfigKey::SasKey, signature),
            };
            let address = format!("az://{}/{container}", self.account);
            let store =
                builder.build().map_err(|source| Error::Store { address: address.clone(), source })?;
            let blobs = Blobs::of(&endpoint, &self.account, container, &store)?;
            let prefix = prefix.trim_end_matches('/').to_owned();
            Ok(Place { store: Arc::new(blobs), prefix, root: address })
        };
        self.containers.iter().map(open).collect()
    }

    fn credentials(&self, environment: &Environment, now_us: fn() -> i64) -> Result<Credentials> {
        if let Some(reference) = &self.signature {
            let signature = reference.read()?;
            return Ok(Credentials::Signature(signature.trim_start_matches('?').to_owned()));
        }
        if let Some(reference) = &self.account_key {
            let key = AzureAccessKey::try_new(&reference.read()?).map_err(|_| Error::NoCredentials {
                problem: format!("`{reference}` is no key of a storage account"),
            })?;
            let key = object_store::StaticCredentialProvider::new(AzureCredential::AccessKey(key));
            return Ok(Credentials::Of(Arc::new(key)));
        }
        let entra = Entra::new(&self.access, environment, SCOPE, Web::new()?, now_us)?;
        Ok(Credentials::Of(Arc::new(Tokens(TokenCache::new(Arc::new(entra), now_us)))))
    }
}

enum Credentials {
    Of(Arc<dyn CredentialProvider<Credential = AzureCredential>>),
    Signature(String),
}

/// Our tokens, as `object_store` asks for them at each request.
#[derive(Debug)]
struct Tokens(TokenCache);

#[async_trait]
impl CredentialProvider for Tokens {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        match self.0.get().await {
            Ok(token) => Ok(Arc::new(AzureCredential::BearerToken(token.secret))),
            Err(source) => {
                Err(object_store::Error::Generic { store: "MicrosoftAzure", source: Box::new(source) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let good = StorageConfig {
            account: "examplelogs".into(),
            containers: vec!["insights-activity-logs".into(), "c/a=b/".into()],
            ..StorageConfig::default()
        };
        good.check().unwrap();
        let key = SecretReference::parse("env:KEY");
        for (bad, field) in [
            (StorageConfig { account: "a/b".into(), ..good.clone() }, "account"),
            (StorageConfig { containers: Vec::new(), ..good.clone() }, "containers"),
            (StorageConfig { containers: vec!["C".into()], ..good.clone() }, "containers"),
            (StorageConfig { containers: vec!["c/../d".into()], ..good.clone() }, "containers"),
            (StorageConfig { account_key: key.clone(), signature: key, ..good.clone() }, "signature"),
        ] {
            assert!(
                matches!(bad.check(), Err(Error::BadSetting { field: found, .. }) if found == field),
                "{bad:?}"
            );
        }
    }
}
