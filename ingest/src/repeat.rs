//! Calls that are made again after passing trouble.

use std::time::Duration;

use crate::{Error, Result};

/// Tries of a call that may be repeated.
const TRIES: u32 = 3;
/// The gap after the first try; it grows fourfold.
const FIRST_GAP: Duration = Duration::from_millis(200);
/// A longer wait than this is the runner's to make.
const MAX_GAP: Duration = Duration::from_secs(5);

/// Makes a call that changes nothing; again after passing trouble.
///
/// # Errors
/// What the last try says.
pub(crate) async fn repeated<T, F>(mut call: impl FnMut() -> F + Send) -> Result<T>
where
    F: Future<Output = Result<T>> + Send,
{
    let mut gap = FIRST_GAP;
    let mut tried = 1;
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let wait = match &error {
            Error::Refused { retry_after: Some(after), .. } => *after,
            _ => gap,
        };
        if tried == TRIES || !error.is_passing() || wait > MAX_GAP {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        gap *= 4;
        tried += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, after: Duration) -> Error {
        let (call, code, message) = ("List".into(), String::new(), String::new());
        Error::Refused { call, status, code, message, retry_after: Some(after) }
    }

    #[tokio::test]
    async fn passing_trouble_is_tried_again_and_no_other() {
        let soon = Duration::from_millis(1);
        for (errors, calls, is_good) in [
            (vec![], 1, true),
            (vec![refused(503, soon), refused(503, soon)], 3, true),
            (vec![refused(503, soon), refused(429, soon), refused(503, soon)], 3, false),
            (vec![refused(403, soon)], 1, false),
            // A long wait is the runner's to make.
            (vec![refused(503, Duration::from_secs(60))], 1, false),
        ] {
            let mut left = errors.into_iter();
            let mut made = 0;
            let answer = repeated(|| {
                made += 1;
                let error = left.next();
                async move { error.map_or(Ok(()), Err) }
            })
            .await;
            assert_eq!((made, answer.is_ok()), (calls, is_good));
        }
    }
}
