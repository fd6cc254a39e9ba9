package main

import (
	"bytes"
	"embed"
	"fmt"
	"net/http"
	"strconv"

	"github.com/signet-auth/signet/pkg/web"
	"github.com/signet-auth/signet/templates"
)

//go:embed demo
var demoFiles embed.FS

// demoRoutes serve the demo of `signet dev`: a browser app without a server of its own. The callback is the same page;
// it redeems the code and replaces itself, so that no code stays in the history.
func demoRoutes() ([]web.Route, error) {
	var routes []web.Route
	for _, f := range []struct {
		name, path, file, kind string
		class                  web.Class
	}{
		{"demo", "/demo", "index.html", "text/html; charset=utf-8", web.ClassPage},
		{"demo-callback", "/demo/callback", "index.html", "text/html; charset=utf-8", web.ClassPage},
		{"demo-app", "/demo/app.js", "app.js", "text/javascript; charset=utf-8", web.ClassAsset},
		{"demo-oidc", "/demo/oidc.js", "oidc.js", "text/javascript; charset=utf-8", web.ClassAsset},
		{"demo-style", "/demo/demo.css", "demo.css", "text/css; charset=utf-8", web.ClassAsset},
	} {
		content, err := demoFiles.ReadFile("demo/" + f.file)
		if err != nil {
			return nil, err
		}
		for _, name := range []string{"signet.css", "icon.svg"} { // the pages' own, by their hashed names
			served := templates.AssetPath(name)
			if served == "" {
				return nil, fmt.Errorf("the demo wears %s, which is no asset of the pages", name)
			}
			content = bytes.ReplaceAll(content, []byte(`href="`+name+`"`), []byte(`href="`+served+`"`))
		}
		routes = append(routes, web.Route{Name: f.name, Methods: []string{http.MethodGet}, Path: f.path, Class: f.class,
			Handler: func(w http.ResponseWriter, r *http.Request) {
				h := w.Header()
				h.Set("Content-Type", f.kind)
				h.Set("Content-Length", strconv.Itoa(len(content)))
				h.Set("Cache-Control", "no-store") // a demo changes with the binary
				if f.class == web.ClassPage {
					web.ConnectSelf(w)
				}
				if r.Method != http.MethodHead {
					_, _ = w.Write(content) // the browser is gone: there is nobody to tell
				}
			}})
	}
	return routes, nil
}
