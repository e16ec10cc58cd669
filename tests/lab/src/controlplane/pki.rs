//! Keys and certificates of one control plane, made anew for each.
//!
//! One self-signed certificate serves the API server and is its own root: clients trust exactly it.
//! Not here: client certificates (users come with tokens).

use std::path::Path;

use super::Error;

/// File names inside the control plane's folder.
pub(super) const CERTIFICATE: &str = "tls.crt";
pub(super) const KEY: &str = "tls.key";
pub(super) const TOKEN_KEY: &str = "service-account.key";
pub(super) const TOKEN_PUBLIC_KEY: &str = "service-account.pub";

/// Writes the serving pair and the pair that signs service account tokens. Gives back the
/// certificate to trust, in DER.
pub(super) fn write(directory: &Path) -> Result<Vec<u8>, Error> {
    let cannot = |source: rcgen::Error| Error::Certificate(source.to_string());
    let key = rcgen::KeyPair::generate().map_err(cannot)?;
    let certificate = rcgen::CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()])
        .and_then(|parameters| parameters.self_signed(&key))
        .map_err(cannot)?;
    let tokens = rcgen::KeyPair::generate().map_err(cannot)?;
    let files = [
        (CERTIFICATE, certificate.pem()),
        (KEY, key.serialize_pem()),
        (TOKEN_KEY, tokens.serialize_pem()),
        // Given apart, since Go's reader does not derive it from a PKCS#8 EC key.
        (TOKEN_PUBLIC_KEY, tokens.public_key_pem()),
    ];
    for (name, text) in files {
        std::fs::write(directory.join(name), text).map_err(Error::folder(directory))?;
    }
    Ok(certificate.der().to_vec())
}
