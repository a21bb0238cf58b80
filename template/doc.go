// Package template decides what exactly is issued: a [Template] makes an [*x509.Certificate] of what is
// known about a request, and the authority completes and signs it.
//
// [Leaf] and its neighbours are step's default templates, made in Go. [New] makes one of a function.
// Those written as text, in step's document format, are package step's, below: they bring a text engine
// and its function library with them, which a program that does not need them does not link.
//
// A template is rendered by any number of goroutines.
package template
