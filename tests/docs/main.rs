//! The documents, the alerts and the dashboard, held to what they speak of.
//!
//! What can be generated is generated from the code and compared (`UPDATE_DOCS=1 cargo test --test docs` writes it
//! anew). What a person wrote is run (the tutorial), applied (every manifest), followed (every link) or looked up (every
//! metric, on the running operator). Not here: whether a text is good.

#[path = "../operator/bench.rs"]
#[expect(dead_code, reason = "shared with the operator suite, which uses the rest")]
mod bench;
mod calls;
mod conditions;
mod fields;
mod flags;
mod generated;
mod links;
mod manifests;
mod markdown;
mod metrics;
mod moving;
mod observability;
mod page;
mod promql;
mod tutorial;
