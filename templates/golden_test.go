package templates_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/signet-auth/signet/templates"
)

var update = flag.Bool("update", false, "write the golden pages anew")

// hostile is a client that calls itself everything at once: markup, attributes, template syntax, a right-to-left
// override, zero-width characters, controls, a tower of accents, line breaks.
const hostile = "\u202etengis\u200b\u2066\ufeff\x1b[31m\u0007\u2028a\u0301\u0301\u0301\u0301\u0301" +
	`"><script>alert(1)</script><img src=x onerror=1> {{7*7}} ${7*7} </title><svg onload=1>'-alert(1)-'`

// pagesUnderTest are all pages, each with hostile text in every field that comes from outside.
func pagesUnderTest() map[string]func(*templates.Pages, io.Writer) error {
	return map[string]func(*templates.Pages, io.Writer) error{
		"login": func(p *templates.Pages, w io.Writer) error {
			return p.Login(w, templates.LoginView{Flow: hostile, ClientName: hostile, ReturnTo: hostile, PolicyURI: "https://rp.test/p?a=1&b=\"2", TOSURI: "javascript:alert(1)"})
		},
		"login_problem": func(p *templates.Pages, w io.Writer) error {
			return p.Login(w, templates.LoginView{Flow: "f", ClientName: hostile, Username: hostile, Problem: hostile, PolicyURI: "http://rp.test/", TOSURI: "//evil.test/"})
		},
		"consent": func(p *templates.Pages, w io.Writer) error {
			return p.Consent(w, templates.ConsentView{
				Flow: hostile, Proof: hostile, ClientName: hostile, ReturnTo: hostile, UserName: hostile,
				Scopes: []templates.ScopeLine{{Title: hostile, Detail: hostile}, {Title: "See your email address"}},
				TOSURI: "https://rp.test/tos",
			})
		},
		"consent_confirm": func(p *templates.Pages, w io.Writer) error {
			return p.Consent(w, templates.ConsentView{Flow: "f", Proof: "p", ClientName: hostile, UserName: "Ada", Confirm: true})
		},
		"logout_confirm": func(p *templates.Pages, w io.Writer) error {
			return p.LogoutConfirm(w, templates.LogoutConfirmView{Flow: hostile, ClientName: hostile, ReturnTo: hostile, UserName: hostile})
		},
		"logged_out": func(p *templates.Pages, w io.Writer) error {
			return p.LoggedOut(w, templates.LoggedOutView{})
		},
		"account": func(p *templates.Pages, w io.Writer) error {
			return p.Account(w, templates.AccountView{
				UserName: hostile, Problem: hostile, About: hostile, More: true,
				Pending: []templates.AccountLine{
					{ID: "a1", Name: hostile, Type: hostile, Role: hostile, Proof: hostile},
					{ID: "a2", Name: "\u200b\u202e", Type: "Organization", Role: "account-owner", Disabled: true, Proof: "p"},
				},
				Member: []templates.AccountLine{{ID: "a3", Name: hostile, Type: hostile, Role: hostile, Proof: hostile}},
			})
		},
		"account_none": func(p *templates.Pages, w io.Writer) error {
			return p.Account(w, templates.AccountView{UserName: "Ada"})
		},
		"login_first": func(p *templates.Pages, w io.Writer) error {
			return p.LoginFirst(w, templates.LoginFirstView{})
		},
		"error": func(p *templates.Pages, w io.Writer) error {
			return p.Error(w, templates.ErrorView{Status: 400, Title: hostile, Message: hostile, Code: hostile, ErrorID: hostile})
		},
		"error_restart": func(p *templates.Pages, w io.Writer) error {
			return p.Error(w, templates.ErrorView{Status: 403, Message: hostile, Restart: `/authorize?flow="><script>` + hostile})
		},
		"error_plain": func(p *templates.Pages, w io.Writer) error { return p.Error(w, templates.ErrorView{Status: 404}) },
		"form_post": func(p *templates.Pages, w io.Writer) error {
			return p.FormPost(w, templates.FormPostView{
				Action: `https://rp.test/cb?a=1&b="><script>`, ClientName: hostile,
				Fields: []templates.Field{{Name: "state", Value: hostile}, {Name: "code", Value: "c"}},
			})
		},
	}
}

