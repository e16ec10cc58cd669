//! `GET /compute/instances`: filters, order, pages, in Spring's envelope.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::answer::Reply;
use crate::create::invalid;
use crate::handle::Context;
use crate::record::InstanceRecord;
use crate::request::Incoming;
use crate::world::World;

impl World {
    pub(crate) fn list(&self, context: &Context<'_>, incoming: &Incoming) -> Result<Reply, Reply> {
        let filter = Filter::read(incoming)?;
        if self.config.quirks.invisible_is_forbidden {
            filter.services.iter().try_for_each(|service| self.sees(context, *service))?;
        }
        let past: BTreeMap<i64, InstanceRecord>;
        let source = match context.twist.stale {
            Some(ago) => {
                past = self.past(context.at, ago);
                &past
            }
            None => &self.instances,
        };
        let states = self.transitional();
        let mut found: Vec<&InstanceRecord> = source
            .values()
            .filter(|_| !context.twist.empty)
            .filter(|instance| instance.live || self.config.quirks.removed_leftovers)
            .filter(|instance| context.account.sees(instance.service_id))
            .filter(|instance| filter.fits(self, instance, self.state(&states, instance)))
            .collect();
        let order = Order::read(incoming)?;
        order.sort(&mut found);
        let page = Page::read(self, incoming)?;
        let items: Vec<Value> = page
            .slice(&found, context.twist.shift)
            .iter()
            .map(|instance| self.render_item(instance, self.state(&states, instance)))
            .collect();
        Ok(Reply::plain(200, envelope(&page, &order, found.len(), items)))
    }
}

/// The filters of one request.
struct Filter<'a> {
    services: Vec<i64>,
    names: Vec<&'a str>,
    not_names: Vec<&'a str>,
    types: Vec<&'a str>,
    families: Vec<&'a str>,
    environments: Vec<&'a str>,
    statuses: Vec<&'a str>,
    zones: Vec<&'a str>,
    addresses: Vec<&'a str>,
    networks: Vec<&'a str>,
    clouds: Option<i64>,
    monitoring: Option<bool>,
    on_call: Option<bool>,
    backup: Option<bool>,
    replication: Option<bool>,
    patching: Option<bool>,
}

impl<'a> Filter<'a> {
    fn read(incoming: &'a Incoming) -> Result<Filter<'a>, Reply> {
        let flag = |key: &str| match incoming.value(key) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(key)),
        };
        let number = |key: &str, text: &str| text.parse::<i64>().map_err(|_| invalid(key));
        let services = incoming
            .values("services")
            .into_iter()
            .map(|text| number("services", text))
            .collect::<Result<_, _>>();
        let names = incoming.values("names");
        Ok(Filter {
            services: services?,
            not_names: names.iter().filter_map(|name| name.strip_prefix('!')).collect(),
            names: names.into_iter().filter(|name| !name.starts_with('!')).collect(),
            types: incoming.values("types"),
            families: incoming.values("families"),
            environments: incoming.values("environments"),
            statuses: incoming.values("statuses"),
            zones: incoming.values("az"),
            addresses: incoming.values("ip"),
            networks: incoming.values("vlan"),
            clouds: incoming.value("clouds").map(|text| number("clouds", text)).transpose()?,
            monitoring: flag("monitoringStatus")?,
            on_call: flag("monitoringOnCallStatus")?,
            backup: flag("backupStatus")?,
            replication: flag("recoveryStatus")?,
            patching: flag("includedInPatchParty")?,
        })
    }

    fn fits(&self, world: &World, instance: &InstanceRecord, state: &str) -> bool {
        let among = |wanted: &[&str], is: &str| wanted.is_empty() || wanted.contains(&is);
        let prefix = world.config.quirks.names_match_prefix;
        let named = |wanted: &&str| {
            let head = if prefix { instance.name.get(..wanted.len()) } else { Some(instance.name.as_str()) };
            head.is_some_and(|head| head.eq_ignore_ascii_case(wanted))
        };
        let platform = world.config.catalogue.platform(&instance.platform);
        let service = world.config.catalogue.service(instance.service_id);
        let (kind, family) = platform.map_or(("", ""), |platform| (&platform.kind, &platform.family));
        (self.services.is_empty() || self.services.contains(&instance.service_id))
            && (self.names.is_empty() || self.names.iter().any(named))
            && !self.not_names.iter().any(named)
            && among(&self.types, kind)
            && among(&self.families, family)
            && among(&self.environments, service.map_or("", |service| &service.environment))
            && among(&self.statuses, state)
            && among(&self.zones, &instance.availability_zone)
            && among(&self.addresses, &instance.ip_address)
            && among(&self.networks, &crate::render::network_name(instance))
            && self.clouds.is_none_or(|cloud| service.is_some_and(|service| service.cloud_id == cloud))
            && self.monitoring.is_none_or(|is| is == instance.monitoring)
            && self.on_call.is_none_or(|is| is == instance.on_call)
            && self.backup.is_none_or(|is| is == instance.backup)
            && self.replication.is_none_or(|is| is == instance.replication)
            && self.patching.is_none_or(|is| is != instance.patch_excluded)
    }
}

