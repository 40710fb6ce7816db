// Package lint holds the tree against the rules that the compiler does not
// know: which package may import which, how long files and functions get, and
// what is not left lying about. It has tests only.
package lint
