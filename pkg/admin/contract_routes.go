package admin

import (
	"net/http"
	"slices"

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
		a.route("biller-get", http.MethodGet, "/billers/{biller}", a.billers().get),
		a.route("biller-put", http.MethodPut, "/billers/{biller}", a.putBiller),
		a.route("biller-disable", http.MethodPost, "/billers/{biller}/disable", a.billers().setDisabled(true)),
		a.route("biller-enable", http.MethodPost, "/billers/{biller}/enable", a.billers().setDisabled(false)),
		a.route("biller-keys", http.MethodPost, "/billers/{biller}/keys", a.rotateBillerKey),
		a.route("biller-key-end", http.MethodDelete, "/billers/{biller}/keys/{kid}", a.endBillerKey),
	}
}

func (a *Admin) resourceServerRoutes() []web.Route {
	return []web.Route{
		a.route("resource-servers-list", http.MethodGet, "/resource-servers", a.listResourceServers),
		a.route("resource-servers-create", http.MethodPost, "/resource-servers", a.createResourceServer),
		a.route("resource-server-get", http.MethodGet, "/resource-servers/{server}", a.resourceServers().get),
		a.route("resource-server-put", http.MethodPut, "/resource-servers/{server}", a.putResourceServer),
		a.route("resource-server-disable", http.MethodPost, "/resource-servers/{server}/disable", a.resourceServers().setDisabled(true)),
		a.route("resource-server-enable", http.MethodPost, "/resource-servers/{server}/enable", a.resourceServers().setDisabled(false)),
	}
}

func (a *Admin) accountRoutes() []web.Route {
	return []web.Route{
		a.route("accounts-list", http.MethodGet, "/accounts", a.listAccounts),
		a.route("accounts-create", http.MethodPost, "/accounts", a.createAccount),
		a.route("account-get", http.MethodGet, "/accounts/{account}", a.accounts().get),
		a.route("account-put", http.MethodPut, "/accounts/{account}", a.putAccount),
		a.route("account-disable", http.MethodPost, "/accounts/{account}/disable", a.accounts().setDisabled(true)),
		a.route("account-enable", http.MethodPost, "/accounts/{account}/enable", a.accounts().setDisabled(false)),
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
		a.route("api-key-get", http.MethodGet, "/accounts/{account}/api-keys/{name}", a.apiKeys().get),
		a.route("api-key-put", http.MethodPut, "/accounts/{account}/api-keys/{name}", a.putAPIKey),
	}
}

func (a *Admin) deviceRoutes() []web.Route {
	return []web.Route{
		a.route("devices-list", http.MethodGet, "/accounts/{account}/devices", a.listDevices),
		a.route("devices-create", http.MethodPost, "/accounts/{account}/devices", a.createDevice),
		a.route("device-disable", http.MethodPost, "/accounts/{account}/devices/{dcn}/{device}/disable", a.devices().setDisabled(true)),
		a.route("device-enable", http.MethodPost, "/accounts/{account}/devices/{dcn}/{device}/enable", a.devices().setDisabled(false)),
	}
}

func (a *Admin) pinRoutes() []web.Route {
	return []web.Route{
		a.route("pin-applications-list", http.MethodGet, "/pin-applications", a.listPINApplications),
		a.route("pin-applications-create", http.MethodPost, "/pin-applications", a.createPINApplication),
		a.route("pin-application-get", http.MethodGet, "/pin-applications/{client_id}", a.pinApplications().get),
		a.route("pin-application-put", http.MethodPut, "/pin-applications/{client_id}", a.putPINApplication),
		a.route("pin-application-disable", http.MethodPost, "/pin-applications/{client_id}/disable", a.pinApplications().setDisabled(true)),
		a.route("pin-application-enable", http.MethodPost, "/pin-applications/{client_id}/enable", a.pinApplications().setDisabled(false)),
		a.route("pin-application-keys", http.MethodPost, "/pin-applications/{client_id}/keys", a.rotatePINKey),
		a.route("pin-application-key-end", http.MethodDelete, "/pin-applications/{client_id}/keys/{kid}", a.endPINKey),
		a.route("pin-application-pin", http.MethodPut, "/pin-applications/{client_id}/pin", a.setPIN),
	}
}
