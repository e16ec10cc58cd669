//! The simulator as the demo sees it: its addresses, and the control routes under `/_sim/`.
//!
//! The HTTP client is just enough for a server on this machine that answers with a length. What the
//! operator does goes through its own client, not through this one.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far more than a server on the same machine needs.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// One request on a connection of its own; status and body.
///
/// # Errors
///
/// When nobody listens there, the connection breaks, or nothing comes in time.
pub async fn request(address: &str, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(PATIENCE, exchange).await.with_context(|| format!("{address} says nothing"))??;
    parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("{address} does not speak HTTP"))
}

/// Status and body of a complete answer.
fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_read() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(parse(answer), Some((200, "{}".to_owned())));
        assert_eq!(parse("220 mail.example ESMTP\r\n"), None);
    }

    #[test]
    fn only_the_announcement_is_taken_for_it() {
        let line = r#"{"address":"127.0.0.1:1","url":"u","tokenUrl":"t","controlUrl":"c"}"#;
        assert_eq!(Simulator::announced(line).unwrap().token_url, "t");
        assert!(Simulator::announced("2026-01-01 INFO hello").is_none());
    }
}
