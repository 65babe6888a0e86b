"""What operators see: JSON logs, Prometheus metrics, OpenTelemetry traces and Sentry reports."""
