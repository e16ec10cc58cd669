//! `cargo demo`: the life of a few virtual machines in some minutes, on this machine alone.
//!
//! Only the arguments, the runtime and the exit code are here; the story is in [`demo`].

mod demo;

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;

/// Shows the ITCare operator at work: a real Kubernetes API server, a simulated ITCare, the sample
/// manifests. No account, no cluster and no container engine is needed, and nothing is left behind.
#[derive(Debug, Parser)]
#[command(name = "cargo demo")]
struct Arguments {
    /// Leave everything running at the end, until Ctrl-C, and say how to look at it
    #[arg(long)]
    keep: bool,
    /// Use the cluster behind this context of your kubeconfig, instead of starting a control plane.
    /// The demo works in a namespace of its own there, installs the definitions, and removes both
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// What a shell expects of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let Arguments { keep, context } = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no threads can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ending = runtime.block_on(demo::run(demo::Options { keep, context }));
    if ending == demo::Ending::Interrupted {
        end_build();
    }
    // The thread that waits for Go removes what is half built; it cannot be cancelled, only awaited.
    runtime.shutdown_timeout(Duration::from_secs(3));
    match ending {
        demo::Ending::Shown => ExitCode::SUCCESS,
        demo::Ending::Failed => ExitCode::FAILURE,
        demo::Ending::Interrupted => INTERRUPTED.into(),
    }
}

/// A build of the control plane may still run: the only child that is not ended by then. Where the signal
/// came from a terminal, it got it too; where `pkill` is missing, it ends by itself in minutes.
fn end_build() {
    let mut pkill = Command::new("pkill");
    pkill.args(["-INT", "-P", &std::process::id().to_string()]);
    let _ = pkill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}
