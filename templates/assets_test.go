package templates_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/signet-auth/signet/templates"
)

// Everything a person downloads, all pages together.
func TestPagesAreSmall(t *testing.T) {
	t.Parallel()
	const most = 30 << 10
	total := int64(0)
	for _, dir := range []string{"html", "assets"} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			total += info.Size()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if total > most || total < 4<<10 {
		t.Errorf("pages and assets have %d bytes, want at most %d", total, most)
	}
}

// Every asset that a page or the style names is served, may be kept for ever, and has the right type.
func TestAssetsAreServed(t *testing.T) {
	t.Parallel()
	page := string(renderPage(t, pagesUnderTest()["form_post"]))
	paths := regexp.MustCompile(`/assets/[a-z-]+\.[0-9a-f]{16}\.[a-z]+`).FindAllString(page, -1)
	if len(paths) != 3 {
		t.Fatalf("the page names %q, want style, mark and script", paths)
	}
	styleAt := slices.IndexFunc(paths, func(p string) bool { return strings.HasSuffix(p, ".css") })
	css := get(t, paths[styleAt], http.StatusOK)
	for _, m := range regexp.MustCompile(`url\("([^"]+)"\)`).FindAllStringSubmatch(css, -1) {
		paths = append(paths, "/assets/"+m[1])
	}
	if len(paths) < 5 {
		t.Errorf("the style names no images: %q", paths)
	}
	for _, p := range paths {
		get(t, p, http.StatusOK)
	}
}

func TestAssetsKnowNoOtherName(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"/assets/", "/assets/signet.css", "/assets/signet.0000000000000000.css", "/assets/../html/login.html", "/"} {
		get(t, p, http.StatusNotFound)
	}
}

func get(t *testing.T, path string, status int) string {
	t.Helper()
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.URL.Path = path
	templates.Assets().ServeHTTP(rec, r)
	body, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	h := rec.Header()
	cache := "no-store"
	if status == http.StatusOK {
		cache = "public, max-age=31536000, immutable"
		ext := path[strings.LastIndex(path, "."):]
		want := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}[ext]
		if h.Get("Content-Type") != want {
			t.Errorf("%s: Content-Type %q, want %q", path, h.Get("Content-Type"), want)
		}
	}
	if rec.Code != status || h.Get("Cache-Control") != cache {
		t.Errorf("%s: status %d, Cache-Control %q; want %d, %q", path, rec.Code, h.Get("Cache-Control"), status, cache)
	}
	return string(body)
}

func sorted(in []string) []string {
	out := slices.Clone(in)
	slices.Sort(out)
	return out
}
