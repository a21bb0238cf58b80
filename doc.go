// Package chancery is the root of a module for programs that have to be a certificate authority. There
// is no code here: begin with package authority, which is the CA itself, and with the README.
//
//	authority                 the pipeline that every certificate passes through
//	authority/httpapi         step-ca's HTTP API for it, as an http.Handler
//	authority/authoritytest   throwaway CAs for unit tests
//	authority/sqlite          a store in one file
//	authority/stepconfig      reads and makes folders such as those of `step ca init`
//	provisioner               who may ask, and what for
//	inventory                 what is known about them
//	template                  what exactly is issued
//	template/step             the same, written in step's template documents
//	kms                       the keys that sign
//	event                     who is told
//
// examples/intermediate is an online CA made of these, ready to run.
package chancery
