package attacks

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/signet-auth/signet/test/e2e"
)

// rows returns every row of every table of the database, as text, by table. Blobs come as they are.
func (w *world) rows(dir string) map[string][]string {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "signet.db")+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	names, err := db.Query("SELECT name FROM sqlite_master WHERE type = 'table'")
	if err != nil {
		w.t.Fatal(err)
	}
	var tables []string
	for names.Next() {
		var name string
		if err := names.Scan(&name); err != nil {
			w.t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := names.Err(); err != nil {
		w.t.Fatal(err)
	}
	out := map[string][]string{}
	for _, table := range tables {
		out[table] = w.table(db, table)
	}
	return out
}

func (w *world) table(db *sql.DB, table string) []string {
	w.t.Helper()
	found, err := db.Query("SELECT * FROM \"" + table + "\"")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	columns, err := found.Columns()
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for found.Next() {
		cells, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := found.Scan(into...); err != nil {
			w.t.Fatal(err)
		}
		var b strings.Builder
		for i, cell := range cells {
			if raw, ok := cell.([]byte); ok {
				cell = string(raw)
			}
			fmt.Fprintf(&b, "%s=%v\n", columns[i], cell)
		}
		out = append(out, b.String())
	}
	if err := found.Err(); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// canaries are secrets by what they are.
type canaries map[string]string

func (c canaries) add(what, value string) {
	if value == "" {
		panic("no " + what)
	}
	c[what] = value
	if parts := strings.Split(value, "."); len(parts) == 3 && strings.HasPrefix(value, "eyJ") {
		c["the signature of "+what] = parts[2] // without it a token is no token
	}
}

// hunt reports each canary that stands in the text, as it is or in a usual encoding.
func (c canaries) hunt(t *testing.T, where string, text []byte) {
	t.Helper()
	for what, value := range c {
		for how, form := range map[string]string{"plain": value, "escaped": url.QueryEscape(value), "hex": hex.EncodeToString([]byte(value)),
			"base64": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(value)), "="), "base64url": base64.RawURLEncoding.EncodeToString([]byte(value))} {
			if bytes.Contains(text, []byte(form)) {
				t.Errorf("%s (%s) stands in %s", what, how, where)
			}
		}
	}
}

// use does everything that a secret is needed for, well and badly, and returns the secrets.
func (w *world) use() canaries {
	w.t.Helper()
	c := canaries{}
	user := e2e.User{Username: "canary", Password: "pw-" + random()}
	if a := w.admin(http.MethodPost, "/users", map[string]any{"username": user.Username, "password": user.Password, "email": "c@example.com"}); a.status != http.StatusCreated {
		w.t.Fatalf("%d %s", a.status, a.body)
	}
	c.add("the password", user.Password)
	client := w.register(nil)
	c.add("the client secret", client.ClientSecret)

	browser, verifier, wrong := e2e.NewBrowser(w.t), random()+random(), "wrong-"+random()
	request := authorization(client, verifier)
	page := browser.Get(w.Card.Issuer + "/authorize?" + request.Encode())
	c.add("the flow", page.URL.Query().Get("flow"))
	page = page.Click("login", map[string]string{"username": user.Username, "password": wrong})
	c.add("the wrong password", wrong)
	if !page.Has("password") {
		w.t.Fatal("a wrong password logs in")
	}
	callback := browser.LogIn(w.Card.Issuer+"/authorize?"+request.Encode(), user)
	for _, cookie := range browser.Cookies(w.Card.Issuer) {
		c.add("the cookie "+cookie.Name, cookie.Value)
	}
	c.add("the code", callback.Query().Get("code"))
	c.add("the verifier", verifier)
	c.add("the state", request.Get("state"))
	redeem := url.Values{"grant_type": {"authorization_code"}, "code": {callback.Query().Get("code")}, "code_verifier": {verifier}, "redirect_uri": request["redirect_uri"]}
	for name, tokens := range map[string]answer{"first": w.post("/token", client, redeem), "replayed": w.tokens(e2e.NewBrowser(w.t), client)} {
		for _, member := range []string{"access_token", "refresh_token", "id_token"} {
			c.add("the "+name+" "+member, tokens.text(member))
		}
	}
	fresh := w.post("/token", client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c["the first refresh_token"]}})
	c.add("the second refresh token", fresh.text("refresh_token"))
	c.add("the second access token", fresh.text("access_token"))
	w.get("/userinfo", "Authorization", "Bearer "+c["the second access token"])
	w.get("/userinfo?access_token=" + c["the second access token"])
	w.introspect(c["the second access token"])
	w.introspect("sgt_rt_" + random())
	w.post("/token", client, redeem) // replay
	w.get("/token?code=" + c["the code"] + "&client_secret=" + client.ClientSecret)
	w.post("/token", client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c["the first refresh_token"]}})

	guess := "guess-" + random()
	c.add("the wrong client secret", guess)
	w.post("/token", e2e.Client{ClientID: client.ClientID, ClientSecret: guess}, url.Values{"grant_type": {"client_credentials"}})
	partner := w.Card.Clients.PartnerES256
	assertion := w.assertion(partner, nil)
	c.add("the assertion", assertion)
	for range 2 { // the second one is a replay
		w.post("/token", e2e.Client{}, url.Values{"grant_type": {"client_credentials"}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}})
	}
	w.post("/revoke", client, url.Values{"token": {c["the replayed refresh_token"]}})
	browser.Get(w.Card.Issuer + "/logout?id_token_hint=" + c["the first id_token"])
	rotated := w.admin(http.MethodPost, "/clients/"+client.ClientID+"/secrets", map[string]any{})
	c.add("the rotated client secret", rotated.text("client_secret"))
	w.admin(http.MethodGet, "/clients", nil)
	w.admin(http.MethodGet, "/me", nil, "Authorization", "Bearer "+guess)
	w.admin(http.MethodPost, "/keys/rotate", map[string]any{})
	return c
}

