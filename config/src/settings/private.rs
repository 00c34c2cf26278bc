//! Private networks that an operator allows: `127.0.0.1:8800-8899`, `10.0.0.0/8`, `[::1]:8080`.

use crate::grammar::GrammarError;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Addresses and ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateRange {
    network: IpAddr,
    /// Leading bits that count.
    prefix: u8,
    ports: RangeInclusive<u16>,
}

impl PrivateRange {
    /// Whether an address and port are in it. An IPv4 address in IPv6 clothes counts as IPv4.
    #[must_use]
    pub fn allows(&self, address: IpAddr, port: u16) -> bool {
        let bits = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(four) => (u128::from(u32::from(four)) << 96, true),
            IpAddr::V6(six) => (u128::from(six), false),
        };
        let ((wanted, four), (asked, asked_four)) = (bits(self.network), bits(address));
        let shift = 128 - u32::from(self.prefix);
        let same = wanted.checked_shr(shift).unwrap_or(0) == asked.checked_shr(shift).unwrap_or(0);
        four == asked_four && same && self.ports.contains(&port)
    }
}

impl FromStr for PrivateRange {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || GrammarError::new("a network such as 127.0.0.1:8800-8899, 10.0.0.0/8 or [::1]:8080");
        let text = text.trim();
        let (network, ports) = split_ports(text).ok_or_else(wrong)?;
        let (address, prefix) = match network.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| wrong())?)),
            None => (network, None),
        };
        let network: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(most);
        if prefix > most {
            return Err(wrong());
        }
        let ports = match ports {
            None => 0..=u16::MAX,
            Some(ports) => {
                let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
                let first: u16 = first.parse().map_err(|_| wrong())?;
                let last: u16 = last.parse().map_err(|_| wrong())?;
                if first > last {
                    return Err(wrong());
                }
                first..=last
            }
        };
        Ok(Self { network, prefix, ports })
    }
}

/// `10.0.0.0/8:80`, `[::1]:80`, `::1`: what is before the ports, and the ports.
fn split_ports(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(ports) => Some((inside, Some(ports))),
            None => after.is_empty().then_some((inside, None)),
        };
    }
    if text.matches(':').count() > 1 {
        return Some((text, None));
    }
    Some(text.split_once(':').map_or((text, None), |(network, ports)| (network, Some(ports))))
}

impl fmt::Display for PrivateRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = (*self.ports.start(), *self.ports.end());
        match self.network {
            IpAddr::V4(four) => write!(out, "{four}/{}", self.prefix)?,
            IpAddr::V6(six) => write!(out, "[{six}/{}]", self.prefix)?,
        }
        match ports {
            (0, u16::MAX) => Ok(()),
            (first, last) if first == last => write!(out, ":{first}"),
            (first, last) => write!(out, ":{first}-{last}"),
        }
    }
}

impl Serialize for PrivateRange {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl JsonSchema for PrivateRange {
    fn schema_name() -> Cow<'static, str> {
        "PrivateRange".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "Addresses and ports: `127.0.0.1:8800-8899`, `10.0.0.0/8`, `[::1]:8080`." })
    }
}
