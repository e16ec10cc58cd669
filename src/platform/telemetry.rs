//! Log set-up. Lines go to standard error; the text format is for people, JSON for collectors.

use tracing_subscriber::EnvFilter;

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For a terminal.
    Text,
}

/// Installs the global subscriber. `level` is a level or a filter such as `info,itcare_operator=debug`.
///
/// # Errors
/// When `level` is no filter, or a subscriber is installed already.
pub fn install(format: Format, level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level).map_err(|error| {
        anyhow::anyhow!("--log-level {level:?}: {error}; use error, warn, info, debug or trace")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match format {
        Format::Json => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        Format::Text => builder.with_target(false).try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("logging: {error}"))
}
