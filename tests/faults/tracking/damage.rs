//! The kinds of damage: what a hand, a tool or a backup does to what the operator keeps in the cluster, and
//! how an object must end that was hit. Not here: when it happens, and how the end is judged.

use serde_json::{Value, json};

use super::scene::Scene;

/// The annotation.
pub const LEDGER: &str = "itcare.cegedim.cloud/ledger";

/// How an object ends whose tracking was damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// As if nothing had happened: what was lost is elsewhere, or can be seen again.
    Well,
    /// As if nothing had happened, but for how a one-shot ended, or for a wish that is not known any more.
    Safely,
    /// Whatever was not seen before is not owned any more: nothing is made anew, and a person is told the id.
    Disowned,
    /// A person is asked, with this reason, and no call is made.
    Held(&'static str),
    /// The account is not ours any more, as far as anybody can tell.
    OtherAccount,
}

/// One kind of damage.
#[derive(Clone, Copy)]
pub struct Damage {
    pub name: &'static str,
    pub ends: Ends,
    pub does: fn(&Scene<'_>),
    /// The field of the ledger that must be there.
    pub needs: Option<&'static str>,
}

fn damage(name: &'static str, ends: Ends, does: fn(&Scene<'_>)) -> Damage {
    Damage { name, ends, does, needs: None }
}

/// What can be done to any object, at any moment.
pub fn all() -> Vec<Damage> {
    vec![
        damage("ledger-dropped", Ends::Well, |scene| scene.edit(drop_ledger)),
        damage("status-dropped", Ends::Safely, |scene| scene.edit(drop_status)),
        damage("status-older", Ends::Safely, |scene| {
            scene.edit(|object| object["status"] = scene.earlier["status"].clone());
        }),
        damage("both-dropped", Ends::Disowned, |scene| {
            scene.edit(|object| {
                drop_ledger(object);
                drop_status(object);
            });
        }),
        damage("both-dropped-status-kept", Ends::Disowned, |scene| {
            scene.edit(|object| {
                drop_ledger(object);
                drop_field(&mut object["status"], "ledger");
            });
        }),
        damage("finalizer-dropped", Ends::Well, |scene| scene.edit(drop_finalizers)),
        damage("replaced", Ends::Well, |scene| {
            scene.edit(|object| {
                drop_ledger(object);
                drop_finalizers(object);
            });
        }),
        damage("swapped", Ends::Well, |scene| scene.swap()),
        damage("garbled", Ends::Held("LedgerUnreadable"), |scene| write(scene, "not json")),
        damage("oversized", Ends::Held("LedgerUnreadable"), |scene| write(scene, &"x".repeat(200 * 1024))),
        damage("newer", Ends::Held("LedgerUnreadable"), |scene| {
            alter(scene, |ledger| ledger["v"] = json!(2))
        }),
        damage("restored", Ends::Safely, |scene| scene.restore(true, false)),
        damage("restored-with-status", Ends::Safely, |scene| scene.restore(true, true)),
        damage("restored-bare", Ends::Disowned, |scene| scene.restore(false, false)),
        damage("copied", Ends::Well, |scene| scene.copy(true)),
        damage("twin", Ends::Well, |scene| scene.copy(false)),
    ]
}

