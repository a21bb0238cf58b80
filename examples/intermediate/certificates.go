package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"github.com/chancery-ca/chancery/authority/stepconfig"
)

const certificatesUsage = `usage: intermediate certificates COMMAND [flags]

  list                 a table of certificates, the newest first
  show SERIAL          one certificate, and what is known of it
  export               all of them, for other programs
  revoke SERIAL        end one, or with flags all that they choose
  release SERIAL       end a hold

The first three only read, also while the server runs. The others need the database for themselves if it is
SQLite; while the server runs, use step ca revoke, which asks it. Each has -help.
`

// command is one way to look at or change the records.
type command struct {
	*flag.FlagSet
	place
	stdout, stderr io.Writer
}

// certificates runs the subcommand of that name.
func certificates(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	commands := map[string]func(context.Context, *command, []string) error{
		"list": list, "show": show, "export": exportRecords, "revoke": revoke, "release": release,
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	do, ok := commands[name]
	if !ok {
		fmt.Fprint(stderr, certificatesUsage)
		if name == "" || name == "help" || name == "-help" || name == "-h" || name == "--help" {
			return nil
		}
		return fmt.Errorf("there is no command %q", name)
	}
	c := &command{FlagSet: flag.NewFlagSet("certificates "+name, flag.ContinueOnError), stdout: stdout, stderr: stderr}
	c.SetOutput(stderr)
	c.place.flags(c.FlagSet)
	if err := do(ctx, c, args[1:]); !errors.Is(err, flag.ErrHelp) {
		return err
	}
	return nil
}

// parse reads flags, which may stand before and behind the arguments, and returns up to that many arguments.
func (c *command) parse(args []string, most int) ([]string, error) {
	var rest []string
	for {
		if err := c.FlagSet.Parse(args); err != nil {
			return nil, err
		}
		if args = c.Args(); len(args) == 0 {
			break
		}
		if rest, args = append(rest, args[0]), args[1:]; len(rest) > most {
			return nil, fmt.Errorf("there is no argument %q; see -help", rest[most])
		}
	}
	set := map[string]bool{}
	c.Visit(func(f *flag.Flag) { set[f.Name] = true })
	return rest, c.check(set)
}

// open finds the folder and reads its configuration. Warnings about it are for the server to tell.
func (c *command) open() (*folder, *stepconfig.File, error) {
	at := findFolder(c.place, slog.New(slog.DiscardHandler))
	at.findPassword()
	file, err := at.load()
	return at, file, err
}

// reader opens the records without changing anything about them.
func (c *command) reader(ctx context.Context) (stepconfig.Store, error) {
	at, file, err := c.open()
	if err != nil {
		return nil, err
	}
	return at.openStore(ctx, file, true)
}
