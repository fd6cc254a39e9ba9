package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// Problems is every fault of a configuration at once.
type Problems []string

// Error lists the problems, one a line.
func (p Problems) Error() string {
	return "the configuration has problems:\n  - " + strings.Join(p, "\n  - ")
}

// Load reads the YAML file (none when path is "") and puts the environment over it (environ as os.Environ gives it).
// It refuses unknown keys and invalid values; the error is a Problems that names all of them, without any value of
// a secret. What only `serve` needs is asked by Serve.
func Load(path string, environ []string) (*Config, error) {
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return nil, Problems{fmt.Sprintf("%s: %s", path, err)}
		}
	}
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
	problems := unknownKeys(k.Keys())
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

// decodeProblems takes the decoder's error apart. Its texts name the key and the kind of fault.
func decodeProblems(err error) Problems {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return Problems{err.Error()}
	}
	var out Problems
	for _, single := range joined.Unwrap() {
		out = append(out, decodeProblems(single)...)
	}
	return out
}

// unknownKeys compares with the keys of the struct. A mistyped key must never fall silently back to a default.
func unknownKeys(keys []string) Problems {
	known := Keypaths()
	var out Problems
	for _, key := range keys {
		if slices.Contains(known, key) || slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, key+".") }) {
			continue
		}
		out = append(out, fmt.Sprintf("%s: unknown key (in the environment: %s%s)", key, Prefix,
			strings.ToUpper(strings.ReplaceAll(key, ".", "__"))))
	}
	return out
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

// readFiles puts the contents of dsn_file, password_file and kek_file into the fields that they stand for.
func (c *Config) readFiles() Problems {
	var out Problems
	for _, entry := range []struct {
		key, path string
		into      *Secret
	}{
		{"postgres.dsn", c.Postgres.DSNFile, &c.Postgres.DSN},
		{"redis.password", c.Redis.PasswordFile, &c.Redis.Password},
		{"keys.kek", c.Keys.KEKFile, &c.Keys.KEK},
	} {
		if entry.path == "" {
			continue
		}
		if *entry.into != "" {
			out = append(out, fmt.Sprintf("%s: given both directly and by %s_file", entry.key, entry.key))
			continue
		}
		content, err := os.ReadFile(entry.path)
		if err != nil {
			out = append(out, fmt.Sprintf("%s_file: %s", entry.key, err))
			continue
		}
		*entry.into = Secret(strings.TrimSpace(string(content)))
	}
	return out
}
