package keeper

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// Ends is a directory with a note for every daemon that ended without being told to.
type Ends struct{ Dir string }

// End of a daemon's process.
type End struct {
	// Count of ends since the instance came up.
	Count int       `json:"count"`
	Last  string    `json:"last"`
	At    time.Time `json:"at"`
}

func (e Ends) file(name string) string { return filepath.Join(e.Dir, name+".end") }

// Of the daemon of this name; zero when it never ended.
func (e Ends) Of(name string) End {
	var end End
	data, err := os.ReadFile(e.file(name))
	if err == nil {
		_ = json.Unmarshal(data, &end)
	}
	return end
}

// Note adds an end.
func (e Ends) Note(name, how string) error {
	end := End{Count: e.Of(name).Count + 1, Last: how, At: time.Now().Truncate(time.Second)}
	data, err := json.Marshal(end)
	if err != nil {
		return err
	}
	return renameio.WriteFile(e.file(name), data, 0o600)
}