// After everything was used, well and badly, no secret stands in the log or in what the server counts.
func TestLOG01(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--verbose")
	w.WaitFor("the card is printed", func() bool { return strings.Contains(w.Output(), "client create --public") })
	said := len(w.Output())
	c := w.use()
	c.add("the admin key", w.Card.Admin.APIKey)
	log := w.Output()[said:]
	if strings.Count(log, "msg=request") < 20 {
		t.Fatalf("the log does not tell of the requests:\n%s", log)
	}
	c.hunt(t, "the log", []byte(log))
	c.hunt(t, "the metrics", []byte(w.visit("GET", w.Card.Ops.URL+"/metrics").body))
	c.hunt(t, "the audit events", []byte(w.admin(http.MethodGet, "/events", nil).body))
}

// What is stored of a secret is a hash: neither a cell nor a byte of the files is one.
func TestREF10(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, "--data", dir)
	c := w.use()
	c.add("the admin key", w.Card.Admin.APIKey)
	delete(c, "the state") // no secret; the log must not have it, a sealed flow may
	total, told := 0, false
	for table, rows := range w.rows(dir) {
		total += len(rows)
		for _, row := range rows {
			c.hunt(t, "table "+table, []byte(row))
			told = told || strings.Contains(row, "=canary\n")
		}
	}
	if total < 20 || !told {
		t.Fatalf("%d rows, the user's name among them: %t", total, told)
	}
	files, err := filepath.Glob(filepath.Join(dir, "signet.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c.hunt(t, filepath.Base(file), content)
		if bytes.Contains(content, []byte("PRIVATE KEY")) {
			t.Errorf("%s holds a private key", filepath.Base(file))
		}
	}
}

// Whatever a caller sends, an event is one line of the log and control characters are escaped.
func TestLOG02(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--verbose")
	w.serviceToken()
	const forged = "FORGED"
	evil := "x\n{\"level\":\"info\",\"msg\":\"" + forged + "\"}\r\ntime=2026 level=INFO msg=" + forged + "\x1b[31m\u2028\u0085" + forged
	browser := e2e.NewBrowser(t)
	page := browser.Get(w.Card.Issuer + "/authorize?" + authorization(w.Card.Clients.Web, random()+random()).Encode())
	page.Click("login", map[string]string{"username": evil, "password": "x"})
	w.get("/authorize?" + url.Values{"client_id": {evil}, "state": {evil}, "redirect_uri": {evil}}.Encode())
	w.post("/token", e2e.Client{ClientID: evil, ClientSecret: evil}, url.Values{"grant_type": {evil}, "scope": {evil}})
	raw(t, w.Card.Issuer, lines("GET /"+url.PathEscape(evil)+" HTTP/1.1", "Host: "+w.host(), "User-Agent: x\u2028\u0085"+forged,
		"X-Request-Id: "+forged+"\u2028", "X-Forwarded-For: \u2028"+forged, "Connection: close"))
	w.admin(http.MethodGet, "/clients/"+url.PathEscape(evil), nil)
	w.admin(http.MethodPost, "/users", map[string]any{"username": evil, "email": "e@example.com", "password": random() + random()})
	log := w.Output()
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "{") || strings.HasPrefix(line, "time=2026 ") {
			t.Errorf("a line is forged: %s", line)
		}
	}
	for _, c := range []string{"\x1b", "\u2028", "\u0085", "\r"} {
		if strings.Contains(log, c) {
			t.Errorf("%q stands in the log", c)
		}
	}
}

// A request id is taken over when it is a plain word of bounded length, never when it looks like one of our secrets;
// nothing else that traces requests comes back or is logged.
func TestLOG05(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--verbose")
	if id := w.get("/nowhere").header.Get("X-Request-Id"); len(id) < 16 {
		t.Fatalf("no request id: %q", id)
	}
	own := "request-" + random()
	if got := w.get("/nowhere", "X-Request-Id", own).header.Get("X-Request-Id"); got != own {
		t.Fatalf("a plain request id is not taken over: %q", got)
	}
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id", "Traceparent", "Tracestate", "Baggage"} {
		for _, value := range []string{"sgt_rt_" + random(), "eyJhbGciOiJub25lIn0.e30.", strings.Repeat("a", 4<<10), "user=" + random(), "a b", "{" + random() + "}"} {
			a := w.get("/nowhere", name, value)
			for header, values := range a.header {
				if strings.Contains(strings.Join(values, " "), value) {
					t.Errorf("%s comes back in %s", name, header)
				}
			}
			if strings.Contains(a.body, value) || strings.Contains(w.Output(), value) || a.status != http.StatusNotFound && a.status != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%s: %d; it stands in the answer or in the log", name, a.status)
			}
		}
	}
}
