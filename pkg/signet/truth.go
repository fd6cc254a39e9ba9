package signet

import "context"

type truthKey struct{}

// FromTruth marks a context in which records are read from the database, never from what this node remembers of them, which
// may be up to a second old. It is for whoever reads in order to write, and for whoever shows people what they just did,
// whichever node did it: without it a version that another node has just given would be refused, and a record that it has
// just made would not be there. The mark says nothing of what is read in the store's own transactions, which is the truth.
func FromTruth(ctx context.Context) context.Context {
	if WantsTruth(ctx) {
		return ctx
	}
	return context.WithValue(ctx, truthKey{}, true)
}

// WantsTruth reports whether the context was marked by FromTruth.
func WantsTruth(ctx context.Context) bool {
	wants, _ := ctx.Value(truthKey{}).(bool)
	return wants
}
