//! The image: its layout, what it runs as, what is in it, and that both ways of making it agree.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use itcare_lab::image::{Image, USER, digest, pem, write};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use crate::metadata::text;

/// The header of a program for 64 bits, with one program header of that type.
fn program(header: u32) -> Vec<u8> {
    let mut program = vec![0_u8; 64 + 56];
    program[..6].copy_from_slice(b"\x7fELF\x02\x01");
    program[0x20] = 64;
    program[0x36] = 56;
    program[0x38] = 1;
    program[64..68].copy_from_slice(&header.to_le_bytes());
    program
}

const STATIC: u32 = 1;
const WITH_LOADER: u32 = 3;

fn image(program: &[u8]) -> Image<'_> {
    Image {
        name: "itcare-operator",
        description: "An operator",
        version: "1.2.3",
        revision: Some("0123abc"),
        architecture: "amd64",
        program,
        licence: b"the licence",
        arguments: &["run"],
        ports: &[8080, 8081],
    }
}

/// A blob by its descriptor; its digest and size are checked.
fn blob(folder: &Path, descriptor: &Value) -> Vec<u8> {
    let name = descriptor["digest"].as_str().expect("a digest");
    let path = folder.join("blobs").join(name.replace(':', "/"));
    let bytes = std::fs::read(&path).expect("the blob is there");
    assert_eq!(digest(&bytes), name);
    assert_eq!(descriptor["size"], bytes.len());
    bytes
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("it is JSON")
}

/// Path to mode, owner and content of the files of an archive.
fn files(archive: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    let mut at = 0;
    while archive[at] != 0 {
        let header = &archive[at..at + 512];
        let word = |from: usize, length: usize| {
            let field = &header[from..from + length];
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(length);
            String::from_utf8_lossy(&field[..end]).into_owned()
        };
        let number = |from, length| u32::from_str_radix(word(from, length).trim(), 8).expect("octal digits");
        assert_eq!((number(108, 8), number(116, 8), number(136, 12)), (0, 0, 0), "owner, group, time");
        let size = number(124, 12) as usize;
        let content = archive[at + 512..at + 512 + size].to_vec();
        files.insert(word(0, 100), (number(100, 8), content));
        at += 512 + size.next_multiple_of(512);
    }
    files
}

#[test]
fn digests_match_and_the_configuration_says_how_it_runs() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let bytes = program(STATIC);
    let written = write(folder.path(), &image(&bytes)).expect("it can be written");
    let read = |name: &str| json(&std::fs::read(folder.path().join(name)).expect("it is there"));
    assert_eq!(read("oci-layout")["imageLayoutVersion"], "1.0.0");
    let index = read("index.json");
    let descriptor = &index["manifests"][0];
    assert_eq!(descriptor["digest"], written.manifest);
    assert_eq!(descriptor["annotations"]["org.opencontainers.image.ref.name"], "1.2.3");
    let manifest = json(&blob(folder.path(), descriptor));
    let config = json(&blob(folder.path(), &manifest["config"]));
    let layer = blob(folder.path(), &manifest["layers"][0]);
    assert_eq!(layer.len(), written.layer_size);
    let run = &config["config"];
    assert_eq!(run["User"], format!("{USER}:{USER}"));
    assert_eq!(run["Entrypoint"], serde_json::json!(["/itcare-operator"]));
    assert_eq!(run["Cmd"], serde_json::json!(["run"]));
    assert!(run["ExposedPorts"]["8080/tcp"].is_object() && run["ExposedPorts"]["8081/tcp"].is_object());
    for (label, value) in [("version", "1.2.3"), ("revision", "0123abc"), ("licenses", "Apache-2.0")] {
        assert_eq!(run["Labels"][format!("org.opencontainers.image.{label}")], value);
    }
    let mut archive = Vec::new();
    flate2::read::GzDecoder::new(layer.as_slice()).read_to_end(&mut archive).expect("it is gzip");
    assert_eq!(config["rootfs"]["diff_ids"][0], digest(&archive));
    let files = files(&archive);
    assert_eq!(files["itcare-operator"], (0o755, bytes));
    assert_eq!(files["licenses/LICENSE"].1, b"the licence");
    assert_eq!(files["etc/ssl/certs/ca-certificates.crt"].1, pem().into_bytes());
    assert!(String::from_utf8_lossy(&files["etc/passwd"].1).contains(&USER.to_string()));
}

