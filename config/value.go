package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A value is nil, bool, int64, float64, string or []string, by the type of its key.

// invalid is Kafka's ConfigException.
func invalid(key, value, reason string) error {
	return &InvalidError{Message: "Invalid value " + value + " for configuration " + key + ": " + reason}
}

// InvalidError is a configuration that Kafka refuses; Message is Kafka's.
type InvalidError struct{ Message string }

func (e *InvalidError) Error() string { return e.Message }

// errNotNumber is any way of not being a number.
var errNotNumber = errors.New("not a number")

// Parse reads a value the way Kafka does, and checks it. The error is an *InvalidError.
func (d *Definition) parse(raw string) (any, error) {
	value, err := parseType(d.Type, raw)
	if err != nil {
		if errors.Is(err, errNotNumber) {
			return nil, invalid(d.Key, raw, "Not a number of type "+d.Type.String())
		}
		return nil, invalid(d.Key, raw, err.Error())
	}
	if list, ok := value.([]string); ok && d.Valid != throttledReplicas && d.Valid != nonEmptyList {
		value = distinct(list)
	}
	return value, d.check(d.Key, value)
}

func parseType(kind Type, raw string) (any, error) {
	trimmed := trim(raw)
	switch kind {
	case TypeBoolean:
		switch {
		case strings.EqualFold(trimmed, "true"):
			return true, nil
		case strings.EqualFold(trimmed, "false"):
			return false, nil
		}
		return nil, errors.New("Expected value to be either true or false") //nolint:revive,staticcheck // Kafka's words
	case TypeInt:
		return parseInteger(trimmed, 32)
	case TypeShort:
		return parseInteger(trimmed, 16)
	case TypeLong:
		return parseInteger(trimmed, 64)
	case TypeDouble:
		return parseDouble(trimmed)
	case TypeList:
		return splitList(trimmed), nil
	default:
		return trimmed, nil
	}
}

// trim cuts what java.lang.String.trim cuts: every character up to the space, at both ends.
func trim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }

// splitList splits at commas with the white space about them (Java's \s), and keeps empty elements.
func splitList(trimmed string) []string {
	if trimmed == "" {
		return []string{}
	}
	elements := strings.Split(trimmed, ",")
	for i := range elements {
		elements[i] = strings.Trim(elements[i], " \t\n\v\f\r")
	}
	return elements
}

func distinct(list []string) []string {
	out := make([]string, 0, len(list))
	for _, element := range list {
		if !slices.Contains(out, element) {
			out = append(out, element)
		}
	}
	return out
}

// parseInteger accepts what java.lang.Integer.parseInt does: a sign, then decimal digits of any script.
func parseInteger(s string, bits int) (any, error) {
	digits := strings.Map(func(r rune) rune {
		if r <= math.MaxUint16 && unicode.Is(unicode.Nd, r) {
			return '0' + digit(r)
		}
		return r
	}, s)
	if strings.ContainsRune(digits, '_') {
		return nil, errNotNumber
	}
	n, err := strconv.ParseInt(digits, 10, bits)
	if err != nil {
		return nil, errNotNumber
	}
	return n, nil
}

// digit is the value of a decimal digit: scripts have theirs in runs of ten.
func digit(r rune) rune {
	for _, span := range unicode.Nd.R16 {
		if r >= rune(span.Lo) && r <= rune(span.Hi) {
			return (r - rune(span.Lo)) % 10
		}
	}
	panic("BUG: not a decimal digit")
}

// parseDouble accepts what java.lang.Double.parseDouble does.
func parseDouble(s string) (any, error) {
	number := regexp.MustCompile(`^[+-]?(NaN|Infinity|((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+)[fFdD]?)$`)
	if !number.MatchString(s) {
		return nil, errNotNumber
	}
	if !strings.HasSuffix(s, "Infinity") && s[len(s)-1] != 'N' {
		s = strings.TrimRight(s, "fFdD")
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, errNotNumber
	}
	return f, nil
}

// formatValue writes a value as Kafka's ConfigDef.convertToString does.
func formatValue(value any) string {
	switch v := value.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return formatDouble(v)
	case []string:
		return strings.Join(v, ",")
	case string:
		return v
	}
	panic(fmt.Sprintf("BUG: a value of type %T", value))
}

// formatDouble writes a number as java.lang.Double.toString does.
func formatDouble(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return strings.Replace(strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, 64), "+"), "Inf", "Infinity", 1)
	case f == 0 || math.Abs(f) >= 1e-3 && math.Abs(f) < 1e7:
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}

// Texts of Valid that are neither a range nor a list of words.
const (
	nonEmptyString    = "non-empty string"
	nonNullString     = "non-null string"
	nonEmptyList      = "non-empty list"
	gzipLevels        = "[1,...,9] or -1"
	throttledReplicas = "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
	offsetResets      = "[latest, earliest, by_duration:PnDTnHnMn.nS]"
	anyCase           = "(case insensitive) "
)

