package pinlogin

import (
	"crypto/aes"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
)

const (
	execTimeInteger = "integer"
	maxNetworks     = 100
	// maxGrantLife bounds the life of a grant that needs no person: 30 days.
	maxGrantLife = 30 * 24 * 3600
)

// modeOf is the mode of a record: new ones that say nothing are pin-v2.
func modeOf(mode string) string {
	if mode == "" {
		return signet.PINv2
	}
	return mode
}

// keyLength is how many bytes the AES key of a mode has; 0 for a mode that does not exist.
func keyLength(mode string) int {
	switch modeOf(mode) {
	case signet.PINv2, signet.PINGCM, signet.PINCBC256, signet.PINECB256:
		return 32
	case signet.PINCBC128, signet.PINECB128:
		return 16
	}
	return 0
}

// recommended reports whether a mode is authenticated; the others are departures for existing callers.
func recommended(mode string) bool { return mode == signet.PINv2 || mode == signet.PINGCM }

func cbc(mode string) bool { return mode == signet.PINCBC128 || mode == signet.PINCBC256 }

func ecb(mode string) bool { return mode == signet.PINECB128 || mode == signet.PINECB256 }

// reasonForm writes a mode in snake_case.
func reasonForm(mode string) string { return strings.ReplaceAll(mode, "-", "_") }

// CheckMetadata judges what an operator says of an application whose AES key has keyLen bytes: the mode is known and
// the key fits it, ECB has a fence (networks or a certificate) and an end, a fixed IV is 16 bytes of CBC.
// Error: CodeInvalidRequest with a sentence that names the member.
func CheckMetadata(meta signet.PINApplicationMetadata, keyLen int) error {
	mode := modeOf(meta.Mode)
	iv, ivErr := hex.DecodeString(meta.FixedIV)
	for _, rule := range []struct {
		broken bool
		member string
		text   string
	}{
		{!validUsername(meta.Username), "username", "must have 1 to 254 bytes and no control characters"},
		{keyLength(mode) == 0, "mode", "must be one of pin-v2, aes-256-gcm, aes-128-cbc, aes-256-cbc, aes-128-ecb, aes-256-ecb"},
		{keyLength(mode) != keyLen, "key", "must have " + strconv.Itoa(keyLength(mode)) + " bytes in the mode " + mode},
		{meta.FixedIV != "" && !cbc(mode), "fixed_iv", "is for the CBC modes alone"},
		{meta.FixedIV != "" && (ivErr != nil || len(iv) != aes.BlockSize), "fixed_iv", "must be 16 bytes in hex"},
		{ecb(mode) && len(meta.AllowedNetworks) == 0 && meta.TLSClientCertificate == "", "mode", "is ECB, which needs allowed_networks or tls_client_certificate"},
		{ecb(mode) && meta.ModeEnds == nil, "mode_ends", "is needed by ECB"},
		{!validNetworks(meta.AllowedNetworks), "allowed_networks", "may hold at most 100 ranges such as 192.0.2.0/24, written without host bits"},
		{meta.TLSClientCertificate != "" && !thumbprint(meta.TLSClientCertificate), "tls_client_certificate", "must be a SHA-256 thumbprint in base64url"},
		{meta.ExecTime != "" && meta.ExecTime != execTimeInteger, "exec_time", "must be empty or integer"},
		{meta.GrantLifetime < 0 || meta.GrantLifetime > maxGrantLife, "grant_lifetime", "must be 0 to 2592000 seconds"},
	} {
		if rule.broken {
			return signet.NewError(signet.CodeInvalidRequest, "The member "+rule.member+" "+rule.text+".", rule.member)
		}
	}
	return nil
}

func validNetworks(networks []string) bool {
	for _, text := range networks {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix != prefix.Masked() || prefix.Addr().Is4In6() {
			return false
		}
	}
	return len(networks) <= maxNetworks
}

func thumbprint(text string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(sum) == 32
}

// ClientFor is the client that stands beside an application: opaque tokens of 15 minutes, a refresh token that ends when
// it is not used for 30, and no other grant. It has no credential of its own at the standard endpoints: its refresh token
// is what it holds, as the document has it, and so it always rotates (RFC 9700 §4.14.2).
func ClientFor(meta signet.PINApplicationMetadata) signet.ClientMetadata {
	return signet.ClientMetadata{
		ClientName:              meta.Username,
		TokenEndpointAuthMethod: signet.AuthNone,
		GrantTypes:              []string{signet.GrantPIN, signet.GrantRefreshToken},
		RefreshToken:            "always",
		AccessTokenFormat:       "opaque",
		AccessTokenLifetime:     signet.Seconds(signet.PINAccess.Seconds()),
		RefreshTokenLifetime:    signet.Seconds(meta.GrantLifetime.Or(signet.PINGrantLife).Seconds()),
		RefreshTokenIdle:        signet.Seconds(signet.PINIdle.Seconds()),
		TokenType:               "bearer",
		AllowedNetworks:         meta.AllowedNetworks,
		TLSClientCertificate:    meta.TLSClientCertificate,
		RequireCertificate:      meta.TLSClientCertificate != "",
	}
}
