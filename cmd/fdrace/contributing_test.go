//go:build linux

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// A tree is what CONTRIBUTING.md can refer to.
type tree struct {
	exported map[string]map[string]bool // by package name: Name, Type.Method, Type.Field
	declared map[string]map[string]bool // by file: functions, methods, constants, variables, types
	tests    map[string]bool
	imports  map[string]map[string]bool // by directory: those of this module, without tests
}

func parseTree(t *testing.T) *tree {
	t.Helper()
	all := &tree{map[string]map[string]bool{}, map[string]map[string]bool{}, map[string]bool{}, map[string]map[string]bool{}}
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "bin" || d.Name() == "dist" || len(d.Name()) > 2 && d.Name()[0] == '.'):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err == nil {
			all.add(strings.TrimPrefix(path, root+"/"), f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (all *tree) add(path string, f *ast.File) {
	isTest := strings.HasSuffix(path, "_test.go")
	note := func(m map[string]map[string]bool, key, name string) {
		if m[key] == nil {
			m[key] = map[string]bool{}
		}
		m[key][name] = true
	}
	declare := func(owner, name string) {
		note(all.declared, path, name)
		if isTest && strings.HasPrefix(name, "Test") {
			all.tests[name] = true
		}
		if !isTest && ast.IsExported(name) {
			note(all.exported, f.Name.Name, strings.TrimPrefix(owner+"."+name, "."))
		}
	}
	for _, i := range f.Imports {
		name, _ := strconv.Unquote(i.Path.Value)
		if dir, ok := strings.CutPrefix(name, "fdrace/"); ok && !isTest {
			note(all.imports, filepath.Dir(path), dir)
		}
	}
	if !isTest {
		note(all.imports, filepath.Dir(path), "")
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			owner := ""
			if d.Recv != nil {
				kind := d.Recv.List[0].Type
				if pointer, ok := kind.(*ast.StarExpr); ok {
					kind = pointer.X
				}
				if name, ok := kind.(*ast.Ident); ok {
					owner = name.Name
				}
			}
			declare(owner, d.Name.Name)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					for _, name := range s.Names {
						declare("", name.Name)
					}
				case *ast.TypeSpec:
					declare("", s.Name.Name)
					if fields, ok := s.Type.(*ast.StructType); ok {
						for _, field := range fields.Fields.List {
							for _, name := range field.Names {
								declare(s.Name.Name, name.Name)
							}
						}
					}
				}
			}
		}
	}
}

// TestManualForContributors asks that everything which CONTRIBUTING.md names exists:
// files, exported names (pkg.Name), names said to be in a file (`name` in `file`),
// tests and targets of the Makefile; and that its table has every package, in an order
// in which imports point down.
func TestManualForContributors(t *testing.T) {
	all := parseTree(t)
	doc := text(t, root+"/CONTRIBUTING.md")

	// References do not go over the end of a line of the table, but of other lines.
	flat := regexp.MustCompile(`\n([^|\n#-])`).ReplaceAllString(doc, " $1")
	isPath := regexp.MustCompile(`^[\w.*-]+(/[\w.*-]+)+$|^[\w-]+\.(go|md|mod|txtar|1)$`)
	qualified := regexp.MustCompile(`^([a-z]\w*)\.([A-Z][\w.]*)$`)
	code := regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(flat, -1)
	if len(code) < 100 {
		t.Fatalf("only %d words in backquotes", len(code))
	}
	for _, c := range code {
		word := c[1]
		q := qualified.FindStringSubmatch(word)
		switch {
		case q != nil && all.exported[q[1]] != nil:
			if !all.exported[q[1]][q[2]] {
				t.Errorf("%s: package %s exports no such name", word, q[1])
			}
		case regexp.MustCompile(`^Test[A-Z]\w*$`).MatchString(word):
			if !all.tests[word] {
				t.Errorf("%s: there is no such test", word)
			}
		case !strings.HasPrefix(word, "bin/") && isPath.MatchString(word):
			if found, _ := filepath.Glob(filepath.Join(root, word)); len(found) == 0 {
				t.Errorf("%s: there is no such file", word)
			}
		}
	}
	for _, c := range regexp.MustCompile("`(\\w+)` in `([\\w/.]+\\.go)`").FindAllStringSubmatch(flat, -1) {
		if !all.declared[c[2]][c[1]] {
			t.Errorf("%s: it declares no %s", c[2], c[1])
		}
	}
	makefile := text(t, root+"/Makefile")
	for _, c := range regexp.MustCompile("(?m)(?:`|^    |[A-Z]+=\\w+ )make (\\w+)").FindAllStringSubmatch(doc, -1) {
		if !strings.Contains(makefile, "\n"+c[1]+":") {
			t.Errorf("make %s: there is no such target", c[1])
		}
	}
	all.checkTable(t, doc)
}

// checkTable compares the table of packages with what there is.
func (all *tree) checkTable(t *testing.T, doc string) {
	_, table, _ := strings.Cut(doc, "| package | what it does |")
	table, _, _ = strings.Cut(table, "\n\n")
	rank := map[string]int{}
	for i, line := range strings.Split(table, "\n") {
		packages, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		for _, c := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(packages, -1) {
			rank[c[1]] = i
		}
	}
	row := func(dir string) int {
		for ; dir != "."; dir = filepath.Dir(dir) { // internal/tools has a row, and its programs do not
			if i, ok := rank[dir]; ok {
				return i
			}
		}
		return 0
	}
	for _, dir := range slices.Sorted(maps.Keys(all.imports)) {
		if row(dir) == 0 {
			t.Errorf("%s is not in the table of packages", dir)
		}
		for _, to := range slices.Sorted(maps.Keys(all.imports[dir])) {
			if to != "" && row(to) < row(dir) {
				t.Errorf("%s imports %s, which is above it in the table", dir, to)
			}
		}
	}
}
