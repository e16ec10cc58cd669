//! `GET /compute/instances`: filters, pages, and whether the pages fit together.

use std::collections::BTreeSet;

use futures::{Stream, TryStreamExt};

use super::send::{self, Target};
use super::wire::instance::PageWire;
use super::{ApiError, Client, Priority};
use crate::model::{FailureClass, InstanceId, Listed, ServiceId};

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

/// A whole list, or the end of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// All items, each once, in the order of their ids.
    pub items: Vec<Listed>,
    /// Whether the pages fit together. When not, something was deleted between two of them and an item
    /// may be on none: what is missing here may still exist.
    pub complete: bool,
    /// Where it ends, if it has several pages of one length, in the order of ids.
    pub end: Option<ListEnd>,
}

/// Where a list ended: what is created later comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListEnd {
    page: u32,
    per_page: u64,
    newest: InstanceId,
}

impl Client {
    /// One page of the list, from 0.
    ///
    /// # Errors
    /// See [`ApiError::class`]. One item that cannot be read fails the page.
    pub async fn list_page(
        &self,
        filter: &InstanceFilter,
        page: u32,
        priority: Priority,
    ) -> Result<Page, ApiError> {
        let wire =
            self.read("listInstances", &filter.target(page), priority, send::object::<PageWire>).await?;
        let PageWire { content, last, total_elements } = wire;
        Ok(Page {
            items: content.into_iter().map(Listed::from).collect(),
            last: last.0,
            total: total_elements.0.and_then(|total| u64::try_from(total).ok()),
        })
    }

    /// The pages of the list, one call each, to the end: until the server says so *and* its count is
    /// reached, or a page is empty.
    pub fn list(
        &self,
        filter: InstanceFilter,
        priority: Priority,
    ) -> impl Stream<Item = Result<Page, ApiError>> + '_ {
        self.list_from(filter, priority, (0, 0))
    }

    /// The same from a page on, before which so many items are.
    fn list_from(
        &self,
        filter: InstanceFilter,
        priority: Priority,
        (first, before): (u32, u64),
    ) -> impl Stream<Item = Result<Page, ApiError>> + '_ {
        let begin = (filter, first, before, false);
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
        Ok(join(pages, (0, 0)))
    }

    /// The list from its earlier end on: the last pages of then, and those that came since. `None` when they do not
    /// follow upon what was there, as after deletions: then only the whole list tells.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn list_since(
        &self,
        filter: &InstanceFilter,
        end: ListEnd,
        priority: Priority,
    ) -> Result<Option<Listing>, ApiError> {
        let begin = (end.page, u64::from(end.page) * end.per_page);
        let pages: Vec<Page> = self.list_from(filter.clone(), priority, begin).try_collect().await?;
        let listing = join(pages, begin);
        let follows = listing.items.first().is_some_and(|item| item.id <= end.newest);
        let same_pages = listing.end.is_some_and(|now| now.per_page == end.per_page);
        Ok((follows && listing.complete && same_pages).then_some(listing))
    }
}

/// Pages fit together when nothing before a page's begin can have gone since the page before it: ids grow
/// from item to item, the count never sinks, and as many items were seen as are counted, with those before.
fn join(pages: Vec<Page>, (first, before): (u32, u64)) -> Listing {
    let totals: Vec<u64> = pages.iter().filter_map(|page| page.total).collect();
    let counts = totals.len() == pages.len();
    let several = pages.len() > 1;
    let lengths: Vec<usize> =
        pages.iter().map(|page| page.items.len()).filter(|length| *length > 0).collect();
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
    let enough = totals.last().is_none_or(|total| before + items.len() as u64 >= *total);
    let complete =
        if several { counts && enough && (if ordered { growing } else { steady }) } else { enough };
    let end = end(&lengths, (first, before)).zip(last).filter(|_| counts && ordered);
    let end = end.map(|((page, per_page), newest)| ListEnd { page, per_page, newest });
    items.sort_by_key(|item| item.id);
    Listing { items, complete, end }
}

/// The last page and the length of the pages, if it is one length, and there are several.
fn end(lengths: &[usize], (first, before): (u32, u64)) -> Option<(u32, u64)> {
    let (last, full) = lengths.split_last()?;
    let per_page = match full.first() {
        Some(length) => *length as u64,
        None => before.checked_div(u64::from(first))?,
    };
    let uniform = full.iter().all(|length| *length as u64 == per_page) && *last as u64 <= per_page;
    uniform.then_some((first + u32::try_from(full.len()).ok()?, per_page))
}
