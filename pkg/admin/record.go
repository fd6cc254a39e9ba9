package admin

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/signet-auth/signet/pkg/signet"
	"github.com/signet-auth/signet/pkg/web"
)

// record is what the registers share, whatever they keep: how one of its records is found, shown, replaced, disabled.
// What differs stands in its fields; the order of the steps stands in its methods, once.
type record[R any] struct {
	noun string // in answers: "client"
	// find reads the record that the path names. Errors: CodeNotFound, CodeUnavailable.
	find func(c *call) (*R, error)
	// version is what If-Match must name; nil: the record has no entity tag.
	version func(*R) int64
	view    func(*R) any
	// event begins the audit event of an act on the record.
	event func(c *call, kind signet.EventKind, r *R) signet.Event
	// disable ends or brings back what the record may do, with everything that must end with it, in one transaction.
	disable           func(ctx context.Context, r *R, disabled bool, event signet.Event) error
	disabled, enabled signet.EventKind
}

// load finds the record of the path. Records of a store are shared: the copy may be changed.
func (k *record[R]) load(c *call) (*R, error) {
	if err := noQuery(c.r); err != nil {
		return nil, err
	}
	found, err := k.find(c)
	if err != nil {
		return nil, noSuch(k.noun, err)
	}
	own := *found
	return &own, nil
}

func (k *record[R]) write(c *call, status int, r *R) { k.writeView(c, status, r, k.view(r)) }

// writeView writes a view that says more than the record: a secret that was just made.
func (k *record[R]) writeView(c *call, status int, r *R, view any) {
	if k.version != nil {
		c.w.Header().Set("ETag", etag(k.version(r)))
	}
	web.WriteJSON(c.w, status, view)
}

// writeStored answers with what stands now.
func (k *record[R]) writeStored(c *call) error {
	stored, err := k.find(c)
	if err != nil {
		return noSuch(k.noun, err)
	}
	k.write(c, http.StatusOK, stored)
	return nil
}

// get is the handler that shows one record.
func (k *record[R]) get(c *call) error {
	found, err := k.load(c)
	if err != nil {
		return err
	}
	k.write(c, http.StatusOK, found)
	return nil
}

// setDisabled is the handler that disables a record, or enables it.
func (k *record[R]) setDisabled(disabled bool) handler {
	kind := k.enabled
	if disabled {
		kind = k.disabled
	}
	return func(c *call) error {
		found, err := k.load(c)
		if err != nil {
			return err
		}
		if err := empty(c.r); err != nil {
			return err
		}
		if err := k.disable(c.ctx(), found, disabled, k.event(c, kind, found)); err != nil {
			return noSuch(k.noun, err)
		}
		return k.writeStored(c)
	}
}

// replace is the list that every PUT of a record walks:
//
//  1. the record of the path, 2. If-Match names the version that stands, 3. the body, strictly,
//  4. change judges it against the record, writes it into that, and begins the audit event,
//  5. update writes both in one transaction where the version still stands, 6. the answer is what stands then.
func replace[R, In any](c *call, k *record[R], update func(context.Context, *R, signet.Event) error,
	change func(r *R, in *In) (signet.Event, error),
) error {
	found, err := edited(c, k)
	if err != nil {
		return err
	}
	var in In
	if err := decode(c.r, &in); err != nil {
		return err
	}
	event, err := change(found, &in)
	if err != nil {
		return err
	}
	if err := update(c.ctx(), found, event); err != nil {
		return stale(err)
	}
	return k.writeStored(c)
}

// edited is the record of the path, for a caller that has read the version that stands.
func edited[R any](c *call, k *record[R]) (*R, error) {
	found, err := k.load(c)
	if err != nil {
		return nil, err
	}
	return found, matchVersion(c.r, k.version(found))
}

// named is the value of the path that names a record; what can be no name of one finds nothing.
func named(c *call, place string, form *regexp.Regexp) (string, error) {
	name := c.r.PathValue(place)
	if !form.MatchString(name) {
		return "", signet.ErrNotFound
	}
	return name, nil
}

// noSuch says what was not found, unless the error says it itself.
func noSuch(noun string, err error) error {
	if !errors.Is(err, signet.ErrNotFound) || said(err) {
		return err
	}
	return &signet.Error{Code: signet.CodeNotFound, Message: "There is no such " + noun + ".", Reason: signet.ReasonOf(err), Cause: err}
}

// taken says what of a new record another has already, unless the error says it itself.
func taken(what string, err error) error {
	if signet.CodeOf(err) != signet.CodeConflict || said(err) {
		return err
	}
	return &signet.Error{Code: signet.CodeConflict, Message: "The " + what + " is taken.", Reason: "taken", Cause: err}
}

// staleVersion is the reason of a store for a write whose version no longer stands.
const staleVersion = "stale_version"

// stale says that somebody else wrote in between; other conflicts stay what they are.
func stale(err error) error {
	if signet.CodeOf(err) == signet.CodeConflict && signet.ReasonOf(err) == staleVersion {
		return &signet.Error{Code: codeStale, Reason: "changed_meanwhile", Cause: err}
	}
	return err
}

func said(err error) bool {
	var known *signet.Error
	return errors.As(err, &known) && known.Message != ""
}

// unchanged refuses another value for what callers know the record by.
func unchanged(member, given, stands string) error {
	if given != "" && given != stands {
		return badRequest(member, "The %s cannot be changed.", member)
	}
	return nil
}

// writePage answers a page of a listing; view also names the record, for the next page to begin after.
func writePage[R, V any](a *Admin, c *call, member string, list func(context.Context, string, int) ([]R, error), view func(*R) (V, string)) error {
	page, err := a.page(c.r, member)
	if err != nil {
		return err
	}
	records, err := list(c.ctx(), page.After, page.Limit)
	if err != nil {
		return err
	}
	views, last := make([]V, 0, len(records)), ""
	for i := range records {
		var shown V
		shown, last = view(&records[i])
		views = append(views, shown)
	}
	writeList(c, member, views, a.nextPage(member, page, len(records), last))
	return nil
}

// writeAll answers a listing that has no pages.
func writeAll[R, V any](c *call, member string, records []R, view func(*R) V) {
	views := make([]V, 0, len(records))
	for i := range records {
		views = append(views, view(&records[i]))
	}
	writeList(c, member, views, "")
}

// faults are the problems of a body found so far. Texts are ours alone: what a caller sent is never repeated.
type faults []string

func (j *faults) need(ok bool, member, text string) {
	if !ok {
		*j = append(*j, member+" "+text)
	}
}

// refuse names every problem at once, up to a number that people read; nil when there is none.
func (j *faults) refuse(reason string) error {
	if len(*j) == 0 {
		return nil
	}
	return badRequest(reason, "%s.", strings.Join((*j)[:min(len(*j), 20)], "; "))
}
