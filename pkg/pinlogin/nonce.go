package pinlogin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// consume accepts an encrypted PIN once (PIN-02), by one command of the store. What is remembered, and how long:
//
//	pin-v2              the nonce, as a replay mark: the time inside limits it
//	aes-256-gcm         the nonce, for as long as its key lives: nothing in it grows old
//	CBC, ECB            the whole ciphertext, for as long as its key lives, when the record says so
func (p *PINLogin) consume(ctx context.Context, a *attempt) error {
	key := a.opened.key
	var err error
	switch mode := modeOf(a.app.Mode); {
	case mode == signet.PINv2:
		err = p.o.Marks.Use(ctx, signet.Mark{Space: markSpace, Key: key.Credential() + "|" + hex.EncodeToString(a.opened.nonce),
			IssuedAt: a.opened.at, ExpiresAt: a.opened.at.Add(markLife)})
	case mode == signet.PINGCM || a.app.CheckNonce:
		sum := sha256.Sum256(a.opened.nonce)
		err = p.o.Spent.Spend(ctx, markSpace, key.Credential()+"|"+hex.EncodeToString(sum[:]), key.Credential(), nil)
	}
	if !errors.Is(err, signet.ErrUsed) {
		return err
	}
	event := p.event(a.r, signet.EventPINReplayed, a.app, "pin_replayed")
	event.KeyID = string(key.ID)
	p.o.Log.WarnContext(ctx, "an encrypted PIN was sent again", "request_id", event.RequestID, "credential", key.Credential())
	if err := p.o.Events.Record(ctx, event); err != nil {
		// The refusal stands without it.
		p.o.Log.ErrorContext(ctx, "event not recorded", "request_id", web.RequestID(ctx), "kind", event.Kind, "error", err)
	}
	return denied("pin_replayed")
}

// markSpace keeps PINs apart from everything else that is used once.
const markSpace = "pin"
