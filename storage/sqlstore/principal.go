package sqlstore

import (
	"context"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

// Principal tells whether a biller ("biller:{guid}") or an API key ("key:{id}") may act, out of cached records, at most
// 1 s stale. A key is disabled when it is, when it has expired, and when its account is.
// Errors: CodeNotFound, CodeUnavailable.
func (s *Store) Principal(ctx context.Context, id string) (*signet.Principal, error) {
	if guid, ok := strings.CutPrefix(id, signet.PrincipalBiller); ok {
		biller, err := s.Biller(ctx, signet.BillerID(guid))
		if err != nil {
			return nil, err
		}
		return &signet.Principal{ID: id, Disabled: biller.Disabled(), NotBefore: biller.NotBefore}, nil
	}
	keyID, ok := strings.CutPrefix(id, signet.PrincipalAPIKey)
	if !ok {
		return nil, signet.ErrNotFound
	}
	key, err := s.APIKeyByID(ctx, keyID)
	if err != nil {
		return nil, err
	}
	account, err := s.Account(ctx, key.AccountID)
	if err != nil {
		return nil, err
	}
	p := &signet.Principal{ID: id, Disabled: !key.Live(s.at(ctx)) || account.Disabled(), NotBefore: key.NotBefore}
	if account.NotBefore.After(p.NotBefore) {
		p.NotBefore = account.NotBefore
	}
	return p, nil
}
