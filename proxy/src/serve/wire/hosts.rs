//! The names a server answers to, against foreign names that were made to point at it (DNS rebinding).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The names of one listener: of one on a loopback address `localhost` and every loopback address; of another, any name, unless
/// some are configured; then these, and the addresses. The port is not compared, for it may be forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    listen: IpAddr,
    names: Vec<String>,
}

/// A name that is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` in `hosts` must be a name or an address without a port, such as `guard.example` or `[::1]`")]
pub struct HostError(String);

impl Hosts {
    /// The names of a listener, with those that the operator adds.
    ///
    /// # Errors
    /// One of them is no host.
    pub fn new(listen: SocketAddr, names: &[String]) -> Result<Self, HostError> {
        let lower = |name: &String| {
            let lower = name.to_ascii_lowercase();
            match split(lower.as_bytes()) {
                Some((host, None)) if host == lower => Ok(lower),
                _ => Err(HostError(name.clone())),
            }
        };
        Ok(Self { listen: listen.ip(), names: names.iter().map(lower).collect::<Result<_, _>>()? })
    }

    /// Whether an authority, a host with or without a port, is one of them; none if it is no authority at all.
    pub fn admits(&self, authority: &[u8]) -> Option<bool> {
        let (host, _) = split(authority)?;
        let host = host.to_ascii_lowercase();
        Some(self.names.contains(&host) || self.own(&host))
    }

    fn own(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = bare.parse::<IpAddr>();
        if self.listen.is_loopback() {
            return host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        }
        // A name can be made to point here by a stranger, an address cannot.
        self.names.is_empty() || host == "localhost" || address.is_ok()
    }
}

/// The host and the port of an authority: a name of letters, digits, `-`, `_` and dots, an IPv4 address, or an IPv6 address in
/// brackets; nothing else, no user among it.
pub(super) fn split(authority: &[u8]) -> Option<(&str, Option<u16>)> {
    let text = std::str::from_utf8(authority).ok()?;
    let (host, port) = match text.rfind(']') {
        Some(end) => (text.get(..=end)?, text.get(end + 1..)?),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
        None if port.is_empty() => None,
        _ => return None,
    };
    let good = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
        None => name(host),
    };
    good.then_some((host, port))
}

fn name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let good = host.len() <= 253 && host.split('.').all(label);
    // What ends in a number is read as an IPv4 address by some, `127.1` and `0x7f.1` too; so it must be one.
    let last = host.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    good && (!number || host.parse::<std::net::Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::{Hosts, split};

    fn hosts(listen: &str, names: &[&str]) -> Hosts {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Hosts::new(listen.parse().unwrap(), &names).unwrap()
    }

    #[test]
    fn on_a_loopback_address_only_its_own_names_are_admitted() {
        let hosts = hosts("127.0.0.1:8700", &["Guard.Example"]);
        for own in
            ["127.0.0.1", "127.0.0.1:8700", "localhost:1", "LOCALHOST", "[::1]:8700", "127.3.2.1", "guard.example:9"]
        {
            assert_eq!(hosts.admits(own.as_bytes()), Some(true), "{own}");
        }
        for foreign in
            ["evil.example:8700", "localhost.evil.example", "127.0.0.1.evil.example", "10.1.2.3", "0.0.0.0", "[::]"]
        {
            assert_eq!(hosts.admits(foreign.as_bytes()), Some(false), "{foreign}");
        }
    }

    #[test]
    fn on_another_address_any_name_is_admitted_unless_some_are_configured() {
        assert_eq!(hosts("0.0.0.0:8700", &[]).admits(b"guard.example:8700"), Some(true));
        let hosts = hosts("0.0.0.0:8700", &["guard.example", "[fe80::1]"]);
        for own in ["guard.example", "10.1.2.3:8700", "[fe80::1]", "localhost"] {
            assert_eq!(hosts.admits(own.as_bytes()), Some(true), "{own}");
        }
        assert_eq!(hosts.admits(b"evil.example"), Some(false));
    }

    #[test]
    fn what_is_no_authority_is_none() {
        let long = "a".repeat(64);
        for bad in [
            "",
            ":80",
            "x/#@y",
            "a b",
            "user@localhost",
            "localhost:",
            "localhost:x",
            "localhost:99999",
            "localhost:-1",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[localhost]",
            "a..b",
            "localhost,localhost",
            "local\thost",
            "127.1",
            "0x7f.1",
            "127.0.0.1.",
            "%6cocalhost",
            "l\u{f6}calhost",
            "2130706433",
            long.as_str(),
        ] {
            assert_eq!(split(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_name_that_is_no_host_is_not_taken_from_the_configuration() {
        for bad in ["guard.example:8700", "http://guard.example", "*", ""] {
            let error = Hosts::new("127.0.0.1:1".parse().unwrap(), &[bad.to_owned()]).unwrap_err().to_string();
            assert!(error.contains("hosts"), "{error}");
        }
    }
}
