package main

import (
	"mime"
	"net/http"
	"slices"

	"github.com/signet-auth/signet/pkg/web"
)

// certifiedRoutes are those of the listener for certificates: the token endpoints and PIN login, whose applications may
// have to show a certificate too (wire.md, 5). None is a page.
func (c *contracts) certifiedRoutes(token []web.Route, s *contractSettings) []web.Route {
	return slices.Concat(c.splitToken(token, s), mounted(c.pin.Routes(), s.pinMounts))
}

// splitToken is the function of that name, and lets the HTTP kit refuse JSON at /token in the shape of PIN login, as it
// is refused there in everything else.
func (c *contracts) splitToken(routes []web.Route, s *contractSettings) []web.Route {
	refuse := c.pin.Routes()[0].Refuse
	for i := range routes {
		if routes[i].Name == "token" {
			routes[i].Refuse = func(w http.ResponseWriter, r *http.Request, status int) {
				if jsonBody(r) {
					refuse(w, r, status)
					return
				}
				web.RefuseOAuth(w, status)
			}
		}
	}
	return splitToken(routes, c.pin.Token, s.pinMounts)
}

// jsonBody reports whether exactly one Content-Type says JSON.
func jsonBody(r *http.Request) bool {
	types := r.Header.Values("Content-Type")
	if len(types) != 1 {
		return false
	}
	media, _, err := mime.ParseMediaType(types[0])
	return err == nil && media == "application/json"
}
