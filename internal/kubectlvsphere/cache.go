package kubectlvsphere

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// cache keeps tokens for the credential plugin, one a file, in the user's cache directory.
type cache struct{}

type cached struct {
	Token string `json:"token"`
}

func (cache) dir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(base, "kubectl-vsphere"), nil
}

func (c cache) file(host, user string) (string, error) {
	dir, err := c.dir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(userName(host, user)))
	return filepath.Join(dir, hex.EncodeToString(sum[:])+".json"), nil
}

// read returns a token and its end. What cannot be read is not there: it is made again.
func (c cache) read(host, user string) (token string, ends time.Time, ok bool) {
	file, err := c.file(host, user)
	if err != nil {
		return "", time.Time{}, false
	}
	data, err := os.ReadFile(file)
	var entry cached
	if err != nil || json.Unmarshal(data, &entry) != nil {
		return "", time.Time{}, false
	}
	ends, err = expiry(entry.Token)
	return entry.Token, ends, err == nil
}

// write replaces the file as a whole: several kubectl may run at once.
func (c cache) write(host, user, token string) error {
	file, err := c.file(host, user)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	data, err := json.Marshal(cached{Token: token})
	if err != nil {
		return err
	}
	// renameio is not for Windows. A temporary file is made 0600.
	temporary, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(data)
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return err
}

// clear removes all tokens.
func (c cache) clear() error {
	dir, err := c.dir()
	if err != nil {
		return nil //nolint:nilerr // without a cache directory there are no tokens
	}
	return os.RemoveAll(dir)
}
