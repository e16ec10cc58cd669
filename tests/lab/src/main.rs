//! `cargo demo`: the life of a few virtual machines in some minutes, on this machine alone.
//!
//! Only the arguments, the runtime and the exit code are here; the story is in [`demo`].

mod demo;

use std::process::ExitCode;

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
    // Ctrl-C in the middle of building the control plane: the thread that waits for Go ends with us.
    runtime.shutdown_background();
    match ending {
        demo::Ending::Shown => ExitCode::SUCCESS,
        demo::Ending::Failed => ExitCode::FAILURE,
        demo::Ending::Interrupted => INTERRUPTED.into(),
    }
}
