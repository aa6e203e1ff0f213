//! Bearer tokens, whoever gives them out.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::Result;

/// A token and until when it is good.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// What is sent. Never shown.
    pub(crate) secret: String,
    /// In microseconds since 1970.
    pub(crate) expires_us: i64,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires_us", &self.expires_us).finish_non_exhaustive()
    }
}

/// Who gives out tokens for one identity and one scope.
#[async_trait]
pub(crate) trait TokenSource: fmt::Debug + Send + Sync {
    /// A new token.
    ///
    /// # Errors
    /// There is none: [`Error::NoCredentials`](crate::Error::NoCredentials), a refusal, no answer.
    async fn token(&self) -> Result<Token>;
}

/// Keeps a token until four fifths of its life are over.
#[derive(Debug, Clone)]
pub(crate) struct TokenCache {
    source: Arc<dyn TokenSource>,
    now_us: fn() -> i64,
    /// The token, and when it is to be replaced.
    kept: Arc<Mutex<Option<(Token, i64)>>>,
}

impl TokenCache {
    /// A cache over `source`.
    pub(crate) fn new(source: Arc<dyn TokenSource>, now_us: fn() -> i64) -> Self {
        Self { source, now_us, kept: Arc::default() }
    }

    /// A token that is good now. Callers at the same time ask once.
    ///
    /// # Errors
    /// As of [`TokenSource::token`]; while the one that is kept is still good there is none.
    pub(crate) async fn get(&self) -> Result<Token> {
        let mut kept = self.kept.lock().await;
        let now_us = (self.now_us)();
        if let Some((token, replace_us)) = &*kept
            && now_us < *replace_us
        {
            return Ok(token.clone());
        }
        match (self.source.token().await, &*kept) {
            (Ok(token), _) => {
                let replace_us = now_us + (token.expires_us - now_us) / 5 * 4;
                *kept = Some((token.clone(), replace_us));
                Ok(token)
            }
            (Err(_), Some((token, _))) if now_us < token.expires_us => Ok(token.clone()),
            (Err(error), _) => Err(error),
        }
    }

    /// Forgets the token: a service refused it before its time.
    pub(crate) async fn forget(&self) {
        *self.kept.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::Error;

    static NOW_US: AtomicI64 = AtomicI64::new(0);

    /// A token of 100 µs at every even call.
    #[derive(Debug, Default)]
    struct Numbered(AtomicI64);

    #[async_trait]
    impl TokenSource for Numbered {
        async fn token(&self) -> Result<Token> {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            if number % 2 == 1 {
                return Err(Error::NoCredentials { problem: "none".into() });
            }
            Ok(Token { secret: number.to_string(), expires_us: NOW_US.load(Ordering::Relaxed) + 100 })
        }
    }

    #[tokio::test]
    async fn a_token_is_replaced_before_it_ends_and_kept_while_there_is_no_other() {
        let cache = TokenCache::new(Arc::new(Numbered::default()), || NOW_US.load(Ordering::Relaxed));
        let at = |us: i64| NOW_US.store(us, Ordering::Relaxed);
        assert_eq!(cache.get().await.unwrap().secret, "0");
        at(79);
        assert_eq!(cache.get().await.unwrap().secret, "0");
        // There is no new one, and the old one is still good.
        at(80);
        assert_eq!(cache.get().await.unwrap().secret, "0");
        assert_eq!(cache.get().await.unwrap().secret, "2");
        cache.forget().await;
        assert!(cache.get().await.is_err());
        assert!(!format!("{cache:?}").contains("secret"));
    }
}
