//! A server of stock hyper, as its documentation sets one up: what our own is compared with.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};

/// Starts it; it lives as long as the test's process. It answers 200 to all whose body it can read.
pub fn start() -> SocketAddr {
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let service = service_fn(|request: Request<Incoming>| async {
                        let read = request.into_body().collect().await;
                        let status = if read.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
                        let mut response = Response::new(Full::new(Bytes::from_static(b"stock")));
                        *response.status_mut() = status;
                        Ok::<_, Infallible>(response)
                    });
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    });
    address.recv().unwrap()
}
