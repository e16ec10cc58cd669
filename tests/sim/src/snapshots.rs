//! The snapshot slot of an instance.

use serde_json::{Value, json};

use crate::act::Work;
use crate::answer::Reply;
use crate::handle::{Context, change_reference, short_text};
use crate::operation::Operation;
use crate::quirks::NoSnapshot;
use crate::record::SnapshotRecord;
use crate::request::Incoming;
use crate::world::World;

impl World {
    pub(crate) fn snapshot_get(&self, context: &Context<'_>, id: i64) -> Result<Reply, Reply> {
        let instance = self.visible(context, id)?;
        if instance.snapshots.is_empty() {
            return Ok(self.no_snapshot());
        }
        let rendered: Vec<Value> =
            instance.snapshots.iter().map(|snapshot| self.render_snapshot(snapshot)).collect();
        // Without the quirk there is one to show; the newest, if the slot is not single.
        let body = if self.config.quirks.snapshot_as_list {
            Value::Array(rendered)
        } else {
            rendered.into_iter().next_back().unwrap_or_default()
        };
        Ok(Reply::vendor(200, body))
    }

    fn no_snapshot(&self) -> Reply {
        match self.config.quirks.no_snapshot {
            NoSnapshot::NoContent => Reply::empty(204),
            NoSnapshot::EmptyBody => Reply::empty(200),
            NoSnapshot::EmptyObject => Reply::vendor(200, json!({})),
            NoSnapshot::Null => Reply::vendor(200, Value::Null),
            NoSnapshot::EmptyList => Reply::vendor(200, json!([])),
            NoSnapshot::NotFound => Reply::empty(404),
        }
    }

    pub(crate) fn snapshot_create(
        &mut self,
        context: &Context<'_>,
        id: i64,
        incoming: &Incoming,
    ) -> Result<Reply, Reply> {
        let instance = self.visible(context, id)?.clone();
        let change_reference = change_reference(Some(&incoming.body))?;
        let description = short_text(Some(&incoming.body), "description", 100)?;
        self.idle(id)?;
        if self.config.quirks.single_slot && !instance.snapshots.is_empty() {
            return Err(Reply::empty(409));
        }
        let by = context.account.user.clone();
        let work = Work::TakeSnapshot { description, change_reference, by };
        Ok(self.accept(context, Operation::SnapshotCreate, &instance, work))
    }

    pub(crate) fn snapshot_recover(&mut self, context: &Context<'_>, id: i64) -> Result<Reply, Reply> {
        let instance = self.visible(context, id)?.clone();
        let newest: &SnapshotRecord = instance.snapshots.last().ok_or_else(|| Reply::empty(404))?;
        self.idle(id)?;
        let work = Work::Recover(newest.id.clone());
        Ok(self.accept(context, Operation::SnapshotRecover, &instance, work))
    }

    pub(crate) fn snapshot_delete(
        &mut self,
        context: &Context<'_>,
        id: i64,
        snapshot: &str,
    ) -> Result<Reply, Reply> {
        let instance = self.visible(context, id)?.clone();
        if !instance.snapshots.iter().any(|is| is.id == snapshot) {
            return Err(Reply::empty(404));
        }
        self.idle(id)?;
        let work = Work::RemoveSnapshot(snapshot.to_owned());
        Ok(self.accept(context, Operation::SnapshotDelete, &instance, work))
    }
}
