//! From the settings of the project to what the `facebook` connector takes. Secrets are read here.

use crate::export::page_with_token;
use jobpipe_config::settings::{Page as NamedPage, PrivateRange, Settings};
use jobpipe_connectors::facebook::{GraphSettings, Pages, code};
use jobpipe_core::{ErrorClass, TaskError};
use jobpipe_expr::Lookup;
use std::net::IpAddr;
use url::{Host, Url};

/// How to reach the Graph API.
pub(super) fn graph_settings(settings: &Settings, lookup: &dyn Lookup) -> Result<GraphSettings, TaskError> {
    let facebook = &settings.facebook;
    let url: Url = facebook.graph_url.parse().map_err(|why| {
        let message = format!(
            "facebook.graph_url `{}` is no address ({why}): write it like https://graph.facebook.com",
            facebook.graph_url
        );
        permanent(code::SETTINGS, message)
    })?;
    let secret = facebook.app_secret.as_ref().map(|secret| secret.resolve(lookup)).transpose();
    let app_secret =
        secret.map_err(|error| permanent(error.code(), format!("facebook.app_secret cannot be read: {error}")))?;
    let allow_http = may_be_plain(&url, &settings.allow_private);
    Ok(GraphSettings { api: facebook.api.clone(), app_secret, allow_http, proxy: None, times: facebook.times(), url })
}

/// Whether tokens may travel to this host in the clear: one that the operator counts among the private networks. A name
/// without a dot is one of such a network.
fn may_be_plain(url: &Url, private: &[PrivateRange]) -> bool {
    let port = url.port_or_known_default().unwrap_or(0);
    let allowed = |address: IpAddr| private.iter().any(|range| range.allows(address, port));
    match url.host() {
        Some(Host::Ipv4(address)) => allowed(address.into()),
        Some(Host::Ipv6(address)) => allowed(address.into()),
        Some(Host::Domain(name)) => !private.is_empty() && !name.contains('.'),
        None => false,
    }
}

/// All pages of the settings. A token that cannot be read is told when its page is used, and by that page alone.
pub(super) fn pages(settings: &Settings, lookup: &dyn Lookup) -> Result<Pages, TaskError> {
    let named = settings.pages.iter().map(|(name, page)| {
        let (id, token, vars) = (page.id.clone(), page.token.clone(), page.vars.clone());
        NamedPage { id, name: name.clone(), token, vars }
    });
    Pages::new(named.map(|named| page_with_token(named, lookup)).collect())
        .map_err(|error| permanent(code::PAGE, error.to_string()))
}

fn permanent(code: &str, message: String) -> TaskError {
    TaskError { class: ErrorClass::Permanent, code: code.to_owned(), message, retry_after_ms: None }
}
