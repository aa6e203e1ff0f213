//! Signing in: by a password, or with what the provider of single sign-on says.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use storage::accounts::{Origin, TENANT, UserRow};

use super::lockout::Attempt;
use super::oidc::{Return, SignedIn};
use super::password::{self, Verdict};
use super::{Auth, AuthAct, AuthEvent, OidcError, Refused};
use crate::app::now_us;

/// How long a sign-in waits for its turn to hash.
const TURN: Duration = Duration::from_secs(10);

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SignInError {
    /// The same for a name that is not there, a wrong password, and a user who may not come in.
    #[error("the name or the password is not right")]
    Wrong,
    /// After failed attempts, or because others sign in.
    #[error("there were failed attempts, or many sign in; try again in {seconds} s")]
    Wait {
        /// How long.
        seconds: u64,
    },
    /// The user may not come in by single sign-on.
    #[error("the user `{0}` may not come in this way; ask whoever runs Stormglass")]
    Shut(String),
    /// Single sign-on failed.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// The change is refused, or the disk refuses.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A worker failed.
    #[error("a worker failed: {0}")]
    Worker(String),
}

/// What is kept of `password`, worked out where it holds up nobody.
///
/// # Errors
/// The system gives no randomness.
pub(crate) async fn hashed(auth: &Auth, password: String) -> Result<String, SignInError> {
    let _turn = turn(auth).await?;
    let hashed = blocking(move || password::hash(&password)).await?;
    hashed.map_err(|error| SignInError::Worker(format!("{error:#}")))
}

async fn turn(auth: &Auth) -> Result<tokio::sync::SemaphorePermit<'_>, SignInError> {
    match tokio::time::timeout(TURN, auth.hashing.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(SignInError::Wait { seconds: 1 }),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SignInError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| SignInError::Worker(error.to_string()))
}

impl Auth {
    /// Whether `password` is that of the user called `name`. Names that are nobody's, and users without a
    /// password, cost the same work and are refused in the same words.
    ///
    /// # Errors
    /// It is not, or it is too soon after failed attempts.
    pub(crate) async fn check_password(
        &self,
        name: &str,
        password: String,
        address: IpAddr,
    ) -> Result<UserRow, SignInError> {
        let user = self.directory.find_user(|user| user.tenant == TENANT && user.name == name);
        let is_known_place =
            user.as_ref().is_some_and(|user| self.directory.is_known_place(&user.id, address));
        let attempt = Attempt { account: name.to_owned(), address, is_known_place };
        let wait = |seconds| {
            let told = AuthEvent::new(AuthAct::SignInRefused, name, Some(address));
            self.tell(told.because("too soon after failed attempts"));
            SignInError::Wait { seconds }
        };
        self.lockout.admit(&attempt, Instant::now()).map_err(wait)?;
        let _turn = turn(self).await?;
        // Those that waited for their turn together do not all get one.
        self.lockout.admit(&attempt, Instant::now()).map_err(wait)?;
        let may_come_in = |user: &&UserRow| user.is_active && user.origin == Origin::Local;
        let kept = user.as_ref().filter(may_come_in).and_then(|user| user.password.clone());
        let verdict = blocking({
            let password = password.clone();
            move || password::verify(&password, kept.as_deref())
        })
        .await?;
        let mut user = match (verdict, user) {
            (Verdict::Right | Verdict::RightButWeak, Some(user)) => user,
            _ => {
                self.lockout.failed(&attempt, Instant::now());
                self.tell(AuthEvent::new(AuthAct::SignInRefused, name, Some(address)).because("wrong"));
                return Err(SignInError::Wrong);
            }
        };
        self.lockout.succeeded(&attempt);
        if verdict == Verdict::RightButWeak {
            let (directory, id, old) = (self.directory.clone(), user.id.clone(), user.password.clone());
            let rehashed = blocking(move || {
                let hashed = password::hash(&password).map_err(|error| format!("{error:#}"))?;
                directory.rehash(&id, old.as_deref(), hashed).map_err(|error| error.to_string())
            });
            match rehashed.await? {
                Ok(rehashed) => user = rehashed,
                Err(error) => tracing::warn!(error, "a password is not hashed anew"),
            }
        }
        Ok(user)
    }