func renderPage(t *testing.T, render func(*templates.Pages, io.Writer) error) []byte {
	t.Helper()
	pages, err := templates.New()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := render(pages, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The asset names change with every change of the style; the pages do not.
var assetHash = regexp.MustCompile(`\.[0-9a-f]{16}\.`)

func TestPagesAreGolden(t *testing.T) {
	t.Parallel()
	for name, render := range pagesUnderTest() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := assetHash.ReplaceAll(renderPage(t, render), []byte(".HASH."))
			file := filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("page differs from %s; look at it, then run go test ./templates -update\n%s", file, got)
			}
		})
	}
}

// XSS-01, XSS-02: whatever a client calls itself, the page holds the same elements, and no character that reorders or
// hides text.
func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	for name, render := range pagesUnderTest() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := renderPage(t, render)
			doc, err := html.Parse(bytes.NewReader(page))
			if err != nil {
				t.Fatal(err)
			}
			walk(doc, func(n *html.Node) {
				switch n.Type {
				case html.ElementNode:
					checkElement(t, n)
				case html.TextNode:
					if i := strings.IndexAny(n.Data, "\u202e\u200b\u2066\ufeff\x1b\u0007\u2028"); i >= 0 {
						t.Errorf("text %q keeps a character that hides or reorders", n.Data)
					}
				}
			})
		})
	}
}

// checkElement refuses what the content security policy would have to stop.
func checkElement(t *testing.T, n *html.Node) {
	t.Helper()
	switch n.Data {
	case "style", "img", "iframe", "object", "embed", "base", "svg", "template":
		t.Errorf("element %s on a page", n.Data)
	case "script":
		if n.FirstChild != nil || !strings.HasPrefix(attr(n, "src"), "/assets/") {
			t.Error("a script that is inline or not ours")
		}
	case "a":
		if attr(n, "id") == "restart" && strings.HasPrefix(attr(n, "href"), "/authorize?flow=") {
			break
		}
		if !strings.HasPrefix(attr(n, "href"), "https://rp.test/") || attr(n, "rel") != "noopener noreferrer" {
			t.Errorf("link %q, rel %q", attr(n, "href"), attr(n, "rel"))
		}
	case "link":
		if !strings.HasPrefix(attr(n, "href"), "/assets/") {
			t.Errorf("link to %q", attr(n, "href"))
		}
	case "form":
		if action := attr(n, "action"); !slices.Contains([]string{"/login", "/consent", "/logout", "/account"}, action) && !strings.HasPrefix(action, "https://rp.test/cb?") {
			t.Errorf("form to %q", action)
		}
	}
	for _, a := range n.Attr {
		if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
			t.Errorf("attribute %s on %s", a.Key, n.Data)
		}
	}
}

// The values of form_post are the protocol's: they arrive as they were, hidden characters included.
func TestFormPostKeepsValues(t *testing.T) {
	t.Parallel()
	doc, err := html.Parse(bytes.NewReader(renderPage(t, pagesUnderTest()["form_post"])))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	walk(doc, func(n *html.Node) {
		if n.Type == html.ElementNode && n.Data == "input" {
			values[attr(n, "name")] = attr(n, "value")
		}
	})
	if values["state"] != hostile || values["code"] != "c" || len(values) != 2 {
		t.Errorf("fields are %q", values)
	}
}

// The error page leads nowhere but to us.
func TestErrorRestartsHere(t *testing.T) {
	t.Parallel()
	for restart, want := range map[string]int{"/authorize?flow=a.b-_": 1, "": 0, "//evil.test": 0, `/\evil.test`: 0, "https://evil.test": 0, "javascript:alert(1)": 0} {
		page := renderPage(t, func(p *templates.Pages, w io.Writer) error {
			return p.Error(w, templates.ErrorView{Status: 400, Restart: restart})
		})
		if got := bytes.Count(page, []byte(`id="restart"`)); got != want {
			t.Errorf("%q: %d ways on, want %d", restart, got, want)
		}
	}
}

func TestFormPostRefusesOtherSchemes(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"", "/cb", "//evil.test/cb", "javascript:alert(1)", "data:text/html,x", "com.example.app:/cb", "https:", "://"} {
		pages, err := templates.New()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := pages.FormPost(&b, templates.FormPostView{Action: action}); err == nil || b.Len() > 0 {
			t.Errorf("action %q: error %v, %d bytes written", action, err, b.Len())
		}
	}
}

func walk(n *html.Node, visit func(*html.Node)) {
	visit(n)
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		walk(c, visit)
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