#[test]
fn the_same_input_gives_the_same_image_and_an_older_one_leaves_nothing() {
    let [one, other] = [(); 2].map(|()| tempfile::tempdir().expect("a folder can be made"));
    let bytes = program(STATIC);
    let older = Image { version: "0.0.1", ..image(&bytes) };
    write(other.path(), &older).expect("it can be written");
    let first = write(one.path(), &image(&bytes)).expect("it can be written");
    let second = write(other.path(), &image(&bytes)).expect("it can be written");
    assert_eq!(first, second);
    let blobs = |folder: &Path| {
        let entries = std::fs::read_dir(folder.join("blobs/sha256")).expect("blobs");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(blobs(one.path()), blobs(other.path()));
    assert_eq!(blobs(one.path()).len(), 3);
}

#[test]
fn a_program_that_would_not_start_in_an_empty_image_is_refused() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let refused =
        |program: &[u8]| write(folder.path(), &image(program)).expect_err("it is refused").to_string();
    assert!(refused(&program(WITH_LOADER)).contains("--target x86_64-unknown-linux-musl"));
    assert!(refused(b"#!/bin/sh\n").contains("no ELF program"));
    assert!(refused(&program(STATIC)[..66]).contains("no ELF program"));
}

#[test]
fn the_roots_of_trust_are_certificates_that_the_client_takes() {
    let text = pem();
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().expect("it is PEM");
    let mut store = rustls::RootCertStore::empty();
    let (added, ignored) = store.add_parsable_certificates(certificates);
    assert!(added > 100, "{added}");
    assert_eq!(ignored, 0);
}

#[test]
fn the_dockerfiles_make_the_same_image() {
    for (file, name, command, ports) in [
        ("deploy/image/Dockerfile", "itcare-operator", "CMD [\"run\"]", "EXPOSE 8080 8081"),
        ("deploy/image/simulator.Dockerfile", "itcare-sim", "CMD [\"--listen=0.0.0.0:8080\"]", "EXPOSE 8080"),
    ] {
        let text = text(file);
        let (_, last) = text.rsplit_once("\nFROM ").expect("stages");
        assert!(last.starts_with("scratch\n"), "{file}");
        for line in [
            format!("USER {USER}:{USER}"),
            format!("ENTRYPOINT [\"/{name}\"]"),
            command.to_owned(),
            ports.to_owned(),
            format!("ARG VERSION={}", env!("CARGO_PKG_VERSION")),
        ] {
            assert!(last.lines().any(|found| found == line), "{file} has no line {line}");
        }
        for part in
            ["/etc/ssl/certs/ca-certificates.crt", "/licenses/LICENSE", "image.licenses=\"Apache-2.0\""]
        {
            assert!(last.contains(part), "{file}: {part}");
        }
        assert!(last.contains(&format!("image.title=\"{name}\"")), "{file}");
        let toolchain = crate::metadata::text("rust-toolchain.toml");
        let channel =
            toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")).expect("a channel");
        let (first, _) = text.split_once("-alpine AS build").expect("a stage that builds");
        let (_, version) = first.rsplit_once("FROM rust:").expect("the compiler's image");
        assert!(channel.starts_with(&format!("{version}.")), "{file} builds with {version}, not {channel}");
        // With that file, rustup would fetch components, or another compiler, into the image that builds.
        let ignored = crate::metadata::text(&format!("{file}.dockerignore"));
        assert!(ignored.lines().any(|line| line == "rust-toolchain.toml"), "{file}");
    }
}
