//! The bodies that are sent. A field that is not set is not sent.

use serde::Serialize;
use serde_json::Value;

use crate::api::instances::{CreateInstance, Volume};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PropertyBody<'a> {
    key: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumeBody<'a> {
    id: &'a str,
    size_gb: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<i64>,
    /// 0 or 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    excl_from_snap: Option<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody<'a> {
    name: &'a str,
    region: &'a str,
    service_id: i64,
    platform: &'a str,
    resource_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    area: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    availability_zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regulation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authentication_domain_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_pool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    specific_request: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monitoring_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monitoring_alerting: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_call_supervision: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_monitoring_prod_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_off_site_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_backup_policy_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    db_backup_policy_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_backup_prod_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replication_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_replication_prod_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<PropertyBody<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<VolumeBody<'a>>,
}

/// The body of a creation.
pub(in crate::api) fn create(request: &CreateInstance) -> Value {
    let CreateInstance {
        name,
        service_id,
        region,
        platform,
        resource_id,
        area,
        availability_zone,
        network_id,
        cloud_id,
        regulation,
        authentication_domain_id,
        product_code,
        storage_pool,
        specific_request,
        monitoring_enabled,
        monitoring_alerting,
        on_call_supervision,
        no_monitoring_prod_reason,
        backup_enabled,
        backup_off_site_enabled,
        server_backup_policy_id,
        db_backup_policy_id,
        no_backup_prod_reason,
        replication_enabled,
        no_replication_prod_reason,
        properties,
        volumes,
    } = request;
    let body = CreateBody {
        name,
        region,
        service_id: *service_id,
        platform,
        resource_id,
        area: area.as_deref(),
        availability_zone: availability_zone.as_deref(),
        network_id: *network_id,
        cloud_id: *cloud_id,
        regulation: regulation.as_deref(),
        authentication_domain_id: authentication_domain_id.as_deref(),
        product_code: product_code.as_deref(),
        storage_pool: storage_pool.as_deref(),
        specific_request: specific_request.as_deref(),
        monitoring_enabled: *monitoring_enabled,
        monitoring_alerting: *monitoring_alerting,
        on_call_supervision: *on_call_supervision,
        no_monitoring_prod_reason: no_monitoring_prod_reason.as_deref(),
        backup_enabled: *backup_enabled,
        backup_off_site_enabled: *backup_off_site_enabled,
        server_backup_policy_id: server_backup_policy_id.as_deref(),
        db_backup_policy_id: db_backup_policy_id.as_deref(),
        no_backup_prod_reason: no_backup_prod_reason.as_deref(),
        replication_enabled: *replication_enabled,
        no_replication_prod_reason: no_replication_prod_reason.as_deref(),
        properties: properties.iter().map(|(key, value)| PropertyBody { key, value }).collect(),
        volumes: volumes
            .iter()
            .map(|Volume { id, size_gb, order, exclude_from_snapshots }| VolumeBody {
                id,
                size_gb: *size_gb,
                order: *order,
                excl_from_snap: exclude_from_snapshots.map(u8::from),
            })
            .collect(),
    };
    serde_json::to_value(body).unwrap_or_default()
}
