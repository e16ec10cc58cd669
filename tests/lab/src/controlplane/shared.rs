//! One control plane for all tests of a process, and a namespace for each of them.
//!
//! Tests that stop, kill or pause something start their own instead.

use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::OnceCell;

use super::{ControlPlane, Options};

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(1);

/// The control plane of this process, started by whoever asks first. It has no controllers and no
/// users besides `admin`, and ends with the process.
///
/// # Panics
///
/// When it cannot be started: no test that asks for it can say anything then.
pub async fn shared() -> &'static ControlPlane {
    SHARED
        .get_or_init(|| async {
            match ControlPlane::start(Options::default()).await {
                Ok(plane) => plane,
                Err(error) => panic!("no control plane: {}", with_causes(&error)),
            }
        })
        .await
}

/// A namespace that no other test of this process uses. It is not deleted: nothing here could
/// finish that, and the whole server goes with the process.
#[derive(Debug)]
pub struct Namespace {
    plane: &'static ControlPlane,
    name: String,
}

impl Namespace {
    /// Creates `<prefix>-<number>` in the shared control plane.
    ///
    /// # Panics
    ///
    /// When there is no control plane or it refuses the name.
    pub async fn fresh(prefix: &str) -> Self {
        let plane = shared().await;
        let name = format!("{prefix}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let namespace = Self { plane, name };
        let object: NamespaceObject = serde_json::from_value(json!({"metadata": {"name": namespace.name}}))
            .expect("a namespace is its name");
        let api = Api::all(namespace.client());
        if let Err(error) = api.create(&PostParams::default(), &object).await {
            panic!("cannot create namespace {}: {error}", namespace.name);
        }
        namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The control plane it lives in.
    pub fn plane(&self) -> &'static ControlPlane {
        self.plane
    }

    /// A new `admin` client, for the runtime of the caller.
    ///
    /// # Panics
    ///
    /// When TLS cannot be set up.
    pub fn client(&self) -> Client {
        self.plane.admin().expect("the shared control plane made a client before")
    }
}

/// After a failed test the server's logs are worth keeping.
impl Drop for Namespace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.plane.keep_directory();
            eprintln!("control plane kept in {}", self.plane.directory().display());
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}
