package exchange

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// Options is what the room needs. What is not marked optional is required.
type Options struct {
	Billers         Billers
	ResourceServers ResourceServers
	Invoices        Invoices
	Keys            Keys
	Marks           Marks
	// Failures counts failed identities, by biller and network and by network.
	Failures Failures
	Counter  Counter
	Events   Events
	Issuer   Issuer
	Bearers  Bearers
	// IssuerURL is the audience of client_credentials tokens for signet itself: with it a biller's client may put
	// invoices in.
	IssuerURL string
	// InvoiceResource is the id of the resource server that signet's own invoice API is; "": there is no invoice API.
	InvoiceResource string
	// AllowPrivateSources lets live sources be on private networks.
	AllowPrivateSources bool
	// SourceRoots are the authorities trusted for live sources; nil (optional): the system's.
	SourceRoots *x509.CertPool
	// Demo names the billers that /test and /payertest sign for; nil (optional, and always outside signet dev): there
	// are no such routes.
	Demo func(id signet.BillerID) bool
	// Dependencies tells by name what signet stands on and whether it is up; it must not wait for what is down.
	Dependencies func(ctx context.Context) map[string]bool
	Now          func() time.Time
	Log          *slog.Logger
}

// Exchange is the room.
type Exchange struct {
	o        Options
	decoys   decoys
	invoices *meter // exchanges by invoice, while the shared counter is away
	alarms   *meter // throttled callers that were recorded
	sources  *sources
}

// New checks the options. Keys must be ready to seal.
func New(o Options) (*Exchange, error) {
	if o.Billers == nil || o.ResourceServers == nil || o.Invoices == nil || o.Keys == nil || o.Marks == nil || o.Failures == nil ||
		o.Counter == nil || o.Events == nil {
		return nil, errors.New("exchange: Billers, ResourceServers, Invoices, Keys, Marks, Failures, Counter and Events are required")
	}
	if o.Issuer == nil || o.Bearers == nil || o.IssuerURL == "" || o.Dependencies == nil || o.Now == nil || o.Log == nil {
		return nil, errors.New("exchange: Issuer, Bearers, IssuerURL, Dependencies, Now and Log are required")
	}
	return &Exchange{o: o, decoys: newDecoys(o.Keys), invoices: newMeter(), alarms: newMeter(), sources: newSources(&o)}, nil
}

// Routes returns the endpoints. /test and /payertest are among them in signet dev only, the invoices only where there is
// an invoice API.
func (e *Exchange) Routes() []web.Route {
	route := func(name, method, path string, cors web.CORS, h http.HandlerFunc) web.Route {
		return web.Route{Name: "exchange-" + name, Methods: []string{method}, Path: path, Class: web.ClassAPI, CORS: cors, Handler: h, Refuse: e.refuseKit}
	}
	routes := []web.Route{
		route("tokens", http.MethodPost, "/api/v1/tokens", web.CORSClient, e.invoiceToken),
		route("payertokens", http.MethodPost, "/api/v1/payertokens", web.CORSClient, e.payerToken),
		route("health", http.MethodGet, "/health", web.CORSNone, e.health),
		route("healthdetails", http.MethodGet, "/healthdetails", web.CORSNone, e.healthDetails),
	}
	if e.o.InvoiceResource != "" {
		routes = append(routes,
			route("invoice-get", http.MethodGet, "/api/v1/invoices/{invoiceGuid}", web.CORSClient, e.getInvoice),
			route("invoice-put", http.MethodPut, "/api/v1/invoices/{invoiceGuid}", web.CORSNone, e.putInvoice))
	}
	if e.o.Demo != nil {
		routes = append(routes,
			route("test", http.MethodPost, "/test", web.CORSNone, e.signInvoice),
			route("payertest", http.MethodPost, "/payertest", web.CORSNone, e.signPayer))
	}
	return routes
}

// decoys are what the room works with in the place of a biller that does not exist, is disabled or has fewer keys, so
// that every refusal opens as many keys and computes as many HMACs.
type decoys struct {
	biller *signet.Biller
	keys   [maxLiveKeys]signet.SealedKey
}

// maxLiveKeys is how many keys a biller may have live.
const maxLiveKeys = 2

func newDecoys(seal Keys) decoys {
	d := decoys{biller: &signet.Biller{}}
	for i := range d.keys {
		var plain [32]byte
		_, _ = rand.Read(plain[:]) // ends the process when there is no randomness
		d.keys[i] = signet.SealedKey{ID: signet.NewKeyID(), Owner: signet.OwnerBiller + "decoy", Use: signet.KeyHMAC, Alg: "HS256"}
		seal.SealRecord(&d.keys[i], plain[:])
	}
	return d
}
