package process

import (
	"encoding/json"
	"os"
	"testing"
)

func writeRecord(t *testing.T, records Records, name string, rec Record) {
	t.Helper()
	data, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(records.file(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}
