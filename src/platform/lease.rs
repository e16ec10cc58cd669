//! Leader election by a Lease, and the gate that is asked before every effect.
//!
//! The rules are client-go's: a holder is judged by this process's own monotonic clock since its record
//! was last seen to change, never by comparing clocks; every write is a PUT with the resource version;
//! a holder that cannot renew in time steps down before anybody else can take over. A lease is not a
//! fence: what a stopped process has already sent cannot be recalled. The ledger is the last defence.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Clock, words};

/// Whether this process leads, and until when that is certain.
///
/// It opens and closes before the lease does: an effect that starts must also end inside it. What an effect came
/// to may be written down for as long as the lease is held.
#[derive(Clone, Debug)]
pub struct Gate {
    state: watch::Receiver<Standing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    /// The lease is certainly ours before this instant; `None` = not leading.
    until: Option<Instant>,
    /// We are about to end: no new effect starts.
    ending: bool,
    /// Without election there is no end.
    always: bool,
}

impl Gate {
    /// A gate that is open for ever: leader election is off.
    #[must_use]
    pub fn open() -> Self {
        let (sender, state) = watch::channel(Standing { until: None, ending: false, always: true });
        // The value stays readable after the sender is gone.
        drop(sender);
        Self { state }
    }

    /// Whether an effect may start now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.state.borrow().ending && self.is_held()
    }

    /// Whether nobody else can lead now, so that what we know may be written down.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let standing = *self.state.borrow();
        standing.always || standing.until.is_some_and(|until| Instant::now() < until)
    }

    /// Returns when this process leads.
    pub async fn opened(&mut self) {
        while !self.is_open() {
            if self.state.changed().await.is_err() {
                // Nobody will ever open it: wait for the shutdown that follows.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Returns when this process does not lead any more.
    pub async fn closed(&mut self) {
        loop {
            let standing = *self.state.borrow_and_update();
            if standing.always {
                std::future::pending::<()>().await;
            }
            let Some(until) = standing.until.filter(|_| !standing.ending) else { return };
            tokio::select! {
                changed = self.state.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(until) => if !self.is_open() { return },
            }
        }
    }
}

/// How the lease is held.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the Lease.
    pub name: String,
    /// Who we are; unique per process.
    pub identity: String,
    /// How long a silent holder keeps it.
    pub duration: Duration,
}

impl Settings {
    /// A holder that could not renew for this long steps down: two thirds of the lease.
    #[must_use]
    pub fn renew_deadline(&self) -> Duration {
        self.duration * 2 / 3
    }

    /// Between two renewals.
    fn renewal(&self) -> Duration {
        self.duration * 2 / 15
    }

    /// Between two looks of whoever waits: a holder that ends gives the lease back, and work should not stand still
    /// for long then. It is one read of one small object.
    fn look(&self) -> Duration {
        self.duration / 20
    }
}

/// Competes for the lease.
pub struct Elector {
    api: Api<Lease>,
    settings: Settings,
    clock: Clock,
    seen: Option<(String, Instant)>,
    held: Option<Lease>,
    sender: watch::Sender<Standing>,
}

impl Elector {
    /// An elector and the gate that it works. The client should not retry by itself.
    #[must_use]
    pub fn new(api: Api<Lease>, settings: Settings, clock: Clock) -> (Self, Gate) {
        let (sender, state) = watch::channel(Standing { until: None, ending: false, always: false });
        (Self { api, settings, clock, seen: None, held: None, sender }, Gate { state })
    }

    /// Competes until `stop`; then closes the gate, goes on renewing until `drained`, so that what is in flight
    /// ends while nobody else leads, and releases the lease.
    pub async fn run(mut self, stop: CancellationToken, drained: CancellationToken) {
        let mut renewed = Instant::now();
        let mut stopping = false;
        loop {
            let begun = Instant::now();
            let left = match self.held.is_some() {
                true => (renewed + self.settings.renew_deadline()).saturating_duration_since(begun),
                false => self.settings.renew_deadline(),
            };
            // A write that is cut off half-way may have been carried out: it is always waited for, in bounds.
            let result = timeout(left, self.step()).await;
            match result {
                Ok(Ok(true)) => {
                    // Validity counts from before the request: the server may have answered long ago.
                    renewed = begun;
                    if !self.leads() && !stopping {
                        tracing::info!(lease = %self.settings.name, identity = %self.settings.identity, "leading");
                    }
                    self.set(Some(begun + self.settings.renew_deadline()));
                }
                Ok(Ok(false)) => {
                    if self.leads() {
                        tracing::warn!(lease = %self.settings.name, "lost the lease");
                    }
                    self.set(None);
                }
                Ok(Err(error)) => tracing::warn!(error = words(&error), "lease"),
                Err(_) => tracing::warn!("lease call timed out"),
            }
            if self.held.is_some() && renewed.elapsed() >= self.settings.renew_deadline() {
                tracing::warn!(lease = %self.settings.name, "the lease could not be renewed in time: standing down");
                self.held = None;
                self.set(None);
            }
            if stopping && (self.held.is_none() || drained.is_cancelled()) {
                break;
            }
            let pause = if self.held.is_some() { self.settings.renewal() } else { self.settings.look() };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.sender.send_modify(|standing| standing.ending = true);
                    if self.held.is_none() || drained.is_cancelled() {
                        break;
                    }
                }
                () = drained.cancelled(), if stopping => break,
            }
        }
        self.set(None);
        match timeout(self.settings.renew_deadline(), self.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = words(&error), "the lease could not be released"),
            Err(_) => tracing::warn!("the lease could not be released in time"),
        }
    }

    fn leads(&self) -> bool {
        self.sender.borrow().until.is_some()
    }

    fn set(&self, until: Option<Instant>) {
        self.sender.send_if_modified(|standing| {
            let changed = standing.until != until;
            standing.until = until;
            changed
        });
    }

    fn spec(&self, before: Option<&LeaseSpec>, same_holder: bool) -> LeaseSpec {
        let now = MicroTime(self.clock.now().wall);
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.settings.identity.clone()),
            lease_duration_seconds: i32::try_from(self.settings.duration.as_secs().max(1)).ok(),
            acquire_time: if same_holder {
                before.and_then(|spec| spec.acquire_time.clone())
            } else {
                Some(now.clone())
            },
            renew_time: Some(now),
            lease_transitions: Some(transitions + i32::from(!same_holder && before.is_some())),
            ..LeaseSpec::default()
        }
    }

    /// One attempt: whether we hold the lease after it.
    async fn step(&mut self) -> Result<bool, kube::Error> {
        if let Some(mut lease) = self.held.clone() {
            lease.spec = Some(self.spec(lease.spec.as_ref(), true));
            match self.replace(&lease).await {
                Ok(lease) => {
                    self.held = Some(lease);
                    return Ok(true);
                }
                Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
                    self.held = None
                }
                Err(error) => return Err(error),
            }
        }
        let Some(current) = self.api.get_opt(&self.settings.name).await? else { return self.create().await };
        let version = current.metadata.resource_version.clone().unwrap_or_default();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, Instant::now()));
        }
        let spec = current.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let ours = holder == self.settings.identity;
        let seconds = u64::try_from(spec.lease_duration_seconds.unwrap_or(0)).unwrap_or(0);
        let expired = self.seen.as_ref().is_some_and(|(_, at)| at.elapsed() >= Duration::from_secs(seconds));
        if !ours && !holder.is_empty() && !expired {
            return Ok(false);
        }
        let next = Lease { spec: Some(self.spec(Some(&spec), ours)), ..current };
        match self.replace(&next).await {
            Ok(lease) => {
                self.held = Some(lease);
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn create(&mut self) -> Result<bool, kube::Error> {
        let lease = Lease {
            metadata: ObjectMeta { name: Some(self.settings.name.clone()), ..ObjectMeta::default() },
            spec: Some(self.spec(None, false)),
        };
        match self.api.create(&PostParams::default(), &lease).await {
            Ok(lease) => {
                self.held = Some(lease);
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, kube::Error> {
        self.api.replace(&self.settings.name, &PostParams::default(), lease).await
    }

    async fn release(&mut self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.held.take() else { return Ok(()) };
        let now: Timestamp = self.clock.now().wall;
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(now));
        }
        self.replace(&lease).await.map(drop)
    }
}
