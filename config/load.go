package config

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// Load reads the YAML file (none when path is "") and puts the environment over it (environ as os.Environ gives it).
// It refuses unknown keys and invalid values; the error is a Problems that names all of them, without any value of
// a secret. What only `serve` needs is asked by Serve.
func Load(path string, environ []string) (*Config, error) {
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return nil, Problems{fileProblem(path, err)}
		}
	}
	problems := append(unknownKeys(k.Keys()), unknownVariables(environ)...)
	provider := env.Provider(".", env.Opt{
		Prefix:      Prefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			if !isSetting(name) {
				return "", nil
			}
			return envKey(name), value
		},
	})
	if err := k.Load(provider, nil); err != nil {
		return nil, Problems{fmt.Sprintf("environment: %s", err)}
	}
	cfg := Defaults()
	if err := decode(k.Raw(), &cfg); err != nil {
		problems = append(problems, decodeProblems(err)...)
	}
	problems = append(problems, cfg.readFiles()...)
	problems = append(problems, cfg.validate()...)
	if len(problems) > 0 {
		return nil, problems
	}
	return &cfg, nil
}

// envKey turns SIGNET_KEYS__ROTATE_EVERY into keys.rotate_every.
func envKey(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, Prefix)), "__", ".")
}

func decode(raw map[string]any, cfg *Config) error {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		TagName:          "koanf",
		Result:           cfg,
		ZeroFields:       true, // a list replaces the default, it is not laid over it
		WeaklyTypedInput: true, // the environment knows only strings
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.TextUnmarshallerHookFunc(),
			splitList,
		),
	})
	if err != nil {
		return err
	}
	return decoder.Decode(raw)
}

// splitList reads "a, b" as a list, for the environment.
func splitList(from, to reflect.Type, value any) (any, error) {
	text, ok := value.(string)
	if !ok || to.Kind() != reflect.Slice || from.Kind() != reflect.String {
		return value, nil
	}
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list, nil
}

// Keypaths returns every key of the configuration with dots between the levels, in the order of the struct.
func Keypaths() []string { return keypaths(reflect.TypeFor[Config](), "") }

func keypaths(t reflect.Type, prefix string) []string {
	var out []string
	for field := range t.Fields() {
		key := prefix + field.Tag.Get("koanf")
		if field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[Duration]() {
			out = append(out, keypaths(field.Type, key+".")...)
			continue
		}
		out = append(out, key)
	}
	return out
}

// secretFile is a setting that names a file with a secret; into is the setting that its content stands for, nil where
// whoever needs it reads the file.
type secretFile struct {
	key, path string
	into      *Secret
}

func (c *Config) secretFiles() []secretFile {
	return []secretFile{
		{"postgres.dsn_file", c.Postgres.DSNFile, &c.Postgres.DSN},
		{"redis.password_file", c.Redis.PasswordFile, &c.Redis.Password},
		{"keys.kek_file", c.Keys.KEKFile, &c.Keys.KEK},
		{"tls.key_file", c.TLS.KeyFile, nil},
		{"mtls.key_file", c.MTLS.KeyFile, nil},
	}
}

// readFiles puts the contents of dsn_file, password_file and kek_file into the fields that they stand for.
func (c *Config) readFiles() Problems {
	var out Problems
	for _, entry := range c.secretFiles() {
		if entry.path == "" || entry.into == nil {
			continue
		}
		if *entry.into != "" {
			out = append(out, fmt.Sprintf("%s: given both directly and by %s", strings.TrimSuffix(entry.key, "_file"), entry.key))
			continue
		}
		content, err := os.ReadFile(entry.path)
		if err != nil {
			out = append(out, fileProblem(entry.key+": "+entry.path, err))
			continue
		}
		*entry.into = Secret(strings.TrimSpace(string(content)))
	}
	return out
}

// Warnings are what an operator should mend although the server starts: secrets that everybody on the machine can read.
func (c *Config) Warnings() []string {
	if runtime.GOOS == "windows" { // its files have no such mode
		return nil
	}
	var out []string
	for _, entry := range c.secretFiles() {
		info, err := os.Stat(entry.path)
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
			out = append(out, fmt.Sprintf("%s: everybody on this machine can read %s: chmod o-r %[2]s", entry.key, entry.path))
		}
	}
	return out
}
