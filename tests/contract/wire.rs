//! The real transport on a real socket, for what only a socket shows: redirects, lengths, broken
//! connections. The clock is not paused here: whoever waits for a socket is not idle.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use itcare_operator::api::transport::{
    HttpOptions, HttpTransport, Limits, MAX_BODY, Reply, Transport, TransportError, TransportErrorKind,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that answers each connection with these bytes and closes it.
struct Server {
    address: String,
    /// The first line of each request.
    lines: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn answering(parts: Vec<Bytes>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address").to_string();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let length = stream.read(&mut head).await.unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let line = head.lines().next().unwrap_or_default().to_owned();
                log.lock().expect("nobody panics while holding the lines").push(line);
                for part in &parts {
                    // The caller may have hung up: that is what some of these tests are about.
                    if stream.write_all(part).await.is_err() {
                        break;
                    }
                }
                stream.shutdown().await.ok();
            }
        });
        Self { address, lines }
    }

    async fn text(text: String) -> Self {
        Self::answering(vec![Bytes::from(text)]).await
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panics while holding the lines").clone()
    }
}

fn transport() -> HttpTransport {
    // Another test may have installed it already.
    rustls::crypto::ring::default_provider().install_default().ok();
    HttpTransport::new(&HttpOptions { allow_http: true, ..HttpOptions::default() })
        .expect("the options are good")
}

async fn send(method: &str, address: &str) -> Result<Reply, TransportError> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{address}/itcare/compute/instances?names=PEB4MYAPP01"))
        .header("authorization", "Bearer t0ken")
        .body(Bytes::new())
        .expect("it is a request");
    transport().send(request, Limits::default()).await
}

fn chunk(length: usize) -> Bytes {
    let mut bytes = format!("{length:x}\r\n").into_bytes();
    bytes.resize(bytes.len() + length, b'x');
    bytes.extend_from_slice(b"\r\n");
    Bytes::from(bytes)
}

#[tokio::test]
async fn a_redirect_is_handed_over_and_not_followed() {
    let elsewhere = Server::text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    let location = format!("http://{}/stolen", elsewhere.address);
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let reply = format!("HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let server = Server::text(reply).await;
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            let reply = send(method, &server.address).await.expect("it is a reply");
            assert!(status.starts_with(reply.status.as_str()), "{status}");
            assert_eq!(reply.headers["location"], location.as_str());
        }
        assert_eq!(server.lines().len(), 4);
    }
    assert_eq!(elsewhere.lines(), Vec::<String>::new(), "the token went to another host");
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused() {
    let announced = MAX_BODY + 1;
    let server = Server::text(format!("HTTP/1.1 200 OK\r\ncontent-length: {announced}\r\n\r\nbegin")).await;
    let error = send("GET", &server.address).await.expect_err("it is too long");
    assert_eq!((error.kind, error.timed_out), (TransportErrorKind::TooLarge, false));
    assert_eq!(error.to_string(), format!("the reply is longer than {MAX_BODY} bytes"));
}

#[tokio::test]
async fn a_body_that_grows_too_long_is_refused_while_it_is_read() {
    let mut parts = vec![Bytes::from_static(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")];
    parts.extend((0..9).map(|_| chunk(1024 * 1024)));
    parts.push(Bytes::from_static(b"0\r\n\r\n"));
    let server = Server::answering(parts).await;
    let error = send("GET", &server.address).await.expect_err("it is too long");
    assert_eq!(error.kind, TransportErrorKind::TooLarge);
}

#[tokio::test]
async fn a_body_of_eight_mebibytes_is_read_to_its_end() {
    let mut parts = vec![Bytes::from_static(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")];
    parts.extend((0..8).map(|_| chunk(1024 * 1024)));
    parts.push(Bytes::from_static(b"0\r\n\r\n"));
    let server = Server::answering(parts).await;
    let reply = send("GET", &server.address).await.expect("it is just short enough");
    assert_eq!(reply.body.len(), MAX_BODY);
}

#[tokio::test]
async fn a_reply_that_breaks_off_proves_nothing() {
    for reply in
        ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegin", "not HTTP at all\r\n\r\n"]
    {
        let server = Server::text(reply.to_owned()).await;
        let error = send("PATCH", &server.address).await.expect_err("it is no reply");
        assert_eq!(error.kind, TransportErrorKind::Unknown, "{reply:?}");
        assert_eq!(server.lines().len(), 1, "it was sent again after {reply:?}");
    }
}

#[tokio::test]
async fn a_port_on_which_nobody_listens_proves_that_nothing_was_sent() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address").to_string();
    drop(listener);
    let error = send("POST", &address).await.expect_err("nobody listens");
    assert_eq!((error.kind, error.timed_out), (TransportErrorKind::NotSent, false));
    let words = error.to_string();
    assert!(!words.contains("PEB4MYAPP01") && !words.contains("t0ken"), "{words}");
}

#[tokio::test]
async fn plain_http_is_refused_unless_it_was_allowed() {
    let server = Server::text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    rustls::crypto::ring::default_provider().install_default().ok();
    let strict = HttpTransport::new(&HttpOptions::default()).expect("the options are good");
    let request =
        Request::get(format!("http://{}/", server.address)).body(Bytes::new()).expect("it is a request");
    let error =
        strict.send(request, Limits::default()).await.expect_err("a token must not travel in the open");
    assert_eq!(error.kind, TransportErrorKind::NotSent);
    assert_eq!(server.lines(), Vec::<String>::new());
}
