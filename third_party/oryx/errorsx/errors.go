// Package errorsx offers the names that fosite v0.49.0 uses of ory/x/errorsx.
package errorsx

import "errors"

// WithStack returns err as it is. signet logs errors under an error id where they are handled, so that capturing a
// stack at each refusal (a cost on the token path) would buy nothing.
func WithStack(err error) error { return err }

// Cause returns the innermost error of the chain.
func Cause(err error) error {
	for err != nil {
		next := errors.Unwrap(err)
		if next == nil {
			if c, ok := err.(interface{ Cause() error }); ok {
				next = c.Cause()
			}
		}
		if next == nil || next == err {
			return err
		}
		err = next
	}
	return nil
}

// DebugCarrier is an error with a debug text.
type DebugCarrier interface{ Debug() string }

// DetailsCarrier is an error with further details.
type DetailsCarrier interface{ Details() map[string]interface{} }

// ReasonCarrier is an error with a reason.
type ReasonCarrier interface{ Reason() string }

// RequestIDCarrier is an error that knows its request.
type RequestIDCarrier interface{ RequestID() string }

// StatusCarrier is an error with a status text.
type StatusCarrier interface{ Status() string }

// StatusCodeCarrier is an error with an HTTP status.
type StatusCodeCarrier interface{ StatusCode() int }
