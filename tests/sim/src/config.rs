//! How one simulated cloud is set up: its clock, its limits, its paths, its accounts.
//!
//! Deliberately not here: what it contains (see `record`), where it departs from the documentation
//! (see `quirks`), and what it knows about sites and images (see `catalogue`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::catalogue::Catalogue;
use crate::clock::span;
use crate::quirks::Quirks;

/// 2026-01-02T03:04:05Z: where the clock starts unless told otherwise.
const START_SECONDS: i64 = 1_767_323_045;

/// The set-up of one simulated cloud. Every part can be changed while it runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the clock shows when the simulator is made.
    pub start: Timestamp,
    /// How far the API's clock is ahead of (or behind) that.
    pub skew: SignedDuration,
    /// When actions end.
    pub time: Time,
    /// Departures from the plain reading of the documentation.
    pub quirks: Quirks,
    /// Who may call, and what they may do.
    pub accounts: Accounts,
    /// Services, platforms, regions and sizes that exist.
    pub catalogue: Catalogue,
    /// Prefix of every API path, without a slash at its end.
    pub base_path: String,
    /// Where tokens are given out.
    pub token_path: String,
    /// Id of the first instance.
    pub first_instance: i64,
    /// Id of the first action.
    pub first_action: i64,
    /// Page size when the request names none: Spring's own default.
    pub default_page_size: usize,
    /// Larger page sizes are cut to this, as Spring does.
    pub max_page_size: usize,
    /// How long a snapshot is kept.
    pub snapshot_lifetime: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            start: Timestamp::from_second(START_SECONDS).unwrap_or(Timestamp::UNIX_EPOCH),
            skew: SignedDuration::ZERO,
            time: Time::Auto { latencies: Latencies::default() },
            quirks: Quirks::default(),
            accounts: Accounts::default(),
            catalogue: Catalogue::default(),
            base_path: "/itcare".to_owned(),
            token_path: "/auth/realms/cloud/protocol/openid-connect/token".to_owned(),
            first_instance: 5_220_149,
            first_action: 1333,
            default_page_size: 20,
            max_page_size: 2000,
            snapshot_lifetime: Duration::from_secs(3 * 24 * 3600),
        }
    }
}

impl Config {
    /// Actions end only when told to: by `step`, `complete` or `drain`.
    pub fn explicit() -> Config {
        Config { time: Time::Explicit, ..Config::default() }
    }

    /// Every action takes this long.
    pub fn auto(latency: Duration) -> Config {
        let latencies = Latencies { default: latency, by_process: BTreeMap::new() };
        Config { time: Time::Auto { latencies }, ..Config::default() }
    }
}

/// When actions end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Time {
    /// An action is over once its latency has passed on the simulator's clock. There are no timers:
    /// what is due is worked out at each request and each look from the test.
    Auto {
        /// How long each kind of action takes.
        latencies: Latencies,
    },
    /// An action is over when the test says so.
    Explicit,
}

/// How long actions take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latencies {
    /// Every process that is not named below.
    pub default: Duration,
    /// By process name, such as `vm_create`.
    pub by_process: BTreeMap<String, Duration>,
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies { default: Duration::from_secs(2), by_process: BTreeMap::new() }
    }
}

impl Latencies {
    /// How long this process takes.
    pub fn of(&self, process: &str) -> Duration {
        self.by_process.get(process).copied().unwrap_or(self.default)
    }
}

/// Who may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accounts {
    /// The accounts; an account that is taken away loses its tokens at once.
    pub list: Vec<Account>,
    /// How long a token is good for.
    #[serde(with = "span")]
    pub token_lifetime: Duration,
}

impl Default for Accounts {
    fn default() -> Self {
        // 1200 s is the documented sample of `expires_in`.
        Accounts { list: vec![Account::default()], token_lifetime: Duration::from_secs(1200) }
    }
}

impl Accounts {
    /// The account of this client id.
    pub fn get_mut(&mut self, client_id: &str) -> Option<&mut Account> {
        self.list.iter_mut().find(|account| account.client_id == client_id)
    }
}

/// One API account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub secret: String,
    /// What `submittedBy`, `creationUser` and `createdBy` show.
    pub user: String,
    /// What it may do.
    pub profile: Profile,
    /// The services that it sees; none means all.
    pub services: Option<BTreeSet<i64>>,
}

impl Default for Account {
    fn default() -> Self {
        Account {
            client_id: "demo-sa-operator".to_owned(),
            secret: "secret".to_owned(),
            user: "demo-sa-operator".to_owned(),
            profile: Profile::Power,
            services: None,
        }
    }
}

impl Account {
    /// Whether this service exists for the account.
    pub fn sees(&self, service: i64) -> bool {
        self.services.as_ref().is_none_or(|services| services.contains(&service))
    }
}

/// The profiles of the privilege matrix that matter to an API account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Everything.
    Power,
    /// Everything but create, delete and recover.
    Operator,
    /// Reads only.
    Standard,
}
