// Rootca is an offline root: it is run by hand, on a machine that is not connected to anything, a few
// times in its life. It signs certificates of CAs and nothing else.
//
//	go run ./examples/rootca init -dir root -name Example
//	go run ./examples/rootca sign-intermediate -dir root -out intermediate.crt request.csr
//	go run ./examples/rootca revoke -dir root SERIAL
//	go run ./examples/rootca crl -dir root -out root.crl
//
// The folder holds the root's certificate, its key under a password, the records of what was signed
// (chancery.sqlite, and for people index.jsonl), and the number of the last CRL. Keep copies of all of it.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	t := &terminal{in: bufio.NewReader(os.Stdin), out: os.Stdout}
	if err := run(ctx, os.Args[1:], t); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "rootca: %s\n", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

const usage = `usage: rootca command [flags] [argument]

  init                   make a root: key and certificate
  sign-intermediate CSR  sign the certificate of a CA
  revoke SERIAL          end the life of a certificate that was signed here
  crl                    write the list of those

rootca command -help lists the flags of a command.
`

type command func(ctx context.Context, args []string, t *terminal) error

func run(ctx context.Context, args []string, t *terminal) error {
	commands := map[string]command{"init": initRoot, "sign-intermediate": signIntermediate, "revoke": revoke, "crl": writeCRL}
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprint(t.out, usage)
		if len(args) > 0 && !strings.Contains(args[0], "help") {
			return fmt.Errorf("there is no command %q", args[0])
		}
		return flag.ErrHelp
	}
	return commands[args[0]](ctx, args[1:], t)
}

// flags are those that every command has.
type flags struct {
	*flag.FlagSet
	dir, passwordFile string
}

func newFlags(name string, t *terminal) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	f.SetOutput(t.out)
	f.StringVar(&f.dir, "dir", "./root-ca", "the root's `folder`")
	f.StringVar(&f.passwordFile, "password-file", "", "`file` with the password of the root's key; without it, you are asked")
	return f
}

// parse wants as many arguments as there are names for them.
func (f *flags) parse(args []string, names ...string) error {
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != len(names) {
		return fmt.Errorf("%s wants %d arguments behind the flags%s, not %d", f.Name(), len(names), list(names), f.NArg())
	}
	return nil
}

func list(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// terminal is whoever sits there.
type terminal struct {
	in  *bufio.Reader
	out io.Writer
}

func (t *terminal) ask(question string) (string, error) {
	fmt.Fprint(t.out, question)
	line, err := t.in.ReadString('\n')
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		return "", fmt.Errorf("nobody answered: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// errRefused is the answer no.
var errRefused = errors.New("nothing was done")

func (t *terminal) confirm(question string) error {
	a, err := t.ask(question + " Type yes: ")
	if err != nil {
		return err
	}
	if a != "yes" {
		return errRefused
	}
	return nil
}
