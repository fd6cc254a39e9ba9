package admin

import (
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
	account, err := a.account(c)
	if err != nil {
		return err
	}
	devices, err := a.o.Contracts.Devices.ListDevices(c.ctx(), account.ID)
	if err != nil {
		return err
	}
	views := make([]deviceView, 0, len(devices))
	for i := range devices {
		views = append(views, viewDevice(&devices[i], ""))
	}
	writeList(c, "devices", views, "")
	return nil
}

func (a *Admin) createDevice(c *call) error {
	account, err := a.account(c)
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
	if len(j) > 0 {
		return badRequest("device", "%s.", strings.Join(j, "; "))
	}
	var made signet.Secret
	if in.Password == "" {
		made = signet.NewSecret(signet.SecretDevice)
		in.Password = made
	}
	device := &signet.Device{ID: in.ID, DCN: in.DCN, AccountID: account.ID, Name: in.Name, Hash: a.o.HashKeys().Hash(in.Password.Reveal()),
		CreatedAt: a.o.Now(), Version: 1}
	if err := a.o.Contracts.Devices.InsertDevice(c.ctx(), device, a.event(c, signet.EventDeviceCreated, deviceTarget(device))); err != nil {
		return err
	}
	web.WriteJSON(c.w, http.StatusCreated, viewDevice(device, made))
	return nil
}

func deviceTarget(d *signet.Device) string { return "device:" + d.DCN + ":" + d.ID }

// device reads the record of the path: a device of that account and of no other.
func (a *Admin) device(c *call) (*signet.Device, error) {
	account, err := a.account(c)
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
}

func (a *Admin) disableDevice(c *call) error {
	return a.setDeviceDisabled(c, true, signet.EventDeviceDisabled)
}

func (a *Admin) enableDevice(c *call) error {
	return a.setDeviceDisabled(c, false, signet.EventDeviceEnabled)
}

func (a *Admin) setDeviceDisabled(c *call, disabled bool, kind signet.EventKind) error {
	device, err := a.device(c)
	if err != nil {
		return err
	}
	if err := empty(c.r); err != nil {
		return err
	}
	if err := a.o.Contracts.Devices.SetDeviceDisabled(c.ctx(), device.DCN, device.ID, disabled, a.event(c, kind, deviceTarget(device))); err != nil {
		return err
	}
	stored, err := a.o.Contracts.Devices.Device(c.ctx(), device.DCN, device.ID)
	if err != nil {
		return err
	}
	web.WriteJSON(c.w, http.StatusOK, viewDevice(stored, ""))
	return nil
}
