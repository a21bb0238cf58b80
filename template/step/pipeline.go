package step

import (
	"slices"
	"text/template/parse"
)

// jsonProducers return JSON; shapers change no more than the white space around and between its tokens.
var (
	jsonProducers = []string{"toJson", "toPrettyJson", "toRawJson", "mustToJson", "mustToPrettyJson", "mustToRawJson"}
	shapers       = []string{"indent", "nindent", "trim"}
	mutators      = []string{"set", "unset", "merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite"}
)

// scan checks the functions of everything below a node and notes what variables are set to.
func (w *walker) scan(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		return scanAll(w, n.Nodes)
	case *parse.ActionNode:
		return w.scan(n.Pipe)
	case *parse.IfNode:
		return w.scanBranch(&n.BranchNode, false)
	case *parse.WithNode:
		return w.scanBranch(&n.BranchNode, false)
	case *parse.RangeNode:
		return w.scanBranch(&n.BranchNode, true)
	case *parse.TemplateNode:
		return w.scan(n.Pipe)
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, v := range n.Decl {
			w.vars[v.Ident[0]] = append(w.vars[v.Ident[0]], n)
		}
		return scanAll(w, n.Cmds)
	case *parse.CommandNode:
		return scanAll(w, n.Args)
	case *parse.ChainNode:
		return w.scan(n.Node)
	case *parse.IdentifierNode:
		if reason := refusedFunc(n.Ident, w.funcs); reason != "" {
			return w.fail(n.Pos, state{}, "function %q %s", n.Ident, reason)
		}
		if slices.Contains(mutators, n.Ident) {
			w.copies = true
		}
	}
	return nil
}

func scanAll[N parse.Node](w *walker, nodes []N) error {
	for _, n := range nodes {
		if err := w.scan(n); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) scanBranch(b *parse.BranchNode, loop bool) error {
	if err := w.scan(b.Pipe); err != nil {
		return err
	}
	if loop {
		for _, v := range b.Pipe.Decl { // elements of what the pipeline gives, not what it gives
			w.vars[v.Ident[0]] = append(w.vars[v.Ident[0]], nil)
		}
	}
	if err := w.scan(b.List); err != nil {
		return err
	}
	return w.scan(b.ElseList)
}

// producesJSON reports whether a pipeline ends in a function that returns JSON, or in a variable that
// is never set to anything else. seen are the variables being looked at.
func (w *walker) producesJSON(p *parse.PipeNode, seen []string) bool {
	if p == nil {
		return false
	}
	for i := len(p.Cmds) - 1; i >= 0; i-- {
		args := p.Cmds[i].Args
		if f, ok := args[0].(*parse.IdentifierNode); ok {
			if slices.Contains(jsonProducers, f.Ident) {
				return true
			}
			if !slices.Contains(shapers, f.Ident) {
				return false
			}
			if i > 0 { // what it shapes comes through the pipe
				continue
			}
		} else if len(args) > 1 {
			return false
		}
		switch a := args[len(args)-1].(type) {
		case *parse.PipeNode:
			return w.producesJSON(a, seen)
		case *parse.VariableNode:
			return len(a.Ident) == 1 && w.holdsJSON(a.Ident[0], seen)
		}
		return false
	}
	return false
}

func (w *walker) holdsJSON(name string, seen []string) bool {
	set := w.vars[name]
	if len(set) == 0 || slices.Contains(seen, name) {
		return false
	}
	for _, p := range set {
		if !w.producesJSON(p, append(seen, name)) {
			return false
		}
	}
	return true
}

// constant returns the string that a pipeline consists of.
func constant(p *parse.PipeNode) (string, bool) {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return "", false
	}
	s, ok := p.Cmds[0].Args[0].(*parse.StringNode)
	if !ok {
		return "", false
	}
	return s.Text, true
}

// isFail reports whether a pipeline ends in the function fail, which never returns.
func isFail(p *parse.PipeNode) bool {
	f, ok := p.Cmds[len(p.Cmds)-1].Args[0].(*parse.IdentifierNode)
	return ok && f.Ident == "fail"
}

// namesItsFields reports whether a pipeline is a dict with constant keys that becomes JSON: the one way
// to write a whole document as an action.
func namesItsFields(p *parse.PipeNode) bool {
	var dict *parse.CommandNode
	switch last := p.Cmds[len(p.Cmds)-1]; {
	case !isCall(last, jsonProducers...):
		return false
	case len(p.Cmds) == 2 && len(last.Args) == 1:
		dict = p.Cmds[0]
	case len(p.Cmds) == 1 && len(last.Args) == 2:
		inner, ok := last.Args[1].(*parse.PipeNode)
		if !ok || len(inner.Cmds) != 1 {
			return false
		}
		dict = inner.Cmds[0]
	default:
		return false
	}
	if !isCall(dict, "dict") {
		return false
	}
	for i := 1; i < len(dict.Args); i += 2 {
		if _, ok := dict.Args[i].(*parse.StringNode); !ok {
			return false
		}
	}
	return true
}

func isCall(c *parse.CommandNode, names ...string) bool {
	f, ok := c.Args[0].(*parse.IdentifierNode)
	return ok && slices.Contains(names, f.Ident)
}
