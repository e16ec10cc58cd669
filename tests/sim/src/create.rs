//! Creating and deleting instances.

use serde_json::Value;

use crate::act::{About, Work};
use crate::answer::Reply;
use crate::catalogue::{Area, Region, Service};
use crate::handle::{Context, change_reference, short_text};
use crate::operation::Operation;
use crate::quirks::NameTaken;
use crate::record::{InstanceRecord, SeedInstance};
use crate::request::Incoming;
use crate::world::World;

/// Longer host names are refused; the API's own rules are not published.
const NAME_LIMIT: usize = 63;

/// Size of the disks of an image that is given no volumes.
const DEFAULT_DISK_GB: u32 = 60;

impl World {
    pub(crate) fn create(&mut self, context: &Context<'_>, incoming: &Incoming) -> Result<Reply, Reply> {
        let body = &incoming.body;
        let name = required_text(body, "name")?;
        let region = required_text(body, "region")?;
        let platform = required_text(body, "platform")?;
        let size = required_text(body, "resourceId")?;
        let service = body.get("serviceId").and_then(Value::as_i64).ok_or_else(|| missing("serviceId"))?;

        let service = self.config.catalogue.service(service).ok_or_else(|| invalid("serviceId"))?.clone();
        if !context.account.sees(service.id) {
            return Err(Reply::empty(403));
        }
        let well_formed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !well_formed || name.len() > NAME_LIMIT {
            return Err(invalid("name"));
        }
        if self.config.catalogue.platform(&platform).is_none() {
            return Err(invalid("platform"));
        }
        let (cpu, ram) = self.config.catalogue.size(&size).ok_or_else(|| invalid("resourceId"))?;
        let region = self.config.catalogue.region(&region).ok_or_else(|| invalid("region"))?.clone();
        let (area, zone) = place(&region, body)?;
        let switches = Switches::read(&service, body)?;
        check_types(body)?;
        if self.config.quirks.unique_names && self.is_taken(&name) {
            return Err(self.name_taken());
        }

        let seed = SeedInstance {
            name,
            service_id: service.id,
            status: "CREATING".to_owned(),
            platform,
            cpu,
            ram,
            region: region.id.clone(),
            created_by: context.account.user.clone(),
            monitoring: switches.monitoring,
            alerting: flag(body, "monitoringAlerting")?.unwrap_or(false),
            backup: switches.backup,
            replication: switches.replication,
            ..SeedInstance::default()
        };
        let mut instance = self.plan(context.at, seed);
        instance.area = area;
        instance.availability_zone = zone;
        instance.network_id = number(body, "networkId")?.unwrap_or(instance.network_id);
        instance.authentication_domain = optional_text(body, "authenticationDomainId")?;
        instance.product_code = optional_text(body, "productCode")?;
        instance.on_call = flag(body, "onCallSupervision")?.unwrap_or(false);
        instance.no_replication_reason = optional_text(body, "noReplicationProdReason")?;
        instance.storage_gb = volumes(body).unwrap_or(DEFAULT_DISK_GB);
        instance.requested = body.clone();

        if self.config.quirks.visible_while_creating {
            self.insert(context.at, instance.clone());
        }
        let work = Work::Create(Box::new(instance.clone()));
        Ok(self.accept(context, Operation::Create, &instance, work))
    }

    pub(crate) fn delete(
        &mut self,
        context: &Context<'_>,
        id: i64,
        incoming: &Incoming,
    ) -> Result<Reply, Reply> {
        let instance = self.visible(context, id)?.clone();
        change_reference(Some(&incoming.body))?;
        self.idle(id)?;
        if instance.status != "INACTIVE" {
            return Err(wrong_state(&instance));
        }
        Ok(self.accept(context, Operation::Delete, &instance, Work::Delete))
    }

    /// An instance that does not exist yet, with everything filled in.
    pub(crate) fn plan(&mut self, at: jiff::Timestamp, seed: SeedInstance) -> InstanceRecord {
        let id = seed.id.unwrap_or_else(|| self.take_instance_id());
        self.next_instance = self.next_instance.max(id + 1);
        let region = self.config.catalogue.region(&seed.region);
        let area = region.and_then(|region| region.areas.first());
        let (area, zone) = area.map_or_else(Default::default, |area| {
            (area.id.clone(), area.zones.first().cloned().unwrap_or_default())
        });
        let host = id.rem_euclid(64_000);
        InstanceRecord {
            id,
            internal_id: id + 10_000_000,
            name: seed.name,
            service_id: seed.service_id,
            live: seed.status != "REMOVED",
            status: seed.status,
            platform: seed.platform,
            cpu: seed.cpu,
            ram: seed.ram,
            storage_gb: DEFAULT_DISK_GB,
            region: seed.region,
            area,
            availability_zone: zone,
            network_id: 1125,
            ip_address: format!("10.59.{}.{}", host / 250, host % 250 + 1),
            authentication_domain: None,
            product_code: None,
            created_at: seed.created_at.unwrap_or(at),
            created_by: seed.created_by,
            created_by_action: None,
            removed_at: None,
            monitoring: seed.monitoring,
            alerting: seed.alerting,
            on_call: false,
            backup: seed.backup,
            replication: seed.replication,
            no_replication_reason: None,
            patch_excluded: seed.patch_excluded,
            patch_exclusion_reason: None,
            patch_excluded_by: None,
            patch_group: seed.patch_group,
            snapshots: Vec::new(),
            resets: 0,
            recoveries: 0,
            power_changes: 0,
            requested: Value::Null,
        }
    }

