package admin

import (
	"context"
	"net/http"
	"slices"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// contractRoutes are the routes of the registers that are there.
func (a *Admin) contractRoutes() []web.Route {
	var routes []web.Route
	have := &a.o.Contracts
	if have.Partners.evidence() {
		routes = append(routes, a.partnerRoutes()...)
	}
	if have.billers() {
		routes = append(routes, a.billerRoutes()...)
	}
	if have.resourceServers() {
		routes = append(routes, a.resourceServerRoutes()...)
	}
	if have.accounts() {
		routes = slices.Concat(routes, a.accountRoutes(), a.apiKeyRoutes(), a.deviceRoutes())
	}
	if have.pinApplications() {
		routes = append(routes, a.pinRoutes()...)
	}
	return routes
}

func (a *Admin) billerRoutes() []web.Route {
	return []web.Route{
		a.route("billers-list", http.MethodGet, "/billers", a.listBillers),
		a.route("billers-create", http.MethodPost, "/billers", a.createBiller),
		a.route("biller-get", http.MethodGet, "/billers/{biller}", a.getBiller),
		a.route("biller-put", http.MethodPut, "/billers/{biller}", a.putBiller),
		a.route("biller-disable", http.MethodPost, "/billers/{biller}/disable", a.disableBiller),
		a.route("biller-enable", http.MethodPost, "/billers/{biller}/enable", a.enableBiller),
		a.route("biller-keys", http.MethodPost, "/billers/{biller}/keys", a.rotateBillerKey),
		a.route("biller-key-end", http.MethodDelete, "/billers/{biller}/keys/{kid}", a.endBillerKey),
	}
}

func (a *Admin) resourceServerRoutes() []web.Route {
	return []web.Route{
		a.route("resource-servers-list", http.MethodGet, "/resource-servers", a.listResourceServers),
		a.route("resource-servers-create", http.MethodPost, "/resource-servers", a.createResourceServer),
		a.route("resource-server-get", http.MethodGet, "/resource-servers/{server}", a.getResourceServer),
		a.route("resource-server-put", http.MethodPut, "/resource-servers/{server}", a.putResourceServer),
		a.route("resource-server-disable", http.MethodPost, "/resource-servers/{server}/disable", a.disableResourceServer),
		a.route("resource-server-enable", http.MethodPost, "/resource-servers/{server}/enable", a.enableResourceServer),
	}
}

func (a *Admin) accountRoutes() []web.Route {
	return []web.Route{
		a.route("accounts-list", http.MethodGet, "/accounts", a.listAccounts),
		a.route("accounts-create", http.MethodPost, "/accounts", a.createAccount),
		a.route("account-get", http.MethodGet, "/accounts/{account}", a.getAccount),
		a.route("account-put", http.MethodPut, "/accounts/{account}", a.putAccount),
		a.route("account-disable", http.MethodPost, "/accounts/{account}/disable", a.disableAccount),
		a.route("account-enable", http.MethodPost, "/accounts/{account}/enable", a.enableAccount),
		a.route("account-intent-keys", http.MethodPost, "/accounts/{account}/intent-keys", a.rotateIntentKey),
		a.route("account-intent-key-end", http.MethodDelete, "/accounts/{account}/intent-keys/{kid}", a.endIntentKey),
		a.route("members-list", http.MethodGet, "/accounts/{account}/members", a.listMembers),
		a.route("member-put", http.MethodPut, "/accounts/{account}/members/{sub}", a.putMember),
		a.route("member-delete", http.MethodDelete, "/accounts/{account}/members/{sub}", a.deleteMember),
	}
}

func (a *Admin) apiKeyRoutes() []web.Route {
	return []web.Route{
		a.route("api-keys-list", http.MethodGet, "/accounts/{account}/api-keys", a.listAPIKeys),
		a.route("api-keys-create", http.MethodPost, "/accounts/{account}/api-keys", a.createAPIKey),
		a.route("api-keys-import", http.MethodPost, "/accounts/{account}/api-key-imports", a.importAPIKey),
		a.route("api-key-get", http.MethodGet, "/accounts/{account}/api-keys/{name}", a.getAPIKey),
		a.route("api-key-put", http.MethodPut, "/accounts/{account}/api-keys/{name}", a.putAPIKey),
	}
}

func (a *Admin) deviceRoutes() []web.Route {
	return []web.Route{
		a.route("devices-list", http.MethodGet, "/accounts/{account}/devices", a.listDevices),
		a.route("devices-create", http.MethodPost, "/accounts/{account}/devices", a.createDevice),
		a.route("device-disable", http.MethodPost, "/accounts/{account}/devices/{dcn}/{device}/disable", a.disableDevice),
		a.route("device-enable", http.MethodPost, "/accounts/{account}/devices/{dcn}/{device}/enable", a.enableDevice),
	}
}

func (a *Admin) pinRoutes() []web.Route {
	return []web.Route{
		a.route("pin-applications-list", http.MethodGet, "/pin-applications", a.listPINApplications),
		a.route("pin-applications-create", http.MethodPost, "/pin-applications", a.createPINApplication),
		a.route("pin-application-get", http.MethodGet, "/pin-applications/{client_id}", a.getPINApplication),
		a.route("pin-application-put", http.MethodPut, "/pin-applications/{client_id}", a.putPINApplication),
		a.route("pin-application-disable", http.MethodPost, "/pin-applications/{client_id}/disable", a.disablePINApplication),
		a.route("pin-application-enable", http.MethodPost, "/pin-applications/{client_id}/enable", a.enablePINApplication),
		a.route("pin-application-keys", http.MethodPost, "/pin-applications/{client_id}/keys", a.rotatePINKey),
		a.route("pin-application-key-end", http.MethodDelete, "/pin-applications/{client_id}/keys/{kid}", a.endPINKey),
		a.route("pin-application-pin", http.MethodPut, "/pin-applications/{client_id}/pin", a.setPIN),
	}
}

// writePage answers a page of a listing; view also names the record, for the next page to begin after.
func writePage[R, V any](a *Admin, c *call, listing, member string, list func(context.Context, string, int) ([]R, error), view func(*R) (V, string)) error {
	page, err := a.page(c.r, listing)
	if err != nil {
		return err
	}
	records, err := list(c.ctx(), page.After, page.Limit)
	if err != nil {
		return err
	}
	views, last := make([]V, 0, len(records)), ""
	for i := range records {
		var shown V
		shown, last = view(&records[i])
		views = append(views, shown)
	}
	writeList(c, member, views, a.nextPage(listing, page, len(records), last))
	return nil
}

// stale says that somebody else wrote in between.
func stale(err error) error {
	if signet.CodeOf(err) == signet.CodeConflict {
		return &signet.Error{Code: codeStale, Reason: "changed_meanwhile", Cause: err}
	}
	return err
}
