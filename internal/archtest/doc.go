// Package archtest holds the plan of the house as a test: which packages there are, which of ours and
// which of other people's each may import, and what library code never does. It reads the source with
// go/parser, in process, so the test cache cannot serve it stale.
//
// A failure says which rule it is. A new package or a new edge is not a mistake by itself: it belongs in
// the table, in the same change, with a thought given to whether it should be there.
package archtest
