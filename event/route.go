package event

import "slices"

// route is the set of sinks that an event of one type gets to through Multi and Filter, a bit each; beyond
// 64 of them the last bit is shared. An event that a Filter drops gets nowhere, though Publish succeeds.
type route uint64

func routeOf(s Sink, t Type) route {
	next := 0
	return routeFrom(s, t, true, &next)
}

// routeFrom numbers the sinks below s, whether or not events of type t get there: on says if they do.
func routeFrom(s Sink, t Type, on bool, next *int) route {
	switch s := s.(type) {
	case multi:
		var r route
		for _, w := range s {
			r |= routeFrom(w, t, on, next)
		}
		return r
	case filter:
		return routeFrom(s.sink, t, on && slices.Contains(s.types, t), next)
	case interface{ Unwrap() Sink }:
		if w := s.Unwrap(); w != nil {
			return routeFrom(w, t, on, next)
		}
	}
	bit := route(1) << min(*next, 63)
	*next++
	if !on {
		return 0
	}
	return bit
}

// covers reports whether whoever accepted by this route shows that all of another are up.
func (r route) covers(other route) bool { return other != 0 && r&other == other }
