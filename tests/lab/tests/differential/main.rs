//! The in-memory API server held against the real one: the same requests, the same visible answers.
//!
//! `script` has the cases that are worth a name; `generated` draws sequences of requests from seeds.
//! What is masked is told in `run` and `mask`; what neither asks for, in `generate`.

mod generate;
mod generated;
mod mask;
mod replay;
mod run;
mod script;
