package step

import "strings"

// position is a place in a template's text, counted from one.
type position struct{ line, column int }

func positionIn(text string, offset int) position {
	offset = min(max(offset, 0), len(text))
	before := text[:offset]
	return position{strings.Count(before, "\n") + 1, offset - strings.LastIndexByte(before, '\n')}
}

// offsetOf is the reverse of positionIn.
func offsetOf(text string, line, column int) int {
	offset := 0
	for ; line > 1; line-- {
		n := strings.IndexByte(text[offset:], '\n')
		if n < 0 {
			return len(text)
		}
		offset += n + 1
	}
	return offset + column - 1
}
