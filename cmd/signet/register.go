package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// register is what the commands for one kind of record share: list, show, disable, enable.
type register struct {
	group  string // the command that holds them: "biller"
	path   string // in the admin API: "/billers"
	member string // of a page: "billers"
	arg    string // how usage names the id: "BILLER"
	header []string
	row    func(fields) []string
}

// fields are the members of a record, read without knowing its type.
type fields map[string]json.RawMessage

func readFields(raw json.RawMessage) (fields, error) {
	var out fields
	err := json.Unmarshal(raw, &out)
	return out, err
}

// text is a member as people read it: strings bare, everything else as JSON, "" when it is not there.
func (f fields) text(name string) string {
	raw, ok := f[name]
	if !ok || string(raw) == "null" {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return strings.Join(list, " ")
	}
	return string(raw)
}

// set writes a member.
func (f fields) set(name string, value any) error {
	raw, err := json.Marshal(value)
	f[name] = raw
	return err
}

func (f fields) yes(name string) bool { return string(f[name]) == "true" }

// live counts the keys of a record that verify now.
func (f fields) live(name string) string {
	var keys []struct {
		ExpiresAt *time.Time `json:"expires_at"`
	}
	_ = json.Unmarshal(f[name], &keys) // no list: nothing in it
	count := 0
	for _, key := range keys {
		if key.ExpiresAt == nil || time.Now().Before(*key.ExpiresAt) {
			count++
		}
	}
	return strconv.Itoa(count)
}

func (r *register) at(id string, more ...string) string {
	path := r.path + "/" + url.PathEscape(id)
	for _, segment := range more {
		path += "/" + url.PathEscape(segment)
	}
	return path
}

// list follows the pages.
func (a *app) recordList(r *register, short, next string) *cobra.Command {
	return &cobra.Command{Use: "list", Short: short, Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error { return a.showList(cmd.Context(), c, r, next) })
		}}
}

func (a *app) showList(ctx context.Context, c *api, r *register, next string) error {
	records, rows := []json.RawMessage{}, [][]string{}
	err := c.all(ctx, r.path, r.member, func(raw json.RawMessage) error {
		record, err := readFields(raw)
		if err != nil {
			return err
		}
		records, rows = append(records, raw), append(rows, r.row(record))
		return nil
	})
	if err != nil {
		return err
	}
	return a.printList(r, records, rows, next)
}

// showWhole prints a listing that has no pages: what belongs to one account.
func (a *app) showWhole(ctx context.Context, c *api, r *register, next string) error {
	var answer map[string][]json.RawMessage
	if err := c.call(ctx, http.MethodGet, r.path, 0, nil, &answer); err != nil {
		return err
	}
	records, rows := answer[r.member], [][]string{}
	if records == nil {
		records = []json.RawMessage{}
	}
	for _, raw := range records {
		record, err := readFields(raw)
		if err != nil {
			return err
		}
		rows = append(rows, r.row(record))
	}
	return a.printList(r, records, rows, next)
}

func (a *app) printList(r *register, records []json.RawMessage, rows [][]string, next string) error {
	if err := a.print(map[string]any{r.member: records}, func() { a.table(r.header, rows) }); err != nil {
		return err
	}
	a.next("%s", next)
	return nil
}

func (a *app) recordShow(r *register, short, next string) *cobra.Command {
	return &cobra.Command{Use: "show " + r.arg, Short: short, Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error { return a.get(cmd.Context(), c, r.at(args[0]), next, args[0]) })
		}}
}

// get shows one record; next may name it.
func (a *app) get(ctx context.Context, c *api, path, next, name string) error {
	var raw json.RawMessage
	if err := c.call(ctx, http.MethodGet, path, 0, nil, &raw); err != nil {
		return err
	}
	if err := a.showRecord(raw); err != nil {
		return err
	}
	a.next(next, visible(name))
	return nil
}

// recordActs are disable and enable.
func (a *app) recordActs(r *register, disable, enable string) []*cobra.Command {
	act := func(name, short, next string) *cobra.Command {
		return &cobra.Command{Use: name + " " + r.arg, Short: short, Args: arguments,
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.withAPI(cmd.Context(), func(c *api) error {
					return a.act(cmd.Context(), c, r.at(args[0], name), args[0]+": "+name+"d", fmt.Sprintf(next, visible(args[0])))
				})
			}}
	}
	return []*cobra.Command{act("disable", disable, "signet "+r.group+" enable %s (takes it in again)"),
		act("enable", enable, "signet "+r.group+" list")}
}

