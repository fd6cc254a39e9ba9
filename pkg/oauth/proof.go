package oauth

import (
	"context"

	"github.com/ory/fosite"

	"github.com/signet-auth/signet/pkg/signet"
)

// edgeProof is what the edge established before it calls fosite. fosite's handlers reach it through the context; this file
// is the only place that puts it there.
type edgeProof struct {
	client *signet.Client
	// redirectURI is the matched one at /authorize: fosite's own matcher then compares it with itself.
	redirectURI string
	// exchange is the token request; nil at /authorize.
	exchange *exchange
}

type proofKey struct{}

// withProof hands p to the fosite handlers called with the context.
func withProof(ctx context.Context, p *edgeProof) context.Context {
	return context.WithValue(ctx, proofKey{}, p)
}

func proofOf(ctx context.Context) *edgeProof {
	p, _ := ctx.Value(proofKey{}).(*edgeProof)
	return p
}

func exchangeOf(ctx context.Context) *exchange {
	if p := proofOf(ctx); p != nil {
		return p.exchange
	}
	return nil
}

// provenClient is a client record in fosite's shape. It deliberately implements neither fosite.OpenIDConnectClient
// (request objects and go-jose v3 would become reachable) nor fosite.ResponseModeClient (response modes are ours).
type provenClient struct {
	client      *signet.Client
	redirectURI string
}

// GetID implements fosite.Client.
func (c *provenClient) GetID() string { return string(c.client.ID) }

// GetHashedSecret implements fosite.Client: fosite never authenticates a client of ours.
func (*provenClient) GetHashedSecret() []byte { return nil }

// GetRedirectURIs implements fosite.Client.
func (c *provenClient) GetRedirectURIs() []string {
	if c.redirectURI != "" {
		return []string{c.redirectURI}
	}
	return nil
}

// GetGrantTypes implements fosite.Client. A PIN application's client refreshes by RefreshGrant, whatever its record names
// besides the PIN. The form at /token takes its refresh token as well when the record names refresh_token, which the ones
// that PIN login makes do: there the client's networks and certificate were checked before, like every other client's.
func (c *provenClient) GetGrantTypes() fosite.Arguments {
	if c.client.MayUse(signet.GrantPIN) {
		return append(fosite.Arguments{signet.GrantRefreshToken}, c.client.GrantTypes...)
	}
	return c.client.GrantTypes
}

// GetResponseTypes implements fosite.Client: signet has the code flow alone.
func (*provenClient) GetResponseTypes() fosite.Arguments { return fosite.Arguments{"code"} }

// GetScopes implements fosite.Client.
func (c *provenClient) GetScopes() fosite.Arguments {
	return fosite.Arguments(c.client.AllowedScope())
}

// IsPublic implements fosite.Client.
func (c *provenClient) IsPublic() bool { return c.client.Public() }

// GetAudience implements fosite.Client. RFC 8707 resources are checked at the edge; fosite's audience parameter never
// reaches it.
func (*provenClient) GetAudience() fosite.Arguments { return nil }
