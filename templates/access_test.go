package templates_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Stable ids, for people who script the pages and for the conformance suite's plain form client.
func TestPagesHaveTheirIDs(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string][]string{
		"login":           {"username", "password", "login"},
		"login_problem":   {"username", "password", "login", "error"},
		"consent":         {"consent-allow", "consent-deny"},
		"consent_confirm": {"consent-allow", "consent-deny"},
		"logout_confirm":  {"logout-confirm"},
		"logged_out":      {"logged-out"},
		"account":         {"account", "error", "pending", "accept-a1", "decline-a1", "decline-a2", "member", "leave-a3"},
		"account_none":    {"account"},
		"login_first":     {"login-first"},
		"error":           {"error"},
		"error_plain":     {"error"},
		"error_restart":   {"error", "restart"},
		"form_post":       {"form-post", "continue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			seen := nodes(t, name, func(n *html.Node) bool { return attr(n, "id") != "" })
			for _, n := range seen {
				got = append(got, attr(n, "id"))
			}
			if fmt.Sprint(sorted(got)) != fmt.Sprint(sorted(ids)) {
				t.Errorf("ids are %v, want %v", got, ids)
			}
		})
	}
}

// What assistive technology and password managers need of every page.
func TestPagesAreAccessible(t *testing.T) {
	t.Parallel()
	for name := range pagesUnderTest() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := func(what string, match func(*html.Node) bool) {
				if n := len(nodes(t, name, match)); n != 1 {
					t.Errorf("%d × %s, want 1", n, what)
				}
			}
			one("html with a language", func(n *html.Node) bool { return n.Data == "html" && attr(n, "lang") == "en" })
			one("viewport that allows zoom", func(n *html.Node) bool {
				return attr(n, "name") == "viewport" && attr(n, "content") == "width=device-width, initial-scale=1"
			})
			one("main", func(n *html.Node) bool { return n.Data == "main" })
			one("h1", func(n *html.Node) bool { return n.Data == "h1" })
			one("title", func(n *html.Node) bool { return n.Data == "title" && len(n.FirstChild.Data) > 3 })
			if focus := nodes(t, name, func(n *html.Node) bool { return hasAttr(n, "autofocus") }); len(focus) > 1 {
				t.Errorf("%d elements want the focus", len(focus))
			}
			for _, input := range nodes(t, name, func(n *html.Node) bool { return n.Data == "input" && attr(n, "type") != "hidden" }) {
				one("label of "+attr(input, "id"), func(n *html.Node) bool { return n.Data == "label" && attr(n, "for") == attr(input, "id") })
			}
		})
	}
}

func TestLoginFieldsAreFillable(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"username": "username", "password": "current-password"} {
		fields := nodes(t, "login_problem", func(n *html.Node) bool { return attr(n, "id") == id })
		if len(fields) != 1 || attr(fields[0], "autocomplete") != want || attr(fields[0], "aria-describedby") != "error" || attr(fields[0], "aria-invalid") != "true" {
			t.Errorf("field %s: %v", id, fields[0].Attr)
		}
	}
	if alerts := nodes(t, "login_problem", func(n *html.Node) bool { return attr(n, "role") == "alert" }); len(alerts) != 1 {
		t.Errorf("%d alerts, want 1", len(alerts))
	}
}

// WCAG 2.2: text 4.5 : 1 (1.4.3), borders of fields, buttons and the focus ring 3 : 1 (1.4.11), in both schemes.
func TestPaletteHasContrast(t *testing.T) {
	t.Parallel()
	light, dark := palettes(t)
	for scheme, colors := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, pair := range []struct {
			front, back string
			least       float64
		}{
			{"ink", "card", 7}, {"soft", "card", 4.5}, {"accent", "card", 4.5}, {"accent-deep", "card", 4.5},
			{"ink", "paper", 7}, {"soft", "paper", 4.5},
			{"on-accent", "accent", 4.5}, {"on-accent", "accent-deep", 4.5},
			{"ink", "danger-paper", 7}, {"card", "danger", 4.5}, {"danger", "danger-paper", 3}, {"danger", "card", 3},
			{"edge", "card", 3}, {"accent", "paper", 3},
		} {
			got := contrast(t, colors[pair.front], colors[pair.back])
			if got < pair.least {
				t.Errorf("%s: %s on %s has %.2f : 1, want %.1f", scheme, pair.front, pair.back, got, pair.least)
			}
		}
	}
}

