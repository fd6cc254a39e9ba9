package pinlogin

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

const (
	gcmNonce = 12
	gcmTag   = 16
	maxPIN   = 128
	// maxPassword bounds the text of an encrypted PIN: hex of the longest PIN with time, nonce and tag is shorter.
	maxPassword = 1024
	// liveKeys is how many keys an application has at most; as many are tried for everybody.
	liveKeys = 2
)

// opened is what an encrypted PIN held.
type opened struct {
	pin   string
	at    time.Time         // pin-v2: the time inside
	nonce []byte            // what may come once: the nonce, or for CBC and ECB all of the ciphertext
	key   *signet.SealedKey // the key that opened it; nil: none did
}

// decrypt tries every live key. Whatever fails, and in whichever step, is one fault: what tells bad padding from a bad
// PIN would let a stranger decrypt (PIN-01).
func (p *PINLogin) decrypt(ctx context.Context, a *attempt) error {
	stranger := &signet.PINApplication{}
	app := a.app
	if app == nil {
		app = stranger
	}
	mode := modeOf(app.Mode)
	now, tried := p.o.Now(), 0
	for i := range app.Keys {
		if key := &app.Keys[i]; key.Use == signet.KeyPIN && key.Live(now) && tried < liveKeys {
			tried++
			p.tryKey(ctx, a, key, mode)
		}
	}
	for ; tried < liveKeys; tried++ {
		_, _ = open(app, mode, p.noKey[:keyLength(mode)], a.body.Password)
	}
	if a.opened.key == nil {
		a.suspect("not_decrypted")
	}
	return nil
}

func (p *PINLogin) tryKey(ctx context.Context, a *attempt, key *signet.SealedKey, mode string) {
	plain, err := p.o.Keys.OpenRecord(key)
	if err != nil || len(plain) != keyLength(mode) {
		p.o.Log.ErrorContext(ctx, "the key of a PIN application does not open, or has not the length of its mode",
			"request_id", web.RequestID(ctx), "credential", key.Credential(), "error", err)
		plain = p.noKey[:keyLength(mode)]
		key = nil
	}
	got, ok := open(a.app, mode, plain, a.body.Password)
	if ok && key != nil && a.opened.key == nil {
		got.key = key
		a.opened = got
	}
}

// open decrypts a password under one key of the mode's length.
func open(app *signet.PINApplication, mode string, key []byte, password string) (opened, bool) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return opened{}, false
	}
	for _, sealed := range spellings(password) {
		var got opened
		var ok bool
		switch mode {
		case signet.PINv2:
			got, ok = openGCM(block, sealed, []byte(app.Username))
			ok = ok && splitTime(&got)
		case signet.PINGCM:
			got, ok = openGCM(block, sealed, nil)
		case signet.PINCBC128, signet.PINCBC256:
			got, ok = openCBC(block, sealed, app.FixedIV)
		case signet.PINECB128, signet.PINECB256:
			got, ok = openECB(block, sealed)
		}
		if ok && plausible(got.pin) {
			return got, true
		}
	}
	return opened{}, false
}

// spellings decodes a password: hex (any case) or base64 (either alphabet, padded or not). What can be read as both is
// given as both.
func spellings(text string) [][]byte {
	if len(text) > maxPassword {
		return nil
	}
	var out [][]byte
	if sealed, err := hex.DecodeString(text); err == nil {
		out = append(out, sealed)
	}
	text = strings.NewReplacer("\r", "", "\n", "").Replace(text) // some encoders break lines
	encoding := base64.StdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.URLEncoding
	}
	if !strings.HasSuffix(text, "=") {
		encoding = encoding.WithPadding(base64.NoPadding)
	}
	// Strict: bits that mean nothing must not make many texts of one.
	if sealed, err := encoding.Strict().DecodeString(text); err == nil {
		out = append(out, sealed)
	}
	return out
}

func openGCM(block cipher.Block, sealed, additional []byte) (opened, bool) {
	if len(sealed) <= gcmNonce+gcmTag {
		return opened{}, false
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return opened{}, false
	}
	plain, err := aead.Open(nil, sealed[:gcmNonce], sealed[gcmNonce:], additional)
	if err != nil {
		return opened{}, false
	}
	return opened{pin: string(plain), nonce: sealed[:gcmNonce]}, true
}

// splitTime reads the plaintext of pin-v2, "unixtime|PIN".
func splitTime(o *opened) bool {
	digits, pin, ok := strings.Cut(o.pin, "|")
	if !ok || len(digits) == 0 || len(digits) > 11 || strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return false
	}
	unix, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return false
	}
	o.at, o.pin = time.Unix(unix, 0).UTC(), pin
	return true
}

func openCBC(block cipher.Block, sealed []byte, fixedIV string) (opened, bool) {
	iv, text := []byte(nil), sealed
	if fixedIV != "" {
		iv, _ = hex.DecodeString(fixedIV)
	} else if len(sealed) > aes.BlockSize {
		iv, text = sealed[:aes.BlockSize], sealed[aes.BlockSize:]
	}
	if len(iv) != aes.BlockSize || len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return opened{}, false
	}
	plain := make([]byte, len(text))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, text)
	pin, ok := unpad(plain)
	return opened{pin: string(pin), nonce: sealed}, ok
}

func openECB(block cipher.Block, sealed []byte) (opened, bool) {
	if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return opened{}, false
	}
	plain := make([]byte, len(sealed))
	for at := 0; at < len(sealed); at += aes.BlockSize {
		block.Decrypt(plain[at:], sealed[at:at+aes.BlockSize])
	}
	pin, ok := unpad(plain)
	return opened{pin: string(pin), nonce: sealed}, ok
}

// unpad removes PKCS #7 padding (RFC 5652 §6.3) of whole blocks, every padding byte looked at whatever the others are:
// these modes are not authenticated, and the time of an early exit would say how much of the padding was right.
func unpad(plain []byte) ([]byte, bool) {
	size := int(plain[len(plain)-1])
	good := subtle.ConstantTimeLessOrEq(1, size) & subtle.ConstantTimeLessOrEq(size, aes.BlockSize)
	for i := 1; i <= aes.BlockSize; i++ {
		inside := subtle.ConstantTimeLessOrEq(i, size)
		same := subtle.ConstantTimeByteEq(plain[len(plain)-i], byte(size))
		good &= subtle.ConstantTimeSelect(inside, same, 1)
	}
	keep := subtle.ConstantTimeSelect(good, len(plain)-size, 0)
	return bytes.Clone(plain[:keep]), good == 1
}

// plausible tells a PIN from the noise that a wrong key leaves in an unauthenticated mode, so that the right one of two
// keys is taken: text without control characters.
func plausible(pin string) bool {
	return pin != "" && len(pin) <= maxPIN && utf8.ValidString(pin) && !strings.ContainsFunc(pin, unicode.IsControl)
}
