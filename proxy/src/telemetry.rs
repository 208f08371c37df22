//! Traces, metrics and logs: how operators see what the door does.
//!
//! Text of exchanges never appears here; that is what the audit log is for.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, MeterProvider as _},
    trace::TracerProvider as _,
};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider, trace::SdkTracerProvider};
use policies::{Action, Stage};
use prometheus::{Encoder as _, Registry, TextEncoder};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::enforce::Cause;

/// What must be kept alive while the program runs, and shut down at its end.
pub struct Telemetry {
    registry: Registry,
    meters: SdkMeterProvider,
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts logging to standard error, counting, and, if an endpoint is given, exporting traces over OTLP (gRPC).
    ///
    /// # Errors
    /// The endpoint is no URL, or the exporter cannot be built. Must be called within a tokio runtime.
    pub fn start(otlp: Option<&str>, filter: &str) -> Result<Self, TelemetryError> {
        let failed = |error: &dyn std::fmt::Display| TelemetryError(error.to_string());
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_target_info()
            .build()
            .map_err(|error| failed(&error))?;
        let resource = Resource::builder().with_service_name("ringfence").build();
        let meters = SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(exporter).build();
        let traces = otlp
            .map(|endpoint| {
                let exporter = opentelemetry_otlp::SpanExporter::builder()
                    .with_tonic()
                    .with_endpoint(endpoint)
                    .with_timeout(Duration::from_secs(5))
                    .build()
                    .map_err(|error| failed(&error))?;
                Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
            })
            .transpose()?;
        let filter = EnvFilter::try_new(filter).map_err(|error| failed(&error))?;
        let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false);
        let spans =
            traces.as_ref().map(|traces| tracing_opentelemetry::layer().with_tracer(traces.tracer("ringfence")));
        // A second start in one process (tests) keeps the first subscriber.
        let _ = tracing_subscriber::registry().with(filter).with(logs).with(spans).try_init();
        Ok(Self { registry, meters, traces })
    }

    /// The instruments.
    pub fn metrics(&self) -> Metrics {
        let meter = self.meters.meter("ringfence");
        let counter = |name: &'static str, text: &'static str| meter.u64_counter(name).with_description(text).build();
        let seconds = |name: &'static str, text: &'static str| {
            let bounds = vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
            meter.f64_histogram(name).with_unit("s").with_boundaries(bounds).with_description(text).build()
        };
        Metrics {
            exchanges: counter("ringfence_exchanges", "answers by route and status"),
            decisions: counter("ringfence_decisions", "decisions by stage and action"),
            refusals: counter("ringfence_refusals", "refusals by cause"),
            unrecorded: counter("ringfence_unrecorded", "refusals because a record could not be written"),
            failures: counter("ringfence_detector_failures", "detectors without a verdict"),
            broken: counter("ringfence_upstream_failures", "exchanges that the upstream broke off"),
            detectors: seconds("ringfence_detector_duration", "time a detector took for a segment"),
        }
    }

    /// The metrics in Prometheus' text format.
    pub fn render(registry: &Registry) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut text) {
            tracing::warn!(%error, "metrics cannot be written");
        }
        text
    }

    /// Where the metrics are gathered.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Sends what is left.
    pub fn stop(&self) {
        if let Some(traces) = &self.traces
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Telemetry that cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("telemetry cannot be started: {0}")]
pub struct TelemetryError(String);

/// Counters and durations.
#[derive(Debug, Clone)]
pub struct Metrics {
    exchanges: Counter<u64>,
    decisions: Counter<u64>,
    refusals: Counter<u64>,
    unrecorded: Counter<u64>,
    failures: Counter<u64>,
    broken: Counter<u64>,
    detectors: Histogram<f64>,
}

impl Metrics {
    /// An answer began.
    pub fn exchange(&self, route: &'static str, status: u16) {
        self.exchanges.add(1, &[KeyValue::new("route", route), KeyValue::new("status", i64::from(status))]);
    }

    /// A decision was made and recorded.
    pub fn decision(&self, stage: Stage, action: Action) {
        let labels = [KeyValue::new("stage", stage.to_string()), KeyValue::new("action", action.to_string())];
        self.decisions.add(1, &labels);
    }

    /// The door was shut.
    pub fn refusal(&self, cause: Cause) {
        let cause = match cause {
            Cause::Blocked => "blocked",
            Cause::GuardUnavailable => "guard-unavailable",
            Cause::Unrecorded => "unrecorded",
        };
        self.refusals.add(1, &[KeyValue::new("cause", cause)]);
    }

    /// A record could not be written.
    pub fn unrecorded(&self) {
        self.unrecorded.add(1, &[]);
    }

    /// A detector gave no verdict.
    pub fn detector_failure(&self, detector: &'static str) {
        self.failures.add(1, &[KeyValue::new("detector", detector)]);
    }

    /// The upstream failed.
    pub fn upstream_failure(&self) {
        self.broken.add(1, &[]);
    }

    /// A detector took this long for a segment.
    pub fn detector(&self, detector: &'static str, took: Duration) {
        self.detectors.record(took.as_secs_f64(), &[KeyValue::new("detector", detector)]);
    }
}
