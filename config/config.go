package config

// Config is everything an operator can say. The comments of the fields are the documentation: example.yaml and
// docs/configuration.md are made of them.
type Config struct {
	// Issuer is the public URL of this server, without a trailing slash: the iss of every token, and the base of every
	// endpoint. It must be https; http is accepted for a loopback host only.
	Issuer string `koanf:"issuer" example:"https://login.example.com"`
	// Listen is the address of the public listener.
	Listen string `koanf:"listen"`
	// TLS is the certificate of the public listener. Give it, or behind_proxy.
	TLS TLS `koanf:"tls"`
	// BehindProxy says that a reverse proxy ends TLS. Give it, or tls.
	BehindProxy BehindProxy `koanf:"behind_proxy"`
	// MTLS is where clients show certificates (RFC 8705): a listener of its own, or a proxy's host name; never where
	// pages are.
	MTLS MTLS `koanf:"mtls"`
	// Partner is partner access.
	Partner Partner `koanf:"partner"`
	// Admin is the listener of the admin API (/admin/v1).
	Admin Admin `koanf:"admin"`
	// Ops is the listener of /metrics, /livez and /readyz.
	Ops Ops `koanf:"ops"`
	// Postgres is the database: the truth.
	Postgres Postgres `koanf:"postgres"`
	// Redis holds short-lived shared state: revocations, replay marks, counters.
	Redis Redis `koanf:"redis"`
	// Keys says how signing keys are sealed, rotated and published.
	Keys Keys `koanf:"keys"`
	// Lifetimes are the defaults; each client may have its own.
	Lifetimes Lifetimes `koanf:"lifetimes"`
	// Sessions are browser sessions.
	Sessions Sessions `koanf:"sessions"`
	// ReplayMarks is the home of the memory of used assertions: "redis" (one round trip; 503 while Redis is away) or
	// "postgres" (one insert each; independent of Redis). All nodes must say the same; never change it while tokens of
	// before are presented.
	ReplayMarks string `koanf:"replay_marks"`
	// RateLimits is "on", or "off" for a load test: how much one network may ask of this process. It protects the
	// process, not a secret: failed logins and credentials are counted all the same.
	RateLimits string `koanf:"rate_limits"`
	// DrainNotice is how long a node that was told to end goes on serving while /readyz says 503. Give it two probe
	// intervals of your load balancer, which then sends nothing more when the listener closes; at most 1m.
	DrainNotice Duration `koanf:"drain_notice"`
	// Passwords bounds the work that password hashing may cost.
	Passwords Passwords `koanf:"passwords"`
	// Exchange is the identity exchange of billers (/api/v1).
	Exchange Exchange `koanf:"exchange"`
	// Intents are payment intents (/payment/api/jwt).
	Intents Intents `koanf:"intents"`
	// PIN is PIN login (/auth).
	PIN PIN `koanf:"pin"`
	// Accounts are accounts, roles and API keys (/api).
	Accounts Accounts `koanf:"accounts"`
	// Log is what is written to standard error.
	Log Log `koanf:"log"`
}

// Exchange is the identity exchange.
type Exchange struct {
	// Mounts are further path prefixes under which its endpoints answer; the issuer does not change.
	Mounts []string `koanf:"mounts" example:"/payer/auth"`
	// InvoiceResource is the id of the resource server that signet's own invoice API is; "" switches the API off.
	InvoiceResource string `koanf:"invoice_resource"`
	// AllowPrivateSources lets billers' live sources be on private networks. It opens them to whoever may name a
	// source: the operators.
	AllowPrivateSources bool `koanf:"allow_private_sources"`
}

// Intents are payment intents.
type Intents struct {
	// Mounts are further path prefixes under which the endpoints answer.
	Mounts []string `koanf:"mounts" example:"/v3"`
	// Issuer is the iss of intents.
	Issuer string `koanf:"issuer"`
	// Audiences are the intents that may be made.
	Audiences []string `koanf:"audiences"`
}

// PIN is PIN login.
type PIN struct {
	// Mounts are further path prefixes under which the endpoints answer.
	Mounts []string `koanf:"mounts" example:"/lending"`
}

