package web

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// LOG-02, PRS-10: nothing a caller sends makes a second line or a raw control character.
func TestLOG02PRS10NoForgedLines(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) {
		o.Routes = append(o.Routes, Route{Name: "note", Methods: []string{"GET"}, Path: "/note", Class: ClassPage,
			Handler: func(w http.ResponseWriter, r *http.Request) {
				Note(r.Context(), "user_agent", r.UserAgent())
				sayOK(w, r)
			}})
	})
	evil := "x\n{\"level\":\"INFO\"}\r\x1b[31m\u2028\u2029\u0085" + strings.Repeat("é", 300)
	response := f.do(t, "GET", "/note?q=canary-query", "", "User-Agent", evil, "X-Request-Id", "abc\r\nX-Evil: 1", "X-Forwarded-For", evil)
	f.do(t, "BREW-canary", "/note/canary-path", "canary-body")
	events := f.log.events(t)
	if len(events) != 2 {
		t.Fatalf("%d lines for two requests:\n%s", len(events), f.log)
	}
	for _, forbidden := range []string{"\x1b", "\u2028", "\r", "canary"} {
		if strings.Contains(f.log.String(), forbidden) {
			t.Errorf("the log contains %q", forbidden)
		}
	}
	if got := events[0]["user_agent"].(string); len(got) > maxNoteLen {
		t.Errorf("a note of %d bytes", len(got))
	}
	if events[1]["method"] != "OTHER" || events[1]["route"] != "none" {
		t.Errorf("an unknown method at an unknown path is logged as %v %v", events[1]["method"], events[1]["route"])
	}
	if response.Header.Get("X-Evil") != "" || response.Header.Get("X-Request-Id") == "abc" {
		t.Error("the request id was split")
	}
}

func TestEventLine(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) {
		o.Routes[3].Handler = func(w http.ResponseWriter, r *http.Request) {
			Note(r.Context(), "client_id", "c1")
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	response := f.do(t, "POST", "/token", "")
	event := f.log.events(t)[0]
	for key, want := range map[string]any{
		"msg": "request", "level": "INFO", "method": "POST", "route": "/token", "status": 400.0, "client_id": "c1",
		"address": "192.0.2.1", "request_id": response.Header.Get("X-Request-Id"),
	} {
		if event[key] != want {
			t.Errorf("%s is %v, want %v", key, event[key], want)
		}
	}
	if _, ok := event["duration_us"].(float64); !ok {
		t.Errorf("duration_us is %v", event["duration_us"])
	}
}

// LOG-05: an id from outside is taken over only when it is short, clean and no secret.
func TestLOG05RequestID(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	cases := []struct {
		name, id string
		kept     bool
	}{
		{"uuid", "6b1a3c0e-8f4e-4b6d-9d53-1f2f6a0d9c11", true},
		{"short token", "req_12345678", true},
		{"8 KiB", strings.Repeat("a", 8<<10), false},
		{"256 bits in base64url", strings.Repeat("A", 43), false},
		{"our own secret", "sgt_rt_0123456789", false},
		{"a token", "eyJhbGciOiJSUzI1NiJ9", false},
		{"dots of a token", "aaaaaaaa.bbbbbbbb.cc", false},
		{"blank", "aaaaaaaa bbbb", false},
		{"markup", "<script>aaaa", false},
		{"too short", "a", false},
		{"not ASCII", "aaaaaaaaé", false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := f.do(t, "GET", "/login", "", "X-Request-Id", tc.id).Header.Get("X-Request-Id")
			if (got == tc.id) != tc.kept || got == "" {
				t.Errorf("id %q becomes %q", tc.id, got)
			}
		})
	}
	if got := f.do(t, "GET", "/login", "", "X-Request-Id", "aaaaaaaa", "X-Request-Id", "bbbbbbbb").Header.Get("X-Request-Id"); got == "aaaaaaaa" || got == "bbbbbbbb" {
		t.Error("one of two ids was taken")
	}
	for _, header := range []string{"Traceparent", "Baggage", "Tracestate"} {
		response := f.do(t, "GET", "/login", "", header, "canary")
		for name, values := range response.Header {
			if strings.Contains(strings.Join(values, ""), "canary") {
				t.Errorf("%s comes back as %s", header, name)
			}
		}
	}
	if strings.Contains(f.log.String(), "canary") {
		t.Error("a trace header reached the log")
	}
}

// LOG-04: a panic says nothing but the request id, and the process goes on.
func TestLOG04Panic(t *testing.T) {
	t.Parallel()
	values := map[string]any{
		"text": "canary at db.internal", "error": errors.New("canary at db.internal"), "nil map": nil,
	}
	for _, class := range []Class{ClassPage, ClassToken, ClassAPI, ClassPublicJSON} {
		for name, value := range values {
			f := newFixture(t, func(o *Options) {
				o.Routes = []Route{{Name: "panic", Methods: []string{"GET"}, Path: "/panic", Class: class,
					Handler: func(http.ResponseWriter, *http.Request) {
						if value == nil {
							set(nil)["a"] = 1 // a fault of the runtime
						}
						panic(value)
					}}}
			})
			response := f.do(t, "GET", "/panic", "")
			body := bodyOf(t, response)
			if response.StatusCode != http.StatusInternalServerError {
				t.Errorf("%s, %s: status %d", class, name, response.StatusCode)
			}
			for _, secret := range []string{"canary", "goroutine", ".go:", "nil map"} {
				if strings.Contains(body, secret) {
					t.Errorf("%s, %s: the answer says %q: %s", class, name, secret, body)
				}
			}
			if strings.Contains(f.log.String(), "canary") {
				t.Errorf("%s, %s: the panic's value is in the log", class, name)
			}
			events := f.log.events(t)
			if len(events) != 2 || events[1]["level"] != "ERROR" || events[0]["request_id"] != response.Header.Get("X-Request-Id") {
				t.Errorf("%s, %s: events %v", class, name, events)
			}
			if got := metricOf(t, f, "signet_http_panics_total"); got != 1 {
				t.Errorf("%s, %s: %v panics counted", class, name, got)
			}
		}
	}
}

// A panic after the first byte ends the connection: the caller must not take half an answer for a whole one.
func TestPanicAfterFirstByte(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) {
		o.Routes = []Route{{Name: "half", Methods: []string{"GET"}, Path: "/half", Class: ClassAPI,
			Handler: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(strings.Repeat("x", 8<<10)))
				panic("half")
			}}}
	})
	address := f.listen(t, nil)
	response, err := http.Get("http://" + address + "/half")
	if err == nil {
		_, err = http.MaxBytesReader(nil, response.Body, 1<<20).Read(make([]byte, 1<<16))
		for err == nil {
			_, err = response.Body.Read(make([]byte, 1<<16))
		}
		_ = response.Body.Close()
		if err.Error() == "EOF" {
			t.Error("half an answer looks whole")
		}
	}
}

func set(m map[string]int) map[string]int { return m }
