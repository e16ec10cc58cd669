//! The search: every state that can be reached, in breadth-first order, kept whole (no fingerprints, so nothing
//! is taken for seen that was not), with the move that first led there, so that a violation prints its way.
//!
//! Why not `stateright`: it cannot be had without its web server, adds second versions of what the lock file has,
//! knows no fairness, and keeps no edges, which the search for bad cycles needs. What is left of it is this file.
//!
//! Not here: what a state is (`state`), what may happen (`world`, `shell`, `cloud`).

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

/// One thing that may happen in a state.
pub struct Step<M, S> {
    pub what: M,
    pub to: S,
    /// It happens by itself, sooner or later, when no more faults come.
    pub fair: bool,
    /// It changes something outside: a call, a write.
    pub effect: bool,
}

/// What is explored.
pub trait Model {
    type State: Copy + Eq + Hash + Debug;
    type Move: Copy + Debug;

    fn initial(&self) -> Self::State;
    /// All that may happen; `Err` is a broken promise of the move itself.
    fn steps(
        &mut self,
        state: &Self::State,
        out: &mut Vec<Step<Self::Move, Self::State>>,
    ) -> Result<(), String>;
    /// What must hold in every state.
    fn always(&mut self, state: &Self::State) -> Result<(), String>;
    /// What must hold in every state in which the world may stay for ever.
    fn at_rest(&mut self, state: &Self::State) -> Result<(), String>;
    /// Which goals this state reaches, as bits.
    fn goals(&mut self, state: &Self::State) -> u32;
    /// A state in words.
    fn describe(&mut self, state: &Self::State) -> String;
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    pub states: usize,
    pub edges: usize,
    pub depth: usize,
    pub goals: u32,
    pub resting: usize,
}

