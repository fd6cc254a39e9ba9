package config

import "time"

// Defaults returns the settings that hold when an operator says nothing.
func Defaults() Config {
	return Config{
		Listen:   ":8443",
		Admin:    Admin{Listen: "127.0.0.1:8444"},
		Ops:      Ops{Listen: "127.0.0.1:8445"},
		Postgres: Postgres{MaxOpen: 20},
		Redis:    Redis{Mode: "single", Prefix: "signet:"},
		Keys: Keys{SigningAlgs: []string{"ES256", "RS256"}, RotateEvery: Duration{720 * time.Hour},
			JWKSMaxAge: Duration{15 * time.Minute}},
		ReplayMarks: "redis",
		RateLimits:  "on",
		DrainNotice: Duration{time.Second},
		Lifetimes: Lifetimes{
			Code:              Duration{time.Minute},
			AccessToken:       Duration{time.Hour},
			ClientCredentials: Duration{30 * time.Minute},
			IDToken:           Duration{time.Hour},
			RefreshToken:      Duration{1440 * time.Hour},
		},
		Sessions:  Sessions{Idle: Duration{12 * time.Hour}, Max: Duration{24 * time.Hour}},
		Passwords: Passwords{Queue: 64},
		Exchange:  Exchange{InvoiceResource: "invoices"},
		Intents:   Intents{Issuer: "signet", Audiences: []string{"PaymentPage", "CreateWalletPage", "EditWalletPage"}},
		Log:       Log{Level: "info", Format: "json"},
	}
}