/// Every field of the ledger, taken away or changed to another plausible value.
pub fn fields() -> Vec<Damage> {
    let removed = Ends::Held("LedgerUnreadable");
    let all = vec![
        damage("origin-removed", Ends::Safely, |scene| remove(scene, "origin")),
        damage("origin-changed", Ends::Safely, |scene| {
            change(scene, "origin", |_, _| json!("Adopted"));
        }),
        damage("instance-removed", Ends::Disowned, |scene| remove(scene, "instance")),
        damage("instance-changed", Ends::Held("IdentityMismatch"), |scene| {
            change(scene, "instance", |scene, _| json!(scene.stranger));
        }),
        damage("snapshot-removed", Ends::Disowned, |scene| remove(scene, "snapshot")),
        damage("snapshot-changed", Ends::Held("SnapshotMissing"), |scene| {
            change(scene, "snapshot", |scene, _| json!(scene.bystander_snapshot));
        }),
        damage("name-changed", Ends::Safely, |scene| change(scene, "name", |_, _| json!("PBANK"))),
        damage("service-changed", Ends::Safely, |scene| change(scene, "service", |_, _| json!(15))),
        damage("seq-removed", removed, |scene| remove(scene, "seq")),
        damage("seq-lowered", Ends::Well, |scene| change(scene, "seq", |_, _| json!(0))),
        damage("seq-raised", Ends::Well, |scene| change(scene, "seq", |_, _| json!(1_000_000))),
        damage("uid-removed", removed, |scene| remove(scene, "uid")),
        damage("uid-changed", Ends::Well, |scene| {
            change(scene, "uid", |_, _| json!("00000000-0000-4000-8000-0000000fffff"));
        }),
        damage("object-changed", Ends::Well, |scene| change(scene, "object", |_, _| json!("shop/other"))),
        damage("cluster-removed", removed, |scene| remove(scene, "cluster")),
        damage("cluster-changed", Ends::Held("ForeignLedger"), |scene| {
            change(scene, "cluster", |_, _| json!("far-away"));
        }),
        damage("account-removed", removed, |scene| remove(scene, "account")),
        damage("account-changed", Ends::OtherAccount, |scene| {
            change(scene, "account", |_, _| json!("somebody else's"));
        }),
        damage("intent-removed", Ends::Disowned, |scene| remove(scene, "intent")),
        damage("attempt-changed", Ends::Safely, |scene| {
            change(scene, "intent", |_, intent| {
                let mut intent = intent.clone();
                intent["attempt"] = json!("00000000deadbeef");
                intent
            });
        }),
        damage("fence-later", Ends::Disowned, |scene| {
            change(scene, "intent", |_, intent| {
                let mut intent = intent.clone();
                intent["fence"]["action"] = json!(9_999_999);
                intent
            });
        }),
        damage("fence-removed", Ends::Safely, |scene| {
            change(scene, "intent", |_, intent| {
                let mut intent = intent.clone();
                intent["fence"] = json!({});
                intent
            });
        }),
        damage("applied-removed", Ends::Safely, |scene| remove(scene, "applied")),
        damage("applied-changed", Ends::Well, |scene| {
            change(scene, "applied", |_, _| json!({"v": 1, "size": "0000", "power": "0000"}));
        }),
        damage("locked-removed", Ends::Safely, |scene| remove(scene, "locked")),
        damage("resume-removed", Ends::Safely, |scene| remove(scene, "resume")),
        damage("resume-added", Ends::Well, |scene| {
            alter(scene, |ledger| ledger["resume"] = json!("Resize"));
        }),
        damage("handled-removed", Ends::Safely, |scene| remove(scene, "handled")),
        damage("handled-changed", Ends::Safely, |scene| {
            change(scene, "handled", |_, handled| {
                let older = |(kind, _): (&String, &Value)| (kind.clone(), json!("2026-01-01T00:00:00Z"));
                Value::Object(handled.as_object().into_iter().flatten().map(older).collect())
            });
        }),
        damage("expires-changed", Ends::Safely, |scene| {
            change(scene, "expires", |_, _| json!("2026-01-01T00:00:00Z"));
        }),
    ];
    let named = |damage: Damage| {
        let (field, _) = damage.name.rsplit_once('-').unwrap_or((damage.name, ""));
        let field = if ["attempt", "fence"].contains(&field) { "intent" } else { field };
        Damage { needs: Some(if damage.name == "resume-added" { "seq" } else { field }), ..damage }
    };
    all.into_iter().map(named).collect()
}

fn drop_ledger(object: &mut Value) {
    drop_field(&mut object["metadata"]["annotations"], LEDGER);
}

fn drop_finalizers(object: &mut Value) {
    object["metadata"]["finalizers"] = json!([]);
}

/// As a restore leaves it: with the schema's default.
fn drop_status(object: &mut Value) {
    object["status"] = json!({"observedGeneration": -1});
}

fn drop_field(from: &mut Value, field: &str) {
    if let Some(fields) = from.as_object_mut() {
        fields.remove(field);
    }
}

fn write(scene: &Scene<'_>, text: &str) {
    scene.edit(|object| object["metadata"]["annotations"][LEDGER] = json!(text));
}

/// Changes the annotation's ledger; nothing where there is none.
fn alter(scene: &Scene<'_>, change: impl FnOnce(&mut Value)) {
    let mut ledger = scene.ledger();
    if ledger.is_object() {
        change(&mut ledger);
        write(scene, &ledger.to_string());
    }
}

/// Changes one field, if it is there.
fn change(scene: &Scene<'_>, field: &str, value: fn(&Scene<'_>, &Value) -> Value) {
    alter(scene, |ledger| {
        if !ledger[field].is_null() {
            let new = value(scene, &ledger[field]);
            ledger[field] = new;
        }
    });
}

fn remove(scene: &Scene<'_>, field: &str) {
    alter(scene, |ledger| drop_field(ledger, field));
}
