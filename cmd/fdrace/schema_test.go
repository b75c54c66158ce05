//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// schemaVerbs are those of the stories of JSON.
//
//	fits NAME    each line of stdout is as schema/NAME.schema.json says
func schemaVerbs() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"fits": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) != 1 {
				ts.Fatalf("usage: fits NAME")
			}
			ts.Check(fits(args[0], ts.ReadFile("stdout")))
		},
	}
}

// fits returns an error if there are no lines, or one does not match the schema of
// that name.
func fits(name, lines string) error {
	schema, err := readSchema(name)
	if err != nil {
		return err
	}
	if lines == "" {
		return fmt.Errorf("no lines for %s.schema.json", name)
	}
	for line := range strings.Lines(lines) {
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			return fmt.Errorf("%w: %s", err, line)
		}
		if err := validate(schema, v); err != nil {
			return fmt.Errorf("%s.schema.json: %w: %s", name, err, line)
		}
		for property := range v.(map[string]any) {
			if _, ok := schema["properties"].(map[string]any)[property]; !ok {
				return fmt.Errorf("%s.schema.json does not have %q: %s", name, property, line)
			}
		}
	}
	return nil
}

func readSchema(name string) (schema map[string]any, err error) {
	text, err := os.ReadFile(filepath.Join("schema", name+".schema.json"))
	if err == nil {
		err = json.Unmarshal(text, &schema)
	}
	return schema, err
}

// validate returns why v does not match a JSON Schema (draft 2020-12), of which it
// knows as much as ours use. An unknown keyword is an error, too.
func validate(schema map[string]any, v any) error {
	object, _ := v.(map[string]any)
	for keyword, want := range schema {
		var err error
		switch keyword {
		case "$schema", "title", "description", "then", "else":
		case "type":
			err = isA(want.(string), v)
		case "const":
			if !reflect.DeepEqual(v, want) {
				err = fmt.Errorf("%v is not %v", v, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				err = fmt.Errorf("%v is none of %v", v, want)
			}
		case "minimum":
			if n, ok := v.(float64); ok && n < want.(float64) {
				err = fmt.Errorf("%v is less than %v", v, want)
			}
		case "minLength":
			if s, ok := v.(string); ok && float64(len(s)) < want.(float64) {
				err = fmt.Errorf("%q is too short", s)
			}
		case "minItems":
			if a, ok := v.([]any); ok && float64(len(a)) < want.(float64) {
				err = fmt.Errorf("%v is too short", a)
			}
		case "required":
			for _, name := range want.([]any) {
				if _, ok := object[name.(string)]; object != nil && !ok {
					err = fmt.Errorf("no %q", name)
				}
			}
		case "properties":
			for name, sub := range want.(map[string]any) {
				if value, ok := object[name]; ok && err == nil {
					if err = validate(sub.(map[string]any), value); err != nil {
						err = fmt.Errorf("%q: %w", name, err)
					}
				}
			}
		case "items":
			array, _ := v.([]any)
			for _, item := range array {
				if err == nil {
					err = validate(want.(map[string]any), item)
				}
			}
		case "allOf":
			for _, sub := range want.([]any) {
				if err == nil {
					err = validate(sub.(map[string]any), v)
				}
			}
		case "if":
			branch := "then"
			if validate(want.(map[string]any), v) != nil {
				branch = "else"
			}
			if sub, ok := schema[branch].(map[string]any); ok {
				err = validate(sub, v)
			}
		default:
			err = fmt.Errorf("the keyword %q is not known here", keyword)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func isA(name string, v any) error {
	var ok bool
	switch name {
	case "object":
		_, ok = v.(map[string]any)
	case "array":
		_, ok = v.([]any)
	case "string":
		_, ok = v.(string)
	case "number":
		_, ok = v.(float64)
	case "integer":
		n, isNumber := v.(float64)
		ok = isNumber && n == math.Trunc(n)
	}
	if !ok {
		return fmt.Errorf("%v is not of type %s", v, name)
	}
	return nil
}

// TestSchemaOfExplain checks every kind of event that package explain has in its golden
// file. The stories check what real races write.
func TestSchemaOfExplain(t *testing.T) {
	golden, err := os.ReadFile("../../internal/explain/testdata/json.golden")
	if err != nil {
		t.Fatal(err)
	}
	if err := fits("explain", string(golden)); err != nil {
		t.Error(err)
	}
}

// TestSchemaRefuses checks that the schemas, and what reads them here, do refuse.
func TestSchemaRefuses(t *testing.T) {
	for _, c := range []struct{ name, line string }{
		{"explain", `{"t_ms":1,"event":"won","target":"box:22","addr":"192.0.2.1:22"}`},
		{"explain", `{"t_ms":1,"event":"lost","target":"box:22"}`},
		{"explain", `{"t_ms":-1,"event":"resolve","target":"box:22"}`},
		{"explain", `{"t_ms":"1","event":"resolve","target":"box:22"}`},
		{"explain", `{"t_ms":1,"event":"resolve","target":"box:22","addrs":[]}`},
		{"explain", `{"t_ms":1,"event":"resolve","target":"box:22","addrs":[7]}`},
		{"explain", `{"t_ms":1,"event":"resolve","target":"box:22","late":false}`},
		{"explain", `{"t_ms":1,"event":"resolve","target":"box:22","attempt":2.5}`},
		{"explain", `{"t_ms":1,"event":"failed","target":"box:22","addrs":["192.0.2.1"],"error":"x"}`},
		{"explain", `{"t_ms":1,"event":"resolve","target":"box:22","new":1}`},
		{"explain", ``},
		{"doctor", `{"check":"path","status":"ok","found":"x","remedy":"y","where":"shell"}`},
		{"doctor", `{"check":"path","status":"fail","found":"x","remedy":"","where":""}`},
		{"doctor", `{"check":"path","status":"ok","found":"x","remedy":""}`},
	} {
		if fits(c.name, c.line) == nil {
			t.Errorf("%s.schema.json allows %s", c.name, c.line)
		}
	}
}

// TestManualHasTheSchemas compares the properties of the schemas, and the values that
// they may have, with the manual.
func TestManualHasTheSchemas(t *testing.T) {
	manual := text(t, "fdrace.1")
	for name, section := range map[string]string{"explain": "Events", "doctor": "Checks as JSON"} {
		schema, err := readSchema(name)
		if err != nil {
			t.Fatal(err)
		}
		properties := schema["properties"].(map[string]any)
		_, section, _ = strings.Cut(manual, "\n.Ss "+section+"\n")
		section, _, _ = strings.Cut(section, "\n.S")
		section = unroff(section)
		var documented []string
		for _, m := range regexp.MustCompile(`(?m)^\.It Li (.*)$`).FindAllStringSubmatch(section, -1) {
			documented = append(documented, strings.Split(m[1], " , ")...)
		}
		if defined := slices.Collect(maps.Keys(properties)); !equalSets(documented, defined) {
			t.Errorf("fdrace.1 documents %q for --%s, and its schema has %q", documented, name, defined)
		}
		for property, sub := range properties {
			values, _ := sub.(map[string]any)["enum"].([]any)
			for _, value := range values {
				if value := value.(string); value != "" && !regexp.MustCompile(`(?m)^\.(It )?(Li|Sy) .*\b`+regexp.QuoteMeta(value)+`\b`).MatchString(section) {
					t.Errorf("fdrace.1 does not have the value %q of %q", value, property)
				}
			}
		}
	}
}

func equalSets(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
