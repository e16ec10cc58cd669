//! The simulator as the demo sees it: its addresses, and the control routes under `/_sim/`.

use anyhow::{Context as _, bail};
use itcare_lab::request;
use serde_json::{Value, json};

/// A running simulator.
#[derive(Debug, Clone)]
pub struct Simulator {
    /// Root of the API, for the operator.
    pub url: String,
    /// Token endpoint, for the operator.
    pub token_url: String,
    /// Root of the control routes.
    pub control_url: String,
    address: String,
}

impl Simulator {
    /// From the line that `itcare-sim` prints at its start; none if this is another line.
    pub fn announced(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| line[key].as_str().map(str::to_owned);
        Some(Self {
            url: text("url")?,
            token_url: text("tokenUrl")?,
            control_url: text("controlUrl")?,
            address: text("address")?,
        })
    }

    /// Puts a VM there that somebody else made; gives back its id.
    ///
    /// # Errors
    ///
    /// When the simulator refuses.
    pub async fn seed(&self, instance: &Value) -> anyhow::Result<i64> {
        let answer = self.call("POST", "seed", instance).await?;
        answer["id"].as_i64().context("the simulator gave no id")
    }

    /// Begins an action on a VM in somebody else's name.
    ///
    /// # Errors
    ///
    /// When the simulator refuses.
    pub async fn act(&self, instance: i64, process: &str, by: &str) -> anyhow::Result<()> {
        let body = json!({"instance": instance, "process": process, "by": by});
        self.call("POST", "actions", &body).await.map(drop)
    }

    /// What a `GET` of this control route shows.
    ///
    /// # Errors
    ///
    /// When there is no answer, or a refusal.
    pub async fn get(&self, route: &str) -> anyhow::Result<Value> {
        self.call("GET", route, &Value::Null).await
    }

    async fn call(&self, method: &str, route: &str, body: &Value) -> anyhow::Result<Value> {
        let path = format!("/_sim/{route}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = request(&self.address, method, &path, &body)
            .await
            .with_context(|| format!("{method} {path}: the simulator does not answer"))?;
        if status != 200 {
            bail!("{method} {path}: the simulator answers {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{method} {path}: the answer is no JSON"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_announcement_is_taken_for_it() {
        let line = r#"{"address":"127.0.0.1:1","url":"u","tokenUrl":"t","controlUrl":"c"}"#;
        assert_eq!(Simulator::announced(line).unwrap().token_url, "t");
        assert!(Simulator::announced("2026-01-01 INFO hello").is_none());
    }
}
