package admin_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestPRS08JSONAbuse: encoding/json alone takes the last of equal members, folds letter case and recurses.
func TestPRS08JSONAbuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct {
		name, body, media string
		status            int
	}{
		{"not JSON", `{`, "", 400},
		{"nothing", ``, "", 400},
		{"array", `[]`, "", 400},
		{"text", `"x"`, "", 400},
		{"null", `null`, "", 400},
		{"two objects", `{}{}`, "", 400},
		{"trailing", `{"username":"a"} x`, "", 400},
		{"repeated member", `{"username":"alice","username":"bob","email":"a@example.com"}`, "", 400},
		{"repeated in other case", `{"username":"alice","Username":"bob","email":"a@example.com"}`, "", 400},
		{"other case alone", `{"Username":"alice","email":"a@example.com"}`, "", 400},
		{"repeated deep", `{"username":"alice","email":"a@example.com","address":{"country":"a","country":"b"}}`, "", 400},
		{"unknown member", `{"username":"alice","email":"a@example.com","admin":true}`, "", 400},
		{"unknown deep", `{"username":"alice","email":"a@example.com","address":{"planet":"b"}}`, "", 400},
		{"wrong type", `{"username":{"a":{}},"email":"a@example.com"}`, "", 400},
		{"number for text", `{"username":1e999,"email":"a@example.com"}`, "", 400},
		{"depth", strings.Repeat(`{"a":`, 40_000), "", 400},
		{"arrays deep", `{"username":` + strings.Repeat(`[`, 100_000), "", 400},
		{"many members", `{` + strings.Repeat(`"a":1,`, 30_000) + `"b":1}`, "", 400},
		{"too large", `{"username":"` + strings.Repeat("a", 257<<10) + `"}`, "", 413},
		{"invalid UTF-8", "{\"username\":\"\xff\",\"email\":\"a@example.com\"}", "", 400},
		{"NUL", `{"username":"a\u0000b","email":"a@example.com"}`, "", 400},
		{"form", `username=alice`, "application/x-www-form-urlencoded", 415},
		{"no media type", `{}`, "-", 415},
		{"latin-1", `{}`, "application/json; charset=latin1", 415},
	} {
		t.Run(tc.name, func(t *testing.T) {
			media := "application/json"
			if tc.media != "" {
				media = strings.TrimPrefix(tc.media, "-")
			}
			began := time.Now()
			res := w.send("POST", "/admin/v1/users", tc.body, "Content-Type", media)
			if res.Code != tc.status || !strings.HasPrefix(res.Header().Get("Content-Type"), "application/problem+json") {
				t.Errorf("status %d, want %d: %s", res.Code, tc.status, res.Body)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
	if users, _ := w.want(200, "GET", "/admin/v1/users", "")["users"].([]any); len(users) != 0 {
		t.Errorf("a refused request stored %d users", len(users))
	}
}

// TestADM04ForgedPages: a page token is only what this listing gave.
func TestADM04ForgedPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 7 {
		w.want(201, "POST", "/admin/v1/clients", strings.Replace(webClient, "shop\"", fmt.Sprintf("shop-%d\"", i), 1))
	}
	seen, token, pages := map[any]bool{}, "", 0
	var given string
	for {
		page := w.want(200, "GET", "/admin/v1/clients?limit=3"+token, "")
		list, _ := page["clients"].([]any)
		for _, entry := range list {
			client, _ := entry.(map[string]any)
			seen[client["client_id"]] = true
		}
		pages++
		next, ok := page["next_page_token"].(string)
		if !ok {
			break
		}
		given = next
		token = "&page_token=" + url.QueryEscape(next)
	}
	if len(seen) != 7 || pages != 3 {
		t.Errorf("%d clients on %d pages, want 7 on 3", len(seen), pages)
	}
	body, _, _ := strings.Cut(given, ".")
	for _, query := range []string{
		"page_token=" + base64.RawURLEncoding.EncodeToString([]byte(`{"after":"shop-3"}`)), "page_token=x.y", "page_token=" + body,
		"page_token=" + body + ".", "page_token=shop-3", "limit=0", "limit=-1", "limit=201", "limit=x", "limit=1&limit=2",
		"sort=name%3Bdrop", "filter=%27+or+1%3D1", "offset=1",
	} {
		if res := w.send("GET", "/admin/v1/clients?"+query, ""); res.Code != 400 {
			t.Errorf("%s: status %d: %s", query, res.Code, res.Body)
		}
	}
	if res := w.send("GET", "/admin/v1/users?page_token="+url.QueryEscape(given), ""); res.Code != 400 {
		t.Errorf("a token of the clients opens the users: %d", res.Code)
	}
}
