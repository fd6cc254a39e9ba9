package intent

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// deviceCredential is a device's credential as it was presented. id is "" when it is no GUID: such a device is unknown.
type deviceCredential struct {
	id       string // lower case
	dcn      string
	named    bool // with a dcn
	password string
}

const (
	maxDCN      = 64
	maxPassword = 1 << 10
)

// plainDevice reads "{dcn}:{device id}|{password}" and "{device id}|{password}". The first bar separates, so that a
// password may have bars; the last colon before it, so that a DCN may have colons.
func plainDevice(value string) deviceCredential {
	name, password, _ := strings.Cut(value, "|")
	d := deviceCredential{password: password}
	if colon := strings.LastIndexByte(name, ':'); colon >= 0 {
		d.dcn, d.named, name = name[:colon], true, name[colon+1:]
	}
	return d.check(name)
}

// basicDevice reads what stands behind "Basic " (RFC 7617 §2): the last 36 characters of the user name are the id.
func basicDevice(encoded string) deviceCredential {
	plain, err := base64.StdEncoding.Strict().DecodeString(encoded)
	user, password, found := strings.Cut(string(plain), ":")
	if err != nil || !found || strings.ContainsAny(encoded, "\r\n") || len(user) < guidLen {
		return deviceCredential{}
	}
	cut := len(user) - guidLen
	d := deviceCredential{dcn: user[:cut], named: cut > 0, password: password}
	return d.check(user[cut:])
}

// check keeps from the stores what can name no device.
func (d deviceCredential) check(id string) deviceCredential {
	id = strings.ToLower(id)
	if !isGUID(id) || len(d.dcn) > maxDCN || len(d.password) > maxPassword || strings.ContainsFunc(d.dcn, unprintable) {
		return deviceCredential{}
	}
	d.id = id
	return d
}

func unprintable(r rune) bool { return r < 0x20 || r > 0x7e }

// proveDevice proves a device. Errors: CodeInvalidToken, CodeTooMany, CodeUnavailable.
//
//  1. This device has not failed too often from this network. The device is what was presented, known or not.
//  2. The record, and the password in constant time; an unknown device costs a comparison, too.
//  3. Only after a failure: the network has not failed too often over all devices. So a right password is let in
//     whatever its neighbours do.
func (i *Intent) proveDevice(c *call, d deviceCredential) error {
	ctx := c.ctx()
	c.by.keyID = d.id
	network := web.Network(web.ClientAddr(ctx))
	seat := "intent:device:" + d.id + "@" + network
	if d.id != "" {
		if wait, too := i.o.Failures.Refused(ctx, seat); too {
			return c.tooMany(wait)
		}
	}
	device, err := i.findDevice(ctx, d)
	if err != nil {
		return err
	}
	reason := i.deviceFault(device, d)
	if reason == "" {
		c.by = actor{subject: "device:" + device.DCN + ":" + device.ID, keyID: device.ID, accountID: device.AccountID,
			device: device.ID, dcn: device.DCN}
		web.Note(ctx, "actor", c.by.subject) // the prover of keys and tokens notes its callers itself
		return nil
	}
	if wait, too := i.o.Failures.Refused(ctx, "intent:network:"+network); too {
		return c.tooMany(wait)
	}
	i.o.Failures.Failed(ctx, "intent:network:"+network)
	if d.id != "" {
		i.o.Failures.Failed(ctx, seat)
	}
	return refused(reason)
}

func (c *call) tooMany(wait int) error {
	c.retryAfter = wait
	return &signet.Error{Code: signet.CodeTooMany, Reason: "too_many_failures"}
}

// findDevice returns nil for a device that is unknown, or named by an id that several have.
func (i *Intent) findDevice(ctx context.Context, d deviceCredential) (*signet.Device, error) {
	if d.id == "" {
		return nil, nil
	}
	if !d.named {
		found, err := i.o.Devices.DevicesByID(ctx, d.id)
		if errors.Is(err, signet.ErrNotFound) || err == nil && len(found) != 1 {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return &found[0], nil
	}
	device, err := i.o.Devices.Device(ctx, d.dcn, d.id)
	if errors.Is(err, signet.ErrNotFound) {
		return nil, nil
	}
	return device, err
}

// deviceFault compares the password and returns why the device is not accepted, "" when it is.
func (i *Intent) deviceFault(device *signet.Device, d deviceCredential) string {
	keys := i.o.HashKeys()
	stored := signet.SecretHash{KeyID: keys.Current}
	if device != nil {
		stored = device.Hash
	}
	matches := keys.Verify(d.password, stored)
	switch {
	case device == nil:
		return "device_unknown"
	case !matches || d.password == "":
		return "device_password"
	case device.Disabled():
		return "device_disabled"
	default:
		return ""
	}
}
