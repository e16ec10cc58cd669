//! Machinery that knows nothing of ITCare: clock, lease, health and metrics server, telemetry, shutdown.

pub mod chance;
pub mod clock;
pub mod health;
pub mod lease;
pub mod metrics;
pub mod serve;
pub mod shutdown;
pub mod telemetry;
pub mod words;

pub use chance::Chance;
pub use clock::Clock;
pub use health::Health;
pub use lease::Gate;
pub use words::words;
