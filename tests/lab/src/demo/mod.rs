//! The demo: its story as a table of contents, and its end.
//!
//! The two binaries run as processes, reached through their flags and ports alone, as a user would run
//! them. Whatever is shown as a command is what is done. Not here: what the operator does, which is what
//! is on show; the story only asks, watches, and compares.

mod build;
mod cluster;
mod process;
mod report;
mod samples;
mod simulator;
mod stage;
mod story;
mod watch;

use std::fmt::Display;
use std::io::Write as _;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use report::Figures;
use stage::Stage;
use story::Story;

/// What the user asks for.
#[derive(Debug)]
pub struct Options {
    /// Leave everything running at the end.
    pub keep: bool,
    /// A cluster of the user's.
    pub context: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything went as it should.
    Shown,
    /// Something did not, and was said.
    Failed,
    /// By a signal.
    Interrupted,
}

/// Shows everything, and clears everything away, whatever happens in between.
pub async fn run(options: Options) -> Ending {
    let begin = Instant::now();
    let (mut stage, mut signals) = match Stage::new().and_then(|stage| Ok((stage, Signals::new()?))) {
        Ok(both) => both,
        Err(error) => return failed(&error),
    };
    let shown = tokio::select! {
        shown = show(&mut stage, &options) => Some(shown.inspect_err(|error| {
            failed(error);
            stage.show_logs();
        })),
        () = signals.any() => None,
    };
    let seconds = begin.elapsed().as_secs();
    if let Some(Ok(figures)) = &shown
        && figures.verdict().is_err()
    {
        stage.show_logs();
    }
    if options.keep && shown.is_some() {
        if let Some(Ok(figures)) = &shown {
            figures.show(seconds);
        }
        keep(&mut stage, &mut signals).await;
    }
    let cleared = tokio::select! {
        cleared = stage.clear() => cleared,
        () = signals.any() => Err(anyhow::anyhow!("interrupted again, so something may be left in a cluster of yours")),
    };
    if let Err(error) = cleared {
        return failed(&error.context("not everything could be removed"));
    }
    match shown {
        None => Ending::Interrupted,
        Some(Err(_)) => Ending::Failed,
        Some(Ok(figures)) => {
            if !options.keep {
                figures.show(seconds);
            }
            figures.verdict().map_or_else(|error| failed(&error), |()| Ending::Shown)
        }
    }
}

/// The table of contents.
async fn show(stage: &mut Stage, options: &Options) -> anyhow::Result<Figures> {
    let samples = samples::read(&build::root())?;
    let mut story = Story::new(stage, samples);
    story.prepare(options).await?;
    story.create().await?;
    story.stop_and_start().await?;
    story.resize().await?;
    story.snapshot().await?;
    story.recover().await?;
    story.somebody_stops_it().await?;
    story.delete().await?;
    story.figures().await
}

/// Everything stays until a signal, or until something ends by itself.
async fn keep(stage: &mut Stage, signals: &mut Signals) {
    let (Ok(kubeconfig), Ok(simulator)) = (stage.kubeconfig(), stage.itcare().cloned()) else { return };
    say("\nEverything is left running (--keep). In another terminal, at the top of the repository:\n");
    say(format!("  export KUBECONFIG={}", kubeconfig.display()));
    say(format!("  export ITCARE_SIM={}", simulator.control_url));
    say("  kubectl apply -f deploy/samples/instance.yaml");
    say("  kubectl get itcvm --watch");
    say("  kubectl describe itcvm web");
    say(
        r#"  kubectl patch itcvm web --type merge -p '{"spec":{"size":"4cpu8gb","resizePolicy":"StopStart"}}'"#,
    );
    say("  curl -s $ITCARE_SIM/instances");
    say("\nThe tutorial goes on from here: deploy/docs/tutorial.md");
    say("\nCtrl-C ends it and removes everything.");
    let ended = async {
        let mut interval = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            interval.tick().await;
            if let Err(error) = stage.all_running() {
                return error;
            }
        }
    };
    tokio::select! {
        () = signals.any() => {}
        error = ended => eprintln!("{error:#}"),
    }
}

fn failed(error: &anyhow::Error) -> Ending {
    eprintln!("\nThe demo failed: {error:#}");
    Ending::Failed
}

/// The ways in which a person or a machine tells a program to end.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).map_err(anyhow::Error::from);
        Ok(Self([on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// A line for the audience. Should it have left (`cargo demo | head`), everything is still to be cleared
/// away, so that is no reason to panic.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
