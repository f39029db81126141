//! Networks that tokens and proxies are restricted to.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

/// Not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Please give a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", or a single address.")]
pub struct NetworkError;

/// A network in CIDR form (RFC 4632, RFC 4291) or a single address, with the bits beyond the prefix cleared.
///
/// # Errors
/// When it is neither.
pub fn network(text: &str) -> Result<IpNet, NetworkError> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    let net = text.parse::<IpNet>().or_else(|_| single()).map_err(|_| NetworkError)?;
    Ok(canonical(net).trunc())
}

/// IPv4 addresses written as IPv6 (RFC 4291, section 2.5.5.2) are IPv4: that is how clients are seen.
fn canonical(net: IpNet) -> IpNet {
    let mapped = match net {
        IpNet::V6(net) if net.prefix_len() >= 96 => net.addr().to_ipv4_mapped().zip(Some(net.prefix_len() - 96)),
        _ => None,
    };
    mapped.and_then(|(ip, prefix)| Ipv4Net::new(ip, prefix).ok()).map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_are_read_and_cleared_beyond_the_prefix() {
        for (text, net) in [
            ("::ffff:10.2.3.4/104", "10.0.0.0/8"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("10.2.3.4/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:db8::1/32", "2001:db8::/32"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), net);
        }
        for bad in ["", "10.0.0.0/33", "10.0.0", "example.org", "10.0.0.0/8 "] {
            assert_eq!(network(bad), Err(NetworkError), "{bad}");
        }
    }
}
