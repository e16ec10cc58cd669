//! The objects behind one name or id: nearly always one, which then needs no room of its own. A tree's smallest node has
//! room for eleven, and ten thousand such nodes were a third of the index.

use smallvec::SmallVec;

use crate::model::ObjectKey;

/// A set of keys, in their order.
#[derive(Debug, Default)]
pub struct Keys(SmallVec<[ObjectKey; 2]>);

impl Keys {
    pub fn insert(&mut self, key: ObjectKey) {
        if let Err(place) = self.0.binary_search(&key) {
            self.0.insert(place, key);
        }
    }

    pub fn remove(&mut self, key: &ObjectKey) {
        if let Ok(place) = self.0.binary_search(key) {
            self.0.remove(place);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Keys {
    type Item = &'a ObjectKey;
    type IntoIter = std::slice::Iter<'a, ObjectKey>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
