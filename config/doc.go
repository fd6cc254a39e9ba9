// Package config is what an operator can say to signet. It owns one struct, whose comments are the documentation,
// its defaults, its loading and its checks. It knows nothing of the rooms: cmd/signet hands each room its own Options.
//
//	defaults ◀── YAML file (--config) ◀── environment (SIGNET_…, "__" between levels)
//	                     │
//	                     ▼
//	   unknown keys refused, every problem reported at once ──▶ Config
//
// example.yaml and docs/configuration.md are generated from the struct; a test fails when they differ:
//
//	go test ./config -run Generated -update
//
// It is also the only home of os.Getenv (Env).
package config
