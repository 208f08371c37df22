//! Listening: connections in, answers out. The only place that starts tasks.

mod answer;
mod answers;
mod body;
mod handle;
mod models;
mod moderate;
mod upstream_failed;
mod vectors;
mod wire;

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use code_shield::text::TextRules;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

pub use wire::{HostError, Hosts};

use crate::{
    config::{LimitsConfig, RefusalStyle},
    dialect::FieldPolicy,
    enforce::Enforcer,
    upstream::Upstream,
};

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What every request is served with.
pub struct Service {
    /// The door.
    pub enforcer: Arc<Enforcer>,
    /// The generator.
    pub upstream: Upstream,
    /// The rules that hold text back.
    pub text_rules: Option<Arc<TextRules>>,
    /// How a blocked prompt is told.
    pub refusal: RefusalStyle,
    /// What happens to unknown fields.
    pub unknown_fields: FieldPolicy,
    /// The names that this server answers to.
    pub hosts: Hosts,
    /// Bounds.
    pub limits: LimitsConfig,
}

/// Serves until `stop` resolves, then lets what is under way end, for at most ten seconds.
pub async fn serve(listener: TcpListener, service: Arc<Service>, stop: impl Future<Output = ()>) {
    let most = u32::try_from(service.limits.connections).unwrap_or(u32::MAX).min(1 << 20);
    let places = Arc::new(Semaphore::new(most as usize));
    let (stopping, stopped) = watch::channel(false);
    let rules = Arc::new(wire::Rules::new(&service));
    let place = wire::Place { service, rules, stop: stopped };
    tokio::pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&places).acquire_owned() => permit,
            () = &mut stop => break,
        };
        let Ok(permit) = permit else { break };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: wait for some to come back rather than spin.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let place = place.clone();
        tokio::spawn(async move {
            wire::serve(stream, place).await;
            drop(permit);
        });
    }
    drop(listener);
    let _ = stopping.send(true);
    if tokio::time::timeout(Duration::from_secs(10), places.acquire_many(most)).await.is_err() {
        tracing::warn!("some exchanges were still under way after ten seconds and were ended");
    }
}
