//! `/compute/instances`: list, detail, create, delete and the operations of `PATCH`.

use std::collections::BTreeSet;

use futures::{Stream, TryStreamExt};
use http::Method;
use serde_json::{Value, json};

use super::send::{self, Accepted, Body, SendGuard, Target};
use super::wire::instance::{DetailWire, NetworkWire, PageWire, StorageWire};
use super::wire::request;
use super::{ApiError, Client, Permit, Priority};
use crate::model::remote::{Network, Storage};
use crate::model::{Detail, FailureClass, InstanceId, Listed, ServiceId, Size};

/// A list longer than this many pages does not end by itself.
const MOST_PAGES: u32 = 10_000;

/// The filters of the list; all that the API's page names. Lists are joined by commas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceFilter {
    /// `services`.
    pub services: Vec<ServiceId>,
    /// `names`; a leading `!` excludes. Whether the API matches exactly or by prefix is not documented.
    pub names: Vec<String>,
    /// `types`, for example `LINUX`.
    pub types: Vec<String>,
    /// `families`, for example `DEBIAN`.
    pub families: Vec<String>,
    /// `environments`, for example `PRODUCTION`.
    pub environments: Vec<String>,
    /// `statuses`, for example `ACTIVE`.
    pub statuses: Vec<String>,
    /// `tags`, each `key:value`.
    pub tags: Vec<String>,
    /// `monitoringStatus`.
    pub monitoring: Option<bool>,
    /// `monitoringOnCallStatus`.
    pub monitoring_on_call: Option<bool>,
    /// `backupStatus`.
    pub backup: Option<bool>,
    /// `recoveryStatus`, the page's word for replication.
    pub recovery: Option<bool>,
    /// `includedInPatchParty`.
    pub in_patch_party: Option<bool>,
    /// `az`.
    pub availability_zones: Vec<String>,
    /// `ip`.
    pub ip_addresses: Vec<String>,
    /// `vlan`.
    pub vlans: Vec<String>,
    /// `clouds`.
    pub cloud: Option<i64>,
    /// `size`: items per page; the server may give fewer.
    pub size: Option<u32>,
}

impl InstanceFilter {
    fn target(&self, page: u32) -> Target {
        let Self {
            services,
            names,
            types,
            families,
            environments,
            statuses,
            tags,
            monitoring,
            monitoring_on_call,
            backup,
            recovery,
            in_patch_party,
            availability_zones,
            ip_addresses,
            vlans,
            cloud,
            size,
        } = self;
        let mut target = Target::new(["compute", "instances"]);
        let services: Vec<String> = services.iter().map(ToString::to_string).collect();
        let lists = [
            ("services", &services),
            ("names", names),
            ("types", types),
            ("families", families),
            ("environments", environments),
            ("statuses", statuses),
            ("tags", tags),
            ("az", availability_zones),
            ("ip", ip_addresses),
            ("vlan", vlans),
        ];
        for (key, values) in lists {
            if !values.is_empty() {
                target = target.query(key, values.join(","));
            }
        }
        let flags = [
            ("monitoringStatus", monitoring),
            ("monitoringOnCallStatus", monitoring_on_call),
            ("backupStatus", backup),
            ("recoveryStatus", recovery),
            ("includedInPatchParty", in_patch_party),
        ];
        for (key, flag) in flags {
            if let Some(flag) = flag {
                target = target.query(key, flag.to_string());
            }
        }
        if let Some(cloud) = cloud {
            target = target.query("clouds", cloud.to_string());
        }
        if let Some(size) = size {
            target = target.query("size", size.to_string());
        }
        // Ids only grow, so what is created meanwhile comes at the end and moves nothing.
        target.query("page", page.to_string()).query("sort", "id")
    }
}

/// One page of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Its items.
    pub items: Vec<Listed>,
    /// Whether the server calls it the last one.
    pub last: Option<bool>,
    /// How many items the server counts in all pages.
    pub total: Option<u64>,
}

/// A whole list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// All items, each once, in the order of their ids.
    pub items: Vec<Listed>,
    /// Whether the pages fit together. When not, something was deleted between two of them and an item
    /// may be on none: what is missing here may still exist.
    pub complete: bool,
}

