package etcd

import (
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

// newLogger writes etcd's warnings and errors to klog, and its information at verbosity 2. While etcd is stopping, the
// errors go the way of the information: its servers report that their listeners were closed.
func newLogger(stopping *atomic.Bool) *zap.Logger { return zap.New(klogCore{stopping: stopping}) }

// klogCore is a zapcore.Core on klog.
type klogCore struct {
	stopping *atomic.Bool
	fields   []zapcore.Field
}

func (c klogCore) Enabled(level zapcore.Level) bool {
	if level >= zapcore.WarnLevel && !c.stopping.Load() {
		return true
	}
	return level >= zapcore.InfoLevel && klog.V(2).Enabled()
}

func (c klogCore) With(fields []zapcore.Field) zapcore.Core {
	return klogCore{stopping: c.stopping, fields: append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

func (c klogCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c klogCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	object := zapcore.NewMapObjectEncoder()
	for _, field := range append(c.fields[:len(c.fields):len(c.fields)], fields...) {
		field.AddTo(object)
	}
	keysAndValues := []any{"component", "etcd"}
	for key, value := range object.Fields {
		keysAndValues = append(keysAndValues, key, value)
	}
	if entry.Level >= zapcore.ErrorLevel {
		klog.ErrorS(nil, entry.Message, keysAndValues...)
	} else {
		klog.InfoS(entry.Message, keysAndValues...)
	}
	return nil
}

func (klogCore) Sync() error { klog.Flush(); return nil }
