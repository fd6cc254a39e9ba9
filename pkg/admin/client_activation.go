package admin

import (
	"errors"
	"net/http"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// partner judges what only partners have, and keeps the server's own word from callers (wire.md, 2, Onboarding).
func (j *judge) partner() {
	if j.m.Partner {
		j.need(j.m.TokenEndpointAuthMethod == signet.AuthPrivateKeyJWT, "partner", "is for private_key_jwt")
		j.need(j.uses(signet.GrantClientCredentials), "partner", "needs grant type client_credentials")
	}
	if j.before != nil {
		j.m.Activation = j.before.Activation
		return
	}
	j.need(j.m.Activation == nil, "activation", "is written by the server: POST to the client's activate")
}

func (a *Admin) partnerRoutes() []web.Route {
	return []web.Route{
		a.route("client-activate", http.MethodPost, "/clients/{client_id}/activate", a.activateClient),
		a.route("client-evidence", http.MethodGet, "/clients/{client_id}/evidence", a.clientEvidence),
	}
}

// activateClient lets a partner into production: by CAT's word that it was served there, or by an operator's own, whose
// reason stays on record.
func (a *Admin) activateClient(c *call) error {
	client, err := a.clients().load(c)
	if err != nil {
		return err
	}
	var in struct {
		Evidence string `json:"evidence"`
		Override string `json:"override"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if (in.Evidence == "") == (in.Override == "") {
		return badRequest("activation", "Send evidence from CAT, or override with the reason.")
	}
	if !textOK(in.Override, 500) {
		return badRequest("override", "The reason may have 500 characters, none of them invisible.")
	}
	if !client.Partner || client.Environment != signet.EnvironmentProduction {
		return signet.NewError(signet.CodeConflict, "Only a partner with environment production is activated.", "not_production")
	}
	if client.Activation != nil {
		return signet.NewError(signet.CodeConflict, "This partner is active already.", "active_already")
	}
	event := a.clientEvent(c, signet.EventClientActivated, client.ID)
	activation := &signet.Activation{At: a.o.Now().UTC(), By: c.by.Actor}
	if in.Evidence != "" {
		if activation.Evidence, err = a.o.Contracts.Partners.VerifyEvidence(in.Evidence, client.ID); err != nil {
			return err
		}
		event.Reason = "cat_evidence"
	} else {
		activation.Override, event.Reason = in.Override, "override"
	}
	client.Activation = activation
	return a.write(c, client, &clientAnswer{}, event)
}

// evidenceView is CAT's word on the wire.
type evidenceView struct {
	ClientID    signet.ClientID `json:"client_id"`
	SucceededAt time.Time       `json:"succeeded_at"`
	Evidence    string          `json:"evidence"`
}

// clientEvidence signs, in CAT, that a partner was served there. A token that it was issued is the success.
func (a *Admin) clientEvidence(c *call) error {
	client, err := a.clients().load(c)
	if err != nil {
		return err
	}
	if !client.Partner || client.Environment != signet.EnvironmentCAT || client.Disabled() {
		return signet.NewError(signet.CodeConflict, "There is evidence of live partners with environment cat alone.", "not_cat")
	}
	partners := &a.o.Contracts.Partners
	succeeded, err := partners.Successes.LastIssued(c.ctx(), client.ID, signet.GrantClientCredentials)
	if errors.Is(err, signet.ErrNotFound) {
		return signet.NewError(signet.CodeConflict, "This partner got no token here in the last 30 days.", "no_success")
	}
	if err != nil {
		return err
	}
	id, text, err := partners.SignEvidence(client.ID, succeeded)
	if err != nil {
		return err
	}
	event := a.clientEvent(c, signet.EventClientEvidence, client.ID)
	event.Reason = id
	if err := a.o.Audit.Record(c.ctx(), event); err != nil {
		return err
	}
	web.WriteJSON(c.w, http.StatusOK, evidenceView{client.ID, succeeded, text})
	return nil
}