    /// Begins an action of somebody else.
    pub(crate) fn begin_foreign(&mut self, id: i64, process: &str, by: &str) -> Option<i64> {
        let at = self.now();
        let instance = self.instances.get(&id)?.clone();
        let about = About {
            instance: id,
            name: instance.name.clone(),
            service_id: instance.service_id,
            family: self.family(&instance),
        };
        let work = self.foreign_work(&instance, process, by);
        Some(self.begin(at, (process, by), about, work, &crate::handle::Twist::default()))
    }

    fn is_taken(&self, name: &str) -> bool {
        let live = self.instances.values().filter(|instance| instance.live).map(|instance| &instance.name);
        let coming = self.jobs.values().filter_map(|job| match &job.work {
            Work::Create(instance) => Some(&instance.name),
            Work::Delete
            | Work::Stop
            | Work::Start
            | Work::Reset
            | Work::Resize { .. }
            | Work::Monitoring { .. }
            | Work::Patching { .. }
            | Work::Replication { .. }
            | Work::Backup { .. }
            | Work::TakeSnapshot { .. }
            | Work::RemoveSnapshot(_)
            | Work::Recover(_)
            | Work::Nothing => None,
        });
        live.chain(coming).any(|taken| taken.eq_ignore_ascii_case(name))
    }

    fn name_taken(&self) -> Reply {
        let message = "error on field 'name': a resource with this name already exists";
        match self.config.quirks.name_taken {
            NameTaken::Conflict => Reply::empty(409),
            NameTaken::BadRequest => Reply::bad_request("INVALID_FIELD_VALUE", "name", message),
            NameTaken::Unprocessable => Reply::unprocessable("INVALID_FIELD_VALUE", "name", message),
        }
    }
}

/// Backup, monitoring and replication after the documented defaults.
struct Switches {
    backup: bool,
    monitoring: bool,
    replication: bool,
}

impl Switches {
    fn read(service: &Service, body: &Value) -> Result<Switches, Reply> {
        let production = service.is_production();
        let backup = flag(body, "backupEnabled")?.unwrap_or(production);
        let monitoring = flag(body, "monitoringEnabled")?.unwrap_or(production || backup);
        let replication = flag(body, "replicationEnabled")?.unwrap_or(production);
        let reasons = [
            (backup, "noBackupProdReason"),
            (monitoring, "noMonitoringProdReason"),
            (replication, "noReplicationProdReason"),
        ];
        for (enabled, field) in reasons {
            let reason = optional_text(body, field)?.is_some_and(|reason| !reason.trim().is_empty());
            if production && !enabled && !reason {
                return Err(reason_missing(field));
            }
        }
        Ok(Switches { backup, monitoring, replication })
    }
}

/// Area and zone: as asked for, else the defaults of the region and the regulation.
fn place(region: &Region, body: &Value) -> Result<(String, String), Reply> {
    let regulation = optional_text(body, "regulation")?.unwrap_or_else(|| "STANDARD".to_owned());
    let of_regulation = |area: &&Area| area.regulation == regulation;
    let area = match optional_text(body, "area")? {
        Some(id) => region.areas.iter().find(|area| area.id == id).ok_or_else(|| invalid("area"))?,
        None => region.areas.iter().find(of_regulation).ok_or_else(|| invalid("regulation"))?,
    };
    let zone = match optional_text(body, "availabilityZone")? {
        Some(id) if region.areas.iter().any(|area| area.zones.contains(&id)) => id,
        Some(_) => return Err(invalid("availabilityZone")),
        None => area.zones.first().cloned().unwrap_or_default(),
    };
    Ok((area.id.clone(), zone))
}

fn volumes(body: &Value) -> Option<u32> {
    let volumes = body.get("volumes")?.as_array().filter(|volumes| !volumes.is_empty())?;
    let sum: u64 = volumes.iter().filter_map(|volume| volume.get("sizeGb").and_then(Value::as_u64)).sum();
    u32::try_from(sum).ok()
}

fn required_text(body: &Value, field: &str) -> Result<String, Reply> {
    optional_text(body, field)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(field))
}

fn optional_text(body: &Value, field: &str) -> Result<Option<String>, Reply> {
    short_text(Some(body), field, usize::MAX)
}

fn flag(body: &Value, field: &str) -> Result<Option<bool>, Reply> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(invalid(field)),
    }
}

fn number(body: &Value, field: &str) -> Result<Option<i64>, Reply> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| invalid(field)),
    }
}

/// Fields that only have to have the page's type: the simulator does nothing with them.
fn check_types(body: &Value) -> Result<(), Reply> {
    flag(body, "backupOffSiteEnabled")?;
    number(body, "cloudId")?;
    for field in ["dbBackupPolicyId", "serverBackupPolicyId", "specificRequest", "storagePool"] {
        optional_text(body, field)?;
    }
    for field in ["properties", "volumes"] {
        match body.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) if items.iter().all(Value::is_object) => {}
            Some(_) => return Err(invalid(field)),
        }
    }
    Ok(())
}

/// 400 for a field whose value is not acceptable.
pub(crate) fn invalid(field: &str) -> Reply {
    Reply::bad_request("INVALID_FIELD_VALUE", field, &format!("error on field '{field}'"))
}

fn missing(field: &str) -> Reply {
    Reply::bad_request("MISSING_FIELD", field, &format!("field '{field}' is mandatory"))
}

/// 422 for something switched off in production without saying why.
pub(crate) fn reason_missing(field: &str) -> Reply {
    Reply::unprocessable("MISSING_FIELD", field, &format!("a reason is mandatory in production: '{field}'"))
}

/// 400 for an operation that the present state does not allow.
pub(crate) fn wrong_state(instance: &InstanceRecord) -> Reply {
    Reply::bad_request(
        "INVALID_STATE",
        "status",
        &format!("resource '{}' is in state {}", instance.name, instance.status),
    )
}
