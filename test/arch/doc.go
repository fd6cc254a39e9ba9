// Package arch reads signet's source and fails when a package leaves its room: an unknown package or import, a clock or
// an environment read outside its home, mutable package state, undocumented names, or code over the ceilings.
//
//	load.go       parses every package of the module (third_party excepted)
//	imports.go    the map of the house: who may import whom, and the one home of every dependency
//	source.go     clock, environment, init, package variables, documentation
//	ceilings.go   lines, cyclomatic complexity, methods of an interface
//
// Each rule is seen red on a small bad source in arch_test.go, so that a rule that has stopped working is noticed.
package arch
