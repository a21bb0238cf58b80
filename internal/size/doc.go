// Package size holds the weight budget as a test: a program that is a certificate authority and little
// else must stay small, and link nothing that it did not ask for.
package size
