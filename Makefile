# Everything is built without cgo, except the agent, whose libcontainer needs it.
export CGO_ENABLED := 0
