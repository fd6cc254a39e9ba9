package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
)

// failing sends credentials that fail, each from a network of its own, and sees that the answers do not differ.
type failing struct {
	w      *worker
	target string
	status int
	size   int // of the answer's body, the same for all
	sent   int
}

// send sends one request. Each comes from a network of its own, since networks have a limit too: the server trusts the
// address that a proxy names.
func (f *failing) send(request *http.Request) error {
	f.sent++
	request.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.1", f.sent>>8&255, f.sent&255))
	got, err := f.w.send(request, f.status)
	if err != nil {
		return err
	}
	if f.size == 0 {
		f.size = len(got.body)
	}
	if len(got.body) != f.size {
		return fmt.Errorf("%d bytes, others have %d", len(got.body), f.size)
	}
	return nil
}

func (f *failing) json(ctx context.Context, body any) error {
	request, err := jsonRequest(ctx, f.target, nil, body)
	if err != nil {
		return err
	}
	return f.send(request)
}

// identityWays are the kinds of identities that fail (HMC-01). The last two differ from a right one in one byte.
func identityWays() []way {
	return []way{{"unknown biller", 'u', 1}, {"known biller, wrong key", 'k', 1}, {"disabled biller, right key", 'd', 1},
		{"first byte wrong", 'f', 1}, {"last byte wrong", 'l', 1}, {"control: two identities", 'c', 2}}
}

// timeIdentities compares payer identities at the legacy endpoint.
func (n *node) timeIdentities(ctx context.Context, s settings) error {
	known, disabled := n.card.Billers[0], biller{}
	body := []byte(`{"name":"Disabled","default_resource_server":"payments"}`)
	if err := post(ctx, n.admin+"/admin/v1/billers", n.adminKey, body, &disabled); err != nil {
		return err
	}
	if err := post(ctx, n.admin+"/admin/v1/billers/"+disabled.ID+"/disable", n.adminKey, []byte("{}"), nil); err != nil {
		return err
	}
	f := &failing{w: newWorker(0), target: n.base + "/api/v1/payertokens", status: http.StatusUnauthorized}
	samples, err := sample(ctx, identityWays(), s.samples, func(ctx context.Context, w way, _ int) error {
		b := known
		switch w.kind {
		case 'u', 'c':
			b.ID = newGUID() // another each time: nothing about it can be remembered
		case 'k':
			b.HMACKey = hex.EncodeToString(randomBytes(32))
		case 'd':
			b = disabled
		}
		user, stamp, mac := b.payer()
		switch w.kind {
		case 'f':
			mac = spoil(mac[:2]) + mac[2:]
		case 'l':
			mac = mac[:len(mac)-2] + spoil(mac[len(mac)-2:])
		}
		return f.json(ctx, map[string]string{"billerGuid": b.ID, "userGuid": user, "timestamp": stamp, "hmac": mac})
	})
	if err != nil {
		return err
	}
	return report("identity", identityWays(), samples)
}

// spoil changes one byte written in hex.
func spoil(digits string) string {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(err) // our own
	}
	b[0] ^= 1
	return hex.EncodeToString(b)
}

func pinWays() []way {
	return []way{{"unknown application", 'u', 1}, {"wrong PIN", 'w', 1}, {"wrong key", 'k', 1}, {"disabled application, right PIN", 'd', 1},
		{"control: two logins", 'c', 2}}
}

// timePINs compares PIN logins. Names change before the limit of guesses at one, as at the login page.
func (n *node) timePINs(ctx context.Context, s settings) error {
	apps, err := n.pinApplications(ctx, s.samples)
	if err != nil {
		return err
	}
	f := &failing{w: newWorker(0), target: n.base + "/auth", status: http.StatusUnauthorized}
	samples, err := sample(ctx, pinWays(), s.samples, func(ctx context.Context, w way, round int) error {
		app := apps[w.person(round)]
		pin := app.PIN
		switch w.kind {
		case 'u':
			app = pinApplication{Username: w.person(round), Key: hex.EncodeToString(randomBytes(32))}
			pin = "123456"
		case 'k':
			app.Key = hex.EncodeToString(randomBytes(32))
		case 'w', 'c':
			pin = "wrong" + pin[:1]
		}
		sealed, err := app.seal(pin)
		if err != nil {
			return err
		}
		return f.json(ctx, map[string]string{"username": app.Username, "password": sealed})
	})
	if err != nil {
		return err
	}
	return report("PIN login", pinWays(), samples)
}

// pinApplications makes those of all rounds, by user name.
func (n *node) pinApplications(ctx context.Context, count int) (map[string]pinApplication, error) {
	apps := map[string]pinApplication{}
	at := n.admin + "/admin/v1/pin-applications"
	for _, w := range pinWays() {
		for round := range count + warmUp {
			name := w.person(round)
			if _, made := apps[name]; made || w.kind == 'u' {
				continue
			}
			body, err := json.Marshal(map[string]string{"username": name, "mode": "pin-v2"})
			if err != nil {
				return nil, err
			}
			var app pinApplication
			if err := post(ctx, at, n.adminKey, body, &app); err != nil {
				return nil, err
			}
			apps[name] = app
			if w.kind != 'd' {
				continue
			}
			if err := post(ctx, at+"/"+app.ID+"/disable", n.adminKey, []byte("{}"), nil); err != nil {
				return nil, err
			}
		}
	}
	return apps, nil
}
