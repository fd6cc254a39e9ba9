package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"
)

// TestDeploy makes the secrets of docker-compose.yml as its reader would, and starts from deploy/signet.yaml with them:
// the three files agree on names and formats, and `serve` finds nothing missing.
func TestDeploy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"secrets.sh", "signet.yaml"} {
		content, err := os.ReadFile(filepath.Join("..", "deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(content), "/run/secrets/", filepath.Join(dir, "secrets")+"/")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := exec.LookPath("openssl"); err != nil { // then the reader brings a certificate
		secrets := filepath.Join(dir, "secrets")
		if err := os.Mkdir(secrets, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"tls_key", "tls_crt"} {
			if err := os.WriteFile(filepath.Join(secrets, name), []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 { // the second run must change nothing
		before, _ := os.ReadFile(filepath.Join(dir, "secrets", "kek"))
		if out, err := exec.Command("bash", filepath.Join(dir, "secrets.sh")).CombinedOutput(); err != nil {
			t.Fatalf("secrets.sh: %v: %s", err, out)
		}
		after, err := os.ReadFile(filepath.Join(dir, "secrets", "kek"))
		if err != nil || before != nil && string(before) != string(after) {
			t.Errorf("the key-encryption key changed, or is missing: %v", err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "secrets")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is open to others: %v, %v", info, err)
	}
	cfg, err := Load(filepath.Join(dir, "signet.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Serve(); err != nil {
		t.Error(err)
	}

	compose, err := os.ReadFile(filepath.Join("..", "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := yaml.Parser().Unmarshal(compose)
	if err != nil {
		t.Fatal(err)
	}
	secrets, _ := parsed["secrets"].(map[string]any)
	for name, entry := range secrets {
		file, _ := entry.(map[string]any)["file"].(string)
		if _, err := os.Stat(filepath.Join(dir, strings.TrimPrefix(file, "deploy/"))); err != nil {
			t.Errorf("docker-compose.yml names %s (%s), which secrets.sh does not write", name, file)
		}
	}
	for _, path := range []string{cfg.TLS.CertFile, cfg.TLS.KeyFile, cfg.Postgres.DSNFile, cfg.Keys.KEKFile} {
		if _, ok := secrets[filepath.Base(path)]; !ok {
			t.Errorf("deploy/signet.yaml reads %s, which docker-compose.yml does not mount", filepath.Base(path))
		}
	}
}
