//! The OCI layout: blobs named by their digests, a manifest that names the blobs, an index that names the manifest.

use std::io::Write as _;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use super::Error;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The digest by which the image can be asked for.
    pub manifest: String,
    /// The size of the one layer, compressed.
    pub layer_size: usize,
}

/// `sha256:` and the hexadecimal digest.
pub fn digest(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Writes a layout of one image with one layer; its configuration is made once the layer's digest is known.
///
/// # Errors
///
/// When the folder cannot be written.
pub(super) fn write(
    folder: &Path,
    layer: &[u8],
    tag: &str,
    configuration: impl FnOnce(&str) -> Value,
) -> Result<Written, Error> {
    let blobs = folder.join("blobs/sha256");
    // Blobs of an older image would stay for ever.
    if folder.join("oci-layout").is_file() {
        std::fs::remove_dir_all(&blobs).map_err(failed(&blobs))?;
    }
    std::fs::create_dir_all(&blobs).map_err(failed(&blobs))?;
    let put = |kind: &str, bytes: &[u8]| -> Result<Value, Error> {
        let digest = digest(bytes);
        let path = blobs.join(digest.trim_start_matches("sha256:"));
        std::fs::write(&path, bytes).map_err(failed(&path))?;
        Ok(
            json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": bytes.len()}),
        )
    };
    let compressed = compress(layer).map_err(failed(&blobs))?;
    let layer_size = compressed.len();
    let configuration = configuration(&digest(layer)).to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put("config.v1+json", configuration.as_bytes())?,
        "layers": [put("layer.v1.tar+gzip", &compressed)?],
    })
    .to_string();
    let mut descriptor = put("manifest.v1+json", manifest.as_bytes())?;
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [descriptor],
    });
    for (name, text) in [("index.json", index), ("oci-layout", json!({"imageLayoutVersion": "1.0.0"}))] {
        let path = folder.join(name);
        std::fs::write(&path, text.to_string()).map_err(failed(&path))?;
    }
    Ok(Written { manifest: digest(manifest.as_bytes()), layer_size })
}

/// Without a name and a time in its header, so that the same layer gives the same bytes.
fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::File { path: path.clone(), source }
}
