//! `cargo image`: the operator (or the simulator) as a container image, without a container engine.
//!
//! Builds the static program, writes an OCI layout and the bill of materials beside it, and says how large both are.
//! It fails when they have grown beyond what the project promises. The image itself is `itcare_lab::image`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use clap::{Parser, ValueEnum};
use itcare_lab::image::{Image, bill, write};

const MIB: usize = 1024 * 1024;

/// What the project promises of the operator.
const LARGEST_PROGRAM: usize = 14 * MIB;
const LARGEST_LAYER: usize = 8 * MIB;

/// Writes a container image as an OCI layout. Needs no container engine.
#[derive(Debug, Parser)]
#[command(name = "cargo image")]
struct Arguments {
    /// Which program.
    #[arg(value_enum, default_value_t = Which::Operator)]
    which: Which,
    /// Where to write the layout; default: target/image/ and the program's name.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// A static program that is built already; default: build it.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The target to build for; it must be one that links statically.
    #[arg(long, value_name = "TRIPLE", default_value = "x86_64-unknown-linux-musl")]
    target: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    /// The operator.
    Operator,
    /// The simulator.
    Simulator,
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Self::Operator => "itcare-operator",
            Self::Simulator => "itcare-sim",
        }
    }

    fn image<'a>(self, architecture: &'a str, program: &'a [u8], licence: &'a [u8]) -> Image<'a> {
        let image = Image {
            name: self.name(),
            description: "",
            version: env!("CARGO_PKG_VERSION"),
            revision: None,
            architecture,
            program,
            licence,
            arguments: &[],
            ports: &[],
        };
        match self {
            Self::Operator => Image {
                description: "Kubernetes operator for cegedim.cloud's ITCare: virtual machines and their snapshots",
                arguments: &["run"],
                ports: &[8080, 8081],
                ..image
            },
            Self::Simulator => Image {
                description: "A simulator of cegedim.cloud's ITCare API, for tests and demonstrations",
                arguments: &["--listen=0.0.0.0:8080"],
                ports: &[8080],
                ..image
            },
        }
    }
}

fn main() -> anyhow::Result<()> {
    let Arguments { which, out, program, target } = Arguments::parse();
    let root = root();
    let architecture = match target.split('-').next() {
        Some("x86_64") => "amd64",
        Some("aarch64") => "arm64",
        Some(_) | None => bail!("--target {target}: images are made for x86_64 and aarch64"),
    };
    let path = match program {
        Some(path) => path,
        None => build(&root, which.name(), &target)?,
    };
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let licence = std::fs::read(root.join("LICENSE")).context("cannot read LICENSE")?;
    let revision = revision(&root);
    let image = Image { revision: revision.as_deref(), ..which.image(architecture, &bytes, &licence) };
    let folder = out.unwrap_or_else(|| root.join("target/image").join(which.name()));
    let written = write(&folder, &image)?;
    let materials = folder.with_extension("cdx.json");
    std::fs::write(&materials, bill_of(&root, which.name(), &target)?)
        .with_context(|| format!("cannot write {}", materials.display()))?;
    println!("program  {:>9} bytes  {}", bytes.len(), path.display());
    println!("layer    {:>9} bytes, compressed", written.layer_size);
    println!("image    {}:{}  {}", folder.display(), image.version, written.manifest);
    println!("bill     {}", materials.display());
    let limits = [("program", bytes.len(), LARGEST_PROGRAM), ("layer", written.layer_size, LARGEST_LAYER)];
    for (what, size, limit) in limits {
        ensure!(size <= limit, "the {what} has {size} bytes, and the project promises at most {limit}");
    }
    Ok(())
}

fn root() -> PathBuf {
    let lab = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    lab.ancestors().nth(2).map_or_else(|| lab.clone(), PathBuf::from)
}

/// The bill of materials of what was built for that target.
fn bill_of(root: &Path, name: &str, target: &str) -> anyhow::Result<String> {
    let mut command = Command::new(cargo());
    command.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", target]);
    let output = command.current_dir(root).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?;
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let bill = bill(&metadata, &lock, name).with_context(|| format!("cargo metadata knows no {name}"))?;
    Ok(format!("{bill:#}\n"))
}

/// The cargo that runs us.
fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// With cargo's own progress; gives back where it put the program.
fn build(root: &Path, name: &str, target: &str) -> anyhow::Result<PathBuf> {
    let mut command = Command::new(cargo());
    with_compiler(&mut command, target);
    command.args(["build", "--release", "--locked", "--package", name, "--bin", name, "--target", target]);
    command.args(["--message-format", "json-render-diagnostics"]).current_dir(root);
    let output = command.stderr(std::process::Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo build failed, see above; if the target is missing: rustup target add {target}"
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    artifacts
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo built no program called {name}"))
}

/// The cryptography has parts in C. Where there is no compiler of its own for the target, the machine's serves as well,
/// if the processor is the same: these parts call nothing of the C library but what every one has.
fn with_compiler(command: &mut Command, target: &str) {
    let name = target.replace('-', "_");
    let [variable, flags] = ["CC", "CFLAGS"].map(|word| format!("{word}_{name}"));
    let same = target.starts_with(std::env::consts::ARCH) && target.ends_with("-linux-musl");
    let cross = format!("{}-linux-musl-gcc", std::env::consts::ARCH);
    let has_own = Command::new(cross).arg("--version").output().is_ok();
    if same && !has_own && std::env::var_os(&variable).is_none() {
        // glibc's checked variants of functions are not in musl.
        command.env(variable, "cc").env(flags, "-U_FORTIFY_SOURCE");
    }
}

/// The commit, where this is a clone and git is there.
fn revision(root: &Path) -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
