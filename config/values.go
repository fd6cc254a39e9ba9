package config

import (
	"errors"
	"log/slog"
	"time"
)

// Secret is a setting that must never be shown: every way of printing it gives "[secret]", or "" when it is not set.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String hides the text.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the text from every encoder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText keeps the text.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

// LogValue hides the text from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Duration is a setting written as "15m" or "720h". A bare number is refused: nobody could say which unit it has.
type Duration struct{ time.Duration }

var errDuration = errors.New(`must be a duration with its unit, as "15m" or "720h"`)

// UnmarshalText reads the form of time.ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		return errDuration
	}
	d.Duration = parsed
	return nil
}

// MarshalText writes the shortest form: "15m", not "15m0s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String returns the shortest form.
func (d Duration) String() string {
	switch {
	case d.Duration == 0:
		return "0s"
	case d.Duration%time.Hour == 0:
		return trimUnits(d.Duration.String(), "0m0s")
	case d.Duration%time.Minute == 0:
		return trimUnits(d.Duration.String(), "0s")
	default:
		return d.Duration.String()
	}
}

func trimUnits(text, suffix string) string { return text[:len(text)-len(suffix)] }
