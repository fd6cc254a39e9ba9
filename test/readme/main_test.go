package readme

import (
	"os"
	"testing"

	"github.com/signet-auth/signet/test/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }
