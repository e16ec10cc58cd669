//! `/compute/instances`: detail, create, delete and the operations of `PATCH`. The list is `listing`'s.

use http::Method;
use serde_json::{Value, json};

use super::send::{self, Accepted, Body, SendGuard, Target};
use super::wire::instance::{DetailWire, NetworkWire, StorageWire};
use super::wire::request;
use super::{ApiError, Client, Permit};
use crate::model::remote::{Network, Storage};
use crate::model::{Detail, InstanceId, Size};

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
    /// The detail of an instance. 404 is `Missing`; `REMOVED` is a state like any other here.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn detail(&self, id: InstanceId, permit: Permit) -> Result<Detail, ApiError> {
        self.read_on(permit, "getInstance", &instance(id), send::object::<DetailWire>).await.map(Detail::from)
    }

    /// The disks and file systems of an instance.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn storage(&self, id: InstanceId, permit: Permit) -> Result<Storage, ApiError> {
        let mut target = instance(id);
        target.segments.push("storage".to_owned());
        self.read_on(permit, "getStorage", &target, optional::<StorageWire>).await.map(Storage::from)
    }

    /// The network of an instance.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn network(&self, id: InstanceId, permit: Permit) -> Result<Network, ApiError> {
        let mut target = instance(id);
        target.segments.push("networks".to_owned());
        self.read_on(permit, "getNetworks", &target, optional::<NetworkWire>).await.map(Network::from)
    }

    /// Creates an instance. **Not idempotent**, and the reply does not name the new instance: it is found
    /// by name once the action succeeded. After a time-out it may have been created, or still will be.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn create(
        &self,
        request: &CreateInstance,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
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
        let body = change_reference
            .map_or(Body::None, |reference| Body::Json(json!({"changeReference": reference})));
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
    pub async fn start(
        &self,
        id: InstanceId,
        change_reference: Option<&str>,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        self.operate(id, ("start", "start"), referenced(change_reference), permit, guard).await
    }

    /// Stops an instance, which must be `ACTIVE`; a second call is refused.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn stop(
        &self,
        id: InstanceId,
        change_reference: Option<&str>,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        self.operate(id, ("stop", "stop"), referenced(change_reference), permit, guard).await
    }

    /// Hard reset of an instance, which must be `ACTIVE`. **Not idempotent**: each call is one more power
    /// cycle. After a time-out it may have happened.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn reset(
        &self,
        id: InstanceId,
        comment: Option<&str>,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        let options = comment.map_or_else(|| json!({}), |comment| json!({"comment": comment}));
        self.operate(id, ("reset", "reset"), options, permit, guard).await
    }

    /// Changes CPUs and memory. The page says both that the instance must not run and that it may; where it
    /// must not, the answer is 400.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn resize(
        &self,
        id: InstanceId,
        size: Size,
        change_reference: Option<&str>,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        let mut options = referenced(change_reference);
        options["sizing"] = size.to_string().into();
        self.operate(id, ("resize", "resize"), options, permit, guard).await
    }

    /// Switches monitoring; `alerting` is left alone when not given.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn update_monitoring(
        &self,
        id: InstanceId,
        enabled: bool,
        alerting: Option<bool>,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
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
    pub async fn update_patch_party(
        &self,
        id: InstanceId,
        party: &PatchParty,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        let party = match party {
            PatchParty::Excluded { reason } => json!({"excluded": true, "exclusionReason": reason}),
            PatchParty::Included { group: Some(group) } => json!({"excluded": false, "patchGroup": group}),
            PatchParty::Included { group: None } => json!({"excluded": false}),
        };
        self.operate(
            id,
            ("updatePatchParty", "update_patch_party"),
            json!({"patchParty": party}),
            permit,
            guard,
        )
        .await
    }

    /// Switches storage replication; a reason is required to switch it off in production.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn update_storage_replication(
        &self,
        id: InstanceId,
        enabled: bool,
        reason: Option<&str>,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        let operation = ("updateStorageReplication", "update_storage_replication");
        self.operate(id, operation, switched(enabled, reason), permit, guard).await
    }

    /// Switches backup; a reason is required to switch it off in production.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn update_backup(
        &self,
        id: InstanceId,
        enabled: bool,
        reason: Option<&str>,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
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
