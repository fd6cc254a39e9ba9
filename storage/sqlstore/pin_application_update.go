package sqlstore

import (
	"context"
	"reflect"

	"github.com/signet-auth/signet/pkg/signet"
)

// UpdatePINApplicationWithClient is UpdatePINApplication, and in the same transaction gives the application's client this
// metadata, unless it has it: where Version of the application no longer stands, neither is written. The client is read
// here, after the application is held: one from a cache could look as if nothing had to be written.
// Errors: CodeConflict when the application is stale, or the client was changed by another act at this moment;
// CodeNotFound, CodeInvalidRequest, CodeUnavailable.
func (s *Store) UpdatePINApplicationWithClient(ctx context.Context, app *signet.PINApplication, metadata signet.ClientMetadata,
	event, clientEvent signet.Event,
) error {
	var written signet.PINApplication
	err := s.act(ctx, func(ctx context.Context, _ *transaction) error {
		written = *app // afresh in each attempt: the nested act moves its version
		if err := s.UpdatePINApplication(ctx, &written, event); err != nil {
			return err
		}
		found, err := s.loadClient(ctx, app.ID)
		if err != nil || reflect.DeepEqual(found.ClientMetadata, metadata) {
			return err
		}
		client := *found
		client.ClientMetadata = metadata
		return s.UpdateClient(ctx, &client, clientEvent)
	})
	if err == nil {
		*app = written
	}
	return err
}
