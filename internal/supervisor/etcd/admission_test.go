package etcd

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"pacific/internal/supervisor/member"
)

func TestAdmit(t *testing.T) {
	self := member.Member{Name: "cp-1", Address: netip.MustParseAddr("10.77.0.3")}
	other := known{PeerURLs: []string{"https://10.77.0.4:2380"}, ClientURLs: []string{"x"}}
	fresh := known{PeerURLs: []string{self.PeerURL()}}
	used := known{PeerURLs: []string{self.PeerURL()}, ClientURLs: []string{"x"}}
	for name, tc := range map[string]struct {
		state   member.InitialState
		answers [][]known
		want    string // part of the error; empty for none
	}{
		"the first of all":               {member.New, nil, ""},
		"the second of all":              {member.New, [][]known{{fresh, {PeerURLs: other.PeerURLs}}}, ""},
		"a learner":                      {member.Existing, [][]known{{other, fresh}}, ""},
		"a learner that nobody answers":  {member.Existing, nil, "no other member answers"},
		"a member that lost its data":    {member.New, [][]known{{other, used}}, "are gone"},
		"the same, said to come new":     {member.Existing, [][]known{{other, used}}, "are gone"},
		"a learner and one who lags":     {member.Existing, [][]known{{other}, {other, fresh}}, ""},
		"one peer has not heard of it":   {member.Existing, [][]known{{other, fresh}, {other, used}}, "are gone"},
		"a member that was removed":      {member.New, [][]known{{other}}, "do not know"},
		"a learner that was never added": {member.Existing, [][]known{{other}}, "do not know"},
	} {
		t.Run(name, func(t *testing.T) {
			err := admit(self, tc.state, tc.answers)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if tc.want == "no other member answers" && !errors.Is(err, errNobodyAnswers) {
				t.Error("it gives up instead of waiting")
			}
		})
	}
}
