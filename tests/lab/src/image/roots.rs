//! The roots of trust as one PEM text: those that Mozilla's programme trusts, pinned by a crate, so that the image does
//! not depend on the machine that writes it. An operator of an ITCare behind a private authority adds its root by
//! `--itcare-ca-file`, or mounts another bundle over this one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// All of them.
pub fn pem() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = STANDARD.encode(certificate.as_ref());
        for line in encoded.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
