package sqlstore

// steps returns the script behind the gate. What locks comes first, then the checks, then what is written.
func (a *attempt) steps() []*Step {
	in, names := list(a.names)
	all := []*Step{
		{Query: lockOpen, Args: []any{a.key}, Row: func(r Row) (err error) {
			a.open, err = readOrder(r)
			return err
		}},
		{Query: fill(lockLive, "%list", in), Args: names, Row: ignore, Skip: always},
	}
	all = append(all, a.checks(in, names)...)
	return append(all, a.writes(in, names)...)
}

// noOther skips what is about an open order, when there is none.
func (a *attempt) noOther() bool { return a.open == nil }

func (a *attempt) checks(in string, names []any) []*Step {
	ids, idArgs := list(a.ids)
	a.reused = a.g.void(ifReusable, a.key, a.end, a.end)
	a.reused.Skip = a.noOther
	a.known = a.g.void(fill(ifKnown, "%list", ids), with([]any{a.Order.ID}, idArgs...)...)
	all := []*Step{a.reused, a.known}
	if a.replaces != nil {
		a.replaced = a.g.void(ifReplaced, a.replaces, a.key)
		all = append(all, a.replaced)
	}
	if a.MaxPending > 0 {
		k := int64(len(a.names))
		a.tooMany = a.g.void(fill(ifTooMany, "%list", in), with(names, a.end, k, k-int64(a.MaxPending), a.Order.Account, a.Now.UnixMicro())...)
		all = append(all, a.tooMany)
	}
	if !a.unless.none() {
		full, args := a.unless.full()
		a.unlessFull = a.g.void(full, args...)
		all = append(all, a.unlessFull)
	}
	if !a.tallies.none() {
		full, args := a.tallies.full()
		a.full = a.g.void(full, args...)
		all = append(append(all, a.tallies.lock(admitted, a.g.args...)...), a.full)
	}
	return all
}

func (a *attempt) writes(in string, names []any) []*Step {
	a.missing = a.g.void(ifMissing, a.Order.ID, a.version)
	rows, rowArgs := table(a.authzs, isText, isText, isText, isBytes, isInt, isInt, isInt, isInt, isInt, isText, isText)
	links, linkArgs := table(a.links, isBytes, isInt)
	until := a.Order.Expires.UnixMicro()
	insert := &Step{Query: insertOrder, Args: with(a.order, a.g.args...)}
	a.missing.Skip = func() bool { return insert.N == 1 }
	fresh := &Step{Query: fill(insertAuthzs, "%v", rows), Args: with(rowArgs, a.g.args...)}
	allFresh := func() bool { return fresh.N == int64(len(a.names)) }
	all := []*Step{
		{Query: releaseOpen, Args: with([]any{a.key}, a.g.args...), Skip: a.noOther},
		insert,
		a.missing,
		{Query: fill(releaseLive, "%list", in), Args: with(names, with([]any{a.end}, a.g.args...)...)},
		fresh,
		{Query: fill(insertLinks, "%v", links), Args: with(linkArgs, with([]any{a.Order.ID}, a.g.args...)...)},
		{Query: fill(keepLive, "%list", in), Args: with([]any{until, until, until}, with(names, with([]any{until}, a.g.args...)...)...), Skip: allFresh},
	}
	all = append(all, a.tallies.count(admitted, a.g.args...)...)
	return append(all, someAuthzs(&a.auths, selectLinkedOpen, a.key))
}
