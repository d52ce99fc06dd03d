package registry

import (
	"io"

	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"
)

// logThroughKlog sends the library's log where that of all daemons goes. Its chatter on every request is level 4.
func logThroughKlog() {
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.InfoLevel)
	logrus.AddHook(klogHook{})
}

type klogHook struct{}

func (klogHook) Levels() []logrus.Level { return logrus.AllLevels }

func (klogHook) Fire(e *logrus.Entry) error {
	// A client that asks for what is not there, or has yet to log in, is no error of the registry.
	if code, ok := e.Data["http.response.status"].(int); ok && code < 500 || e.Level == logrus.WarnLevel {
		klog.V(4).Info(e.Message, fieldsOf(e))
		return nil
	}
	switch e.Level {
	case logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel:
		klog.Error(e.Message, fieldsOf(e))
	default:
		klog.V(4).Info(e.Message, fieldsOf(e))
	}
	return nil
}

// fieldsOf leaves out headers: what clients send as authorization is no matter of logs.
func fieldsOf(e *logrus.Entry) string {
	text := ""
	for _, key := range []string{"http.request.method", "http.request.uri", "http.request.remoteaddr", "err.code", "err.detail"} {
		if v, ok := e.Data[key].(string); ok {
			text += " " + key + "=" + v
		}
	}
	return text
}
