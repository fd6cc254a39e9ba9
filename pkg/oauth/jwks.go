package oauth

import "net/http"

// serveJWKS serves the public keys (RFC 7517 §5) as the ring prepared them: no store, no encoding, and a max-age that
// the ring's plan gives, so that nobody misses a key between its publication and its first signature (decision 7).
func (s *Server) serveJWKS(w http.ResponseWriter, r *http.Request) {
	set := s.Keys.JWKS()
	servePrepared(w, r, set.Body, set.ETag, set.MaxAge)
}
