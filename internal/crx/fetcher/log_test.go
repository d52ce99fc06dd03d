package fetcher

import (
	"io"
	"log"
)

func nolog() *log.Logger { return log.New(io.Discard, "", 0) }
