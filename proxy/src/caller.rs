//! Who sends a request, as far as policies ask.

use sha2::{Digest as _, Sha256};

use crate::upstream::Credentials;

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose traffic it is.
    pub tenant: String,
    /// The groups that the caller's key belongs to.
    pub groups: Vec<String>,
    /// The caller's place in the line that roll-outs go along, 0 to 9999.
    ///
    /// Callers are told apart by the key they send; those who send none are one caller.
    pub place: u64,
}

impl Caller {
    /// The caller who sends these credentials, in this tenant.
    pub fn new(tenant: &str, groups: Vec<String>, credentials: &Credentials) -> Self {
        let mut hash = Sha256::new_with_prefix(tenant.as_bytes());
        for key in [&credentials.authorization, &credentials.api_key].into_iter().flatten() {
            hash.update([0]);
            hash.update(key.as_bytes());
        }
        let hash: [u8; 32] = hash.finalize().into();
        let number = hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Self { tenant: tenant.to_owned(), groups, place: number % 10_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::Caller;
    use crate::upstream::Credentials;

    fn place(key: Option<&str>) -> u64 {
        let authorization = key.map(|key| key.parse().unwrap());
        Caller::new("default", Vec::new(), &Credentials { authorization, api_key: None }).place
    }

    #[test]
    fn a_key_has_one_place_and_keys_are_spread() {
        assert_eq!(place(Some("Bearer a")), place(Some("Bearer a")));
        assert_eq!(place(None), place(None));
        let first_half = (0..1000).filter(|n| place(Some(&format!("Bearer {n}"))) < 5_000).count();
        assert!((400..600).contains(&first_half), "{first_half}");
    }
}
