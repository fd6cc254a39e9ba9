package intent

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	// Scope is what an access token needs to call here.
	Scope = "intents"
	// ValidateAny is the scope of a client's own token, or the global permission of a role, that opens the intents of
	// every account: hosted payment pages have it.
	ValidateAny = "intents:validate-any"

	defaultIssuer   = "signet"
	defaultLifetime = 15 * time.Minute
)

// Options is what the room needs. All fields but Issuer and Audiences are required.
type Options struct {
	Callers  Callers
	Devices  Devices
	Accounts Accounts
	Keys     Keys
	NewKeys  NewKeys
	Signer   Signer
	Spent    Spent
	Roles    Roles
	Failures Failures
	Traffic  Traffic
	// HashKeys hash device passwords.
	HashKeys func() signet.HashKeys
	// Issuer is the iss of intents; "": signet.
	Issuer string
	// Audiences are the intents that may be made; nil: PaymentPage, CreateWalletPage, EditWalletPage.
	Audiences []string
	Now       func() time.Time
}

// Intent is the room.
type Intent struct {
	o Options
}

// New checks the options.
func New(o Options) (*Intent, error) {
	ports := []any{o.Callers, o.Devices, o.Accounts, o.Keys, o.NewKeys, o.Signer, o.Spent, o.Roles, o.Failures, o.Traffic}
	if slices.Contains(ports, nil) || o.HashKeys == nil || o.Now == nil {
		return nil, errors.New("intent: a required option is missing")
	}
	if o.Issuer == "" {
		o.Issuer = defaultIssuer
	}
	if o.Audiences == nil {
		o.Audiences = []string{"PaymentPage", "CreateWalletPage", "EditWalletPage"}
	}
	if len(o.Audiences) == 0 || slices.Contains(o.Audiences, "") {
		return nil, errors.New("intent: Audiences must not be empty, nor have an empty member")
	}
	o.Audiences = slices.Clone(o.Audiences)
	return &Intent{o: o}, nil
}

// Routes returns the two endpoints at the document's paths. Merchants' servers and hosted pages' servers call them, no
// browser does: there is no CORS.
func (i *Intent) Routes() []web.Route {
	route := func(name string, h http.HandlerFunc, refuse func(http.ResponseWriter, *http.Request, int)) web.Route {
		return web.Route{Name: "intent-" + name, Methods: []string{http.MethodPost}, Path: "/payment/api/jwt/" + name,
			Class: web.ClassAPI, CORS: web.CORSNone, Handler: h, Refuse: refuse}
	}
	return []web.Route{route("create", i.create, refuseCreate), route("validate", i.validate, refuseValidate)}
}
