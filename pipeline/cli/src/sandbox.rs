//! The sandbox: a sample career site and simulated Facebook pages on loopback, for the time of a run.

use crate::exit::{Failure, Outcome};
use crate::load::Process;
use crate::place::Place;
use career_site::CareerSite;
use fbsim::FbSim;
use jobpipe_config::grammar::Period;
use jobpipe_config::settings::{Lookup, PageSettings, SecretRef, Settings};
use jobpipe_config::spec::{FacebookSpec, TargetSpec, read_body};
use jobpipe_core::Plan;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The name under which imports find the sample site, so that keys do not depend on its port.
pub(crate) const HOST: &str = "careers.example.test";
/// A token that only the simulator takes, and what an unset secret is in the sandbox.
const TOKEN: &str = "sandbox";

/// What runs on loopback.
pub(crate) struct Sandbox {
    site: career_site::Handle,
    pages: Option<fbsim::Handle>,
}

impl Sandbox {
    /// Starts the site, and the pages unless nothing will be posted.
    pub(crate) async fn start(place: &Place, with_pages: bool, pages_at: SocketAddr) -> Outcome<Self> {
        let site = CareerSite::start(career_site::Options::default()).await;
        let site = site.map_err(|error| Failure::failed(format!("the sandbox's site: {error}")))?;
        let options =
            fbsim::Options { listen: pages_at, state: Some(place.simulated_pages()), ..fbsim::Options::default() };
        let pages = match with_pages {
            true => Some(FbSim::start(options).await.map_err(|error| {
                Failure::failed(format!("the sandbox's pages: {error} (is `jobpipe sandbox` running? end it first)"))
            })?),
            false => None,
        };
        Ok(Self { site, pages })
    }

    /// Where the pages can be looked at.
    pub(crate) fn pages_url(&self) -> Option<String> {
        self.pages.as_ref().map(|pages| format!("{}/__sim/pages", pages.base_url))
    }

    /// Where the site can be looked at.
    pub(crate) fn site_url(&self) -> &str {
        &self.site.base_url
    }

    /// Names that lead to the sandbox.
    pub(crate) fn hosts(&self) -> BTreeMap<String, SocketAddr> {
        [(HOST.to_owned(), self.site.addr)].into()
    }

    /// Points the settings at the sandbox: no token of a real page is left, and the simulator settles at once.
    pub(crate) fn apply(&self, settings: &mut Settings, plan: &Plan) -> Outcome<()> {
        let addresses = [Some(self.site.addr), self.pages.as_ref().map(|pages| pages.addr)];
        for address in addresses.into_iter().flatten() {
            settings.allow_private.extend(address.to_string().parse());
        }
        let facebook = &mut settings.facebook;
        // without simulated pages nothing is posted: an address where nobody listens
        facebook.graph_url =
            self.pages.as_ref().map_or_else(|| "http://127.0.0.1:9".to_owned(), |pages| pages.base_url.clone());
        facebook.app_secret = None;
        facebook.settle = Period::from_ms(1_000);
        facebook.read_lag = Period::from_ms(100);
        facebook.send_by = Period::from_ms(5_000);
        facebook.timeout = Period::from_ms(5_000);
        let token = SecretRef::parse(TOKEN).map_err(|error| Failure::failed(error.to_string()))?;
        for page in settings.pages.values_mut() {
            page.token = token.clone();
        }
        for name in named_pages(plan).into_iter().chain([TOKEN.to_owned()]) {
            let page = PageSettings { id: page_id(&name), token: token.clone(), vars: Default::default() };
            settings.pages.entry(name).or_insert(page);
        }
        Ok(())
    }

    /// Ends both.
    pub(crate) async fn shutdown(self) {
        self.site.shutdown().await;
        if let Some(pages) = self.pages {
            pages.shutdown().await;
        }
    }
}

/// Pages that exports call by name.
fn named_pages(plan: &Plan) -> Vec<String> {
    let specs = plan.stages.iter().filter_map(|stage| read_body::<FacebookSpec>(stage).ok());
    let names = specs.flat_map(|spec| spec.pages).filter_map(|page| match page {
        TargetSpec::Named(name) if !name.as_str().contains('$') => Some(name.as_str().to_owned()),
        TargetSpec::Named(_) | TargetSpec::Inline(_) => None,
    });
    names.collect()
}

/// The page's name, as far as an id can hold it.
fn page_id(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    name.chars().map(plain).take(64).collect()
}

/// In the sandbox a secret that is not set has a value: nothing real is behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SandboxLookup;

impl Lookup for SandboxLookup {
    fn variable(&self, name: &str) -> Option<SecretString> {
        Process::default().variable(name).or_else(|| Some(SecretString::from(TOKEN)))
    }

    fn file(&self, path: &str) -> std::io::Result<SecretString> {
        Process::default().file(path).or_else(|_| Ok(SecretString::from(TOKEN)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn settings_lead_to_the_sandbox_and_hold_no_real_token() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::folder(folder.path().to_path_buf());
        let sandbox = Sandbox::start(&place, true, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let import = "name: acme\ncrawl: { json: ./x.json }\ntransform: { key: .id }\n\
                      export: { facebook: [acme-paris, known], message: $title }\n";
        let plan = jobpipe_config::check(import, "import.yml").plan.unwrap();
        let mut settings = Settings::default();
        let known =
            PageSettings { id: "1001".into(), token: SecretRef::parse("$REAL").unwrap(), vars: Default::default() };
        settings.pages.insert("known".into(), known);
        sandbox.apply(&mut settings, &plan).unwrap();
        assert!(settings.facebook.graph_url.starts_with("http://127.0.0.1:"));
        assert_eq!(settings.pages["known"].id, "1001");
        assert_eq!(settings.pages["acme-paris"].id, "acme-paris");
        assert!(settings.pages.values().all(|page| page.token.is_plain()), "a made-up token");
        assert_eq!(sandbox.hosts()[HOST], sandbox.site.addr);
        sandbox.shutdown().await;
    }
}
