//! `itcare-operator crds`.

use std::io::Write as _;

use anyhow::Context as _;

use crate::crd;

/// Prints both definitions as one YAML stream.
pub fn print() -> anyhow::Result<()> {
    let text = crd::print::yaml().context("the definitions cannot be written as YAML")?;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // `crds | head` closes the pipe when it has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
