//! placeholder
pub mod crd;
pub mod decide;
pub mod model;
pub mod config;
pub mod platform;