func TestContrastIsComputedRight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want float64
	}{{"#000000", "#ffffff", 21}, {"#ffffff", "#ffffff", 1}, {"#777777", "#ffffff", 4.48}} {
		if got := contrast(t, c.a, c.b); math.Abs(got-c.want) > 0.01 {
			t.Errorf("contrast of %s and %s is %.3f, want %.2f", c.a, c.b, got, c.want)
		}
	}
}

// The style scales with the reader's font size, moves nothing for those who ask for stillness, and shows the focus.
func TestStyleRespectsTheReader(t *testing.T) {
	t.Parallel()
	css := style(t)
	for _, need := range []string{"prefers-color-scheme: dark", "prefers-reduced-motion: reduce", "forced-colors: active", ":focus-visible", "overflow-wrap: anywhere"} {
		if !strings.Contains(css, need) {
			t.Errorf("the style lacks %s", need)
		}
	}
	for _, m := range regexp.MustCompile(`(\d+)px`).FindAllStringSubmatch(css, -1) {
		if n, _ := strconv.Atoi(m[1]); n > 2 {
			t.Errorf("%s: lengths above a hairline are in rem", m[0])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)(?:^|[{;\s])(?:min-)?width:\s*([\d.]+)(px|rem|em);`).FindAllStringSubmatch(css, -1) {
		// The mark beside the name is the widest box with a width of its own.
		if n, _ := strconv.ParseFloat(m[1], 64); n > 2.25 || m[2] == "px" && n > 2 {
			t.Errorf("fixed width %s: at 320 px something would stick out", strings.TrimSpace(m[0]))
		}
	}
	if strings.Contains(css, "outline: none") || strings.Contains(css, "outline: 0") || strings.Contains(css, "@import") || strings.Contains(css, "//") {
		t.Error("the style hides the focus or names another host")
	}
}

// The browser's own frame on a phone has the color of the paper.
func TestFrameHasTheColorOfThePaper(t *testing.T) {
	t.Parallel()
	light, dark := palettes(t)
	for scheme, want := range map[string]string{"light": light["paper"], "dark": dark["paper"]} {
		frames := nodes(t, "logged_out", func(n *html.Node) bool {
			return attr(n, "name") == "theme-color" && strings.Contains(attr(n, "media"), scheme)
		})
		if len(frames) != 1 || attr(frames[0], "content") != want {
			t.Errorf("%s: %d theme colors, want one: %s", scheme, len(frames), want)
		}
	}
}

func palettes(t *testing.T) (light, dark map[string]string) {
	t.Helper()
	css := style(t)
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(css, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d palettes, want light and dark", len(blocks))
	}
	read := func(block string) map[string]string {
		out := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(block, -1) {
			out[m[1]] = m[2]
		}
		return out
	}
	return read(blocks[0][1]), read(blocks[1][1])
}

// contrast is the contrast ratio of WCAG 2.2.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (math.Max(la, lb) + 0.05) / (math.Min(la, lb) + 0.05)
}

func luminance(t *testing.T, color string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(color, "#"), 16, 32)
	if err != nil || len(color) != 7 {
		t.Fatalf("color %q", color)
	}
	channel := func(v uint64) float64 {
		c := float64(v&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(n>>16) + 0.7152*channel(n>>8) + 0.0722*channel(n)
}

func style(t *testing.T) string {
	t.Helper()
	css, err := os.ReadFile("assets/signet.css")
	if err != nil {
		t.Fatal(err)
	}
	return string(css)
}

func nodes(t *testing.T, page string, match func(*html.Node) bool) []*html.Node {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(renderPage(t, pagesUnderTest()[page])))
	if err != nil {
		t.Fatal(err)
	}
	var out []*html.Node
	walk(doc, func(n *html.Node) {
		if n.Type == html.ElementNode && match(n) {
			out = append(out, n)
		}
	})
	return out
}

func hasAttr(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}
