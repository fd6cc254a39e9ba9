package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// SignIdentity signs an identity of a biller of the card by scheme v2; name is user_id or invoice_id, and stamp is "" for
// an invoice.
func SignIdentity(t testing.TB, biller Biller, name, value, stamp string) string {
	t.Helper()
	fields := []string{"purpose", "signet-identity-v2", "biller_id", biller.ID, name, value}
	if stamp != "" {
		fields = append(fields, "timestamp", stamp)
	}
	var input strings.Builder
	for _, text := range fields {
		fmt.Fprintf(&input, "%d:%s,", len(text), text)
	}
	return signHMAC(t, biller, input.String())
}

// SignV1 signs as document 000's billers do: the values with bars between them.
func SignV1(t testing.TB, biller Biller, values ...string) string {
	t.Helper()
	return signHMAC(t, biller, strings.Join(append([]string{biller.ID}, values...), "|"))
}

func signHMAC(t testing.TB, biller Biller, input string) string {
	t.Helper()
	key, err := hex.DecodeString(biller.HMACKey)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(input))
	return hex.EncodeToString(mac.Sum(nil))
}

// Payer is a body of POST /api/v1/payertokens of now, for the biller's first payer, by the biller's scheme.
func Payer(t testing.TB, biller Biller) map[string]any {
	t.Helper()
	user, stamp := biller.Invoices[0].CustomerGUID, strconv.FormatInt(time.Now().UnixMilli(), 10)
	mac := ""
	if biller.Scheme == "v1" {
		mac = SignV1(t, biller, user, stamp)
	} else {
		mac = SignIdentity(t, biller, "user_id", user, stamp)
	}
	return map[string]any{"billerGuid": biller.ID, "userGuid": user, "timestamp": stamp, "hmac": mac}
}

// Post sends a JSON body, or raw bytes, and returns the status and the body of the answer.
func Post(t testing.TB, url string, header http.Header, body any) (int, []byte) {
	t.Helper()
	res, content := Send(t, http.MethodPost, url, header, body)
	return res.StatusCode, content
}

// Send sends a request, with a JSON body unless body is nil or a string, which is sent as it is; redirects are not
// followed.
func Send(t testing.TB, method, url string, header http.Header, body any) (*http.Response, []byte) {
	t.Helper()
	return send(t, http.DefaultTransport, method, url, header, body)
}

// SendFromOwnNetwork is Send from a loopback network of the test's own: failures are counted by network, and tests that
// run side by side would use up each other's.
func SendFromOwnNetwork(t testing.TB, method, url string, header http.Header, body any) (*http.Response, []byte) {
	t.Helper()
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(t.Name()))
	n := sum.Sum32()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(64+n%128), byte(n>>8), 1)}}
	// Connections are kept until the answer is read: on one that is to be closed the server would not take what it refuses.
	transport := &http.Transport{DialContext: dialer.DialContext, ExpectContinueTimeout: readyWithin}
	defer transport.CloseIdleConnections()
	return send(t, transport, method, url, header, body)
}

// largeBody is the length from which a body is announced before it is sent.
const largeBody = 128 << 10

func send(t testing.TB, transport http.RoundTripper, method, url string, header http.Header, body any) (*http.Response, []byte) {
	t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = strings.NewReader(string(encoded))
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if req.ContentLength > largeBody {
		// A body that is refused by its length is not read, and the connection is closed: whoever is still sending then may
		// not see the answer.
		req.Header.Set("Expect", "100-continue")
	}
	maps.Copy(req.Header, header)
	client := &http.Client{Transport: transport, Timeout: readyWithin, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, content
}
