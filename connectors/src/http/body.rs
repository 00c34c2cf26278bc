//! Reading a body: bounded in decompressed bytes, in silence and in slowness.

use std::time::Duration;

use reqwest::Response;
use tokio::time::{Instant, timeout};
use url::Url;

use super::transport::reason;
use super::{HttpError, HttpLimits, shown_url};

/// What becomes of a body that is longer than its bound, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// It is refused.
    Whole(usize),
    /// Its beginning is taken.
    Beginning(usize),
}

/// The body up to its bound, or why not. What is counted has been decompressed, so a bomb ends at the bound.
pub(crate) async fn read_body(
    response: &mut Response,
    url: &Url,
    limits: &HttpLimits,
    bound: Bound,
) -> Result<Vec<u8>, HttpError> {
    let (most, cuts) = match bound {
        Bound::Whole(most) => (most, false),
        Bound::Beginning(most) => (most, true),
    };
    let too_large = || HttpError::TooLarge { url: shown_url(url), limit: most };
    if !cuts && response.content_length().is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let begun = Instant::now();
    let mut body = Vec::new();
    loop {
        let piece = match timeout(limits.idle, response.chunk()).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => return Ok(body),
            Ok(Err(error)) => return Err(HttpError::Broken { url: shown_url(url), cause: reason(&error) }),
            Err(_) => {
                return Err(HttpError::Timeout {
                    url: shown_url(url),
                    what: "the next piece of the answer",
                    limit: limits.idle,
                });
            }
        };
        let room = most - body.len();
        if piece.len() > room && !cuts {
            return Err(too_large());
        }
        if piece.len() > room {
            body.extend_from_slice(piece.get(..room).unwrap_or_default());
            return Ok(body);
        }
        body.extend_from_slice(&piece);
        if is_too_slow(body.len(), begun.elapsed(), limits) {
            return Err(HttpError::TooSlow { url: shown_url(url), least: limits.min_rate });
        }
    }
}

fn is_too_slow(bytes: usize, elapsed: Duration, limits: &HttpLimits) -> bool {
    elapsed > limits.rate_grace && (bytes as f64) < limits.min_rate as f64 * elapsed.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowness_is_judged_after_the_grace() {
        let limits = HttpLimits::default();
        assert!(!is_too_slow(1, Duration::from_secs(10), &limits));
        assert!(is_too_slow(10_000, Duration::from_secs(11), &limits));
        assert!(!is_too_slow(12_000, Duration::from_secs(11), &limits));
    }
}
