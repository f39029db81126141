//! Networks that tokens and proxies are restricted to.

use std::net::IpAddr;

use ipnet::IpNet;
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
    text.parse::<IpNet>().or_else(|_| single()).map(|net| net.trunc()).map_err(|_| NetworkError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_are_read_and_cleared_beyond_the_prefix() {
        for (text, net) in
            [("10.2.3.4/8", "10.0.0.0/8"), ("192.0.2.7", "192.0.2.7/32"), ("2001:db8::1/32", "2001:db8::/32")]
        {
            assert_eq!(network(text).unwrap().to_string(), net);
        }
        for bad in ["", "10.0.0.0/33", "10.0.0", "example.org", "10.0.0.0/8 "] {
            assert_eq!(network(bad), Err(NetworkError), "{bad}");
        }
    }
}
