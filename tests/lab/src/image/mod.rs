//! A container image without a container engine: one static program, the roots of trust and the licence, written as an
//! OCI layout that registries and engines take (`skopeo copy oci:…`, `crane push`, `podman load`).
//!
//! The same input gives the same bytes: no clock, no user, no order of a file system is in it. Deliberately not here:
//! building the program (`cargo image` does), signing, and pushing.

mod layout;
mod roots;
mod sbom;
mod tar;

use std::path::Path;

use serde_json::{Value, json};

pub use layout::{Written, digest};
pub use roots::pem;
pub use sbom::bill;
pub use tar::{Entry, archive};

/// Nobody's number: the one that images without users agree on, high enough to be no account of a node.
pub const USER: u32 = 65532;

/// Where TLS looks for roots on most systems, among them the ones that `rustls-native-certs` tries.
pub const ROOTS: &str = "etc/ssl/certs/ca-certificates.crt";

/// A program as an image.
#[derive(Debug)]
pub struct Image<'a> {
    /// Its name: of the program, and of its file in the image.
    pub name: &'a str,
    /// One sentence.
    pub description: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The commit that it was built from, if that is known.
    pub revision: Option<&'a str>,
    /// `amd64` or `arm64`.
    pub architecture: &'a str,
    /// The static program.
    pub program: &'a [u8],
    /// The licence's text.
    pub licence: &'a [u8],
    /// What it is called with, unless somebody says otherwise.
    pub arguments: &'a [&'a str],
    /// TCP ports that it listens on.
    pub ports: &'a [u16],
}

/// Why no image was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that needs others at run time does not start in an empty image.
    #[error(
        "{0} is linked to a dynamic loader; an image without files needs a static program (--target x86_64-unknown-linux-musl)"
    )]
    Dynamic(String),
    /// Not a program of Linux at all.
    #[error("{0} is no ELF program of 64 bits")]
    Foreign(String),
    /// A name or size that the archive's format cannot hold.
    #[error("{0} does not fit into a tar header")]
    Archive(String),
    /// A file could not be written.
    #[error("cannot write {path}")]
    File {
        /// Which file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Writes the layout into a folder, which is made, and emptied if an older layout is there.
///
/// # Errors
///
/// When the program is not static, or the folder cannot be written.
pub fn write(folder: &Path, image: &Image<'_>) -> Result<Written, Error> {
    check(image)?;
    let layer = archive(&entries(image))?;
    layout::write(folder, &layer, image.version, |diff_id| configuration(image, diff_id))
}

/// The files, parents first.
fn entries<'a>(image: &'a Image<'a>) -> Vec<Entry<'a>> {
    let folder = |path: &str| Entry::folder(path);
    let passwd = format!("nonroot:x:{USER}:{USER}:nonroot:/:/sbin/nologin\n").into_bytes();
    let group = format!("nonroot:x:{USER}:\n").into_bytes();
    vec![
        folder("etc"),
        Entry::file("etc/group", 0o644, group),
        Entry::file("etc/passwd", 0o644, passwd),
        folder("etc/ssl"),
        folder("etc/ssl/certs"),
        Entry::file(ROOTS, 0o644, pem().into_bytes()),
        Entry::file(image.name, 0o755, image.program),
        folder("licenses"),
        Entry::file("licenses/LICENSE", 0o644, image.licence),
    ]
}

fn configuration(image: &Image<'_>, diff_id: &str) -> Value {
    let mut labels = json!({
        "org.opencontainers.image.title": image.name,
        "org.opencontainers.image.description": image.description,
        "org.opencontainers.image.version": image.version,
        "org.opencontainers.image.licenses": "Apache-2.0",
    });
    if let Some(revision) = image.revision {
        labels["org.opencontainers.image.revision"] = revision.into();
    }
    let ports: serde_json::Map<String, Value> =
        image.ports.iter().map(|port| (format!("{port}/tcp"), json!({}))).collect();
    json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": image.architecture,
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "ExposedPorts": ports,
            "Entrypoint": [format!("/{}", image.name)],
            "Cmd": image.arguments,
            "WorkingDir": "/",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "cargo image", "comment": image.name}],
    })
}

/// A program header of this type names a loader: the program is not static.
const INTERPRETER: u32 = 3;

/// Refuses what would not start in an image without files.
fn check(image: &Image<'_>) -> Result<(), Error> {
    let foreign = || Error::Foreign(image.name.to_owned());
    let bytes = |at: usize, length: usize| image.program.get(at..at + length).ok_or_else(foreign);
    let number = |at: usize, length: usize| {
        let mut all = [0_u8; 8];
        all[..length].copy_from_slice(bytes(at, length)?);
        Ok::<u64, Error>(u64::from_le_bytes(all))
    };
    if bytes(0, 6)? != b"\x7fELF\x02\x01" {
        return Err(foreign());
    }
    let (offset, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    for index in 0..count {
        let at = usize::try_from(offset + index * size).map_err(|_| foreign())?;
        if number(at, 4)? == u64::from(INTERPRETER) {
            return Err(Error::Dynamic(image.name.to_owned()));
        }
    }
    Ok(())
}
