package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

type settings struct {
	binary      string
	connections int
	duration    time.Duration
	warmUp      time.Duration
	only        *regexp.Regexp
	postgres    string
	redis       string
	samples     int
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say bench, floor or timing")
	}
	set := flag.NewFlagSet("load "+args[0], flag.ContinueOnError)
	s := settings{postgres: os.Getenv("SIGNET_TEST_POSTGRES"), redis: os.Getenv("SIGNET_TEST_REDIS")}
	set.StringVar(&s.binary, "signet", "bin/signet", "the signet binary")
	set.IntVar(&s.connections, "connections", 8, "connections in the closed loop")
	set.DurationVar(&s.duration, "duration", 4*time.Second, "how long each operation is measured")
	set.DurationVar(&s.warmUp, "warm-up", time.Second, "how long each operation runs before that")
	only := set.String("only", "", "measure only operations, or kinds of logins, whose name matches this regular expression")
	set.IntVar(&s.samples, "samples", 2000, "how often timing measures each kind of login")
	if err := set.Parse(args[1:]); err != nil {
		return err
	}
	var err error
	if s.only, err = regexp.Compile(*only); err != nil {
		return err
	}
	if s.postgres == "" || s.redis == "" {
		return fmt.Errorf("SIGNET_TEST_POSTGRES and SIGNET_TEST_REDIS must name servers: run make bench")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch args[0] {
	case "bench":
		return bench(ctx, s)
	case "floor":
		return serveFloor(ctx, s)
	case "timing":
		return timing(ctx, s)
	default:
		return fmt.Errorf("unknown command %q", args[0])
	}
}