// act posts without a body and says what happened.
func (a *app) act(ctx context.Context, c *api, path, done, next string) error {
	var raw json.RawMessage
	if err := c.call(ctx, http.MethodPost, path, 0, nil, &raw); err != nil {
		return err
	}
	if err := a.print(raw, func() { a.say("%s", visible(done)) }); err != nil {
		return err
	}
	a.next("%s", next)
	return nil
}

// line is one member of an answer that people need, with the word that stands before it.
type line struct {
	member, word string
	once         bool // a secret that is shown this once
}

// make sends a body and shows the lines of the answer.
func (a *app) make(ctx context.Context, c *api, method, path string, body any, lines []line, next func(fields) string) error {
	var raw json.RawMessage
	if err := c.call(ctx, method, path, 0, body, &raw); err != nil {
		return err
	}
	record, err := readFields(raw)
	if err != nil {
		return err
	}
	if err := a.print(raw, func() {
		once := false
		for _, l := range lines {
			if value := record.text(l.member); value != "" {
				a.say("%-16s %s", l.word, visible(value))
				once = once || l.once
			}
		}
		if once {
			a.say("\nThe secret is shown this once; nobody can read it here again.")
		}
	}); err != nil {
		return err
	}
	a.next("%s", visible(next(record)))
	return nil
}

// bodyFrom reads a JSON object for --from, "" for none given; its members go on as they were written.
func (a *app) bodyFrom(path string) (body, error) {
	if path == "" {
		return body{}, nil
	}
	content, err := readInput(path, a.in)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(content, &members) != nil || members == nil {
		return nil, usage("--from is not a JSON object")
	}
	b := body{}
	for name, value := range members {
		b[name] = value
	}
	return b, nil
}

// body collects flags that were given.
type body map[string]any

func (b body) put(name string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
	case bool:
		if !v {
			return
		}
	}
	b[name] = value
}

// secretFrom reads a secret of one line from a file, "" for no file: the arguments of a process can be read by everyone
// on the machine.
func (a *app) secretFrom(b body, member, path string) error {
	if path == "" {
		return nil
	}
	secret, err := a.readSecret(strings.ReplaceAll(member, "_", " "), path)
	if err != nil {
		return err
	}
	b[member] = secret
	return nil
}

// overlapIn writes --overlap when it was given.
func overlapIn(cmd *cobra.Command, b body, overlap time.Duration) {
	if cmd.Flags().Changed("overlap") {
		b["overlap"] = int64(overlap / time.Second)
	}
}

// replace reads a record, lets change alter its members, and writes it back under the version that was read.
// Members that it leaves alone go back byte for byte.
func (c *api) replace(ctx context.Context, path string, change func(fields) error) (json.RawMessage, error) {
	var raw json.RawMessage
	if err := c.call(ctx, http.MethodGet, path, 0, nil, &raw); err != nil {
		return nil, err
	}
	record, err := readFields(raw)
	if err != nil {
		return nil, err
	}
	var head struct{ Version int64 }
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, err
	}
	if err := change(record); err != nil {
		return nil, err
	}
	var out json.RawMessage
	err = c.call(ctx, http.MethodPut, path, head.Version, record, &out)
	return out, err
}

// rotateKeyCommand adds a second key to a record: both prove until one ends.
func (a *app) rotateKeyCommand(r *register, what, member, short string, lines []line) *cobra.Command {
	var key keyFlags
	var overlap time.Duration
	cmd := &cobra.Command{Use: "rotate-key " + r.arg, Short: short, Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			b := body{}
			overlapIn(cmd, b, overlap)
			if err := a.keyIn(b, member, &key); err != nil {
				return err
			}
			return a.withAPI(cmd.Context(), func(c *api) error {
				return a.make(cmd.Context(), c, http.MethodPost, r.at(args[0], "keys"), b, lines, func(fields) string {
					return fmt.Sprintf("change the caller over, then signet %[1]s end-key %[2]s KID (signet %[1]s show %[2]s names the keys)", r.group, args[0])
				})
			})
		}}
	key.add(cmd, what)
	cmd.Flags().DurationVar(&overlap, "overlap", 0, "end the older key after so long; without it both stay")
	return cmd
}

// endKeyCommand ends one key of a record.
func (a *app) endKeyCommand(r *register, short string) *cobra.Command {
	return &cobra.Command{Use: "end-key " + r.arg + " KID", Short: short, Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAPI(cmd.Context(), func(c *api) error {
				if err := c.call(cmd.Context(), http.MethodDelete, r.at(args[0], "keys", args[1]), 0, nil, nil); err != nil {
					return err
				}
				if err := a.print(map[string]string{"kid": args[1]}, func() { a.say("%s: ended", visible(args[1])) }); err != nil {
					return err
				}
				a.next("signet %s show %s", r.group, visible(args[0]))
				return nil
			})
		}}
}
