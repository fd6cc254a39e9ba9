package web

import (
	"context"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// NewEvent begins an event with what the request knows of itself: its id, by which callers may ask, and where it came from.
// The room adds who did what.
func NewEvent(ctx context.Context, kind signet.EventKind, at time.Time) signet.Event {
	event := signet.Event{ID: signet.NewEventID(), Kind: kind, At: at, RequestID: RequestID(ctx)}
	if address := ClientAddr(ctx); address.IsValid() {
		event.Address = address.String()
	}
	return event
}
