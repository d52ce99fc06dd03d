package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"pacific/internal/onemachine"
)

// progress shows stages with elapsed time: on a terminal one line a stage that is updated while the stage runs, elsewhere
// a plain line when a stage is done.
type progress struct {
	out      io.Writer
	terminal bool
	width    int

	mu       sync.Mutex
	name     string
	began    time.Time
	waits    string
	warnings []string
}

func newProgress(out *os.File) *progress {
	p := &progress{out: out, terminal: term.IsTerminal(int(out.Fd())), width: 80}
	if width, _, err := term.GetSize(int(out.Fd())); err == nil && width > 20 {
		p.width = width
	}
	return p
}

// stageError says which stage failed and what its daemons logged last.
type stageError struct {
	stage   string
	elapsed time.Duration
	cause   error
}

func (e *stageError) Error() string {
	text := fmt.Sprintf("stage %q failed after %s: %v", e.stage, seconds(e.elapsed), e.cause)
	if failure, ok := errors.AsType[*onemachine.Failure](e.cause); ok {
		for _, log := range failure.Logs {
			text += "\n\n" + logTail(log)
		}
	}
	return text
}

func (e *stageError) Unwrap() error { return e.cause }

// run runs stages in order until one fails.
func (p *progress) run(ctx context.Context, stages []onemachine.Stage) error {
	for _, stage := range stages {
		if err := p.runOne(ctx, stage); err != nil {
			return err
		}
	}
	return nil
}

// runAll runs every stage, whatever fails before, and returns all failures.
func (p *progress) runAll(ctx context.Context, stages []onemachine.Stage) error {
	var errs []error
	for _, stage := range stages {
		errs = append(errs, p.runOne(ctx, stage))
	}
	return errors.Join(errs...)
}

func (p *progress) runOne(ctx context.Context, stage onemachine.Stage) error {
	p.begin(stage.Name)
	limited, cancel := context.WithTimeout(ctx, stage.Limit)
	defer cancel()
	stop := p.tick()
	err := stage.Run(limited, p.note)
	stop()
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", err)
	}
	elapsed := time.Since(p.began)
	p.end(err, elapsed)
	if err != nil {
		return &stageError{stage: stage.Name, elapsed: elapsed, cause: err}
	}
	return nil
}

func (p *progress) begin(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.name, p.began, p.waits = name, time.Now(), ""
}

func (p *progress) note(waits string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = waits
}

// warn is shown when the stage has ended.
func (p *progress) warn(message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.warnings = append(p.warnings, message)
}

// tick redraws the line while a stage runs.
func (p *progress) tick() (stop func()) {
	if !p.terminal {
		return func() {}
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.draw()
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-stopped }
}

func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := fmt.Sprintf("… %-32s %7s", p.name, seconds(time.Since(p.began)))
	if p.waits != "" {
		line += "  waiting for " + strings.ReplaceAll(p.waits, "\n", " ")
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", cut(line, p.width-1))
}

func (p *progress) end(err error, elapsed time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mark := "✓"
	if err != nil {
		mark = "✗"
	}
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	fmt.Fprintf(p.out, "%s %-32s %7s\n", mark, p.name, seconds(elapsed))
	for _, message := range p.warnings {
		fmt.Fprintf(p.out, "  note: %s\n", message)
	}
	p.warnings = nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

func cut(line string, width int) string {
	if runes := []rune(line); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return line
}
