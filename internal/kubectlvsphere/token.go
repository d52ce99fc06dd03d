package kubectlvsphere

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// expiry is when a token runs out, by its own words. Whether they are true is for the kube-apiserver to verify.
func expiry(token string) (time.Time, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, errors.New("a token has three parts")
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, fmt.Errorf("claims of the token: %w", err)
	}
	var claims struct {
		Expiry *float64 `json:"exp"`
	}
	if err := json.Unmarshal(data, &claims); err != nil {
		return time.Time{}, fmt.Errorf("claims of the token: %w", err)
	}
	if claims.Expiry == nil || !(*claims.Expiry > 0 && *claims.Expiry < math.MaxInt32*1000.0) {
		return time.Time{}, errors.New("claims of the token: exp is missing, or no time")
	}
	return time.Unix(int64(*claims.Expiry), 0), nil
}
