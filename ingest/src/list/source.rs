//! What a service lists, as its settings say: to be followed, to be read over a span of the past, or to be
//! tried.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use event::Fate;

use super::{List, Listed, Lists, Window};
use crate::check::Checks;
use crate::token::TokenCache;
use crate::{CheckStep, Error, ReadOptions, Result};

/// How much of the past a check asks for, in seconds.
const LOOK_S: i64 = 3_600;
/// How often a check asks a service that is busy, and how long it waits for it.
const TRIES: u32 = 4;
const MAX_WAIT: Duration = Duration::from_secs(15);
/// A check tries no more lists than this; they differ in their subscription or project alone.
const MAX_LISTS: usize = 100;

/// What lists are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListPurpose {
    /// All that comes from now on.
    Follow,
    /// A span of the past, once.
    Past,
    /// A look at what is allowed, which changes nothing at the service.
    Check,
}

/// The lists of one source, not asked yet.
#[derive(Debug)]
pub struct ListSource {
    /// Each is a position of its own.
    pub(crate) lists: Vec<Box<dyn List>>,
    /// How far back a list begins that has no position.
    pub(crate) lookback: Duration,
    /// The least time between two requests.
    pub(crate) gap: Duration,
    /// Who gives the tokens that they show, if they show any.
    pub(crate) tokens: Option<TokenCache>,
    /// What to do about a refusal.
    pub(crate) mend: fn(&Error) -> Option<String>,
}

impl ListSource {
    /// A collector that goes on at the saved `positions`. Nothing is called yet.
    pub fn follow(self, positions: &BTreeMap<String, String>, options: ReadOptions) -> Lists {
        Lists::open(self.lists, self.lookback, self.gap, positions, options)
    }

    /// A collector that reads what happened in `span_us` (microseconds since 1970) once, and ends.
    pub fn over(
        self,
        span_us: &Range<i64>,
        positions: &BTreeMap<String, String>,
        options: ReadOptions,
    ) -> Lists {
        Lists::over(self.lists, span_us, self.gap, positions, options)
    }

    /// Asks for a token, and each list for a page of the last hour, whatever the others answer.
    pub async fn check(self, now_us: i64) -> Vec<CheckStep> {
        let mut checks = Checks::default();
        self.check_into(&mut checks, now_us).await;
        checks.done()
    }

    /// The same after other steps.
    pub(crate) async fn check_into(mut self, checks: &mut Checks, now_us: i64) {
        let mend = |error: &Error| (self.mend)(error).unwrap_or_else(|| mend_of(error).to_owned());
        let lists = self.lists.iter_mut().take(MAX_LISTS);
        if let Some(tokens) = &self.tokens
            && checks
                .tried(("credentials", ""), tokens.get().await, |_| "there is a token".into(), mend)
                .is_none()
        {
            for list in lists {
                checks.skipped((list.name(), &list.grant()), "there is no token to ask with", "");
            }
            return;
        }
        for list in lists {
            let windowing = list.windowing();
            let end_s = now_us / 1_000_000 - windowing.settle_s;
            let start_s = end_s - LOOK_S.min(windowing.length_s);
            let window = Window { start_s, end_s, token: None, records: 0 };
            let listed = asked(&mut **list, &window, self.gap).await;
            let describe = |listed: &Listed| match listed {
                Listed::Page { records, next } => {
                    let more = if next.is_some() { " and more" } else { "" };
                    format!("{} records{more} of the last hour", records.len())
                }
                Listed::CaughtUp { records, .. } => format!("{} records of the last hour", records.len()),
                Listed::TokenEnded => "it answers".into(),
            };
            checks.tried((list.name(), &list.grant()), listed, describe, mend);
        }
    }
}

/// What to do about an error of which the service's own page knows nothing.
fn mend_of(error: &Error) -> &'static str {
    match error {
        Error::NoCredentials { .. } => {
            "give the source what the step names; a variable must be set where the server is started, too"
        }
        Error::Refused { status: 300..=399, .. } => {
            "name the address that the service itself answers at; redirects are not followed"
        }
        Error::Refused { status: 401, .. } => "check the credentials: they are wrong, or have ended",
        Error::Refused { status: 403, .. } => "give whoever the credentials are of the right to read this",
        Error::Refused { status: 404, .. } => "check the address: there is nothing",
        Error::BadAnswer { .. } => "check the address: what answers there is not the API",
        Error::BadSetting { .. } => "correct the setting",
        _ => "mend what the service says, and check again",
    }
}

/// The first page; waits while the service asks for fewer requests.
async fn asked(list: &mut dyn List, window: &Window, gap: Duration) -> Result<Listed> {
    let mut tries = 0;
    loop {
        tokio::time::sleep(gap).await;
        tries += 1;
        match list.page(window).await {
            Err(error) if error.is_throttle() && tries < TRIES => {
                if let Fate::Retry { after } = error.fate() {
                    tokio::time::sleep(after.min(MAX_WAIT)).await;
                }
            }
            listed => return listed,
        }
    }
}
