package password

import (
	"crypto/rand"
	"math/big"
)

// alphabet leaves out what looks alike or means something to a shell.
const alphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789-_.+"

const generatedLength = 24 // 140 bits

// Generate makes a password that meets the policy; a policy that 24 characters cannot meet gets longer ones.
func Generate(p Policy) (string, error) {
	length := min(max(generatedLength, p.MinLength), p.MaxLength)
	for {
		password, err := draw(length)
		if err != nil {
			return "", err
		}
		if p.Check("", password) == nil {
			return password, nil
		}
		length = min(length+1, p.MaxLength)
	}
}

func draw(length int) (string, error) {
	out := make([]byte, length)
	for i := range out {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", err
		}
		out[i] = alphabet[n.Int64()]
	}
	return string(out), nil
}
