package admin

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

type keyView struct {
	KeyID     signet.KeyID    `json:"kid"`
	Use       signet.KeyUse   `json:"use"`
	Alg       string          `json:"alg,omitempty"`
	State     signet.KeyState `json:"state"`
	CreatedAt time.Time       `json:"created_at"`
	SignsAt   time.Time       `json:"activate_at"`
	RetireAt  *time.Time      `json:"retire_at,omitempty"`
	RemoveAt  *time.Time      `json:"remove_at,omitempty"`
}

func (a *Admin) listKeys(c *call) error {
	if err := noQuery(c.r); err != nil {
		return err
	}
	infos, err := a.o.Keys.List(c.ctx())
	if err != nil {
		return err
	}
	views := make([]keyView, 0, len(infos))
	for _, k := range infos {
		views = append(views, keyView{k.ID, k.Use, k.Alg, k.State, k.CreatedAt, k.ActivateAt, k.RetireAt, k.RemoveAt})
	}
	web.WriteJSON(c.w, http.StatusOK, map[string]any{"keys": views})
	return nil
}

// rotateKeys makes a successor for the active key of one algorithm, or of every one when none is named. The successor
// is published first and signs once every verifier can know it.
func (a *Admin) rotateKeys(c *call) error {
	var in struct {
		Alg string `json:"alg"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	algs := a.o.SigningAlgs()
	if in.Alg != "" {
		if !slices.Contains(algs, in.Alg) {
			return badRequest("alg", "The alg must be one of %s.", strings.Join(algs, ", "))
		}
		algs = []string{in.Alg}
	}
	var made []signet.KeyID
	for _, alg := range algs {
		id, err := a.o.Keys.Rotate(c.ctx(), alg, a.event(c, signet.EventKeyRotated, "alg:"+alg))
		if err != nil {
			return err
		}
		made = append(made, id)
	}
	web.WriteJSON(c.w, http.StatusOK, map[string]any{"kids": made})
	return nil
}

func (a *Admin) rewrapKeys(c *call) error {
	if err := empty(c.r); err != nil {
		return err
	}
	changed, err := a.o.Keys.Rewrap(c.ctx())
	if err != nil {
		return err
	}
	event := a.event(c, signet.EventKeyRotated, "key_encryption_key")
	event.Reason = "rewrapped_" + strconv.Itoa(changed)
	if err := a.o.Audit.Record(c.ctx(), event); err != nil {
		return err
	}
	web.WriteJSON(c.w, http.StatusOK, map[string]any{"rewrapped": changed})
	return nil
}

func (a *Admin) revokeKey(c *call) error {
	if err := empty(c.r); err != nil {
		return err
	}
	id := signet.KeyID(c.r.PathValue("kid"))
	event := a.event(c, signet.EventKeyRevoked, "key:"+string(id))
	if err := a.o.Keys.Revoke(c.ctx(), id, event); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

type eventView struct {
	ID        signet.EventID   `json:"id"`
	Kind      signet.EventKind `json:"kind"`
	At        time.Time        `json:"at"`
	Actor     string           `json:"actor,omitempty"`
	ClientID  signet.ClientID  `json:"client_id,omitempty"`
	UserID    signet.UserID    `json:"sub,omitempty"`
	KeyID     string           `json:"key_id,omitempty"`
	Address   string           `json:"address,omitempty"`
	Target    string           `json:"target,omitempty"`
	Reason    string           `json:"reason,omitempty"`
	RequestID string           `json:"request_id,omitempty"`
}

func (a *Admin) listEvents(c *call) error {
	return writePage(a, c, "events", a.o.Audit.ListEvents, func(e *signet.Event) (eventView, string) { return eventView(*e), string(e.ID) })
}
