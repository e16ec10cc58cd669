//! What the cloud offers: services, platforms, regions, sizes.
//!
//! Deliberately small: the API's pages for these were not available, so only what a create needs to
//! be accepted or refused is here, and no endpoint lists it.

/// What exists. Anything else in a create is refused with 400.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// Services that instances can be put in.
    pub services: Vec<Service>,
    /// Images.
    pub platforms: Vec<Platform>,
    /// Regions with their areas and zones.
    pub regions: Vec<Region>,
    /// Sizes are `NcpuMgb` with N from 1 to this.
    pub max_cpu: u32,
    /// Sizes are `NcpuMgb` with M from 1 to this.
    pub max_ram: u32,
}

/// A service: the unit of ownership and billing.
#[derive(Debug, Clone)]
pub struct Service {
    /// Id.
    pub id: i64,
    /// Shown as `serviceName`.
    pub name: String,
    /// Shown as `environment`; `PRODUCTION` makes reasons compulsory.
    pub environment: String,
    /// The cloud it belongs to.
    pub cloud_id: i64,
    /// Its name.
    pub cloud_name: String,
}

impl Service {
    /// Whether switching off monitoring, backup or replication needs a reason.
    pub fn is_production(&self) -> bool {
        self.environment == "PRODUCTION"
    }
}

/// An image.
#[derive(Debug, Clone)]
pub struct Platform {
    /// Id, such as `deb12`.
    pub id: String,
    /// Shown as `type`.
    pub kind: String,
    /// Shown as `family`.
    pub family: String,
    /// Shown as `osName` and `productName`.
    pub os_name: String,
}

/// A region.
#[derive(Debug, Clone)]
pub struct Region {
    /// Id, such as `EB`.
    pub id: String,
    /// A town.
    pub location: String,
    /// Its areas; the first one of a regulation is the default for it.
    pub areas: Vec<Area>,
}

/// A part of a region under one regulation.
#[derive(Debug, Clone)]
pub struct Area {
    /// Id.
    pub id: String,
    /// `STANDARD` or `HDS`.
    pub regulation: String,
    /// Ids of its availability zones; the first one is the default.
    pub zones: Vec<String>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Catalogue {
            services: vec![
                service(13, "DEMO - SHOP - PROD", "PRODUCTION"),
                service(14, "DEMO - SHOP - DEV", "DEVELOPMENT"),
                service(15, "DEMO - SHOP - QA", "QA"),
            ],
            platforms: vec![
                platform("deb8", "LINUX", "DEBIAN", "Debian 8"),
                platform("deb11", "LINUX", "DEBIAN", "Debian 11"),
                platform("deb12", "LINUX", "DEBIAN", "Debian 12"),
                platform("rhel9", "LINUX", "RHEL", "Red Hat Enterprise Linux 9"),
                platform("win2022", "WINDOWS", "WINDOWS", "Windows Server 2022"),
            ],
            regions: vec![
                region("EB", "Boulogne-Billancourt"),
                region("ET", "Toulouse"),
                region("EB4", "Boulogne-Billancourt"),
            ],
            max_cpu: 32,
            max_ram: 256,
        }
    }
}

fn service(id: i64, name: &str, environment: &str) -> Service {
    Service {
        id,
        name: name.to_owned(),
        environment: environment.to_owned(),
        cloud_id: 42,
        cloud_name: "DEMO".to_owned(),
    }
}

fn platform(id: &str, kind: &str, family: &str, os_name: &str) -> Platform {
    Platform {
        id: id.to_owned(),
        kind: kind.to_owned(),
        family: family.to_owned(),
        os_name: os_name.to_owned(),
    }
}

fn region(id: &str, location: &str) -> Region {
    let area = |suffix: &str, regulation: &str, zones: &[&str]| Area {
        id: format!("{id}-{suffix}"),
        regulation: regulation.to_owned(),
        zones: zones.iter().map(|zone| format!("{id}-{zone}")).collect(),
    };
    Region {
        id: id.to_owned(),
        location: location.to_owned(),
        areas: vec![area("STD", "STANDARD", &["A", "B"]), area("HDS", "HDS", &["C"])],
    }
}

impl Catalogue {
    /// The service of this id.
    pub fn service(&self, id: i64) -> Option<&Service> {
        self.services.iter().find(|service| service.id == id)
    }

    /// The platform of this id.
    pub fn platform(&self, id: &str) -> Option<&Platform> {
        self.platforms.iter().find(|platform| platform.id == id)
    }

    /// The region of this id.
    pub fn region(&self, id: &str) -> Option<&Region> {
        self.regions.iter().find(|region| region.id == id)
    }

    /// Reads `NcpuMgb`; none if it is not one or is out of bounds.
    pub fn size(&self, text: &str) -> Option<(u32, u32)> {
        let (cpu, rest) = text.split_once("cpu")?;
        let ram = rest.strip_suffix("gb")?;
        let (cpu, ram): (u32, u32) = (plain_number(cpu)?, plain_number(ram)?);
        ((1..=self.max_cpu).contains(&cpu) && (1..=self.max_ram).contains(&ram)).then_some((cpu, ram))
    }
}

/// `parse` alone would also take `+2` and `002`.
fn plain_number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}
