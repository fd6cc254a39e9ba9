package pinlogin

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/signet-auth/signet/pkg/signet"
)

// Encrypt makes the password of a login as a caller makes it, in base64: for `signet try pin` and for tests. CBC writes a
// random IV first. Error: CodeInvalidRequest (no such mode, or a key of another length).
func Encrypt(mode string, key []byte, username, pin string, now time.Time) (string, error) {
	mode = modeOf(mode)
	if keyLength(mode) == 0 || len(key) != keyLength(mode) {
		return "", signet.NewError(signet.CodeInvalidRequest, "The mode is unknown, or the key has not its length.", "pin_mode")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", signet.Internal(err)
	}
	var sealed []byte
	switch {
	case mode == signet.PINv2:
		sealed, err = sealGCM(block, strconv.FormatInt(now.Unix(), 10)+"|"+pin, []byte(username))
	case mode == signet.PINGCM:
		sealed, err = sealGCM(block, pin, nil)
	case cbc(mode):
		iv := make([]byte, aes.BlockSize)
		_, _ = rand.Read(iv)
		sealed = sealCBC(block, iv, pin)
		sealed = append(iv, sealed...)
	default:
		sealed = pad(pin)
		for at := 0; at < len(sealed); at += aes.BlockSize {
			block.Encrypt(sealed[at:], sealed[at:at+aes.BlockSize])
		}
	}
	if err != nil {
		return "", signet.Internal(err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

func sealGCM(block cipher.Block, plain string, additional []byte) ([]byte, error) {
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcmNonce, gcmNonce+len(plain)+gcmTag)
	_, _ = rand.Read(nonce)
	return aead.Seal(nonce, nonce, []byte(plain), additional), nil
}

func sealCBC(block cipher.Block, iv []byte, pin string) []byte {
	sealed := pad(pin)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, sealed)
	return sealed
}

// pad is PKCS #7 (RFC 5652 §6.3): at least one byte.
func pad(pin string) []byte {
	size := aes.BlockSize - len(pin)%aes.BlockSize
	return append([]byte(pin), bytes.Repeat([]byte{byte(size)}, size)...)
}
