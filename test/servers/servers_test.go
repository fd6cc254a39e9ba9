package servers

import "testing"

func TestVersion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"v20.11.1\n": 20, "/usr/lib/postgresql/15/bin/initdb": 15, "none": 0, "": 0} {
		if got := Version(text); got != want {
			t.Errorf("%q is version %d, want %d", text, got, want)
		}
	}
}
