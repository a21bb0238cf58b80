// Package authority is a certificate authority to build into a program: the pipeline that every
// certificate passes through, the issuers that sign, the policy that decides, and the seams to what the
// program brings along.
//
// An [Authority] is put together by [New] from live values: provisioners (who may ask), an inventory
// (what is known about them), profiles with templates (what exactly is issued), issuers with signers
// (the keys), a [Store] (what is remembered) and event sinks (who is told). There is one way through:
//
//	authenticate  provisioner: who asks, and what may they have at most?
//	look up       inventory: what is known about them now?
//	decide        names, validity, policies, groups, callback: may this be issued?
//	render        template: what exactly is issued?
//	check         is it what was allowed, and would it be valid?
//	reserve       serial, exact bytes and spent token, durable, before the key is used
//	sign          the issuer's key, on those bytes
//	compare       what was signed is what was recorded
//	commit        certificate and events, durable
//
// Nothing else reaches a key. Renewals go the same way and are judged by today's provisioner, inventory
// and policy. [Authority.Explain] walks the first five steps and tells what each of them said.
//
// [Config].SSH has it certify SSH keys, too, or nothing else: [Authority.IssueSSH] goes the same way, to keys of their
// own.
//
// Nothing runs in the background unless the program calls [Authority.Run]. Package httpapi serves the
// authority over step-ca's HTTP API, packages sqlite and others are stores, package authoritytest makes
// throwaway authorities for unit tests.
package authority
