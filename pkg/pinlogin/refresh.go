package pinlogin

import (
	"context"
	"errors"
	"net/http"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// refreshBody has the one member in each of its three spellings: the document's sample, its table, and RFC 6749's.
type refreshBody struct {
	Sample *string `json:"refreshToken"`
	Table  *string `json:"refresh_Token"`
	RFC    *string `json:"refresh_token"`
}

// token returns the one that was sent.
func (b *refreshBody) token() (string, error) {
	var token string
	found := 0
	for _, member := range []*string{b.Sample, b.Table, b.RFC} {
		if member != nil {
			token = *member
			found++
		}
	}
	if found != 1 || token == "" {
		return "", signet.NewError(signet.CodeInvalidRequest, "", "refresh_token_missing")
	}
	return token, nil
}

// refresh answers POST /auth/refresh and /token/refresh.
//
//  1. parse  2. the row  3. its application  4. network and certificate  5. rotate, which checks all the rest  6. write
//
// The row is read before it is spent, so that a token which was stolen is refused outside the application's networks and
// stays good inside them. Nothing here can be guessed: a refresh token has 256 bits.
func (p *PINLogin) refresh(w http.ResponseWriter, r *http.Request) {
	began := p.o.Now()
	ctx, cancel := context.WithTimeout(r.Context(), decideWithin)
	defer cancel()
	r = r.WithContext(ctx)
	a := &attempt{r: r}
	if err := p.rotate(ctx, a); err != nil {
		p.refused(a, err)
		p.fail(w, r, err, 0)
		return
	}
	p.succeed(w, began, &a.principals, a.issued)
}

func (p *PINLogin) rotate(ctx context.Context, a *attempt) error {
	var body refreshBody
	if err := decode(a.r, &body); err != nil {
		return err
	}
	raw, err := body.token()
	if err != nil {
		return err
	}
	if err := p.owner(ctx, a, raw); err != nil {
		return err
	}
	if fault := p.transport(a.r, a.app); fault != "" {
		return denied(fault)
	}
	switch fault, err := p.load(ctx, &a.principals); {
	case err != nil:
		return err
	case fault != "":
		return denied(fault)
	}
	a.issued, err = p.o.Grants.RefreshGrant(ctx, raw)
	return err
}

// owner finds the application that a refresh token belongs to. Tokens of other clients are unknown here.
func (p *PINLogin) owner(ctx context.Context, a *attempt, raw string) error {
	if _, ok := signet.ParseSecret(signet.SecretRefresh, raw); !ok {
		return denied("refresh_token_malformed")
	}
	state, err := p.o.RefreshTokens.RefreshToken(ctx, p.o.Keys.HashKeys().Candidates(raw))
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return denied("refresh_token_unknown")
	case err != nil:
		return err
	}
	app, err := p.o.Applications.PINApplicationByID(ctx, state.Token.ClientID)
	switch {
	case errors.Is(err, signet.ErrNotFound):
		return denied("refresh_token_of_another_client")
	case err != nil:
		return err
	}
	a.app = app
	web.Note(ctx, "client_id", string(app.ID))
	return nil
}
