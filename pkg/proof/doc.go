// Package proof knows what a caller holds beside its credential: today the certificate of a TLS client (RFC 8705),
// shown to us or to a proxy of ours. It does not decide which client that is; pkg/clientauth does.
//
//	TLS handshake on the mutual TLS listener ──────────────────────┐
//	                                                               ├─▶ OfRequest ─▶ leaf first ─▶ Thumbprint ─▶ cnf x5t#S256
//	Client-Cert, Client-Cert-Chain (RFC 9440) of a named proxy ────┘
package proof
