// Package provisioner is about one question: may this credential have what it asks for? A [Provisioner]
// answers it with a [Grant], the most that may be had, or a [Refusal]; whoever issues stays below the
// one and reports the other.
//
// The sub-packages are kinds of provisioners. What those of step's one-time tokens have in common is
// here: [Token], [Claims], [OneTime], and for the makers of tokens [Ticket]. Package provisionertest
// holds the suite that says what a provisioner must do, and must not.
package provisioner
