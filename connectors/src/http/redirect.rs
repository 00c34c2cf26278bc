//! Whether and how a redirect is followed. Pure.

use reqwest::{Method, StatusCode};
use url::Url;

use super::{HttpError, shown_url};

/// The next hop of a redirect.
#[derive(Debug, PartialEq)]
pub(crate) struct Hop {
    /// Where to.
    pub(crate) url: Url,
    /// With what method; a body goes along only where it is kept.
    pub(crate) method: Method,
    /// Another origin: credentials and headers of the import stay behind.
    pub(crate) crosses_origin: bool,
}

/// Reads `location` against `from`. Scheme and origin are judged here, the address by the guard.
pub(crate) fn next_hop(from: &Url, method: &Method, status: StatusCode, location: &str) -> Result<Hop, HttpError> {
    let refused = |to: String, why| HttpError::Redirect { url: shown_url(from), to, why };
    let url = from.join(location).map_err(|_| refused("nowhere".to_owned(), "its `Location` is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused(shown_url(&url), "it is neither http nor https"));
    }
    if from.scheme() == "https" && url.scheme() == "http" {
        return Err(refused(shown_url(&url), "it goes from https to http, where anyone on the way can read along"));
    }
    let keeps = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
        || matches!(*method, Method::GET | Method::HEAD);
    let method = if keeps { method.clone() } else { Method::GET };
    let crosses_origin = url.origin() != from.origin();
    Ok(Hop { url, method, crosses_origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, to: &str) -> Result<Hop, HttpError> {
        next_hop(&Url::parse(from).unwrap(), &Method::POST, StatusCode::FOUND, to)
    }

    #[test]
    fn relative_and_absolute_hops() {
        let same = hop("https://a.test/x/y", "../z").unwrap();
        assert_eq!((same.url.as_str(), same.crosses_origin, same.method), ("https://a.test/z", false, Method::GET));
        assert!(
            hop("https://a.test/", "https://a.test:8443/").unwrap().crosses_origin,
            "another port is another origin"
        );
        assert!(hop("http://a.test/", "https://a.test/").unwrap().crosses_origin, "another scheme is another origin");
    }

    #[test]
    fn downgrades_and_other_schemes_are_refused() {
        for to in ["http://a.test/", "file:///etc/passwd", "ftp://a.test/", "http://["] {
            assert_eq!(hop("https://a.test/", to).unwrap_err().code(), "JP112", "{to}");
        }
    }

    #[test]
    fn a_kept_method_stays() {
        let url = Url::parse("https://a.test/").unwrap();
        assert_eq!(next_hop(&url, &Method::POST, StatusCode::TEMPORARY_REDIRECT, "/b").unwrap().method, Method::POST);
    }
}
