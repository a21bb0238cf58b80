package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/export"
)

func list(ctx context.Context, c *command, args []string) (err error) {
	var q choice
	q.flags(c.FlagSet, time.Now())
	oldest := c.Bool("oldest", false, "the oldest first")
	limit := c.Int("limit", 100, "how many at most; 0: all")
	if _, err := c.parse(args, 0); err != nil {
		return err
	}
	q.NewestFirst, q.Limit = !*oldest, 1000
	if *limit > 0 {
		q.Limit = min(*limit+1, q.Limit)
	}
	store, err := c.reader(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	more, err := table(c.stdout, first(authority.EachOf(ctx, store.List, q.Query), *limit), time.Now())
	if err == nil && more {
		fmt.Fprintf(c.stderr, "There are more than these %d; see -limit.\n", *limit)
	}
	return err
}

// first yields that many records, and then errMore if there is another one. 0 yields all.
func first(records iter.Seq2[*authority.Record, error], limit int) iter.Seq2[*authority.Record, error] {
	return func(yield func(*authority.Record, error) bool) {
		n := 0
		for r, err := range records {
			if n++; limit > 0 && n > limit && err == nil {
				yield(nil, errMore)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

var errMore = errors.New("there are more")

func exportRecords(ctx context.Context, c *command, args []string) (err error) {
	var q choice
	q.flags(c.FlagSet, time.Now())
	format := c.String("format", "jsonl", "`jsonl`: a JSON object for each, a line each; or pem: the certificates")
	bare := c.Bool("bare", false, "leave the certificates out of jsonl")
	newest := c.Bool("newest", false, "the newest first")
	if _, err := c.parse(args, 0); err != nil {
		return err
	}
	q.NewestFirst, q.Limit = *newest, 1000
	if *format != "jsonl" && *format != "pem" {
		return errors.New("-format is jsonl or pem, not " + strconv.Quote(*format))
	}
	store, err := c.reader(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	records := authority.EachOf(ctx, store.List, q.Query)
	if *bare {
		records = export.Bare(records)
	}
	write := export.JSONLines
	if *format == "pem" {
		write = export.PEM
	}
	w := bufio.NewWriterSize(c.stdout, 64<<10)
	return errors.Join(write(w, records), w.Flush()) // what came before an error is whole
}
