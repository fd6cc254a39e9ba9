package config

import "strings"

// Closest returns the known word that was most likely meant, "" when none is near: at most one letter in three differs,
// or the one begins with the other.
func Closest(word string, known []string) string {
	best, least := "", len(word)/3+1
	for _, candidate := range known {
		if d := distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	if best != "" || len(word) < 3 {
		return best
	}
	for _, candidate := range known {
		if strings.HasPrefix(candidate, word) || strings.HasPrefix(word, candidate) {
			return candidate
		}
	}
	return ""
}

// distance counts the letters to put in, take out or change (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
