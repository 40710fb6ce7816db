//go:build race

package server

// raceDetector tells whether the tests run under the race detector.
const raceDetector = true
