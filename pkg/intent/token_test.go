package intent

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

func TestDates(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		want date // 0: refused
	}{
		{`"1617687257"`, 1617687257}, {`1617687257`, 1617687257}, {`"1"`, 1}, {`253402300799`, 253402300799},
		{`253402300800`, 0}, {`0`, 0}, {`"0"`, 0}, {`""`, 0}, {`"`, 0}, {`-1`, 0}, {`"+1"`, 0}, {`1.0`, 0}, {`1e3`, 0}, {`"0x10"`, 0},
		{`null`, 0}, {`true`, 0}, {`"1 "`, 0}, {`"\u0031"`, 0}, {`"１"`, 0}, {`01`, 0}, {`[1]`, 0}, {`""1""`, 0},
	} {
		var d date
		err := d.UnmarshalJSON([]byte(tc.text))
		if (err == nil) != (tc.want != 0) || d != tc.want {
			t.Errorf("%s: %d, %v", tc.text, d, err)
		}
	}
}

func TestGUIDs(t *testing.T) {
	t.Parallel()
	const id = "72972a2b-8a71-4e29-aeab-1c418b136869"
	if got := guid(strings.ToUpper(id)); got != id {
		t.Error(got)
	}
	a, b := guid("one"), guid("two")
	if a == b || !isGUID(a) || !isGUID(b) || a[14] != '8' {
		t.Error(a, b)
	}
	for _, bad := range []string{"", id[1:], id + "0", strings.ToUpper(id), strings.Replace(id, "-", "0", 1), strings.Replace(id, "a", "g", 1), "{" + id[2:] + "}"} {
		if isGUID(bad) {
			t.Errorf("%q passes", bad)
		}
	}
}

// TestDeviceCredentials: what can name no device is not looked up.
func TestDeviceCredentials(t *testing.T) {
	t.Parallel()
	const id = "72972a2b-8a71-4e29-aeab-1c418b136869"
	basic := func(user, password string) deviceCredential {
		return basicDevice(base64.StdEncoding.EncodeToString([]byte(user + ":" + password)))
	}
	loose := []byte(base64.StdEncoding.EncodeToString([]byte(id + ":pw12"))) // 41 bytes: four bits of the last digit are spare
	loose[len(loose)-2]++
	for name, tc := range map[string]struct{ got, want deviceCredential }{
		"plain":           {plainDevice("1:" + id + "|pw"), deviceCredential{id: id, dcn: "1", named: true, password: "pw"}},
		"id alone":        {plainDevice(id + "|pw"), deviceCredential{id: id, password: "pw"}},
		"empty dcn":       {plainDevice(":" + id + "|pw"), deviceCredential{id: id, named: true, password: "pw"}},
		"bars, colons":    {plainDevice("a:b:" + id + "|p|w:x"), deviceCredential{id: id, dcn: "a:b", named: true, password: "p|w:x"}},
		"basic":           {basic("1"+id, "p:w"), deviceCredential{id: id, dcn: "1", named: true, password: "p:w"}},
		"basic, id alone": {basic(id, "pw"), deviceCredential{id: id, password: "pw"}},
		"NUL":             {basic("\x00"+id, "pw"), deviceCredential{}},
		"no UTF-8":        {basic("\xff"+id, "pw"), deviceCredential{}},
		"long dcn":        {plainDevice(strings.Repeat("1", maxDCN+1) + ":" + id + "|pw"), deviceCredential{}},
		"long password":   {plainDevice("1:" + id + "|" + strings.Repeat("p", maxPassword+1)), deviceCredential{}},
		"spare bits":      {basicDevice(string(loose)), deviceCredential{}},
		"line end":        {basicDevice("MTo=\n"), deviceCredential{}},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, tc.got, tc.want)
		}
	}
}

// FuzzParse: whatever is read is read in one spelling, and is what would be made of it again.
func FuzzParse(f *testing.F) {
	key := []byte(strings.Repeat("k", minKey))
	full := &claims{Issuer: "i", IssuedAt: 1, ExpiresAt: 2, Audience: "a", Subject: "s", Instance: "n", Device: "d", Methods: []method{{Type: "t"}}}
	payload, err := plainJSON(full)
	if err != nil {
		f.Fatal(err)
	}
	good := signHS256(key, payload)
	for _, seed := range []string{good, good + "=", good + "\n", "..", "a.b.c", ".", "", strings.Repeat(".", 100), good[:20] + "\r" + good[20:],
		signHS256(key, []byte(`{"exp":1e9}`)), signHS256(key, []byte(`[]`)), signHS256(key, []byte(`{"exp":null,"a":{}}`))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		c, err := parse(token)
		if err != nil {
			return
		}
		encoding := base64.RawURLEncoding
		parts := strings.Split(token, ".")
		if len(parts) != 3 || c.input != parts[0]+"."+parts[1] || encoding.EncodeToString(c.payload) != parts[1] || encoding.EncodeToString(c.signature) != parts[2] {
			t.Fatalf("%q has a second spelling", token)
		}
		if c.claims.ExpiresAt < 0 || c.claims.ExpiresAt > maxDate || c.claims.IssuedAt < 0 || c.claims.IssuedAt > maxDate {
			t.Fatalf("dates %d, %d", c.claims.IssuedAt, c.claims.ExpiresAt)
		}
		if _, err := json.Marshal(c.claims.payload()); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzDevice: no spelling of a credential makes the parsers fail or names anything but a GUID.
func FuzzDevice(f *testing.F) {
	for _, seed := range []string{"1:72972a2b-8a71-4e29-aeab-1c418b136869|pw", "|", ":|:", "MTo=", "", "a|b|c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, d := range []deviceCredential{plainDevice(value), basicDevice(value)} {
			if d.id != "" && !isGUID(d.id) || len(d.dcn) > maxDCN || len(d.password) > maxPassword {
				t.Fatalf("%+v", d)
			}
		}
	})
}
