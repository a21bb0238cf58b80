package step

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	ttemplate "text/template"

	"go.step.sm/crypto/x509util"

	"github.com/chancery-ca/chancery/template"
)

// allowed are the functions a template may use, beside the comparisons and such of text/template. A
// function that is neither here nor in refused fails the tests.
var allowed = strings.Fields(`
	fail toTime formatTime parseTime mustParseTime toTimeLayout asn1Enc asn1Marshal asn1Seq asn1Set

	hello ago date date_in_zone date_modify dateInZone dateModify duration durationRound htmlDate
	htmlDateInZone must_date_modify mustDateModify mustToDate now toDate unixEpoch

	abbrev abbrevboth trunc trim upper lower title untitle substr repeat trimall trimAll trimSuffix
	trimPrefix nospace initials randAlphaNum randAlpha randAscii randNumeric swapcase shuffle snakecase
	camelcase kebabcase wrap wrapWith contains hasPrefix hasSuffix quote squote cat indent nindent
	replace plural sha1sum sha256sum sha512sum adler32sum toString

	atoi int64 int float64 seq toDecimal split splitList splitn toStrings until untilStep add1 add sub
	div mod mul randInt add1f addf subf divf mulf biggest max min maxf minf ceil floor round join sortAlpha

	default empty coalesce all any compact mustCompact fromJson toJson toPrettyJson toRawJson
	mustFromJson mustToJson mustToPrettyJson mustToRawJson ternary deepCopy mustDeepCopy

	typeOf typeIs typeIsLike kindOf kindIs deepEqual

	base dir clean ext isAbs osBase osClean osDir osExt osIsAbs b64enc b64dec b32enc b32dec

	tuple list dict get set unset hasKey pluck keys pick omit merge mergeOverwrite mustMerge
	mustMergeOverwrite values append push mustAppend mustPush prepend mustPrepend first mustFirst rest
	mustRest last mustLast initial mustInitial reverse mustReverse uniq mustUniq without mustWithout has
	mustHas slice mustSlice concat dig chunk mustChunk

	randBytes uuidv4 semver semverCompare

	regexMatch mustRegexMatch regexFindAll mustRegexFindAll regexFind mustRegexFind regexReplaceAll
	mustRegexReplaceAll regexReplaceAllLiteral mustRegexReplaceAllLiteral regexSplit mustRegexSplit
	regexQuoteMeta urlParse urlJoin
`)

// builtins are the functions of text/template itself. Its call is not one of them: no data is a function.
var builtins = strings.Fields(`and or not len index print printf println html js urlquery eq ge gt le lt ne`)

const (
	readsHost  = "reads the host it runs on, and is not available"
	makesKeys  = "makes keys, certificates or secrets, and is not available"
	callsValue = "calls values, and is not available"
)

var refused = map[string]string{
	"env": readsHost, "expandenv": readsHost, "getHostByName": readsHost,

	"bcrypt": makesKeys, "htpasswd": makesKeys, "genPrivateKey": makesKeys, "derivePassword": makesKeys,
	"buildCustomCert": makesKeys, "genCA": makesKeys, "genCAWithKey": makesKeys,
	"genSelfSignedCert": makesKeys, "genSelfSignedCertWithKey": makesKeys, "genSignedCert": makesKeys,
	"genSignedCertWithKey": makesKeys, "encryptAES": makesKeys, "decryptAES": makesKeys,

	"call": callsValue,
}

// refusedFunc says why a template may not use a function, "" when it may.
func refusedFunc(name string, funcs ttemplate.FuncMap) string {
	if reason, ok := refused[name]; ok {
		return reason
	}
	if slices.Contains(builtins, name) {
		return ""
	}
	if _, ok := funcs[name]; ok && slices.Contains(allowed, name) {
		return ""
	}
	return "does not exist"
}