/// One disk of a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its id in the platform.
    pub id: String,
    /// Its size in GB.
    pub size_gb: i64,
    /// Its position.
    pub order: Option<i64>,
    /// Whether snapshots leave it out.
    pub exclude_from_snapshots: Option<bool>,
}

/// The body of a creation: every field of the API's page that a caller can choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateInstance {
    /// `name`
    pub name: String,
    /// `serviceId`
    pub service_id: i64,
    /// `region`
    pub region: String,
    /// `platform`
    pub platform: String,
    /// `resourceId`: the size, as `2cpu4gb`.
    pub resource_id: String,
    /// `area`
    pub area: Option<String>,
    /// `availabilityZone`
    pub availability_zone: Option<String>,
    /// `networkId`
    pub network_id: Option<i64>,
    /// `cloudId`
    pub cloud_id: Option<i64>,
    /// `regulation`
    pub regulation: Option<String>,
    /// `authenticationDomainId`
    pub authentication_domain_id: Option<String>,
    /// `productCode`
    pub product_code: Option<String>,
    /// `storagePool`
    pub storage_pool: Option<String>,
    /// `specificRequest`
    pub specific_request: Option<String>,
    /// `monitoringEnabled`
    pub monitoring_enabled: Option<bool>,
    /// `monitoringAlerting`
    pub monitoring_alerting: Option<bool>,
    /// `onCallSupervision`
    pub on_call_supervision: Option<bool>,
    /// `noMonitoringProdReason`
    pub no_monitoring_prod_reason: Option<String>,
    /// `backupEnabled`
    pub backup_enabled: Option<bool>,
    /// `backupOffSiteEnabled`
    pub backup_off_site_enabled: Option<bool>,
    /// `serverBackupPolicyId`
    pub server_backup_policy_id: Option<String>,
    /// `dbBackupPolicyId`
    pub db_backup_policy_id: Option<String>,
    /// `noBackupProdReason`
    pub no_backup_prod_reason: Option<String>,
    /// `replicationEnabled`
    pub replication_enabled: Option<bool>,
    /// `noReplicationProdReason`
    pub no_replication_prod_reason: Option<String>,
    /// `properties`: key and value.
    pub properties: Vec<(String, String)>,
    /// `volumes`
    pub volumes: Vec<Volume>,
}

/// The wish of `update_patch_party`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatchParty {
    /// Left out.
    Excluded {
        /// Why; the API requires it.
        reason: String,
    },
    /// Taken in.
    Included {
        /// 1, 2 or 3; none = no preference.
        group: Option<i64>,
    },
}

impl Client {
    /// One page of the list, from 0.
    ///
    /// # Errors
    /// See [`ApiError::class`]. One item that cannot be read fails the page.
    pub async fn list_page(&self, filter: &InstanceFilter, page: u32, priority: Priority) -> Result<Page, ApiError> {
        let wire = self.read("listInstances", &filter.target(page), priority, send::object::<PageWire>).await?;
        let PageWire { content, last, total_elements } = wire;
        Ok(Page {
            items: content.into_iter().map(Listed::from).collect(),
            last: last.0,
            total: total_elements.0.and_then(|total| u64::try_from(total).ok()),
        })
    }

