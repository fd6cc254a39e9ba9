// Package readme runs what README.md says, so that the first page a person reads cannot go stale.
package readme
