package config

import (
	"os"
	"slices"
	"strings"
)

// Prefix opens the name of every environment variable of signet.
const Prefix = "SIGNET_"

// Environment variables that are no settings of the server.
const (
	// EnvServer is the URL of the admin API for the commands.
	EnvServer = "SIGNET_SERVER"
	// EnvAdminKey is the admin API key for the commands.
	EnvAdminKey = "SIGNET_ADMIN_KEY"
	// testPrefix opens the variables of the test suite.
	testPrefix = "SIGNET_TEST_"
)

// Env returns an environment variable, "" when it is not set. It is the only reader of single variables in signet.
func Env(name string) string { return os.Getenv(name) }

// Environ returns the environment in the form that Load takes.
func Environ() []string { return os.Environ() }

// Settings returns the names of the variables in environ that are settings of the server, sorted: what makes a
// deployment a production one. `signet dev` refuses to start beside them.
func Settings(environ []string) []string {
	var names []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if isSetting(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func isSetting(name string) bool {
	return strings.HasPrefix(name, Prefix) && name != EnvServer && name != EnvAdminKey &&
		!strings.HasPrefix(name, testPrefix)
}
