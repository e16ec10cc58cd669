//! Parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use itcare_operator::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().execute().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain on one line: each cause says more than the one before.
            eprintln!("itcare-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}
