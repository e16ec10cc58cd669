//! The client's credentials, out of the configured source.

use crate::api::{ClientCredentials, Credentials};
use crate::config::SecretSource;

/// Reads id and secret from where the flags say, anew each time.
#[derive(Debug, Clone)]
pub struct FromSource(pub SecretSource);

impl Credentials for FromSource {
    fn read(&self) -> Result<ClientCredentials, String> {
        let (id, secret) = self.0.read()?;
        Ok(ClientCredentials { id, secret })
    }

    fn client_id(&self) -> String {
        self.0.client_id().unwrap_or_default().to_owned()
    }
}
