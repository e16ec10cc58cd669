//! The composition root: commands, and what they are made of. Nothing uses this module but `main`, and
//! the tests that run the whole operator.

pub mod assemble;
mod crds;
mod credentials;
mod kubernetes;
mod run;

use clap::{Parser, Subcommand};

pub use credentials::FromSource;

use crate::config::RunArguments;

/// Kubernetes operator for cegedim.cloud's ITCare: virtual machines and their snapshots.
#[derive(Debug, Parser)]
#[command(name = "itcare-operator", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator.
    Run(Box<RunArguments>),
    /// Print the CustomResourceDefinitions.
    Crds,
}

impl Cli {
    /// Carries the command out.
    ///
    /// # Errors
    /// With a sentence that names what is wrong and the cure.
    pub async fn execute(self) -> anyhow::Result<()> {
        match self.command {
            Command::Run(arguments) => run::run(arguments.with_environment()).await,
            Command::Crds => crds::print(),
        }
    }
}
