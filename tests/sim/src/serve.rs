//! The simulator behind a socket: HTTP/1.1, one task per connection.
//!
//! A broken connection is a real one here: closed without an answer, or in the middle of one. The
//! control routes (`/_sim/…`) exist on the socket only.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::call::{Broken, Truncated};
use crate::{Sim, control};

/// Out of file descriptors, accepting fails at once and would spin; this is long enough not to.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Sim {
    /// Answers requests on a socket until `shutdown` is cancelled. Connections are then cut, since
    /// some may hang for ever because a fault asked for it.
    ///
    /// # Errors
    ///
    /// None at present: a connection that cannot be accepted is logged and left.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        self.lock().connections += 1;
                        connections.spawn(self.clone().converse(stream));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    async fn converse(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers may be late");
        }
        let service = service_fn(|request| self.respond(request));
        let connection =
            http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            // Broken on purpose, or left by the caller: both are ordinary here.
            tracing::debug!(%error, "a connection broke");
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Partial>, Broken> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        let response = if parts.uri.path().starts_with(control::PREFIX) {
            control::respond(self, parts.method.as_str(), parts.uri.path(), &body)
        } else {
            self.call(Request::from_parts(parts, body)).await?
        };
        Ok(outgoing(response))
    }
}

fn outgoing(response: Response<Bytes>) -> Response<Partial> {
    let cut = response.extensions().get::<Truncated>().copied();
    let mut response = response.map(|bytes| Partial { bytes: Some(bytes), cut: cut.is_some() });
    if let Some(Truncated { full_length }) = cut {
        response.headers_mut().insert(CONTENT_LENGTH, full_length.into());
    }
    response
}

/// A body that may stop in the middle.
struct Partial {
    bytes: Option<Bytes>,
    cut: bool,
}

impl Body for Partial {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.cut => Poll::Ready(Some(Err(Broken))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.cut && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        if self.cut {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
