package step

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	ttemplate "text/template"
	"text/template/parse"

	"github.com/chancery-ca/chancery/template"
)

// walker follows the text of a template through its parse tree, keeps the place in the document that
// it has got to, and ends every action with the escaper that fits there.
type walker struct {
	*compiled
	trees  map[string]*parse.Tree
	funcs  ttemplate.FuncMap
	output map[string]*parse.Tree
	made   map[string]*call // copies of templates made by define, one for each state they are called in
	active []string         // those being walked
	vars   map[string][]*parse.PipeNode
	loops  []state
	tree   *parse.Tree // being walked
}

type call struct {
	name string
	out  state
}

func (w *walker) template(main *parse.Tree) error {
	w.output = map[string]*parse.Tree{main.Name: main}
	w.vars = map[string][]*parse.PipeNode{}
	for _, t := range w.trees {
		if err := w.scan(t.Root); err != nil {
			return err
		}
	}
	w.tree = main
	out, err := w.list(main.Root, state{})
	if err != nil {
		return err
	}
	if out.mode != atEnd && out.mode != unreachable {
		return w.fail(parse.Pos(len(w.source)), out, "the text ends %s", out.mode)
	}
	return nil
}

func (w *walker) fail(pos parse.Pos, s state, format string, args ...any) error {
	p := positionIn(w.source, int(pos))
	return &template.ParseError{
		Template: w.name, Line: p.line, Column: p.column, Field: s.field(), Reason: fmt.Sprintf(format, args...),
	}
}

func (w *walker) list(l *parse.ListNode, s state) (state, error) {
	if l == nil {
		return s, nil
	}
	for _, n := range l.Nodes {
		var err error
		if s, err = w.node(n, s); err != nil {
			return s, err
		}
		if s.mode == unreachable {
			break // what follows is never rendered
		}
	}
	return s, nil
}

func (w *walker) node(n parse.Node, s state) (state, error) {
	switch n := n.(type) {
	case *parse.TextNode:
		return w.text(s, string(n.Text), func(i int) parse.Pos { return n.Pos + parse.Pos(i) })
	case *parse.ActionNode:
		return w.action(n, s)
	case *parse.IfNode:
		return w.branch(&n.BranchNode, s)
	case *parse.WithNode:
		return w.branch(&n.BranchNode, s)
	case *parse.RangeNode:
		return w.loop(n, s)
	case *parse.TemplateNode:
		return w.call(n, s)
	case *parse.BreakNode, *parse.ContinueNode:
		entry := w.loops[len(w.loops)-1]
		if _, ok := s.meet(entry); !ok {
			return s, w.fail(n.Position(), s, "%s leaves the loop %s, and the loop began %s", n, s.mode, entry.mode)
		}
		return state{mode: unreachable}, nil
	case *parse.CommentNode:
		return s, nil
	default:
		return s, w.fail(n.Position(), s, "%s is not supported", n)
	}
}

func (w *walker) text(s state, text string, at func(int) parse.Pos) (state, error) {
	l := lexer{root: w.fields, named: func(i int, s state) {
		if f := s.field(); w.lines[f] == (position{}) {
			w.lines[f] = positionIn(w.source, int(at(i))-len(s.top().key))
		}
	}}
	next, i, err := l.advance(s, text)
	if err != nil {
		return s, w.fail(at(i), next, "%s", err)
	}
	return next, nil
}

// action adds the escaper. What it is depends on where the action stands and on nothing else.
func (w *walker) action(n *parse.ActionNode, s state) (state, error) {
	if len(n.Pipe.Decl) > 0 {
		return s, nil // it prints nothing
	}
	if isFail(n.Pipe) {
		return state{mode: unreachable}, nil
	}
	if c, ok := constant(n.Pipe); ok { // text of the template, only written as an action
		return w.text(s, c, func(int) parse.Pos { return n.Pos })
	}
	escaper := valueEscaper
	if w.producesJSON(n.Pipe, nil) {
		escaper = jsonEscaper
	}
	switch s.mode {
	case inString:
		if reserved(s.field()) {
			return s, w.fail(n.Pos, s, "%s", errReserved)
		}
		if s.first == '{' && s.field() == "sans[].value" {
			return s, w.fail(n.Pos, s, "an action in a JSON document inside a string, where its value could break out; write the document as asn1Value")
		}
		w.append(n.Pipe, s, stringEscaper)
		s.first = max(s.first, 1)
		return s, nil
	case atValue, inArray:
		if reserved(s.field()) {
			return s, w.fail(n.Pos, s, "%s", errReserved)
		}
		if s.mode == inArray && s.sep == element {
			return s, w.fail(n.Pos, s, "a comma is missing before this element")
		}
		w.append(n.Pipe, s, escaper)
		return s.afterValue(), nil
	case atStart:
		if !namesItsFields(n.Pipe) {
			return s, w.fail(n.Pos, s, "an action that makes the whole document: its data would choose the fields; write them in the template")
		}
		w.append(n.Pipe, s, jsonEscaper)
		s.mode = atEnd
		return s, nil
	case inKey, inObject, atColon:
		return s, w.fail(n.Pos, s, "an action %s: only the text of a template can name a field", s.mode)
	default:
		return s, w.fail(n.Pos, s, "an action %s", s.mode)
	}
}

