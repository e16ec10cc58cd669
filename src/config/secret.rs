//! The credentials: read again for each token, so that a rotated Secret is picked up without a restart.

use std::path::PathBuf;

use secrecy::SecretString;

/// Where client id and secret come from.
#[derive(Debug, Clone)]
pub struct SecretSource {
    client_id: Option<String>,
    file: Option<PathBuf>,
    fixed: Option<SecretString>,
}

impl SecretSource {
    /// From the flags.
    #[must_use]
    pub fn new(client_id: Option<String>, file: Option<PathBuf>, fixed: Option<SecretString>) -> Self {
        Self { client_id: client_id.filter(|id| !id.is_empty()), file, fixed }
    }

    /// The client id, if it is configured.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Reads both now.
    ///
    /// # Errors
    /// What is missing, and how to give it.
    pub fn read(&self) -> Result<(String, SecretString), String> {
        let id = self
            .client_id
            .clone()
            .ok_or("no client id is configured; give --itcare-client-id or ITCARE_CLIENT_ID")?;
        if let Some(secret) = &self.fixed {
            return Ok((id, secret.clone()));
        }
        let file = self.file.as_ref().ok_or(
            "no client secret is configured; give --itcare-client-secret-file, ITCARE_CLIENT_SECRET_FILE or ITCARE_CLIENT_SECRET",
        )?;
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("the client secret file {} cannot be read: {error}; check --itcare-client-secret-file and the Secret that it comes from", file.display()))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(format!(
                "the client secret file {} is empty; put the client's secret into the Secret that it comes from",
                file.display()
            ));
        }
        Ok((id, SecretString::from(text)))
    }
}
