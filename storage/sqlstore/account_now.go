package sqlstore

import (
	"context"

	"github.com/signet-auth/signet/pkg/signet"
)

// AccountNow is Account that always reads the database: for whoever names a version of which this node has not heard.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) AccountNow(ctx context.Context, id string) (*signet.Account, error) {
	if !findable(id) {
		return nil, signet.ErrNotFound
	}
	return first(s.queryAccounts(ctx, "id = ?", id, 1))
}
