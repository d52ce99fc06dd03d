package sts

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// Limits of what is read. An assertion with a few hundred groups has some 100 KiB.
const (
	maxDocument = 512 << 10
	maxDepth    = 48
	maxElements = 10000
)

// parse reads a document that holds nothing but elements, attributes and text: no document type, hence no entities, no
// processing instructions, and no comments, which signatures do not cover and parsers see in different ways. An ID stands
// for one element.
func parse(data []byte) (*etree.Element, error) {
	if len(data) > maxDocument {
		return nil, fmt.Errorf("the document has more than %d bytes", maxDocument)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("the document is not UTF-8")
	}
	if err := scan(data); err != nil {
		return nil, err
	}
	doc := etree.NewDocument()
	doc.ReadSettings.PreserveDuplicateAttrs = true
	doc.ReadSettings.MaxDepth = maxDepth + 2
	if err := doc.ReadFromBytes(data); err != nil {
		return nil, fmt.Errorf("the document is not well formed: %w", err)
	}
	root := doc.Root()
	if root == nil {
		return nil, errors.New("the document is empty")
	}
	return root, checkNames(root)
}

// scan refuses what has no place in a document of ours before a tree is made of it.
func scan(data []byte) error {
	decoder := xml.NewDecoder(bytes.NewReader(data))
	depth, elements, roots := 0, 0, 0
	ids := map[string]bool{}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the document is not well formed: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			elements++
			if depth > maxDepth || elements > maxElements || roots > 1 {
				return errors.New("the document has too many elements, or too many levels of them")
			}
			if err := collectIDs(t, ids); err != nil {
				return err
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errors.New("there is text outside the document's element")
			}
		case xml.ProcInst:
			if t.Target != "xml" || elements > 0 {
				return errors.New("the document has a processing instruction")
			}
		case xml.Comment:
			return errors.New("the document has a comment")
		case xml.Directive:
			return errors.New("the document has a document type or another directive")
		}
	}
}

// collectIDs of an element by whatever attribute some specification uses for them.
func collectIDs(e xml.StartElement, seen map[string]bool) error {
	for _, attr := range e.Attr {
		if !strings.EqualFold(attr.Name.Local, "id") && attr.Name.Local != "AssertionID" {
			continue
		}
		if seen[attr.Value] {
			return fmt.Errorf("two elements have the ID %.64q", attr.Value)
		}
		seen[attr.Value] = true
	}
	return nil
}

// checkNames refuses names that are read back as others once they have been written, and attributes that are there twice.
func checkNames(e *etree.Element) error {
	seen := map[string]bool{}
	for _, attr := range e.Attr {
		name := attr.FullKey()
		if seen[name] || strings.Count(name, ":") > 1 {
			return fmt.Errorf("the attribute %.64q is there twice, or is no name", name)
		}
		seen[name] = true
	}
	if strings.Count(e.FullTag(), ":") > 1 || e.Tag == "" {
		return fmt.Errorf("%.64q is no name of an element", e.FullTag())
	}
	for _, child := range e.ChildElements() {
		if err := checkNames(child); err != nil {
			return err
		}
	}
	return nil
}

// is tells whether the element has that name.
func is(e *etree.Element, namespace, tag string) bool {
	return e != nil && e.Tag == tag && e.NamespaceURI() == namespace
}

// children of an element that have that name.
func children(e *etree.Element, namespace, tag string) []*etree.Element {
	var found []*etree.Element
	for _, child := range e.ChildElements() {
		if is(child, namespace, tag) {
			found = append(found, child)
		}
	}
	return found
}

// one child of that name, nil if there is none; more than one is an error.
func one(e *etree.Element, namespace, tag string) (*etree.Element, error) {
	found := children(e, namespace, tag)
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	default:
		return nil, fmt.Errorf("%s has more than one %s", e.Tag, tag)
	}
}

// text of an element that has no elements in it.
func text(e *etree.Element) (string, error) {
	if len(e.ChildElements()) > 0 {
		return "", fmt.Errorf("%s has elements where text belongs", e.Tag)
	}
	return strings.TrimSpace(e.Text()), nil
}