/// Multiplication and rotation: states are small, and nobody chooses them against us.
#[derive(Default)]
pub struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, value: u8) {
        self.add(u64::from(value));
    }
    fn write_u16(&mut self, value: u16) {
        self.add(u64::from(value));
    }
    fn write_u32(&mut self, value: u32) {
        self.add(u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        self.add(value);
    }
    fn write_usize(&mut self, value: usize) {
        self.add(value as u64);
    }
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

/// Hash maps of this suite.
pub type Fast = std::hash::BuildHasherDefault<Mix>;

/// All states, each once, by number.
struct Seen<S> {
    states: Vec<S>,
    slots: Vec<u32>,
}

const EMPTY: u32 = u32::MAX;

impl<S: Copy + Eq + Hash> Seen<S> {
    fn new() -> Self {
        Self { states: Vec::new(), slots: vec![EMPTY; 1 << 16] }
    }

    fn place(slots: &[u32], states: &[S], state: &S) -> usize {
        let mut hasher = Mix::default();
        state.hash(&mut hasher);
        let mask = slots.len() - 1;
        let mut at = (hasher.finish() as usize) & mask;
        while slots[at] != EMPTY && states[slots[at] as usize] != *state {
            at = (at + 1) & mask;
        }
        at
    }

    /// Its number, and whether it is new.
    fn insert(&mut self, state: S) -> (u32, bool) {
        if self.states.len() * 2 > self.slots.len() {
            let mut slots = vec![EMPTY; self.slots.len() * 2];
            for (number, known) in self.states.iter().enumerate() {
                let at = Self::place(&slots, &self.states, known);
                slots[at] = number as u32;
            }
            self.slots = slots;
        }
        let at = Self::place(&self.slots, &self.states, &state);
        if self.slots[at] != EMPTY {
            return (self.slots[at], false);
        }
        let number = self.states.len() as u32;
        self.slots[at] = number;
        self.states.push(state);
        (number, true)
    }
}

/// The whole graph as far as it matters: how each state was first reached, and what happens fairly.
struct Graph<M: Model> {
    seen: Seen<M::State>,
    parents: Vec<(u32, Option<M::Move>)>,
    /// Fair edges of state `n`: `targets[starts[n]..starts[n + 1]]`; the flag says that it is an effect.
    starts: Vec<u32>,
    targets: Vec<(u32, bool)>,
}

/// Explores to exhaustion; at the first broken promise the way to it is the error.
pub fn explore<M: Model>(model: &mut M, most: usize) -> Result<Found, String> {
    let mut graph: Graph<M> =
        Graph { seen: Seen::new(), parents: Vec::new(), starts: vec![0], targets: Vec::new() };
    let mut found = Found { states: 0, edges: 0, depth: 0, goals: 0, resting: 0 };
    let first = model.initial();
    graph.seen.insert(first);
    graph.parents.push((EMPTY, None));
    let mut queue: VecDeque<(u32, usize)> = VecDeque::from([(0, 0)]);
    let mut out = Vec::new();
    while let Some((number, depth)) = queue.pop_front() {
        let state = graph.seen.states[number as usize];
        found.goals |= model.goals(&state);
        found.depth = depth;
        let broken = model.always(&state).and_then(|()| {
            out.clear();
            model.steps(&state, &mut out)
        });
        if let Err(why) = broken {
            return Err(format!("{why}\n{}", way(model, &graph, number)));
        }
        for step in out.drain(..) {
            found.edges += 1;
            let (target, new) = graph.seen.insert(step.to);
            if new {
                graph.parents.push((number, Some(step.what)));
                queue.push_back((target, depth + 1));
            }
            if step.fair {
                graph.targets.push((target, step.effect));
            }
        }
        graph.starts.push(graph.targets.len() as u32);
        if graph.seen.states.len() > most {
            return Err(format!("more than {most} states: the scenario is not bounded as it should be"));
        }
    }
    found.states = graph.seen.states.len();
    found.resting = rests(model, &graph)?;
    Ok(found)
}

/// The moves from the beginning to this state.
fn way<M: Model>(model: &mut M, graph: &Graph<M>, number: u32) -> String {
    let mut path = vec![number];
    while let (parent, Some(_)) = graph.parents[*path.last().expect("not empty") as usize] {
        path.push(parent);
    }
    path.reverse();
    let mut lines = Vec::new();
    for number in path {
        let state = graph.seen.states[number as usize];
        let (_, what) = &graph.parents[number as usize];
        let what = what.as_ref().map_or("begin".to_owned(), |what| format!("{what:?}"));
        lines.push(format!("{what}\n    {}", model.describe(&state)));
    }
    lines.join("\n")
}

/// Eventually stable: once no more faults come, every way ends in states in which nothing has an effect any more
/// and all is as asked. In a finite graph a way without end stays in a strongly connected part at last; so each
/// part that holds a cycle must be at rest, and no state may be without a fair step. How many rest is returned.
fn rests<M: Model>(model: &mut M, graph: &Graph<M>) -> Result<usize, String> {
    let edges = |number: u32| {
        let (from, to) = (graph.starts[number as usize], graph.starts[number as usize + 1]);
        &graph.targets[from as usize..to as usize]
    };
    let parts = components(graph.seen.states.len() as u32, &edges);
    let mut cyclic = vec![false; graph.seen.states.len()];
    for number in 0..graph.seen.states.len() as u32 {
        if edges(number).is_empty() {
            return Err(format!("nothing happens here any more\n{}", way(model, graph, number)));
        }
        for (target, effect) in edges(number) {
            if parts[*target as usize] == parts[number as usize] {
                cyclic[parts[number as usize] as usize] = true;
                if *effect {
                    return Err(format!("a cycle with an effect\n{}", way(model, graph, number)));
                }
            }
        }
    }
    let mut resting = 0;
    for number in 0..graph.seen.states.len() as u32 {
        if cyclic[parts[number as usize] as usize] {
            resting += 1;
            let state = graph.seen.states[number as usize];
            if let Err(why) = model.at_rest(&state) {
                return Err(format!("it may stay for ever, but: {why}\n{}", way(model, graph, number)));
            }
        }
    }
    Ok(resting)
}

/// Tarjan's strongly connected components, without recursion: the component of each state.
fn components<'a>(count: u32, edges: &impl Fn(u32) -> &'a [(u32, bool)]) -> Vec<u32> {
    let mut order = vec![EMPTY; count as usize];
    let mut low = vec![0_u32; count as usize];
    let mut part = vec![EMPTY; count as usize];
    let (mut clock, mut parts) = (0_u32, 0_u32);
    let mut open: Vec<u32> = Vec::new();
    let mut calls: Vec<(u32, usize)> = Vec::new();
    for root in 0..count {
        if order[root as usize] != EMPTY {
            continue;
        }
        calls.push((root, 0));
        while let Some((node, next)) = calls.pop() {
            let at = node as usize;
            if next == 0 {
                (order[at], low[at]) = (clock, clock);
                clock += 1;
                open.push(node);
            } else {
                let (child, _) = edges(node)[next - 1];
                if part[child as usize] == EMPTY {
                    low[at] = low[at].min(low[child as usize]);
                }
            }
            if let Some((child, _)) = edges(node).get(next) {
                calls.push((node, next + 1));
                if order[*child as usize] == EMPTY {
                    calls.push((*child, 0));
                }
                continue;
            }
            if low[at] == order[at] {
                while let Some(member) = open.pop() {
                    part[member as usize] = parts;
                    if member == node {
                        break;
                    }
                }
                parts += 1;
            }
        }
    }
    part
}