    /// Begins a session of `user`; gives the secret for its cookie.
    ///
    /// # Errors
    /// The user may not come in any more; the disk refuses.
    pub(crate) async fn begin_session(
        &self,
        user: &UserRow,
        address: IpAddr,
        how: &str,
    ) -> Result<String, SignInError> {
        let (directory, of) = (self.directory.clone(), user.clone());
        let secret = blocking(move || directory.open_session(&of, address, now_us())).await??;
        self.tell(AuthEvent::new(AuthAct::SignedIn, &user.name, Some(address)).because(how));
        Ok(secret)
    }

    /// The user whom the provider has signed in: the one of this subject, else one of the directory of that
    /// name who has never signed in, else a new one. Name, e-mail and role follow the provider.
    ///
    /// # Errors
    /// See [`OidcError`]; the name is that of a user who does not come from the provider.
    pub(crate) async fn finish_oidc(
        &self,
        back: &Return,
        browser: Option<&str>,
        address: IpAddr,
    ) -> Result<UserRow, SignInError> {
        let refused = |who: &str, error: SignInError| {
            let told = AuthEvent::new(AuthAct::SignInRefused, who, Some(address));
            self.tell(told.because(&error.to_string()));
            error
        };
        let oidc = self.oidc.as_ref().ok_or(OidcError::Flow)?;
        let now_s = now_us() / 1_000_000;
        let signed_in = oidc.finish(back, browser, now_s).await.map_err(|error| refused("", error.into()))?;
        let who = signed_in.name.clone();
        self.admit(signed_in).await.map_err(|error| refused(&who, error))
    }

    async fn admit(&self, signed_in: SignedIn) -> Result<UserRow, SignInError> {
        let SignedIn { subject, name, display, email, role } = signed_in;
        let by_subject = self.directory.find_user(|user| user.subject.as_deref() == Some(&subject));
        let told_by_directory =
            |user: &UserRow| user.origin == Origin::Directory && user.subject.is_none() && user.name == name;
        let known = by_subject.or_else(|| self.directory.find_user(told_by_directory));
        let now_us = now_us();
        let directory = self.directory.clone();
        if let Some(known) = known {
            if !known.is_active {
                return Err(SignInError::Shut(known.name));
            }
            let is_same = known.subject.as_deref() == Some(&subject)
                && known.role == role
                && known.display == display
                && known.email == email;
            if is_same {
                return Ok(known);
            }
            let change = move |user: &mut UserRow| {
                (user.subject, user.role) = (Some(subject), role);
                (user.display, user.email) = (display, email);
            };
            return Ok(blocking(move || directory.change_user(&known.id, None, now_us, change)).await??);
        }
        let is_free = is_user_name(&name) && !self.has_configured(&name);
        if !is_free || self.directory.user_named(&name).is_ok() {
            return Err(SignInError::Shut(name));
        }
        let user = UserRow {
            id: String::new(),
            tenant: TENANT.to_owned(),
            name,
            display,
            email,
            role,
            origin: Origin::SignOn,
            subject: Some(subject),
            external_id: None,
            password: None,
            is_active: true,
            created_us: now_us,
            changed_us: now_us,
            handles: Vec::new(),
        };
        let added = blocking(move || directory.add_user(user)).await??;
        self.tell(
            AuthEvent::new(AuthAct::UserAdded, "single sign-on", None).to(&added.name).because(&added.role),
        );
        Ok(added)
    }
}

/// Names that others have in histories.
const RESERVED: [&str; 4] = ["local", "cli", "stormglass", "system"];

/// Whether a user may be called `name`: 1 to 128 of letters and digits of ASCII in lower case and `. _ - @ +`.
pub(crate) fn is_user_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-@+".contains(c);
    (1..=128).contains(&name.len()) && name.chars().all(is_plain) && !RESERVED.contains(&name)
}
