//! The lives of objects, as their users made them: what was asked for, and from when to when.
//!
//! An object that is deleted and made again under its name has another life. This is the ground on which `past` and
//! `check` judge: only the story writes here, and only users' own deeds.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::{START, World};

/// Time since the world began.
pub type Moment = SignedDuration;

/// That moment on the clock on which both doubles begin.
pub fn moment(at: Timestamp) -> Moment {
    at.duration_since(START.parse().expect("a time"))
}

/// Of which kind an object is, by the plural name.
pub const INSTANCES: &str = "itcareinstances";
pub const SNAPSHOTS: &str = "itcaresnapshots";

/// What users wanted of an object, from that moment on.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    pub since: Moment,
    pub spec: Value,
    pub deleting: bool,
}

/// One object from its creation to its end.
#[derive(Debug, Clone)]
pub struct Life {
    pub kind: &'static str,
    pub name: String,
    /// The instance object's name; of a snapshot, that of its instance.
    pub of: String,
    pub uid: String,
    pub wishes: Vec<Wish>,
    /// When it was first seen to be gone: a little late.
    pub gone: Option<Moment>,
}

impl Life {
    pub fn born(&self) -> Moment {
        self.wishes.first().map_or(SignedDuration::ZERO, |wish| wish.since)
    }

    /// What was wished last.
    pub fn last(&self) -> &Wish {
        self.wishes.last().expect("a life begins with a wish")
    }

    /// Everything that was wished at some time between these.
    pub fn between(&self, from: Moment, to: Moment) -> impl Iterator<Item = &Wish> {
        let ends = self.wishes.iter().skip(1).map(|next| next.since).chain([SignedDuration::MAX]);
        self.wishes
            .iter()
            .zip(ends)
            .filter(move |(wish, end)| wish.since <= to && *end >= from)
            .map(|pair| pair.0)
    }
}

/// All lives, in the order of birth.
#[derive(Debug, Default)]
pub struct Lives(pub Vec<Life>);

impl Lives {
    /// Takes down what users want of this object now; call it after each deed of theirs.
    pub fn note(&mut self, world: &World, kind: &'static str, name: &str, now: Moment) {
        let object = world.api.get(kind, "shop", name);
        let uid = object.as_ref().and_then(|object| object["metadata"]["uid"].as_str()).unwrap_or_default();
        if let Some(old) = self.alive(kind, name).filter(|old| old.uid != uid) {
            old.gone = Some(now);
        }
        let Some(object) = object.as_ref() else { return };
        let deleting = !object["metadata"]["deletionTimestamp"].is_null();
        let wish = Wish { since: now, spec: object["spec"].clone(), deleting };
        match self.alive(kind, name) {
            Some(life) if life.last().spec == wish.spec && life.last().deleting == deleting => {}
            Some(life) => life.wishes.push(wish),
            None => self.0.push(Life {
                kind,
                name: name.to_owned(),
                of: object["spec"]["instanceRef"]["name"].as_str().unwrap_or(name).to_owned(),
                uid: uid.to_owned(),
                wishes: vec![wish],
                gone: None,
            }),
        }
    }

    /// Notes which of the objects that are being deleted have gone.
    pub fn look(&mut self, world: &World, now: Moment) {
        for life in self.0.iter_mut().filter(|life| life.gone.is_none() && life.last().deleting) {
            let object = world.api.get(life.kind, "shop", &life.name);
            if object.is_none_or(|object| object["metadata"]["uid"] != life.uid) {
                life.gone = Some(now);
            }
        }
    }

    fn alive(&mut self, kind: &str, name: &str) -> Option<&mut Life> {
        self.0.iter_mut().rfind(|life| life.kind == kind && life.name == name && life.gone.is_none())
    }

    /// The life of that name at that moment: the last one that had begun.
    pub fn at(&self, kind: &str, name: &str, at: Moment) -> Option<usize> {
        self.0.iter().rposition(|life| life.kind == kind && life.name == name && life.born() <= at)
    }
}
