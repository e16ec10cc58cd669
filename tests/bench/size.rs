//! P14: what is shipped.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::report::{Report, Row};

const MIB: f64 = 1024.0 * 1024.0;

pub fn run(report: &mut Report) {
    let program = env!("CARGO_BIN_EXE_itcare-operator");
    let size = std::fs::metadata(program).expect("cargo has built it").len();
    let what = if is_static(program) { "static" } else { "dynamically linked, as this build made it" };
    let row = |what: &str, target: f64, bytes: u64, note: String| Row {
        id: "P14",
        what: what.to_owned(),
        unit: "MiB",
        target,
        #[expect(clippy::cast_precision_loss, reason = "the size of a file")]
        measured: bytes as f64 / MIB,
        floor: None,
        note,
    };
    report.row(row("stripped binary", 14.0, size, what.to_owned()));
    match compressed(program) {
        Some(bytes) => report.row(row("the same, compressed as a layer", 8.0, bytes, "gzip -9".to_owned())),
        None => report.fact("compressed layer", "not measured: there is no gzip here".to_owned()),
    }
}

/// An ELF file without an interpreter asks for no loader and no library.
fn is_static(program: &str) -> bool {
    let bytes = std::fs::read(program).expect("cargo has built it");
    !bytes.windows(10).any(|window| window == b"/ld-linux-" || window == b"ld-linux-x")
}

fn compressed(program: &str) -> Option<u64> {
    let mut child = Command::new("gzip").args(["-9c", program]).stdout(Stdio::piped()).spawn().ok()?;
    let mut bytes = Vec::new();
    child.stdout.take()?.read_to_end(&mut bytes).ok()?;
    child.wait().ok()?.success().then_some(bytes.len() as u64)
}