// allowedFuncs are step's functions that are allowed, those that could make too much with a limit, and
// the escapers of c.
func allowedFuncs(c *compiled) ttemplate.FuncMap {
	all := x509util.GetFuncMap()
	funcs := ttemplate.FuncMap{}
	for _, name := range allowed {
		if f, ok := all[name]; ok {
			funcs[name] = f
		}
	}
	for name, f := range limited {
		funcs[name] = f
	}
	for _, name := range []string{"randAlphaNum", "randAlpha", "randAscii", "randNumeric"} {
		if f, ok := funcs[name].(func(int) string); ok {
			funcs[name] = limitLength(f)
		}
	}
	if f, ok := funcs["randBytes"].(func(int) (string, error)); ok {
		funcs["randBytes"] = func(n int) (string, error) {
			if err := limit(n); err != nil {
				return "", err
			}
			return f(n)
		}
	}
	funcs["fail"] = func(text string) (string, error) { return "", &template.FailError{Text: text} }
	funcs["quote"] = quote

	funcs[stringEscaper] = c.escapeString
	funcs[valueEscaper] = c.escapeValue
	funcs[jsonEscaper] = c.escapeJSON
	funcs[loopGuard] = c.guardLoop
	return funcs
}

// limited replace functions whose result can be far larger than what they are given. They return what
// the originals return for everything within the limits.
var limited = ttemplate.FuncMap{
	"repeat": func(n int, s string) (string, error) {
		if n < 0 {
			return "", fmt.Errorf("a negative count")
		}
		if n > maxOutput || n*len(s) > maxOutput {
			return "", errTooLong
		}
		return strings.Repeat(s, n), nil
	},
	"indent":    indent,
	"nindent":   func(n int, s string) (string, error) { s, err := indent(n, s); return "\n" + s, err },
	"until":     until,
	"untilStep": count,
	"seq":       seq,
}

func indent(n int, s string) (string, error) {
	if n < 0 || n > 1000 || n*(1+strings.Count(s, "\n")) > maxOutput {
		return "", errTooLong
	}
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(s, "\n", "\n"+pad), nil
}

func until(n int) ([]int, error) {
	if n < 0 {
		return count(0, n, -1)
	}
	return count(0, n, 1)
}

// count returns the numbers from start towards stop, without it.
func count(start, stop, step int) ([]int, error) {
	const far = 1 << 31 // nothing below can overflow
	for _, n := range []int{start, stop, step} {
		if int64(n) > far || int64(n) < -far {
			return nil, fmt.Errorf("%d is too large a number to count with", n)
		}
	}
	numbers := []int{}
	if step == 0 || start < stop && step < 0 || start > stop && step > 0 {
		return numbers, nil
	}
	for i := int64(start); step > 0 && i < int64(stop) || step < 0 && i > int64(stop); i += int64(step) {
		if len(numbers) == maxLoop {
			return nil, fmt.Errorf("more than %d numbers", maxLoop)
		}
		numbers = append(numbers, int(i))
	}
	return numbers, nil
}

// seq is count in the manner of the shell command: last, first last, or first step last, with the last
// number included, as text.
func seq(params ...int) (string, error) {
	first, step, last := 1, 0, 0
	switch len(params) {
	case 1:
		last = params[0]
	case 2:
		first, last = params[0], params[1]
	case 3:
		first, step, last = params[0], params[1], params[2]
		if last < first && step > 0 {
			return "", nil
		}
	default:
		return "", nil
	}
	direction := 1
	if last < first {
		direction = -1
	}
	if step == 0 && len(params) < 3 {
		step = direction
	}
	numbers, err := count(first, last+direction, step)
	return strings.Trim(fmt.Sprint(numbers), "[]"), err
}

func limit(n int) error {
	if n < 0 || n > maxOutput {
		return errTooLong
	}
	return nil
}

func limitLength(f func(int) string) func(int) (string, error) {
	return func(n int) (string, error) {
		if err := limit(n); err != nil {
			return "", err
		}
		return f(n), nil
	}
}

// quote returns its arguments as JSON strings, where step's returns Go's.
func quote(args ...any) (string, error) {
	quoted := make([]string, 0, len(args))
	for _, a := range args {
		if a == nil {
			continue
		}
		text, err := printed(a)
		if b, ok := a.([]byte); ok {
			text, err = string(b), nil
		}
		if err != nil {
			return "", err
		}
		b, err := json.Marshal(text)
		if err != nil {
			return "", err
		}
		quoted = append(quoted, string(b))
	}
	return strings.Join(quoted, " "), nil
}
