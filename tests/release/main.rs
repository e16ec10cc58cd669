//! What a release promises: definitions that stay compatible, an image that starts, licences that are known, a bill of
//! what is in it. Not here: building the release; `cargo image` measures what that gives.

mod compatible;
mod definitions;
mod image;
mod licences;
mod materials;
mod metadata;
mod workflows;
