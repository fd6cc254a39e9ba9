package config

import (
	"net"
	"net/netip"
	"strings"
)

// minHeaderBits4 and minHeaderBits6 keep mtls.header_from from naming half the world.
const (
	minHeaderBits4 = 16
	minHeaderBits6 = 48
)

func (c *Config) validateMTLS(add adder) {
	m := &c.MTLS
	if m.URL != "" {
		if text := issuerProblem(m.URL); text != "" || !strings.HasPrefix(m.URL, "https://") {
			add("mtls.url", "must be https://host[:port] in lower case, without a path")
		}
		if m.URL == c.Issuer {
			// Then browsers on pages would be asked for a certificate.
			add("mtls.url", "must be another host name or port than the issuer's")
		}
	}
	used := m.Listen != "" || len(m.HeaderFrom) > 0
	if used != (m.URL != "") {
		add("mtls", "url belongs to listen or header_from: give both, or none of them")
	}
	if (m.CertFile == "") != (m.KeyFile == "") {
		add("mtls", "cert_file and key_file belong together")
	}
	c.validateMTLSListener(add)
	for _, entry := range m.HeaderFrom {
		prefix, err := netip.ParsePrefix(entry)
		if err != nil {
			add("mtls.header_from", "%q is no network in CIDR form", entry)
			continue
		}
		least := minHeaderBits6
		if prefix.Addr().Is4() {
			least = minHeaderBits4
		}
		if prefix.Bits() < least {
			add("mtls.header_from", "%q is too wide: name the proxies alone", entry)
		}
	}
}

// validatePartner: evidence is another deployment's word. With the own issuer a partner of production would prove itself
// by having been let in.
func (c *Config) validatePartner(add adder) {
	p := &c.Partner
	if (p.CATIssuer == "") != (p.CATJWKSFile == "") {
		add("partner", "cat_issuer and cat_jwks_file belong together")
	}
	if p.CATIssuer == "" {
		return
	}
	if text := issuerProblem(p.CATIssuer); text != "" {
		add("partner.cat_issuer", "%s", text)
	}
	if p.CATIssuer == c.Issuer {
		add("partner.cat_issuer", "must be another deployment's")
	}
}

func (c *Config) validateMTLSListener(add adder) {
	m := &c.MTLS
	if m.Listen != "" {
		if _, _, err := net.SplitHostPort(m.Listen); err != nil {
			add("mtls.listen", "%q is no address as host:port", m.Listen)
		}
		if m.Listen == c.Listen {
			add("mtls.listen", "must not be the public listener")
		}
		if m.CertFile == "" && c.TLS.CertFile == "" {
			add("mtls", "listen needs cert_file and key_file, or those of tls")
		}
	}
}
