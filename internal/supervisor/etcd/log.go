package etcd

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

// newLogger writes etcd's warnings and errors to klog, and the rest at verbosity 2.
func newLogger() *zap.Logger { return zap.New(klogCore{}) }

// klogCore is a zapcore.Core on klog.
type klogCore struct{ fields []zapcore.Field }

func (klogCore) Enabled(level zapcore.Level) bool {
	return level >= zapcore.WarnLevel || level == zapcore.InfoLevel && klog.V(2).Enabled()
}

func (c klogCore) With(fields []zapcore.Field) zapcore.Core {
	return klogCore{fields: append(c.fields[:len(c.fields):len(c.fields)], fields...)}
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
