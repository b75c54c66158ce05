## make            build bin/fdrace
## make demo       log in through fdrace to a throwaway sshd on this machine
## make test       every test; brings what is missing, or says how to get it
## make e2e        only the stories with real ssh and sshd
## make bench      time from exec to exit, beside nc -F
## make fuzz       each fuzz target for FUZZTIME (20s)
## make lint       gofmt, vet for every system, staticcheck, the manual
## make install    binary and manual to PREFIX (/usr/local), below DESTDIR
## make uninstall  the reverse
## make clean      remove what was built

PREFIX = /usr/local
DESTDIR =
FUZZTIME = 20s
VERSION = $(or $(if $(wildcard .git),$(shell git describe --tags --always --dirty 2>/dev/null)),dev)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

# sshd and ip are where a user's PATH may not lead, and go where root's may not.
export PATH := $(PATH):/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin

.PHONY: build help demo test e2e bench fuzz lint install uninstall clean

build: bin/fdrace

help:
	@sed -n 's/^## //p' Makefile

# The log of HEAD is there because the version changes with a commit. A later
# "sudo make install" finds nothing to do, and so needs neither go nor git.
bin/fdrace: Makefile go.mod go.sum $(wildcard .git/logs/HEAD) $(shell find cmd/fdrace cmd/internal/helper race fdpass mptcp -type f ! -name '*_test.go')
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/fdrace

# Not by go run, which a signal would part from what it runs.
demo: bin/fdrace
	@sh .ci/need ssh sshd
	@CGO_ENABLED=0 go build -o bin/demo ./cmd/internal/demo
	@bin/demo bin/fdrace

# The results depend on more than the files that go looks at: none is cached.
# Some tests measure milliseconds: one package runs at a time.
test:
	@sh .ci/need cc ssh sshd ip --or-skip ansible git mptcpize nc nft ping rsync
	go vet ./...
	CGO_ENABLED=1 go test -race -count=1 -p 1 ./...

e2e:
	@sh .ci/need cc ssh sshd ip --or-skip ansible git mptcpize nc nft ping rsync
	CGO_ENABLED=1 go test -race -count=1 -run '^Test(EndToEnd|OnTheWire)$$' ./cmd/fdrace

bench:
	@sh .ci/need nc --or-skip cc
	go run ./cmd/internal/bench

fuzz:
	@set -e; for package in $$(go list ./...); do \
		targets=$$(go test -list '^Fuzz' $$package); \
		for target in $$(echo "$$targets" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

lint:
	@unformatted=$$(gofmt -l .) && test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	GOOS=linux go vet ./...
	GOOS=darwin go vet ./...
	GOOS=freebsd go vet ./...
	GOOS=openbsd go vet ./...
	go run $(STATICCHECK) ./...
	@sh .ci/need --or-skip mandoc
	@if command -v mandoc >/dev/null; then mandoc -T lint -W warning cmd/fdrace/fdrace.1; fi

MANUALS = $(DESTDIR)$(PREFIX)/share/man/man1

install: bin/fdrace
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(MANUALS)"
	install -m 755 bin/fdrace "$(DESTDIR)$(PREFIX)/bin/fdrace"
	install -m 644 cmd/fdrace/fdrace.1 "$(MANUALS)/fdrace.1"

uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/bin/fdrace" "$(MANUALS)/fdrace.1"

clean:
	rm -rf bin