/// One criterion, as the documentation allows; without one, by id.
struct Order {
    property: Option<String>,
    descending: bool,
}

impl Order {
    fn read(incoming: &Incoming) -> Result<Order, Reply> {
        let Some(sort) = incoming.value("sort") else {
            return Ok(Order { property: None, descending: false });
        };
        let (property, direction) = sort.split_once(',').unwrap_or((sort, "asc"));
        let descending = match direction.to_ascii_lowercase().as_str() {
            "asc" | "" => false,
            "desc" => true,
            _ => return Err(invalid("sort")),
        };
        let known = ["id", "name", "serviceId", "status", "creationTime", "creationUser", "cpu", "ram"];
        if !known.contains(&property) {
            return Err(invalid("sort"));
        }
        Ok(Order { property: Some(property.to_owned()), descending })
    }

    fn sort(&self, found: &mut [&InstanceRecord]) {
        let Some(property) = &self.property else { return };
        let compare = |left: &&InstanceRecord, right: &&InstanceRecord| -> Ordering {
            let order = match property.as_str() {
                "name" => left.name.cmp(&right.name),
                "serviceId" => left.service_id.cmp(&right.service_id),
                "status" => left.status.cmp(&right.status),
                "creationTime" => left.created_at.cmp(&right.created_at),
                "creationUser" => left.created_by.cmp(&right.created_by),
                "cpu" => left.cpu.cmp(&right.cpu),
                "ram" => left.ram.cmp(&right.ram),
                _ => Ordering::Equal,
            };
            // The id breaks ties, so that pages do not overlap.
            let order = order.then(left.id.cmp(&right.id));
            if self.descending { order.reverse() } else { order }
        };
        found.sort_by(compare);
    }
}

struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn read(world: &World, incoming: &Incoming) -> Result<Page, Reply> {
        let number = |key: &str, default: usize| match incoming.value(key) {
            None => Ok(default),
            Some(text) => text.parse::<usize>().map_err(|_| invalid(key)),
        };
        let size = match number("size", world.config.default_page_size)? {
            0 => world.config.default_page_size,
            size => size,
        };
        Ok(Page { number: number("page", 0)?, size: size.clamp(1, world.config.max_page_size.max(1)) })
    }

    fn slice<'a, 'b>(&self, found: &'b [&'a InstanceRecord], shift: i64) -> &'b [&'a InstanceRecord] {
        let offset = i64::try_from(self.number.saturating_mul(self.size)).unwrap_or(i64::MAX);
        let begin = usize::try_from(offset.saturating_add(shift)).unwrap_or(0).min(found.len());
        let end = begin.saturating_add(self.size).min(found.len());
        &found[begin..end]
    }
}

fn envelope(page: &Page, order: &Order, total: usize, items: Vec<Value>) -> Value {
    let pages = total.div_ceil(page.size);
    let sort: Vec<Value> = order
        .property
        .iter()
        .map(|property| {
            json!({
                "ascending": !order.descending,
                "direction": if order.descending { "DESC" } else { "ASC" },
                "ignoreCase": false,
                "nullHandling": "NATIVE",
                "property": property,
            })
        })
        .collect();
    json!({
        "empty": items.is_empty(),
        "first": page.number == 0,
        "last": page.number + 1 >= pages,
        "number": page.number,
        "numberOfElements": items.len(),
        "pageable": {
            "offset": page.number.saturating_mul(page.size),
            "pageNumber": page.number,
            "pageSize": page.size,
            "paged": true,
            "sort": sort,
            "unpaged": false,
        },
        "size": page.size,
        "sort": sort,
        "totalElements": total,
        "totalPages": pages,
        "content": items,
    })
}
