package templates

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets/*
var assetSources embed.FS

// AssetPrefix is where the assets are mounted; a file has one segment below it.
const AssetPrefix = "/assets/"

type asset struct {
	path        string
	contentType string
	body        []byte
}

// assets is indexed by the file's own name.
type assets map[string]asset

func (a assets) path(name string) string { return a[name].path }

// loadAssets names every file by its content. The style names the images, so they come first and their
// names are written into the style before that is hashed.
func loadAssets() (assets, error) {
	out := assets{}
	for _, f := range []struct{ name, contentType string }{
		{"mark.svg", "image/svg+xml"},
		{"icon.svg", "image/svg+xml"},
		{"seal.svg", "image/svg+xml"},
		{"form-post.js", "text/javascript; charset=utf-8"},
		{"signet.css", "text/css; charset=utf-8"},
	} {
		body, err := assetSources.ReadFile("assets/" + f.name)
		if err != nil {
			return nil, fmt.Errorf("asset %s: %w", f.name, err)
		}
		if f.name == "signet.css" {
			for _, name := range []string{"mark.svg", "seal.svg"} {
				body = bytes.ReplaceAll(body, []byte(`"`+name+`"`), []byte(`"`+path.Base(out.path(name))+`"`))
			}
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(f.name)
		out[f.name] = asset{
			path:        AssetPrefix + strings.TrimSuffix(f.name, ext) + "." + hex.EncodeToString(sum[:8]) + ext,
			contentType: f.contentType,
			body:        body,
		}
	}
	return out, nil
}

// AssetPath returns where the asset with that name of its own ("signet.css", "icon.svg") is served, "" for another name:
// for a page outside this package that wears the same style.
func AssetPath(name string) string {
	files, err := loadAssets()
	if err != nil {
		return ""
	}
	return files.path(name)
}

// Assets serves the style, the script and the images under AssetPrefix. A name carries the hash of its content, so a copy
// may be kept for ever; any other name is 404.
func Assets() http.Handler {
	byPath := map[string]asset{}
	files, err := loadAssets()
	for _, f := range files {
		byPath[f.path] = f
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := byPath[r.URL.Path]
		if err != nil || !ok {
			// The class of the route allows a short cache; an unknown name may exist after the next deployment.
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", f.contentType)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
	})
}
