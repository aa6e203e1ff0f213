//! A bucket for `object_store`, as an identity that it could not take on by itself.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::{CredentialProvider, ObjectStore};

use super::client::Client;
use super::endpoint::Service;
use super::s3::S3;
use super::{AwsAccess, Environment};
use crate::{Error, Result};

/// Opens a bucket for listing and reading. `object_store` knows neither profiles nor roles with an external
/// id; here it gets the keys of `access`. `now_us` gives the time of day in microseconds since 1970.
///
/// # Errors
/// [`Error::BadSetting`] and [`Error::Store`].
pub fn open_bucket(
    bucket: &str,
    access: &AwsAccess,
    environment: &Environment,
    now_us: fn() -> i64,
) -> Result<Arc<dyn ObjectStore>> {
    let client = Client::new(access, None, environment, now_us)?;
    let endpoint = client.endpoint(Service::S3, client.region());
    let store = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(client.region())
        .with_allow_http(endpoint.starts_with("http://"))
        .with_endpoint(endpoint)
        .with_credentials(Arc::new(Keys(client)))
        .build();
    match store {
        Ok(store) => Ok(Arc::new(store)),
        Err(source) => Err(Error::Store { address: format!("s3://{bucket}"), source }),
    }
}

/// S3 as the same identity, to list what `object_store` cannot.
///
/// # Errors
/// [`Error::BadSetting`].
pub(crate) fn open_listing(access: &AwsAccess, environment: &Environment, now_us: fn() -> i64) -> Result<S3> {
    Ok(S3::new(Arc::new(Client::new(access, None, environment, now_us)?)))
}

/// Our keys, as `object_store` asks for them at each request.
#[derive(Debug)]
struct Keys(Client);

#[async_trait]
impl CredentialProvider for Keys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let keys = self.0.keys().await;
        let keys =
            keys.map_err(|source| object_store::Error::Generic { store: "S3", source: Box::new(source) })?;
        Ok(Arc::new(AwsCredential {
            key_id: keys.access_key_id,
            secret_key: keys.secret_access_key.expose().to_owned(),
            token: keys.session_token.map(|token| token.expose().to_owned()),
        }))
    }
}
