package revocation_test

import (
	"context"
	"testing"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// olderNode writes to Redis as the version before principals did: it knows the second of clients and users alone.
type olderNode struct {
	put func(context.Context, []signet.Revocation) error
}

func (o olderNode) Put(ctx context.Context, entries []signet.Revocation) error {
	for i := range entries {
		if entries[i].Kind == signet.RevokedPrincipal {
			entries[i].Before = time.Time{}
		}
	}
	return o.put(ctx, entries)
}

// While two versions run side by side the older one may drain the outbox. Its entry of a biller must not take back what
// the biller gets after it was enabled again, nor free what it got before.
func TestPrincipalEntriesOfAnOlderNode(t *testing.T) {
	t.Parallel()
	n := newWorld(t, startServer(t)).node(true)
	before := time.Now().Truncate(time.Second)
	entry := signet.Revocation{Kind: signet.RevokedPrincipal, Subject: "biller:b", Before: before, At: before, ExpiresAt: before.Add(time.Hour)}
	if err := n.journal.WriteRevocations(t.Context(), []signet.Revocation{entry}, signet.Event{Kind: signet.EventTokenRevoked}); err != nil {
		t.Fatal(err)
	}
	older := olderNode{n.wire.Put}
	if err := older.Put(t.Context(), []signet.Revocation{entry}); err != nil {
		t.Fatal(err)
	}
	facts := func(issued time.Duration) signet.TokenFacts {
		return signet.TokenFacts{TokenID: "t", Principal: "biller:b", IssuedAt: before.Add(issued)}
	}
	n.revoked(t, facts(-time.Minute), true)
	n.revoked(t, facts(2*time.Second), false)
	// Another entry that names the token still counts at once.
	n.take(t, "t")
	n.revoked(t, facts(2*time.Second), true)
}
