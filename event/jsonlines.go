package event

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// NewJSONLines returns a Sink that writes each event as one line: the JSON of CloudEvents 1.0 and a line
// feed, in a single Write, one at a time. An error of w is returned; the sink neither syncs nor closes w.
// What a failed Write left of a line is ended before the next one, so that lines which were accepted are
// always whole.
func NewJSONLines(w io.Writer) Sink { return &jsonLines{w: w} }

type jsonLines struct {
	mu   sync.Mutex
	w    io.Writer
	torn bool // the last line has no end
}

func (s *jsonLines) Publish(ctx context.Context, e Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return Permanent(fmt.Errorf("event: %w", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.torn {
		line = append([]byte("\n"), line...)
	}
	line = append(line, '\n')
	n, err := s.w.Write(line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if n > 0 { // otherwise nothing has changed
		s.torn = n < len(line) && line[n-1] != '\n'
	}
	return err
}
