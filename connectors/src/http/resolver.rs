//! The resolver that connections use: what it refuses is never connected to, whatever a name said a moment ago.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Guard, Refusal};

/// Looks names up for connections to one port and passes only addresses that the guard allows.
///
/// One refused address refuses the whole name: a name that points inside and outside is not to be trusted.
#[derive(Clone)]
pub struct GuardedResolver {
    guard: Arc<Guard>,
    port: u16,
    lookup: Arc<dyn Lookup>,
}

/// A name look-up; the system's own, or a table in tests.
#[async_trait::async_trait]
pub(crate) trait Lookup: Send + Sync {
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<SocketAddr>>;
}

struct System;

#[async_trait::async_trait]
impl Lookup for System {
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// Why a name gave no address: told apart from a refusal, which is final.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Failed(#[from] std::io::Error),
    #[error("it has no address")]
    Empty,
}

impl GuardedResolver {
    /// For connections to `port`.
    #[must_use]
    pub fn new(guard: Arc<Guard>, port: u16) -> Self {
        Self { guard, port, lookup: Arc::new(System) }
    }

    #[cfg(test)]
    pub(crate) fn with_lookup(guard: Arc<Guard>, port: u16, lookup: Arc<dyn Lookup>) -> Self {
        Self { guard, port, lookup }
    }

    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Some(pinned) = self.guard.pinned(name) {
            return Ok(vec![pinned]);
        }
        let found = self.lookup.addresses(name).await?;
        for address in &found {
            self.guard.check_address(address.ip(), self.port)?;
        }
        if found.is_empty() { Err(ResolveError::Empty) } else { Ok(found) }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let found = this.addresses(name.as_str()).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A name that is public and private by turns, and one that is both.
    #[derive(Default)]
    struct Turncoat(AtomicUsize);

    #[async_trait::async_trait]
    impl Lookup for Turncoat {
        async fn addresses(&self, name: &str) -> std::io::Result<Vec<SocketAddr>> {
            let (public, private) = (SocketAddr::from(([8, 8, 8, 8], 0)), SocketAddr::from(([127, 0, 0, 1], 0)));
            Ok(match name {
                "both.test" => vec![public, private],
                "none.test" => Vec::new(),
                _ if self.0.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) => vec![public],
                _ => vec![private],
            })
        }
    }

    fn resolver() -> GuardedResolver {
        let hosts = BTreeMap::from([("fixed.test".to_owned(), SocketAddr::from(([127, 0, 0, 1], 4711)))]);
        let guard = Guard::new(Vec::new(), Vec::new(), hosts);
        GuardedResolver::with_lookup(Arc::new(guard), 443, Arc::new(Turncoat::default()))
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_never_leads_inside() {
        let resolver = resolver();
        let mut passed = 0;
        for _ in 0..1_000 {
            match resolver.addresses("turn.test").await {
                Ok(found) => {
                    assert!(found.iter().all(|address| !address.ip().is_loopback()));
                    passed += 1;
                }
                Err(error) => assert!(matches!(error, ResolveError::Refused(Refusal::Private(_)))),
            }
        }
        assert_eq!(passed, 500);
    }

    #[tokio::test]
    async fn one_private_address_refuses_the_name() {
        assert!(matches!(resolver().addresses("both.test").await, Err(ResolveError::Refused(_))));
        assert!(matches!(resolver().addresses("none.test").await, Err(ResolveError::Empty)));
    }

    #[tokio::test]
    async fn a_fixed_name_is_not_looked_up() {
        let found = resolver().addresses("Fixed.test.").await.unwrap();
        assert_eq!(found, [SocketAddr::from(([127, 0, 0, 1], 4711))]);
    }
}
