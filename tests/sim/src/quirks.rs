//! Where the simulated API departs from the plain reading of the documentation.
//!
//! Each switch stands for something that the documentation leaves open or that real clients were seen
//! to meet. They change lasting behaviour; what goes wrong once is a fault (see `fault`).

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Dates, optional_span};
use crate::operation::Operation;

/// The switches. The default is the plain reading of the documentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// A create with the name of a live instance, or of a running create, is refused. Default on.
    pub unique_names: bool,
    /// How such a create is refused.
    pub name_taken: NameTaken,
    /// One snapshot per instance; a second create is refused with 409. Default on.
    pub single_slot: bool,
    /// A second action on the same instance is refused with 409. Default on.
    pub one_action_per_instance: bool,
    /// A resize needs a stopped instance; the documentation says both.
    pub resize_needs_stop: bool,
    /// In production, switching monitoring off by `PATCH` needs a `deactivationReason`, which the
    /// documentation shows for backup and replication only. Default on.
    pub monitoring_needs_reason: bool,
    /// An instance is listed, as `CREATING`, from the moment its create is accepted.
    pub visible_while_creating: bool,
    /// A create that fails leaves an instance behind, in this state.
    pub failed_create_leaves: Option<String>,
    /// A deleted instance stays in list and detail, as `REMOVED`.
    pub removed_leftovers: bool,
    /// While an action runs, the state is a word of its own, such as `STOPPING`.
    pub transitional_states: bool,
    /// List items have only the fields that were seen in real lists. Default on.
    pub poor_list_items: bool,
    /// The detail has no storage information.
    pub omit_storage: bool,
    /// The detail has no network and no address.
    pub omit_network: bool,
    /// Instances and snapshots have fields that the documentation does not know.
    pub extra_fields: bool,
    /// How sizes are written.
    pub numbers: Numbers,
    /// `patchGroup` is a number; documented as text in reads.
    pub patch_group_as_number: bool,
    /// How dates are written.
    pub dates: Dates,
    /// Action ids are text, as in the sample reply of the create.
    pub action_id_as_string: bool,
    /// HTTP status of an accepted mutating call: the prose says 202, the reference 200.
    pub accepted_status: u16,
    /// An accepted mutating call has no body.
    pub empty_action_body: bool,
    /// How a read of a snapshot that does not exist is answered.
    pub no_snapshot: NoSnapshot,
    /// A read of the snapshot answers an array.
    pub snapshot_as_list: bool,
    /// The filter `names` also matches what a name begins with.
    pub names_match_prefix: bool,
    /// Finished actions answer 404, and leave the lists, after this long.
    #[serde(with = "optional_span")]
    pub action_retention: Option<Duration>,
    /// Calls whose action ends well without any effect.
    pub ineffective: BTreeSet<Operation>,
    /// What the account may not see answers 403 rather than 404 or nothing.
    pub invisible_is_forbidden: bool,
    /// A refresh token comes with each token.
    pub refresh_token: bool,
    /// Requests beyond this are answered with 429 and `Retry-After`, without effect.
    pub rate: Option<Rate>,
}

impl Default for Quirks {
    fn default() -> Self {
        Quirks {
            unique_names: true,
            name_taken: NameTaken::Conflict,
            single_slot: true,
            one_action_per_instance: true,
            resize_needs_stop: false,
            monitoring_needs_reason: true,
            visible_while_creating: false,
            failed_create_leaves: None,
            removed_leftovers: false,
            transitional_states: false,
            poor_list_items: true,
            omit_storage: false,
            omit_network: false,
            extra_fields: false,
            numbers: Numbers::Plain,
            patch_group_as_number: false,
            dates: Dates::Zulu,
            action_id_as_string: false,
            accepted_status: 202,
            empty_action_body: false,
            no_snapshot: NoSnapshot::NoContent,
            snapshot_as_list: false,
            names_match_prefix: false,
            action_retention: None,
            ineffective: BTreeSet::new(),
            invisible_is_forbidden: false,
            refresh_token: false,
            rate: None,
        }
    }
}

/// How a create with a name that is taken is refused: the documentation does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameTaken {
    /// 409, empty.
    Conflict,
    /// 400 with the error object.
    BadRequest,
    /// 422 with the error object.
    Unprocessable,
}

/// How a read of a snapshot that does not exist is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoSnapshot {
    /// 204, no body.
    NoContent,
    /// 200, no body.
    EmptyBody,
    /// 200, `{}`.
    EmptyObject,
    /// 200, `null`.
    Null,
    /// 200, `[]`.
    EmptyList,
    /// 404, no body.
    NotFound,
}

/// How sizes (cpu, ram, storage and the like; never ids) are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// `2`
    Plain,
    /// `"2"`
    Quoted,
    /// `2.0`
    Fractional,
}

/// A request limit: a bucket that fills by `per_second`, up to `burst`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests per second in the long run; more than zero.
    pub per_second: f64,
    /// Requests at once after a pause; at least one.
    pub burst: f64,
}
