//go:build race

package ordeal

const underRace = true
