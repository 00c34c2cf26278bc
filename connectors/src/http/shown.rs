//! URLs as people may see them: in messages, logs and the store.

use url::Url;

/// Names of query parameters whose values are credentials, compared without case and `-`/`_`.
const SECRET_PARAMETERS: [&str; 20] = [
    "accesstoken",
    "apikey",
    "appkey",
    "apitoken",
    "appsecret",
    "appsecretproof",
    "auth",
    "authorization",
    "authtoken",
    "clientsecret",
    "jwt",
    "key",
    "password",
    "passwd",
    "pwd",
    "secret",
    "sessionid",
    "sig",
    "signature",
    "token",
];

/// `url` without user, password, fragment and the values of parameters that are credentials.
///
/// Other parameters stay: they tell pages apart.
#[must_use]
pub fn shown_url(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_fragment(None);
    // Both fail only for URLs that cannot have credentials.
    shown.set_username("").ok();
    shown.set_password(None).ok();
    if let Some(query) = url.query() {
        let parts: Vec<String> = query.split('&').map(shown_parameter).collect();
        shown.set_query(Some(&parts.join("&")));
    }
    shown.into()
}

/// [`shown_url`] of a text that may be no URL.
#[must_use]
pub fn shown_url_text(text: &str) -> String {
    Url::parse(text)
        .map_or_else(|_| text.split(['?', '#']).next().unwrap_or_default().to_owned(), |url| shown_url(&url))
}

fn shown_parameter(part: &str) -> String {
    let Some((name, _)) = part.split_once('=') else { return part.to_owned() };
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).collect::<String>().to_ascii_lowercase();
    if SECRET_PARAMETERS.contains(&plain.as_str()) { format!("{name}=***") } else { part.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_struck_and_the_rest_stays() {
        let url = Url::parse("https://u:p@x.test/a?page=2&access_token=EAAB&Api-Key=k&q=a%20b#f").unwrap();
        assert_eq!(shown_url(&url), "https://x.test/a?page=2&access_token=***&Api-Key=***&q=a%20b");
        assert_eq!(shown_url_text("not a url?token=x"), "not a url");
    }
}
