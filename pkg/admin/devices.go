package admin

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// dcns are device configuration numbers: no colon and no bar, which part them from the rest of a credential (wire.md, 4).
var dcns = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

type deviceView struct {
	AccountID string    `json:"account_id"`
	DCN       string    `json:"dcn"`
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"`
	Password  string    `json:"password,omitempty"` // in the answer that makes it, when signet made it
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`
	Version   int64     `json:"version"`
}

func viewDevice(d *signet.Device, password signet.Secret) deviceView {
	return deviceView{d.AccountID, d.DCN, d.ID, d.Name, password.Reveal(), d.Disabled(), d.CreatedAt, d.Version}
}

func (a *Admin) listDevices(c *call) error {
	account, err := a.accounts().load(c)
	if err != nil {
		return err
	}
	devices, err := a.o.Contracts.Devices.ListDevices(c.ctx(), account.ID)
	if err != nil {
		return err
	}
	writeAll(c, "devices", devices, func(d *signet.Device) deviceView { return viewDevice(d, "") })
	return nil
}

func (a *Admin) createDevice(c *call) error {
	account, err := a.accounts().load(c)
	if err != nil {
		return err
	}
	var in struct {
		DCN      string        `json:"dcn"`
		ID       string        `json:"id"`
		Name     string        `json:"name"`
		Password signet.Secret `json:"password"`
	}
	if err := decode(c.r, &in); err != nil {
		return err
	}
	if in.ID = strings.ToLower(in.ID); in.ID == "" {
		in.ID = signet.NewUUID()
	}
	var j faults
	j.need(dcns.MatchString(in.DCN), "dcn", "may have letters, digits, dot, underscore and hyphen, 64 at most")
	j.need(guids.MatchString(in.ID), "id", "must be a GUID")
	j.need(textOK(in.Name, 120), "name", "may have 120 characters, none of them invisible")
	text := in.Password.Reveal()
	j.need(text == "" || len(text) >= minPassword && textOK(text, maxPassword), "password", "must have 8 to 256 characters, none of them invisible")
	if err := j.refuse("device"); err != nil {
		return err
	}
	var made signet.Secret
	if in.Password == "" {
		made = signet.NewSecret(signet.SecretDevice)
		in.Password = made
	}
	device := &signet.Device{ID: in.ID, DCN: in.DCN, AccountID: account.ID, Name: in.Name, Hash: a.o.HashKeys().Hash(in.Password.Reveal()),
		CreatedAt: a.o.Now(), Version: 1}
	if err := a.o.Contracts.Devices.InsertDevice(c.ctx(), device, a.event(c, signet.EventDeviceCreated, deviceTarget(device))); err != nil {
		return taken("dcn with this id", err)
	}
	web.WriteJSON(c.w, http.StatusCreated, viewDevice(device, made))
	return nil
}

func deviceTarget(d *signet.Device) string { return "device:" + d.DCN + ":" + d.ID }

// devices finds a device of the account in the path and of no other. It has no entity tag: nothing of it is replaced.
func (a *Admin) devices() *record[signet.Device] {
	return &record[signet.Device]{
		noun: "device",
		find: func(c *call) (*signet.Device, error) {
			account, err := a.accounts().load(c)
			if err != nil {
				return nil, err
			}
			dcn, id := c.r.PathValue("dcn"), c.r.PathValue("device")
			if !dcns.MatchString(dcn) || !guids.MatchString(id) {
				return nil, signet.ErrNotFound
			}
			found, err := a.o.Contracts.Devices.Device(c.ctx(), dcn, id)
			if err != nil {
				return nil, err
			}
			if found.AccountID != account.ID {
				return nil, signet.ErrNotFound
			}
			return found, nil
		},
		view: func(d *signet.Device) any { return viewDevice(d, "") },
		event: func(c *call, kind signet.EventKind, d *signet.Device) signet.Event {
			return a.event(c, kind, deviceTarget(d))
		},
		disable: func(ctx context.Context, d *signet.Device, disabled bool, event signet.Event) error {
			return a.o.Contracts.Devices.SetDeviceDisabled(ctx, d.DCN, d.ID, disabled, event)
		},
		disabled: signet.EventDeviceDisabled, enabled: signet.EventDeviceEnabled,
	}
}
