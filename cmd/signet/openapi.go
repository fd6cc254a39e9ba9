package main

import (
	_ "embed"
	"net/http"

	"github.com/signet-auth/signet/pkg/web"
)

// openAPI describes what signet answers to programs: the document of identity exchange with its schemas, and everything
// else. test/e2e compares the server with it.
//
//go:embed openapi.json
var openAPI []byte

// openAPIRoutes serves the description.
func openAPIRoutes() []web.Route {
	return []web.Route{{Name: "openapi", Methods: []string{http.MethodGet}, Path: "/openapi.json", Class: web.ClassPublicJSON,
		CORS: web.CORSPublic, Handler: func(w http.ResponseWriter, _ *http.Request) { web.WriteJSONBytes(w, http.StatusOK, openAPI) }}}
}
