package main

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/signet-auth/signet/config"
	"github.com/signet-auth/signet/storage/sqlstore"
)

func (a *app) migrateCommand() *cobra.Command {
	up := &cobra.Command{Use: "up", Short: "Bring the schema to this version of signet", Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSchema(cmd, func(store *sqlstore.Store) error {
				if err := store.Migrate(cmd.Context()); err != nil {
					return databaseError(err)
				}
				if err := a.printMigrations(cmd, store); err != nil {
					return err
				}
				a.next("signet admin init (once, for the first admin key)")
				return nil
			})
		}}
	status := &cobra.Command{Use: "status", Short: "Say which migrations have run", Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSchema(cmd, func(store *sqlstore.Store) error { return databaseError(a.printMigrations(cmd, store)) })
		}}
	cmd := group("migrate", "Look after the database schema", up, status)
	cmd.PersistentFlags().StringVar(&a.config, "config", "", "configuration file (environment over it)")
	return cmd
}

func (a *app) withSchema(cmd *cobra.Command, fn func(*sqlstore.Store) error) error {
	cfg, err := config.Load(a.config, a.environ)
	if err != nil {
		return err
	}
	if cfg.Postgres.DSN == "" {
		return usage("postgres.dsn is needed (--config FILE, or SIGNET_POSTGRES__DSN)")
	}
	store, err := sqlstore.Open(cmd.Context(), postgresOptions(cfg, a.logger(cfg.Log), time.Now))
	if err != nil {
		return databaseError(err)
	}
	defer store.Close()
	return fn(store)
}

func (a *app) printMigrations(cmd *cobra.Command, store *sqlstore.Store) error {
	list, err := store.MigrationStatus(cmd.Context())
	if err != nil {
		return err
	}
	type line struct {
		Version   int64      `json:"version"`
		Name      string     `json:"name"`
		AppliedAt *time.Time `json:"applied_at"`
	}
	lines, rows, pending := []line{}, [][]string{}, 0
	for _, m := range list {
		applied := "pending"
		if m.AppliedAt != nil {
			applied = m.AppliedAt.Format(time.RFC3339)
		} else {
			pending++
		}
		lines = append(lines, line{m.Version, m.Name, m.AppliedAt})
		rows = append(rows, []string{strconv.FormatInt(m.Version, 10), m.Name, applied})
	}
	if err := a.print(map[string]any{"migrations": lines, "pending": pending}, func() {
		a.table([]string{"VERSION", "NAME", "APPLIED"}, rows)
	}); err != nil {
		return err
	}
	if pending > 0 {
		a.next("signet migrate up")
	} else if cmd.Name() == "status" {
		a.next("signet serve")
	}
	return nil
}
