package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// Browser is a person's browser reduced to what the pages may rely on: links, forms, cookies, redirects. No script.
type Browser struct {
	t      testing.TB
	client *http.Client
	from   string
}

// Page is an answer. Location is set, and Doc is nil, where the answer redirects away from the server that was asked.
type Page struct {
	URL      *url.URL
	Status   int
	Header   http.Header
	Doc      *html.Node
	Location *url.URL
	browser  *Browser
}

const maxRedirects = 10

// NewBrowser returns a browser without cookies.
func NewBrowser(t testing.TB) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{t: t, client: &http.Client{Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// From makes the browser call from that address, as a trusted proxy tells it.
func (b *Browser) From(address string) { b.from = address }

// Trust makes the browser trust these authorities and no others.
func (b *Browser) Trust(roots *x509.CertPool) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	b.t.Cleanup(transport.CloseIdleConnections)
	b.client.Transport = transport
}

// Cookies returns the cookies that a request to the URL would carry.
func (b *Browser) Cookies(address string) []*http.Cookie {
	b.t.Helper()
	return b.client.Jar.Cookies(b.parse(address))
}

// Get opens a URL and follows redirects as long as they stay on the same host and port.
func (b *Browser) Get(address string) *Page {
	b.t.Helper()
	return b.open(http.MethodGet, b.parse(address), nil)
}

// Post sends a form without a page before it.
func (b *Browser) Post(address string, form url.Values) *Page {
	b.t.Helper()
	return b.open(http.MethodPost, b.parse(address), form)
}

func (b *Browser) parse(address string) *url.URL {
	b.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

func (b *Browser) open(method string, u *url.URL, form url.Values) *Page {
	b.t.Helper()
	for range maxRedirects {
		request := b.request(method, u, form)
		response, err := b.client.Do(request)
		if err != nil {
			b.t.Fatal(err)
		}
		page := &Page{URL: u, Status: response.StatusCode, Header: response.Header, browser: b}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			b.t.Fatal(err)
		}
		location := response.Header.Get("Location")
		if location == "" {
			if page.Doc, err = html.Parse(strings.NewReader(string(body))); err != nil {
				b.t.Fatal(err)
			}
			return page
		}
		target, err := u.Parse(location)
		if err != nil {
			b.t.Fatal(err)
		}
		if target.Scheme != u.Scheme || target.Host != u.Host || !signetPath(target.Path) {
			page.Location = target
			return page
		}
		if response.StatusCode == http.StatusTemporaryRedirect || response.StatusCode == http.StatusPermanentRedirect {
			b.t.Fatalf("%s %s answers %d: a password would be sent again", method, u.Path, response.StatusCode)
		}
		method, u, form = http.MethodGet, target, nil
	}
	b.t.Fatalf("more than %d redirects, at %s", maxRedirects, u)
	return nil
}

// signetPath tells signet's own pages from the demo's, which is a client on the same origin.
func signetPath(path string) bool { return path != "/demo" && !strings.HasPrefix(path, "/demo/") }

func (b *Browser) request(method string, u *url.URL, form url.Values) *http.Request {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	request, err := http.NewRequest(method, u.String(), body)
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	request.Header.Set("Accept", "text/html")
	if b.from != "" {
		request.Header.Set("X-Forwarded-For", b.from)
	}
	return request
}

// Has reports whether the page has an element with the id.
func (p *Page) Has(id string) bool { return p.Doc != nil && byID(p.Doc, id) != nil }

// Text returns the visible text of the element with the id, "" when there is none; of the whole page for id "".
func (p *Page) Text(id string) string {
	node := p.Doc
	if id != "" && node != nil {
		node = byID(node, id)
	}
	if node == nil {
		return ""
	}
	var b strings.Builder
	collect(node, &b)
	return strings.Join(strings.Fields(b.String()), " ")
}

// Click submits the form around the button with the id, with the page's own values and those given; or follows the link
// with the id.
func (p *Page) Click(id string, values map[string]string) *Page {
	t := p.browser.t
	t.Helper()
	if p.Doc == nil {
		t.Fatalf("%s is no page", p.URL)
	}
	button := byID(p.Doc, id)
	if button == nil {
		t.Fatalf("no #%s on the page %s (%d): %s", id, p.URL, p.Status, p.Text(""))
	}
	if button.Data == "a" {
		target, err := p.URL.Parse(attribute(button, "href"))
		if err != nil {
			t.Fatal(err)
		}
		return p.browser.open(http.MethodGet, target, nil)
	}
	form := button
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		t.Fatalf("#%s stands in no form", id)
	}
	fields := url.Values{}
	inputs(form, fields)
	for name, value := range values {
		if _, there := fields[name]; !there {
			t.Fatalf("the form of #%s has no field %s", id, name)
		}
		fields.Set(name, value)
	}
	if name := attribute(button, "name"); name != "" {
		fields.Set(name, attribute(button, "value"))
	}
	target, err := p.URL.Parse(attribute(form, "action"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.EqualFold(attribute(form, "method"), "post") {
		return p.browser.open(http.MethodPost, target, fields)
	}
	target.RawQuery = fields.Encode()
	return p.browser.open(http.MethodGet, target, nil)
}

// LogIn opens an authorization URL and does what the pages ask: log in as the user, allow. It returns the URL at the
// client's side that the browser is sent to.
func (b *Browser) LogIn(authorizationURL string, user User) *url.URL {
	b.t.Helper()
	page := b.Get(authorizationURL)
	for range 4 {
		switch {
		case page.Location != nil:
			return page.Location
		case page.Has("password"):
			page = page.Click("login", map[string]string{"username": user.Username, "password": user.Password})
			if page.Has("password") {
				b.t.Fatalf("the login is refused: %s", page.Text(""))
			}
		case page.Has("consent-allow"):
			page = page.Click("consent-allow", nil)
		default:
			b.t.Fatalf("neither login nor consent at %s (%d): %s", page.URL, page.Status, page.Text(""))
		}
	}
	b.t.Fatalf("the pages do not come to an end, at %s", page.URL)
	return nil
}

func byID(node *html.Node, id string) *html.Node {
	if node.Type == html.ElementNode && attribute(node, "id") == id {
		return node
	}
	for child := node.FirstChild; child != nil; child = child.NextSibling {
		if found := byID(child, id); found != nil {
			return found
		}
	}
	return nil
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// inputs collects the fields that a browser would send without a click on any button.
func inputs(node *html.Node, fields url.Values) {
	if node.Type == html.ElementNode && node.Data == "input" {
		if name := attribute(node, "name"); name != "" && attribute(node, "type") != "submit" {
			fields.Add(name, attribute(node, "value"))
		}
	}
	for child := node.FirstChild; child != nil; child = child.NextSibling {
		inputs(child, fields)
	}
}

func collect(node *html.Node, b *strings.Builder) {
	switch {
	case node.Type == html.TextNode:
		b.WriteString(node.Data + " ")
	case node.Type == html.ElementNode && (node.Data == "script" || node.Data == "style" || node.Data == "title"):
		return
	}
	for child := node.FirstChild; child != nil; child = child.NextSibling {
		collect(child, b)
	}
}
