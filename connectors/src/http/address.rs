//! Which addresses may be spoken to: the guard against requests that a source could bend at the operator's own network.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use jobpipe_config::settings::PrivateRange;
use url::{Host, Url};

/// Ports that a public address may be asked on without being named in the settings.
const OPEN_PORTS: [u16; 4] = [80, 443, 8080, 8443];

/// IPv4 networks that are not the public internet (IANA special-purpose registry).
const DENIED_V4: [([u8; 4], u8); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// IPv6 networks that are not the public internet. Those that carry an IPv4 address are judged by it as well.
const DENIED_V6: [(Ipv6Addr, u8); 10] = [
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0), 96),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Why an address or URL is not spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Neither http nor https.
    Scheme(String),
    /// No host.
    NoHost,
    /// An address that is not of the public internet.
    Private(IpAddr),
    /// A port that no setting opens.
    Port(u16),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => write!(f, "`{scheme}:` is not http or https"),
            Self::NoHost => f.write_str("it names no host"),
            Self::Private(ip) => write!(f, "{ip} is a private or reserved address"),
            Self::Port(port) => write!(f, "port {port} is not open for crawling"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The rules for addresses, from settings alone: an import can never widen them.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allow_private: Vec<PrivateRange>,
    ports: Vec<u16>,
    hosts: BTreeMap<String, SocketAddr>,
}

impl Guard {
    /// `ports` are opened beside 80, 443, 8080 and 8443; `hosts` maps fixed names (lower case) to where they really are.
    #[must_use]
    pub fn new(allow_private: Vec<PrivateRange>, ports: Vec<u16>, hosts: BTreeMap<String, SocketAddr>) -> Self {
        Self { allow_private, ports, hosts }
    }

    /// Where a fixed name is; such a name is never looked up.
    #[must_use]
    pub fn pinned(&self, host: &str) -> Option<SocketAddr> {
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        self.hosts.get(&name).copied()
    }

    /// Judges an address that is about to be connected to.
    pub fn check_address(&self, ip: IpAddr, port: u16) -> Result<(), Refusal> {
        if self.allow_private.iter().any(|open| open.allows(ip, port)) {
            return Ok(());
        }
        if is_denied(ip) {
            return Err(Refusal::Private(ip));
        }
        if OPEN_PORTS.contains(&port) || self.ports.contains(&port) { Ok(()) } else { Err(Refusal::Port(port)) }
    }

    /// Judges what a URL tells without a look-up: scheme, host, and the address where the host is one (the HTTP
    /// library connects to those without asking a resolver). Names are judged by what they resolve to.
    pub fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        let port = url.port_or_known_default().unwrap_or(0);
        match url.host() {
            None => Err(Refusal::NoHost),
            Some(Host::Ipv4(ip)) => self.check_address(IpAddr::V4(ip), port),
            Some(Host::Ipv6(ip)) => self.check_address(IpAddr::V6(ip), port),
            Some(Host::Domain(name)) => match (self.pinned(name), url.port()) {
                (Some(address), Some(port)) if address.port() != port => Err(Refusal::Port(port)),
                _ => Ok(()),
            },
        }
    }
}

/// Whether an address is none of the public internet, itself or the IPv4 address that it carries.
fn is_denied(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => DENIED_V4.iter().any(|&(network, prefix)| inside(ip, IpAddr::from(network), prefix)),
        IpAddr::V6(v6) => {
            let plain = DENIED_V6.iter().any(|&(network, prefix)| inside(ip, IpAddr::V6(network), prefix));
            plain || embedded_v4(v6).is_some_and(|v4| is_denied(IpAddr::V4(v4)))
        }
    }
}

/// The IPv4 address inside a mapped (`::ffff:a.b.c.d`), translated (`64:ff9b::`) or 6to4 (`2002:`) address.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = ip.segments();
    let joined = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(joined(high, low))
        }
        _ => None,
    }
}

/// Whether `ip` is in the network; never across families.
fn inside(ip: IpAddr, network: IpAddr, prefix: u8) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            u32::from(ip) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            u128::from(ip) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
