package sts

import (
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// assertion of dev, a bearer's.
func (f *fixture) assertion(o Options) string {
	f.t.Helper()
	_, data, err := f.Issue(dev, o)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(data)
}

// tree of a document, for a forger to work on.
func tree(t *testing.T, s string) *etree.Element {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(s); err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

func write(t *testing.T, e *etree.Element) string {
	t.Helper()
	doc := etree.NewDocument()
	doc.SetRoot(e.Copy())
	s, err := doc.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signature(e *etree.Element) *etree.Element { return e.FindElement("./Signature") }

// forged is the assertion with another subject, its signature taken out.
func forged(t *testing.T, original, id string) *etree.Element {
	t.Helper()
	e := tree(t, original)
	e.RemoveChild(signature(e))
	e.FindElement("./Subject/NameID").SetText("administrator@pacific.local")
	e.CreateAttr("ID", id)
	return e
}

// signedBy a key of the forger's choice, or by center's own, with a document that center would not write.
func signedBy(t *testing.T, e *etree.Element, k *Keyring, change func(*dsig.SigningContext)) string {
	t.Helper()
	key, cert := k.current()
	context, err := dsig.NewSigningContext(key, [][]byte{cert.Raw})
	if err != nil {
		t.Fatal(err)
	}
	context.Canonicalizer = exclusive()
	if change != nil {
		change(context)
	}
	s, err := context.ConstructSignature(e, true)
	if err != nil {
		t.Fatal(err)
	}
	e.InsertChildAt(1, s)
	return write(t, e)
}

func otherKeyring(t *testing.T) *Keyring {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := authority(t)(key.Public(), signingLife)
	if err != nil {
		t.Fatal(err)
	}
	return &Keyring{keys: []signingKey{{key: key, cert: parsed(t, der)}}}
}

func TestRefusedAssertions(t *testing.T) {
	f := newFixture(t)
	original := f.assertion(Options{Life: time.Hour})
	id := tree(t, original).SelectAttrValue("ID", "")
	const evil = "_evil"
	replaced := func(old, new string) string {
		s := strings.Replace(original, old, new, 1)
		if s == original {
			t.Fatalf("%q is not in the assertion", old)
		}
		return s
	}
	ours := func(change func(*etree.Element)) string {
		e := forged(t, original, evil)
		change(e)
		return signedBy(t, e, f.Keys, nil)
	}
	wrap := func(id string, place func(forged, real *etree.Element)) string {
		e := forged(t, original, id)
		place(e, tree(t, original))
		return write(t, e)
	}
	withSignature := func(e, real *etree.Element) *etree.Element {
		s := signature(real)
		real.RemoveChild(s)
		e.InsertChildAt(1, s)
		return s
	}
	for name, test := range map[string]struct{ assertion, want string }{
		"empty":                 {"", "empty"},
		"no XML":                {"hello", "text outside"},
		"half":                  {original[:len(original)/2], "not well formed"},
		"two documents":         {original + original, "too many elements"},
		"not an assertion":      {"<a/>", "no assertion"},
		"SAML 1.1":              {`<Assertion xmlns="urn:oasis:names:tc:SAML:1.0:assertion" ID="x"/>`, "no assertion"},
		"not signed":            {write(t, forged(t, original, evil)), "not signed"},
		"another subject":       {replaced("dev@pacific.local", "administrator@pacific.local"), "signature"},
		"another group":         {replaced(`pacific.local\team`, `pacific.local\Administrators`), "signature"},
		"a longer life":         {replaced("NotOnOrAfter=\"20", "NotOnOrAfter=\"21"), "signature"},
		"another key":           {signedBy(t, forged(t, original, evil), otherKeyring(t), nil), "signature"},
		"no key at all":         {dropElement(t, signedBy(t, forged(t, original, evil), otherKeyring(t), nil), ".//KeyInfo"), "signature"},
		"a comment in the name": {replaced("dev@pacific.local", "dev<!-- x -->@pacific.local"), "comment"},
		"a comment after it":    {replaced("</saml2:NameID>", "<!---->.evil</saml2:NameID>"), "comment"},
		"a processing instruction": {
			replaced("dev@pacific.local", "dev<?x y?>@pacific.local"), "processing instruction"},
		"a document type":    {`<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + original, "document type"},
		"an entity":          {replaced("dev@pacific.local", "&e;"), "not well formed"},
		"an entity bomb":     {`<!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><l>&b;</l>`, "document type"},
		"oversize":           {replaced("dev@pacific.local", strings.Repeat("x", maxDocument)), "bytes"},
		"too deep":           {strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100), "too many"},
		"not UTF-8":          {replaced("dev@pacific.local", "d\xffv@pacific.local"), "UTF-8"},
		"the ID twice":       {replaced("<saml2:Subject>", `<saml2:Subject ID="`+id+`">`), "two elements have the ID"},
		"an attribute twice": {replaced(`Version="2.0"`, `Version="2.0" Version="2.0"`), "twice"},

		"wrapped in the signature": {wrap(evil, func(e, real *etree.Element) {
			s := withSignature(e, real)
			s.CreateElement("ds:Object").AddChild(real)
		}), "another signature or assertion"},
		"wrapped beside it": {wrap(evil, func(e, real *etree.Element) {
			withSignature(e, real)
			e.AddChild(real)
		}), "another signature or assertion"},
		"wrapped with its signature": {wrap(evil, func(e, real *etree.Element) { e.InsertChildAt(1, real) }), "another signature or assertion"},
		"wrapped in an extension": {wrap(evil, func(e, real *etree.Element) {
			withSignature(e, real)
			e.CreateElement("Extensions").AddChild(real)
		}), "another signature or assertion"},
		"wrapped with the same ID": {wrap(id, func(e, real *etree.Element) {
			withSignature(e, real)
			e.AddChild(real)
		}), "two elements have the ID"},
		"the signature of another assertion": {wrap(evil, func(e, real *etree.Element) { withSignature(e, real) }), "refers to something else"},
		"the signature moved": {wrap(id, func(e, real *etree.Element) {
			s := withSignature(e, real)
			e.RemoveChild(s)
			e.FindElement("./Subject").AddChild(s)
		}), "another signature or assertion"},
		"two signatures": {wrap(id, func(e, real *etree.Element) {
			e.AddChild(withSignature(e, real).Copy())
		}), "another signature or assertion"},
		"a reference to the whole document": {replaced(`URI="#`+id+`"`, `URI=""`), "refers to something else"},
		"a second reference": {wrap(id, func(e, real *etree.Element) {
			info := withSignature(e, real).FindElement("./SignedInfo")
			info.AddChild(info.FindElement("./Reference").Copy())
		}), "refers to something else"},
		"a second SignedInfo": {wrap(id, func(e, real *etree.Element) {
			s := withSignature(e, real)
			s.AddChild(s.FindElement("./SignedInfo").Copy())
		}), "SignedInfo"},
		"another transform":      {replaced(dsig.EnvelopedSignatureAltorithmId.String(), "http://www.w3.org/TR/1999/REC-xpath-19991116"), "method that is not accepted"},
		"with comments":          {replaced(dsig.CanonicalXML10ExclusiveAlgorithmId.String(), dsig.CanonicalXML10ExclusiveWithCommentsAlgorithmId.String()), "method that is not accepted"},
		"HMAC by the public key": {replaced("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"), "method that is not accepted"},
		"no algorithm":           {replaced("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", ""), "method that is not accepted"},
		"SHA-1": {signedBy(t, forged(t, original, evil), f.Keys, func(c *dsig.SigningContext) {
			if err := c.SetSignatureMethod(dsig.RSASHA1SignatureMethod); err != nil {
				t.Fatal(err)
			}
		}), "method that is not accepted"},

		"another issuer":    {ours(func(e *etree.Element) { e.FindElement("./Issuer").SetText("https://other.test") }), "issuer"},
		"unknown condition": {ours(func(e *etree.Element) { e.FindElement("./Conditions").CreateElement("saml2:OneTimeUse") }), "not understood"},
		"unknown confirmation": {ours(func(e *etree.Element) {
			e.FindElement("./Subject/SubjectConfirmation").CreateAttr("Method", "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches")
		}), "no way to confirm"},
		"no subject":    {ours(func(e *etree.Element) { e.RemoveChild(e.FindElement("./Subject")) }), "Subject"},
		"two subjects":  {ours(func(e *etree.Element) { e.AddChild(e.FindElement("./Subject").Copy()) }), "Subject"},
		"no conditions": {ours(func(e *etree.Element) { e.RemoveChild(e.FindElement("./Conditions")) }), "Conditions"},
		"no domain":     {ours(func(e *etree.Element) { e.FindElement("./Subject/NameID").SetText("administrator") }), "name@domain"},
		"holder without key": {ours(func(e *etree.Element) {
			e.FindElement("./Subject/SubjectConfirmation").CreateAttr("Method", methodHolderOfKey)
		}), "key of its holder"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Verifier().Verify([]byte(test.assertion), f.now)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if a, err := f.Verifier().Verify([]byte(original), f.now); err != nil || a.Subject != "dev" {
		t.Fatalf("the one they were made of: %v", err)
	}
	if _, err := f.Verifier().Verify([]byte(ours(func(*etree.Element) {})), f.now); err != nil {
		t.Fatalf("the forger's tools make none that is accepted with center's own key, so they prove nothing: %v", err)
	}
}

func dropElement(t *testing.T, s, path string) string {
	t.Helper()
	e := tree(t, s)
	found := e.FindElement(path)
	found.Parent().RemoveChild(found)
	return write(t, e)
}

func TestAssertionsHaveTheirTime(t *testing.T) {
	f := newFixture(t)
	data := []byte(f.assertion(Options{Life: time.Hour}))
	issued := f.now
	for name, test := range map[string]struct {
		at time.Time
		ok bool
	}{
		"a clock a little behind": {issued.Add(-20 * time.Second), true},
		"not yet":                 {issued.Add(-time.Minute), false},
		"at its end":              {issued.Add(time.Hour - time.Second), true},
		"after its end":           {issued.Add(time.Hour), false},
		"long after":              {issued.Add(100 * time.Hour), false},
	} {
		if _, err := f.Verifier().Verify(data, test.at); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAudience(t *testing.T) {
	f := newFixture(t)
	theirs := []byte(f.assertion(Options{Audience: []string{"https://other.test"}}))
	both := []byte(f.assertion(Options{Audience: []string{"https://other.test", "https://center.test"}}))
	if _, err := f.Verifier().Verify(theirs, f.now); err == nil || !strings.Contains(err.Error(), "https://other.test") {
		t.Errorf("for others: %v", err)
	}
	if a, err := f.Verifier().Verify(both, f.now); err != nil || len(a.Audience) != 2 {
		t.Errorf("for both: %v", err)
	}
}

func TestLivesAreBounded(t *testing.T) {
	f := newFixture(t)
	holder := parsed(t, f.program.Certificate[0])
	for _, test := range []struct {
		o    Options
		want time.Duration
	}{
		{Options{}, DefaultLife}, {Options{Life: 24 * time.Hour}, MaxBearerLife}, {Options{Life: 24 * time.Hour, Holder: holder}, 24 * time.Hour},
		{Options{Life: 1e6 * time.Hour, Holder: holder}, MaxHolderLife}, {Options{Life: -time.Hour}, DefaultLife},
	} {
		a := f.verify(f.assertion(test.o))
		if got := a.NotOnOrAfter.Sub(a.NotBefore); got != test.want {
			t.Errorf("%v: %v, want %v", test.o.Life, got, test.want)
		}
	}
}

func TestNamesThatNoAssertionCanCarry(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"", "a\nb", " a", "a\x00b", strings.Repeat("a", 600), "a\ufffe"} {
		if _, _, err := f.Issue(Subject{Name: name, Domain: "pacific.local"}, Options{}); err == nil {
			t.Errorf("subject %q was issued", name)
		}
		if _, _, err := f.Issue(Subject{Name: "a", Domain: "pacific.local", Groups: []Group{{name, "pacific.local"}}}, Options{}); err == nil {
			t.Errorf("group %q was issued", name)
		}
	}
	a, data, err := f.Issue(Subject{Name: `we<ird>&"'name`, Domain: "pacific.local", Groups: []Group{{`a\b@c`, "x.y"}}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if b := f.verify(string(data)); b.Subject != a.Subject || b.Groups[0] != a.Groups[0] {
		t.Errorf("got %+v", b)
	}
}

func TestKeysRotateWithOverlap(t *testing.T) {
	keyBits = 1024 // one of 3072 takes a second
	t.Cleanup(func() { keyBits = productionKeyBits })
	now := time.Now()
	dir := t.TempDir()
	certify := authority(t)
	open := func() *Keyring {
		t.Helper()
		k, err := OpenKeyring(dir, certify, now)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := open()
	_, first := k.current()
	_, data, err := k.sign(testIssuer, Assertion{Subject: "dev", Domain: "x.y", IssueInstant: now, AuthnInstant: now, NotBefore: now, NotOnOrAfter: now.Add(time.Hour), context: contextPassword})
	if err != nil {
		t.Fatal(err)
	}
	valid := func(k *Keyring) bool {
		_, err := Verifier{Issuer: testIssuer, Trusted: k.Trusted}.Verify(data, now)
		return err == nil
	}
	if k = open(); len(k.keys) != 1 || !valid(k) {
		t.Fatal("a restart made another key")
	}
	now = now.Add(time.Second)
	if err := k.Rotate(now); err != nil {
		t.Fatal(err)
	}
	k = open()
	if _, second := k.current(); second.Equal(first) || len(k.Trusted(now)) != 2 || !valid(k) {
		t.Error("the old certificate is not trusted beside the new one")
	}
	if k.keys[0].key != nil {
		t.Error("the old key is still there")
	}
	later := now.Add(MaxHolderLife + 2*time.Hour)
	if err := k.Keep(later); err != nil || len(k.Trusted(later)) != 1 {
		t.Errorf("%d certificates, %v", len(k.Trusted(later)), err)
	}
	_, before := k.current()
	if err := k.Keep(now.Add(signingLife * 3 / 4)); err != nil {
		t.Fatal(err)
	}
	if _, after := k.current(); after.Equal(before) {
		t.Error("a key that was due was not replaced")
	}
}

func FuzzVerify(f *testing.F) {
	service := Service{Issuer: testIssuer, Keys: newKeyring(f), Now: time.Now}
	_, good, err := service.Issue(dev, Options{Life: time.Hour})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="a" Version="2.0"/>`))
	f.Add([]byte(`<a xmlns:b="c"><b:d e="f" b:e="g">&lt;</b:d></a>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := service.Verifier().Verify(data, time.Now())
		if err == nil && (a.Subject != "dev" || a.Domain != "pacific.local" || len(a.Groups) != 2) {
			t.Errorf("a forged assertion: %+v\n%s", a, data)
		}
	})
}
