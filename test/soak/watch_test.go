package soak

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/signet-auth/signet/test/e2e"
)

var (
	goroutineLine = regexp.MustCompile(`(?m)^goroutine [0-9]+ `)
	requestsLine  = regexp.MustCompile(`(?m)^signet_http_request_duration_seconds_count\{route="([^"]+)"\} ([0-9.e+]+)$`)
	failedLine    = regexp.MustCompile(`(?m)^signet_http_requests_total\{route="([^"]+)",status="(5(?:00|02|04))"\} ([0-9.e+]+)$`)
	panicsLine    = regexp.MustCompile(`(?m)^signet_http_panics_total ([0-9.e+]+)$`)
)

// dump is what a node said when it was asked for its goroutines.
func dump(n *e2e.Node) string {
	_, out, _ := strings.Cut(n.Output(), "SIGQUIT: quit")
	return out
}

// reports are what a process must never say: the race detector's reports, and the words of a program that broke.
func reports(output string) []string {
	var found []string
	for _, mark := range []string{"WARNING: DATA RACE", "\nfatal error:", "\npanic:", `"msg":"panic"`} {
		rest := output
		for len(found) < 20 {
			at := strings.Index(rest, mark)
			if at < 0 {
				break
			}
			end := strings.Index(rest[at+len(mark):], "==================")
			if end < 0 {
				end = min(len(rest)-at-len(mark), 4000)
			}
			found = append(found, rest[at:at+len(mark)+end])
			rest = rest[at+len(mark)+end:]
		}
	}
	return found
}

// metrics adds up what a node counted by route, and fails the test on its 500s and panics.
func (s *scene) metrics(n *e2e.Node, called map[string]float64) {
	s.t.Helper()
	response, err := http.Get(n.OpsURL + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	text := string(body)
	for _, match := range requestsLine.FindAllStringSubmatch(text, -1) {
		count, err := strconv.ParseFloat(match[2], 64)
		if err != nil {
			s.t.Fatal(err)
		}
		called[match[1]] += count
	}
	for _, match := range failedLine.FindAllStringSubmatch(text, -1) {
		s.t.Errorf("%s: %s answered %s %s times", n.URL, match[1], match[2], match[3])
	}
	panics := panicsLine.FindStringSubmatch(text)
	if panics == nil || panics[1] != "0" {
		s.t.Errorf("%s: panics %v", n.URL, panics)
	}
}