// append ends the pipeline with an escaper that knows its site.
func (w *walker) append(p *parse.PipeNode, s state, escaper string) {
	i := len(w.sites)
	end := len(w.source)
	if n := strings.Index(w.source[p.Pos:], "}}"); n >= 0 {
		end = int(p.Pos) + n
	}
	w.sites = append(w.sites, site{positionIn(w.source, int(p.Pos)), int(p.Pos), end, s.field()})
	p.Cmds = append(p.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: p.Pos, Args: []parse.Node{
		parse.NewIdentifier(escaper).SetPos(p.Pos).SetTree(w.tree),
		&parse.NumberNode{NodeType: parse.NodeNumber, Pos: p.Pos, IsInt: true, Int64: int64(i), Text: strconv.Itoa(i)},
	}})
}

func (w *walker) branch(n *parse.BranchNode, s state) (state, error) {
	a, err := w.list(n.List, s)
	if err != nil {
		return s, err
	}
	b, err := w.list(n.ElseList, s)
	if err != nil {
		return s, err
	}
	out, ok := a.meet(b)
	if !ok {
		return s, w.fail(n.Pos, s, "the branches end in different places of the document: one %s, one %s", a.mode, b.mode)
	}
	return out, nil
}

func (w *walker) loop(n *parse.RangeNode, s state) (state, error) {
	w.append(n.Pipe, s, loopGuard)
	entry := s
	if s.mode == inObject || s.mode == inArray {
		entry.sep = unknown // the first round or a later one
	}
	w.loops = append(w.loops, entry)
	body, err := w.list(n.List, entry)
	w.loops = w.loops[:len(w.loops)-1]
	if err != nil {
		return s, err
	}
	again, ok := body.meet(entry)
	if !ok {
		return s, w.fail(n.Pos, s, "a round of the loop begins %s and ends %s", entry.mode, body.mode)
	}
	none, err := w.list(n.ElseList, s)
	if err != nil {
		return s, err
	}
	out, ok := again.meet(none)
	if !ok {
		return s, w.fail(n.Pos, s, "the loop and its else end in different places of the document: one %s, one %s", again.mode, none.mode)
	}
	return out, nil
}

// call walks a copy of the template called, made for the state it is called in.
func (w *walker) call(n *parse.TemplateNode, s state) (state, error) {
	id := n.Name + " " + s.id()
	if c, ok := w.made[id]; ok {
		n.Name = c.name
		return c.out, nil
	}
	t := w.trees[n.Name]
	switch {
	case t == nil:
		return s, w.fail(n.Pos, s, "there is no template %q", n.Name)
	case slices.Contains(w.active, n.Name):
		return s, w.fail(n.Pos, s, "template %q calls itself", n.Name)
	case len(w.made) >= maxCopies:
		return s, w.fail(n.Pos, s, "templates are called from more than %d places", maxCopies)
	}
	name := w.name + "$" + strconv.Itoa(len(w.made)) // longer than the name of the main one
	t = t.Copy()
	t.Name = name
	outer, loops := w.tree, w.loops
	w.tree, w.loops, w.active = t, nil, append(w.active, n.Name)
	out, err := w.list(t.Root, s)
	w.tree, w.loops, w.active = outer, loops, w.active[:len(w.active)-1]
	if err != nil {
		return s, err
	}
	w.made[id] = &call{name, out}
	w.output[name] = t
	n.Name = name
	return out, nil
}
