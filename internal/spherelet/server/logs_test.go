package server

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"
)

const log = `2030-01-01T00:00:01.000000000Z stdout F one
2030-01-01T00:00:02.000000000Z stderr P two, 
2030-01-01T00:00:03.000000000Z stderr F still two
garbage
2030-01-01T00:00:04.000000000Z stdout F three
`

func TestCopyLog(t *testing.T) {
	for _, test := range []struct{ query, want string }{
		{"", "one\ntwo, still two\nthree\n"},
		{"timestamps=true", "2030-01-01T00:00:01.000000000Z one\n2030-01-01T00:00:02.000000000Z two, still two\n2030-01-01T00:00:04.000000000Z three\n"},
		{"limitBytes=6", "one\ntw"},
		{"limitBytes=0", ""},
		{"stream=Stderr", "two, still two\n"},
		{"sinceTime=2030-01-01T00:00:04Z", "three\n"},
		{"sinceSeconds=2", "still two\nthree\n"},
	} {
		t.Run(test.query, func(t *testing.T) {
			q, _ := url.ParseQuery(test.query)
			o, err := parseLogOptions(q, time.Date(2030, 1, 1, 0, 0, 5, 0, time.UTC))
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := copyLog(&out, strings.NewReader(log), o); err != nil || out.String() != test.want {
				t.Errorf("got %q, %v; want %q", out.String(), err, test.want)
			}
		})
	}
}

func TestParseLogOptionsRefuses(t *testing.T) {
	for _, query := range []string{"tailLines=x", "tailLines=-1", "follow=maybe", "sinceTime=yesterday", "stream=Both"} {
		q, _ := url.ParseQuery(query)
		if _, err := parseLogOptions(q, time.Now()); err == nil {
			t.Errorf("%s was accepted", query)
		}
	}
}