// Accounts are accounts, roles and API keys.
type Accounts struct {
	// Mounts are further path prefixes under which the endpoints answer.
	Mounts []string `koanf:"mounts" example:"/service"`
	// Resources are the audiences that an API key's short token may be made for.
	Resources []string `koanf:"resources" example:"https://service.example.com"`
	// RolesFile is a JSON file with the table of roles, in place of the built-in one: docs/contracts/accounts.md.
	RolesFile string `koanf:"roles_file"`
}

// TLS names the certificate of the public listener. The minimum is TLS 1.2 with ECDHE and AEAD suites only.
type TLS struct {
	// CertFile is the certificate with its chain, PEM. An RSA certificate brings the ECDHE-RSA suites of TLS 1.2, an EC
	// certificate their ECDSA twins.
	CertFile string `koanf:"cert_file" example:"/etc/signet/tls.crt"`
	// KeyFile is its private key, PEM.
	KeyFile string `koanf:"key_file" example:"/etc/signet/tls.key"`
}

// BehindProxy names the proxies whose forwarding headers are believed.
type BehindProxy struct {
	// TrustedProxies are networks (CIDR) whose X-Forwarded-For is believed; the client is the right-most address that
	// is in none of them.
	TrustedProxies []string `koanf:"trusted_proxies" example:"10.0.0.0/8"`
}

// MTLS is where clients show certificates.
type MTLS struct {
	// URL is where callers reach it; with it, discovery tells its endpoints (mtls_endpoint_aliases).
	URL string `koanf:"url" example:"https://mtls.example.com"`
	// Listen is the address of a listener that asks every caller for a certificate and serves /token, /introspect,
	// /revoke and /userinfo alone; "": there is none.
	Listen string `koanf:"listen" example:":8446"`
	// CertFile is that listener's certificate with its chain, PEM; "" takes the one of tls.
	CertFile string `koanf:"cert_file"`
	// KeyFile is its private key, PEM.
	KeyFile string `koanf:"key_file"`
	// ClientCAFile holds the authorities of clients with tls_client_auth, PEM. Self-signed and registered certificates
	// need none. Where it holds several, every such client must name its own (tls_client_auth_ca).
	ClientCAFile string `koanf:"client_ca_file" example:"/etc/signet/client-ca.crt"`
	// HeaderFrom are the networks (CIDR) of proxies that end mutual TLS themselves and send the certificate on in
	// Client-Cert (RFC 9440), having removed what callers sent under that name. From everybody else it is ignored. Name
	// single addresses: whoever is in one of these networks can be any client.
	HeaderFrom []string `koanf:"header_from" example:"10.0.0.7/32"`
}

// Partner is partner access.
type Partner struct {
	// RootsFile holds the authorities, PEM, that the certificates of partners' hosted keys must lead to in the
	// environments cat and production.
	RootsFile string `koanf:"roots_file" example:"/etc/signet/partner-roots.crt"`
	// CATIssuer is, in production, the issuer of the CAT deployment: whose evidence of a success activates a partner.
	CATIssuer string `koanf:"cat_issuer" example:"https://login.cat.example.com"`
	// CATJWKSFile holds the key set of that deployment (its /.well-known/jwks.json), read anew for each activation. It
	// goes with cat_issuer; without both a partner is activated by an override alone.
	CATJWKSFile string `koanf:"cat_jwks_file" example:"/etc/signet/cat.jwks.json"`
}

// Admin is the listener of the admin API.
type Admin struct {
	// Listen is its address. Beyond loopback it is served with the certificate of tls, which must then be given.
	Listen string `koanf:"listen"`
}

// Ops is the operations listener.
type Ops struct {
	// Listen is its address; "" switches it off. It has no authentication: keep it where only your monitoring is.
	Listen string `koanf:"listen"`
}

// Postgres is the database.
type Postgres struct {
	// DSN is a connection string as libpq knows it. It may hold a password: prefer dsn_file or the environment.
	DSN Secret `koanf:"dsn" example:"postgres://signet@db.example.com/signet?sslmode=verify-full"`
	// DSNFile is a file that holds the connection string.
	DSNFile string `koanf:"dsn_file"`
	// MaxOpen is the largest number of connections of one node.
	MaxOpen int `koanf:"max_open"`
}

