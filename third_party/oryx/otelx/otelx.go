// Package otelx offers the one name that fosite v0.49.0 uses of ory/x/otelx.
package otelx

import "go.opentelemetry.io/otel/trace"

// End ends the span. Errors are recorded by signet's own events, not by spans.
func End(span trace.Span, _ *error) { span.End() }