    /// The pages of the list, one call each, to the end: until the server says so *and* its count is
    /// reached, or a page is empty.
    pub fn list(&self, filter: InstanceFilter, priority: Priority) -> impl Stream<Item = Result<Page, ApiError>> + '_ {
        let begin = (filter, 0_u32, 0_u64, false);
        futures::stream::try_unfold(begin, move |(filter, number, seen, over)| async move {
            if over {
                return Ok(None);
            }
            if number >= MOST_PAGES {
                let words = format!("the list of instances has no end after {MOST_PAGES} pages");
                return Err(ApiError::new("listInstances", FailureClass::Garbled, words));
            }
            let page = self.list_page(&filter, number, priority).await?;
            let seen = seen + page.items.len() as u64;
            let counted = page.total.is_none_or(|total| seen >= total);
            let over = page.items.is_empty() || (counted && page.last.unwrap_or(page.total.is_some()));
            Ok(Some((page, (filter, number + 1, seen, over))))
        })
    }

    /// The whole list. It shows what was there at some moment between its first and its last call, and
    /// only as far as [`Listing::complete`] says.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn list_all(&self, filter: &InstanceFilter, priority: Priority) -> Result<Listing, ApiError> {
        let pages: Vec<Page> = self.list(filter.clone(), priority).try_collect().await?;
        Ok(join(pages))
    }

    /// The detail of an instance. 404 is `Missing`; `REMOVED` is a state like any other here.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn detail(&self, id: InstanceId, priority: Priority) -> Result<Detail, ApiError> {
        self.read("getInstance", &instance(id), priority, send::object::<DetailWire>).await.map(Detail::from)
    }

    /// The disks and file systems of an instance.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn storage(&self, id: InstanceId, priority: Priority) -> Result<Storage, ApiError> {
        let mut target = instance(id);
        target.segments.push("storage".to_owned());
        self.read("getStorage", &target, priority, optional::<StorageWire>).await.map(Storage::from)
    }

    /// The network of an instance.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn network(&self, id: InstanceId, priority: Priority) -> Result<Network, ApiError> {
        let mut target = instance(id);
        target.segments.push("networks".to_owned());
        self.read("getNetworks", &target, priority, optional::<NetworkWire>).await.map(Network::from)
    }

    /// Creates an instance. **Not idempotent**, and the reply does not name the new instance: it is found
    /// by name once the action succeeded. After a time-out it may have been created, or still will be.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn create(&self, request: &CreateInstance, permit: Permit, guard: &dyn SendGuard) -> Result<Accepted, ApiError> {
        let target = Target::new(["compute", "instances"]);
        let body = Body::VendorJson(request::create(request));
        self.change("createInstance", Method::POST, &target, &body, permit, guard).await
    }

    /// Deletes an instance, which must be `INACTIVE`. Cannot be undone. A second call is refused while the
    /// first one runs, and 404 after it.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn delete(
        &self,
        id: InstanceId,
        change_reference: Option<&str>,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        // A body only when there is something to say: not every gateway lets a DELETE have one.
        let body = change_reference.map_or(Body::None, |reference| Body::Json(json!({"changeReference": reference})));
        self.change("deleteInstance", Method::DELETE, &instance(id), &body, permit, guard).await
    }

    async fn operate(
        &self,
        id: InstanceId,
        operation: (&'static str, &'static str),
        options: Value,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        let (label, word) = operation;
        let mut body = json!({"operation": word});
        if options.as_object().is_some_and(|options| !options.is_empty()) {
            body["options"] = options;
        }
        self.change(label, Method::PATCH, &instance(id), &Body::Json(body), permit, guard).await
    }

    /// Starts an instance, which must be `INACTIVE`; a second call is refused.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn start(&self, id: InstanceId, change_reference: Option<&str>, permit: Permit, guard: &dyn SendGuard) -> Result<Accepted, ApiError> {
        self.operate(id, ("start", "start"), referenced(change_reference), permit, guard).await
    }

    /// Stops an instance, which must be `ACTIVE`; a second call is refused.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn stop(&self, id: InstanceId, change_reference: Option<&str>, permit: Permit, guard: &dyn SendGuard) -> Result<Accepted, ApiError> {
        self.operate(id, ("stop", "stop"), referenced(change_reference), permit, guard).await
    }

    /// Hard reset of an instance, which must be `ACTIVE`. **Not idempotent**: each call is one more power
    /// cycle. After a time-out it may have happened.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn reset(&self, id: InstanceId, comment: Option<&str>, permit: Permit, guard: &dyn SendGuard) -> Result<Accepted, ApiError> {
        let options = comment.map_or_else(|| json!({}), |comment| json!({"comment": comment}));
        self.operate(id, ("reset", "reset"), options, permit, guard).await
    }

    /// Changes CPUs and memory. The page says both that the instance must not run and that it may; where it
    /// must not, the answer is 400.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn resize(&self, id: InstanceId, size: Size, change_reference: Option<&str>, permit: Permit, guard: &dyn SendGuard) -> Result<Accepted, ApiError> {
        let mut options = referenced(change_reference);
        options["sizing"] = size.to_string().into();
        self.operate(id, ("resize", "resize"), options, permit, guard).await
    }

    /// Switches monitoring; `alerting` is left alone when not given.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn update_monitoring(&self, id: InstanceId, enabled: bool, alerting: Option<bool>, permit: Permit, guard: &dyn SendGuard) -> Result<Accepted, ApiError> {
        let mut options = json!({"state": enabled});
        if let Some(alerting) = alerting {
            options["alerting"] = alerting.into();
        }
        self.operate(id, ("updateMonitoring", "update_monitoring"), options, permit, guard).await
    }

    /// Takes an instance into patch parties or leaves it out.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn update_patch_party(&self, id: InstanceId, party: &PatchParty, permit: Permit, guard: &dyn SendGuard) -> Result<Accepted, ApiError> {
        let party = match party {
            PatchParty::Excluded { reason } => json!({"excluded": true, "exclusionReason": reason}),
            PatchParty::Included { group: Some(group) } => json!({"excluded": false, "patchGroup": group}),
            PatchParty::Included { group: None } => json!({"excluded": false}),
        };
        self.operate(id, ("updatePatchParty", "update_patch_party"), json!({"patchParty": party}), permit, guard).await
    }

    /// Switches storage replication; a reason is required to switch it off in production.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn update_storage_replication(&self, id: InstanceId, enabled: bool, reason: Option<&str>, permit: Permit, guard: &dyn SendGuard) -> Result<Accepted, ApiError> {
        let operation = ("updateStorageReplication", "update_storage_replication");
        self.operate(id, operation, switched(enabled, reason), permit, guard).await
    }

    /// Switches backup; a reason is required to switch it off in production.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn update_backup(&self, id: InstanceId, enabled: bool, reason: Option<&str>, permit: Permit, guard: &dyn SendGuard) -> Result<Accepted, ApiError> {
        self.operate(id, ("updateBackup", "update_backup"), switched(enabled, reason), permit, guard).await
    }
}