// Redis is where short-lived shared state lives. Its maxmemory-policy must be noeviction.
type Redis struct {
	// Mode is "single", "sentinel" or "cluster".
	Mode string `koanf:"mode"`
	// Addrs are host:port; of the sentinels when mode is sentinel.
	Addrs []string `koanf:"addrs" example:"redis.example.com:6379"`
	// MasterName is the name of the master that the sentinels watch.
	MasterName string `koanf:"master_name"`
	// Username for ACLs; "" is the default user.
	Username string `koanf:"username"`
	// Password; prefer password_file or the environment.
	Password Secret `koanf:"password"`
	// PasswordFile is a file that holds the password.
	PasswordFile string `koanf:"password_file"`
	// DB is the database number; must be 0 for cluster.
	DB int `koanf:"db"`
	// Prefix is put before every key, so that several deployments can share one Redis.
	Prefix string `koanf:"prefix"`
	// TLS connects by TLS 1.2 or newer and verifies the certificate.
	TLS bool `koanf:"tls"`
	// TLSCAFile holds the roots to verify it with, PEM; "" uses the system's.
	TLSCAFile string `koanf:"tls_ca_file"`
}

// Keys says how the ring of keys is kept.
type Keys struct {
	// KEKFile holds the key-encryption keys, one "name=base64" a line, 32 bytes each, the current one first and those
	// of before after it. Names may have letters, digits, dot, underscore and hyphen. "#" starts a comment. `openssl rand -base64 32` makes one.
	KEKFile string `koanf:"kek_file" example:"/etc/signet/kek"`
	// KEK is the same for the environment (SIGNET_KEYS__KEK), separated by commas: "2026=base64,2025=base64".
	KEK Secret `koanf:"kek"`
	// Current is the name of the key-encryption key that seals new rows; "" is the first one listed.
	Current string `koanf:"current"`
	// SigningAlgs are the algorithms that tokens can be signed with: ES256 and RS256 always, and PS256 or EdDSA for the
	// clients that register for them. An algorithm that is added signs once its key was published for jwks_max_age.
	SigningAlgs []string `koanf:"signing_algs"`
	// RotateEvery is the age at which a signing key is replaced; "0s" leaves rotation to `signet key rotate`.
	RotateEvery Duration `koanf:"rotate_every"`
	// JWKSMaxAge is how long verifiers may cache the key set, at most 15m. A new key is published this long before it
	// signs.
	JWKSMaxAge Duration `koanf:"jwks_max_age"`
}

// Lifetimes are the defaults of what is issued.
type Lifetimes struct {
	// Code is the life of an authorization code, at most 1m.
	Code Duration `koanf:"code"`
	// AccessToken is the life of an access token of a person, at most 24h.
	AccessToken Duration `koanf:"access_token"`
	// ClientCredentials is the life of an access token of a client, at most 24h.
	ClientCredentials Duration `koanf:"client_credentials"`
	// IDToken is the life of an ID token, at most 24h.
	IDToken Duration `koanf:"id_token"`
	// RefreshToken is the life of a token family, counted from the login.
	RefreshToken Duration `koanf:"refresh_token"`
}

// Sessions are browser sessions.
type Sessions struct {
	// Idle ends a session that was not used.
	Idle Duration `koanf:"idle"`
	// Max ends a session whatever happens.
	Max Duration `koanf:"max"`
}

// Passwords bounds password hashing (argon2id, 19 MiB each).
type Passwords struct {
	// Workers hash at the same time; 0 is the number of processors.
	Workers int `koanf:"workers"`
	// Queue wait for a worker; what comes beyond is answered 503.
	Queue int `koanf:"queue"`
}

// Log is what is written.
type Log struct {
	// Level is "debug", "info", "warn" or "error".
	Level string `koanf:"level"`
	// Format is "json" or "text".
	Format string `koanf:"format"`
}