// validator makes the check of a definition out of Kafka's own text of it.
func validator(d *Definition) func(key string, value any) error {
	switch {
	case d.Valid == throttledReplicas:
		return checkThrottledReplicas
	case d.Valid == nonEmptyList && d.Key == "controller.quorum.voters":
		return func(_ string, value any) error { _, err := parseVoters(value.([]string)); return err }
	case d.Valid == nonEmptyList:
		return func(_ string, value any) error { _, err := parseBootstrapServers(value.([]string)); return err }
	case d.Valid == gzipLevels:
		return func(key string, value any) error {
			if n := value.(int64); n > 9 || n < 1 && n != -1 {
				return invalid(key, formatValue(n), "Value must be between 1 and 9 or equal to -1")
			}
			return nil
		}
	case d.Valid == nonEmptyString:
		return func(key string, value any) error {
			if value == "" {
				return invalid(key, "", "String must be non-empty")
			}
			return nil
		}
	case d.Valid == offsetResets:
		return checkOffsetReset
	case d.Type == TypeList:
		return listValidator(d)
	case d.Valid == "" || d.Valid == nonNullString:
		return func(string, any) error { return nil }
	case strings.Contains(d.Valid, ",..."):
		return rangeValidator(d.Valid)
	}
	return wordValidator(d.Valid)
}

func rangeValidator(valid string) func(string, any) error {
	low, high, _ := strings.Cut(strings.Trim(valid, "[]"), ",...")
	high = strings.TrimPrefix(high, ",")
	bound := func(s string, otherwise float64) float64 {
		if s == "" {
			return otherwise
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			panic("BUG: a range of " + valid)
		}
		return f
	}
	from, to := bound(low, math.Inf(-1)), bound(high, math.Inf(1))
	return func(key string, value any) error {
		n, ok := value.(float64)
		if !ok {
			n = float64(value.(int64))
		}
		switch {
		case n < from:
			return invalid(key, formatValue(value), "Value must be at least "+low)
		case n > to:
			return invalid(key, formatValue(value), "Value must be no more than "+high)
		}
		return nil
	}
}

func wordValidator(valid string) func(string, any) error {
	list, insensitive := strings.CutPrefix(valid, anyCase)
	words := strings.Split(strings.Trim(list, "[]"), ", ")
	return func(key string, value any) error {
		word := value.(string)
		switch {
		case insensitive && !slices.Contains(words, strings.ToUpper(word)):
			return invalid(key, word, "String must be one of (case insensitive): "+strings.Join(words, ", "))
		case !insensitive && !slices.Contains(words, word):
			return invalid(key, word, "String must be one of: "+strings.Join(words, ", "))
		}
		return nil
	}
}

func listValidator(d *Definition) func(string, any) error {
	element := func(string, any) error { return nil }
	allowed := "any non-empty value"
	if d.Valid != "" {
		element, allowed = wordValidator(d.Valid), d.Valid
	}
	return func(key string, value any) error {
		list := value.([]string)
		if d.NonEmpty && len(list) == 0 {
			return &InvalidError{Message: "Configuration '" + key + "' must not be empty. Valid values include: " + allowed}
		}
		for _, word := range list {
			if word == "" {
				return &InvalidError{Message: "Configuration '" + key + "' values must not be empty."}
			}
			if err := element(key, word); err != nil {
				return err
			}
		}
		return nil
	}
}

func checkThrottledReplicas(key string, value any) error {
	list := value.([]string)
	replica := regexp.MustCompile(`^([0-9]+:[0-9]+)?$`)
	pairs := !slices.ContainsFunc(list, func(s string) bool { return !replica.MatchString(trim(s)) })
	if pairs || trim(strings.Join(list, "")) == "*" {
		return nil
	}
	return invalid(key, "["+strings.Join(list, ", ")+"]", key+
		" must be the literal '*' or a list of replicas in the following format: "+throttledReplicas)
}

func checkOffsetReset(key string, value any) error {
	strategy := value.(string)
	duration := regexp.MustCompile(`(?i)^by_duration:\+?P(\d+D)?(T(\d+H)?(\d+M)?(\d+([.,]\d{0,9})?S)?)?$`)
	switch {
	case strings.EqualFold(strategy, "earliest"), strings.EqualFold(strategy, "latest"):
		return nil
	case duration.MatchString(strategy) && !strings.HasSuffix(strings.ToUpper(strategy), "P") && !strings.HasSuffix(strings.ToUpper(strategy), "T"):
		return nil
	}
	return invalid(key, strategy, "Invalid value `"+strategy+"` for configuration "+key+
		". The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.")
}

// Allowed says in a few words what values a key takes, for the line that refuses another.
func (d *Definition) Allowed() string {
	integer := func(low, high string) string {
		if d.Valid == gzipLevels {
			return "-1, or a whole number from 1 to 9"
		}
		if d.Valid != "" {
			low, high, _ = strings.Cut(strings.Trim(d.Valid, "[]"), ",...")
			high = strings.TrimPrefix(high, ",")
		}
		if high == "" {
			return "a whole number of at least " + low
		}
		return "a whole number from " + low + " to " + high
	}
	switch d.Type {
	case TypeBoolean:
		return "true or false"
	case TypeInt:
		return integer("-2147483648", "2147483647")
	case TypeShort:
		return integer("-32768", "32767")
	case TypeLong:
		return integer("-9223372036854775808", "9223372036854775807")
	case TypeDouble:
		return strings.TrimSpace("a number " + d.Valid)
	case TypeList:
		return strings.TrimSpace("a list separated by commas " + d.listForm())
	case TypeClass:
		return "the name of a class"
	}
	if d.Valid != "" {
		return d.Valid
	}
	return "a text"
}

func (d *Definition) listForm() string {
	switch {
	case d.Key == "controller.quorum.voters":
		return "of {id}@{host}:{port}"
	case d.Key == "controller.quorum.bootstrap.servers":
		return "of {host}:{port}"
	case d.Key == "listeners" || d.Key == "advertised.listeners":
		return "of {name}://{host}:{port}"
	case d.Valid != "":
		return "of " + d.Valid
	}
	return ""
}
