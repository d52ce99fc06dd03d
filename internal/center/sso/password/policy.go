package password

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Policy for new passwords, and for those who guess. The numbers of [DefaultPolicy] are the original's but for the longest
// length, which here only keeps requests small, and the greatest age.
type Policy struct {
	MinLength            int `json:"min_length"`
	MaxLength            int `json:"max_length"`
	MinAlphabetic        int `json:"min_alphabetic"`
	MinUppercase         int `json:"min_uppercase"`
	MinLowercase         int `json:"min_lowercase"`
	MinNumeric           int `json:"min_numeric"`
	MinSpecial           int `json:"min_special"`
	MaxIdenticalAdjacent int `json:"max_identical_adjacent"`
	// History is how many of the last passwords may not be taken again.
	History int `json:"history"`
	// MaxAgeDays after which a password has to be replaced by an administrator or by its user; 0: never.
	MaxAgeDays int `json:"max_age_days"`
	// A user is locked for LockSeconds after MaxFailedAttempts within FailureWindowSeconds; 0 attempts: never.
	MaxFailedAttempts    int `json:"max_failed_attempts"`
	FailureWindowSeconds int `json:"failure_window_seconds"`
	LockSeconds          int `json:"lock_seconds"`
}

// DefaultPolicy of a new center.
var DefaultPolicy = Policy{
	MinLength: 8, MaxLength: 128, MinAlphabetic: 2, MinUppercase: 1, MinLowercase: 1, MinNumeric: 1, MinSpecial: 1,
	MaxIdenticalAdjacent: 3, History: 5, MaxFailedAttempts: 5, FailureWindowSeconds: 180, LockSeconds: 300,
}

// Validate says what in a policy makes no sense.
func (p Policy) Validate() error {
	limits := []struct {
		name             string
		value, low, high int
	}{
		{"min_length", p.MinLength, 6, 128}, {"max_length", p.MaxLength, 8, 1024},
		{"min_alphabetic", p.MinAlphabetic, 0, 64}, {"min_uppercase", p.MinUppercase, 0, 64}, {"min_lowercase", p.MinLowercase, 0, 64},
		{"min_numeric", p.MinNumeric, 0, 64}, {"min_special", p.MinSpecial, 0, 64},
		{"max_identical_adjacent", p.MaxIdenticalAdjacent, 1, 1024},
		{"history", p.History, 0, 24}, {"max_age_days", p.MaxAgeDays, 0, 9999},
		{"max_failed_attempts", p.MaxFailedAttempts, 0, 1000}, {"failure_window_seconds", p.FailureWindowSeconds, 1, 86400},
		{"lock_seconds", p.LockSeconds, 1, 86400},
	}
	var faults []error
	for _, l := range limits {
		if l.value < l.low || l.value > l.high {
			faults = append(faults, fmt.Errorf("%s is %d; it must be %d to %d", l.name, l.value, l.low, l.high))
		}
	}
	letters := max(p.MinAlphabetic, p.MinUppercase+p.MinLowercase)
	if needed := max(p.MinLength, letters+p.MinNumeric+p.MinSpecial); needed > p.MaxLength {
		faults = append(faults, fmt.Errorf("a password needs %d characters, but max_length is %d", needed, p.MaxLength))
	}
	return errors.Join(faults...)
}

// Check says all that a password lacks under the policy. It never repeats the password.
func (p Policy) Check(user, password string) error {
	if !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl) {
		return errors.New("the password must be UTF-8 text without control characters")
	}
	c := count(password)
	var faults []string
	demand := func(fault bool, format string, args ...any) {
		if fault {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	demand(c.length < p.MinLength, "at least %d characters", p.MinLength)
	demand(c.length > p.MaxLength, "at most %d characters", p.MaxLength)
	demand(c.upper+c.lower+c.letter < p.MinAlphabetic, "at least %d letters", p.MinAlphabetic)
	demand(c.upper < p.MinUppercase, "at least %d upper case", p.MinUppercase)
	demand(c.lower < p.MinLowercase, "at least %d lower case", p.MinLowercase)
	demand(c.digit < p.MinNumeric, "at least %d digits", p.MinNumeric)
	demand(c.special < p.MinSpecial, "at least %d special characters", p.MinSpecial)
	demand(c.adjacent > p.MaxIdenticalAdjacent, "no character more than %d times in a row", p.MaxIdenticalAdjacent)
	demand(len(user) >= 4 && strings.Contains(strings.ToLower(password), strings.ToLower(user)), "not the user's name in it")
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("the password does not meet the policy; it needs %s", strings.Join(faults, ", "))
}

// LockedUntil is when a user may try again after so many failures, the last of them at a time; zero if at once.
func (p Policy) LockedUntil(failures int, last time.Time) time.Time {
	if p.MaxFailedAttempts == 0 || failures < p.MaxFailedAttempts {
		return time.Time{}
	}
	return last.Add(time.Duration(p.LockSeconds) * time.Second)
}

// Window within which failures are counted together.
func (p Policy) Window() time.Duration { return time.Duration(p.FailureWindowSeconds) * time.Second }

// Expired tells whether a password that was set at a time is too old.
func (p Policy) Expired(set, now time.Time) bool {
	return p.MaxAgeDays > 0 && now.After(set.AddDate(0, 0, p.MaxAgeDays))
}

type counts struct{ length, upper, lower, letter, digit, special, adjacent int }

func count(password string) counts {
	var c counts
	var last rune
	run := 0
	for _, r := range password {
		c.length++
		if r != last {
			last, run = r, 0
		}
		run++
		c.adjacent = max(c.adjacent, run)
		switch {
		case unicode.IsUpper(r):
			c.upper++
		case unicode.IsLower(r):
			c.lower++
		case unicode.IsLetter(r):
			c.letter++
		case unicode.IsDigit(r):
			c.digit++
		default:
			c.special++
		}
	}
	return c
}
