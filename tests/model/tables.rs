//! The product's own values behind the numbers in a state: each distinct ledger, status, memory and decision is
//! kept once. So a state is small, and a decision that was made in one state is not made again in another that
//! looks the same to it.
//!
//! Times that decide nothing (of a transition, of a receipt, of a drift) are all set to now.

use std::collections::HashMap;

use itcare_operator::decide::{Cloud as Seen, Memory, Step};
use itcare_operator::model::{Ledger, OperationKind, OperationResult};

use crate::explore::Fast;
use crate::state::{Conclusion, Object};
use crate::subject::Subject;
use crate::time;

/// Numbered values, found again by a text that tells them apart.
pub struct Table<T> {
    values: Vec<T>,
    numbers: HashMap<String, u32, Fast>,
    later: HashMap<u32, u32, Fast>,
}

impl<T> Table<T> {
    fn new() -> Self {
        Self { values: Vec::new(), numbers: HashMap::default(), later: HashMap::default() }
    }

    fn number(&mut self, key: String, value: impl FnOnce() -> T) -> u32 {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = self.values.len() as u32;
        self.values.push(value());
        self.numbers.insert(key, number);
        number
    }

    fn get(&self, number: u32) -> &T {
        &self.values[number as usize]
    }
}

fn small(number: u32) -> u16 {
    u16::try_from(number).expect("fewer than 65536 distinct values")
}

/// A decision that has an effect, and what it was made of.
#[derive(Clone)]
pub struct Decided {
    /// The object as it was read.
    pub object: Object,
    pub step: Step,
    pub conclusion: Conclusion,
    pub seen: Seen,
    /// Lists were behind when it was made.
    pub behind: bool,
}

pub struct Tables<S: Subject> {
    ledgers: Table<Option<Ledger>>,
    statuses: Table<S::Status>,
    memories: Table<Memory>,
    decided: Table<Decided>,
}

impl<S: Subject> Tables<S> {
    /// Number zero is: no ledger, an empty memory, the status of a new object.
    pub fn new() -> Self {
        let mut tables = Self {
            ledgers: Table::new(),
            statuses: Table::new(),
            memories: Table::new(),
            decided: Table::new(),
        };
        tables.add_ledger(None);
        tables.add_memory(Memory::default());
        tables.add_status(S::fresh());
        tables
    }

    pub fn ledger(&self, number: u16) -> Option<&Ledger> {
        self.ledgers.get(u32::from(number)).as_ref()
    }

    /// Of two copies the newer, as the product reads them.
    pub fn newest(&self, object: Object) -> Option<&Ledger> {
        match (self.ledger(object.ledger), self.ledger(object.copy)) {
            (Some(one), Some(two)) => Some(if two.seq > one.seq { two } else { one }),
            (one, two) => one.or(two),
        }
    }

    pub fn status(&self, number: u16) -> &S::Status {
        self.statuses.get(u32::from(number))
    }

    pub fn memory(&self, number: u16) -> &Memory {
        self.memories.get(u32::from(number))
    }

    pub fn decided(&self, number: u32) -> &Decided {
        self.decided.get(number)
    }

    pub fn add_ledger(&mut self, ledger: Option<Ledger>) -> u16 {
        let key = ledger.as_ref().map(Ledger::to_text).unwrap_or_default();
        small(self.ledgers.number(key, || ledger))
    }

    pub fn add_memory(&mut self, memory: Memory) -> u16 {
        small(self.memories.number(format!("{memory:?}"), || memory))
    }

    /// A status and the copy of the ledger in it.
    pub fn add_status(&mut self, mut status: S::Status) -> (u16, u16) {
        let parts = S::parts(&mut status);
        let copy = parts.ledger.take().map(|text| Ledger::parse(&text).expect("a ledger that we wrote"));
        parts.conditions.iter_mut().for_each(|condition| condition.last_transition_time = time::wall());
        parts.receipts.values_mut().for_each(|receipt| receipt.finished_at = time::wall());
        if let Some(last) = parts.last
            && last.result == OperationResult::Succeeded
            && last.kind != OperationKind::RemoveSnapshot
        {
            // When something ended well is not asked, but for the removal of a snapshot.
            last.finished_at = time::ago(time::OLD);
        }
        let key = serde_json::to_string(&status).expect("a status");
        (small(self.statuses.number(key, || status)), self.add_ledger(copy))
    }

    pub fn add_decided(&mut self, decided: Decided) -> u32 {
        let detail = decided.seen.detail.as_ref().value().map(|detail| &detail.state);
        let Decided { object, step, conclusion, behind, seen: _ } = &decided;
        let key = format!("{object:?} {step:?} {conclusion:?} {behind} {detail:?}");
        self.decided.number(key, || decided)
    }

    // A tick later.

    pub fn later_ledger(&mut self, number: u16) -> u16 {
        if let Some(known) = self.ledgers.later.get(&u32::from(number)) {
            return small(*known);
        }
        let mut ledger = self.ledger(number).cloned();
        ledger.iter_mut().for_each(time::ledger);
        let later = self.add_ledger(ledger);
        self.ledgers.later.insert(u32::from(number), u32::from(later));
        later
    }

    pub fn later_memory(&mut self, number: u16) -> u16 {
        if let Some(known) = self.memories.later.get(&u32::from(number)) {
            return small(*known);
        }
        let later = time::memory(self.memory(number));
        let later = self.add_memory(later);
        self.memories.later.insert(u32::from(number), u32::from(later));
        later
    }

    pub fn later_status(&mut self, number: u16) -> u16 {
        if let Some(known) = self.statuses.later.get(&u32::from(number)) {
            return small(*known);
        }
        let mut status = self.status(number).clone();
        let parts = S::parts(&mut status);
        parts.operation.iter_mut().for_each(time::operation);
        parts.last.iter_mut().for_each(time::last);
        parts.receipts.values_mut().for_each(time::receipt);
        let (later, _) = self.add_status(status);
        self.statuses.later.insert(u32::from(number), u32::from(later));
        later
    }

    pub fn later_object(&mut self, object: Object) -> Object {
        Object {
            ledger: self.later_ledger(object.ledger),
            copy: self.later_ledger(object.copy),
            status: self.later_status(object.status),
            ..object
        }
    }

    pub fn later_conclusion(&mut self, conclusion: Conclusion) -> Conclusion {
        Conclusion {
            status: self.later_status(conclusion.status),
            copy: self.later_ledger(conclusion.copy),
            memory: self.later_memory(conclusion.memory),
        }
    }
}
