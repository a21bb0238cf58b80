package authority

import (
	"context"
	"net/http"
	"sync"

	"github.com/chancery-ca/chancery/provisioner"
)

// Worker is a provisioner with background work of its own, which [Authority.Run] does: that of a protocol whose
// requests take longer than a client waits for an answer. Work returns when ctx ends. It runs on every node, so it
// must know by itself what another one is doing. The dynamic type is a pointer.
type Worker interface {
	Work(ctx context.Context, a *Authority) error
}

// Guest is a provisioner that speaks a protocol of its own over HTTP, as ACME is. Path is where clients look for it,
// below the authority's URL and without slashes around it: "acme/name". Handler answers what is asked below that path,
// and is given the rest of it, with the slash; it keeps nothing, so it may be made for each request.
type Guest interface {
	Path() string
	Handler(a *Authority) http.Handler
}

// employ starts the workers of the configuration as it is now, and ends those that are not in it any more. The
// goroutines are Run's and end with it.
func (a *Authority) employ(ctx context.Context, wg *sync.WaitGroup, crew map[Worker]context.CancelFunc) {
	s := a.snapshot.Load()
	wanted := map[Worker]string{}
	for _, p := range s.Provisioners {
		if w, ok := provisioner.As[Worker](p); ok {
			wanted[w] = p.Name()
		}
	}
	if s.offboarding != nil {
		wanted[s.offboarding] = "offboarding"
	}
	for w, end := range crew {
		if _, ok := wanted[w]; !ok {
			end()
			delete(crew, w)
		}
	}
	for w, name := range wanted {
		if crew[w] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		crew[w] = cancel
		wg.Go(func() {
			if err := w.Work(ctx, a); err != nil && ctx.Err() == nil {
				s.log().ErrorContext(ctx, "background work has stopped", "of", name, "error", err)
			}
		})
	}
}