fn instance(id: InstanceId) -> Target {
    Target::new(["compute", "instances", &id.to_string()])
}

fn referenced(change_reference: Option<&str>) -> Value {
    change_reference.map_or_else(|| json!({}), |reference| json!({"changeReference": reference}))
}

fn switched(enabled: bool, reason: Option<&str>) -> Value {
    let mut options = json!({"state": enabled});
    if let Some(reason) = reason {
        options["deactivationReason"] = reason.into();
    }
    options
}

/// A part that may be answered with nothing.
fn optional<T: serde::de::DeserializeOwned + Default>(reply: &super::transport::Reply) -> Result<T, String> {
    if reply.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    if reply.body.trim_ascii() == b"null" {
        return Ok(T::default());
    }
    send::object::<T>(reply)
}

/// Pages fit together when nothing before a page's begin can have gone since the page before it: ids grow
/// from item to item, the count never sinks, and as many items were seen as are counted.
fn join(pages: Vec<Page>) -> Listing {
    let totals: Vec<u64> = pages.iter().filter_map(|page| page.total).collect();
    let counts = totals.len() == pages.len();
    let several = pages.len() > 1;
    let mut ids = BTreeSet::new();
    let mut ordered = true;
    let mut last = None;
    let mut items = Vec::new();
    for item in pages.into_iter().flat_map(|page| page.items) {
        ordered &= last.is_none_or(|last| item.id > last);
        last = Some(item.id);
        if ids.insert(item.id) {
            items.push(item);
        }
    }
    let steady = totals.iter().all(|total| Some(total) == totals.first());
    let growing = totals.is_sorted();
    let enough = totals.last().is_none_or(|total| items.len() as u64 >= *total);
    let complete = if several { counts && enough && (if ordered { growing } else { steady }) } else { enough };
    items.sort_by_key(|item| item.id);
    Listing { items, complete }
}
