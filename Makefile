## make            build bin/fdrace
## make demo       log in through fdrace to a throwaway sshd on this machine
## make test       every test; brings what is missing, or says how to get it
## make e2e        only the stories with real ssh and sshd (FDRACE_OPENSSH=DIR: those below DIR)
## make soak       what sshd sees of thousands of logins, lossy networks, lost paths (90 minutes)
## make bench      time from exec to exit, logins, throughput, beside nc -F and ssh
## make size       how large the program is, and what each dependency adds
## make fuzz       each fuzz target for FUZZTIME (20s)
## make lint       gofmt, vet for every system, staticcheck, the manual
## make install    binary, manual and completions to PREFIX (/usr/local), below DESTDIR
## make uninstall  the reverse
## make dist       to dist/: static binaries, .deb, .rpm, .apk and Arch packages for each of ARCHS
## make release    dist, the source, a Homebrew formula and the notes, from the tag of HEAD
## make check-packages  unpack and run what a release would have
## make picture    draw testdata/explain.svg again
## make clean      remove what was built

PREFIX = /usr/local
DESTDIR =
FUZZTIME = 20s
BENCH =
VERSION = $(or $(if $(wildcard .git),$(shell git describe --tags --always --dirty 2>/dev/null)),dev)
OPENSSH10 = $(CURDIR)/bin/openssh10
SOAK =
ARCHS = amd64 arm64 riscv64
URL = file://$(CURDIR)/dist
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FREEZE = github.com/charmbracelet/freeze@v0.2.2
NFPM = github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

BUILD = VERSION="$(VERSION)" sh .ci/build
# For other programs that are linked as fdrace is.
ENTRY = $$(case $$(go env GOOS)/$$(go env GOARCH) in linux/amd64 | linux/arm64) echo -E _fdrace_linux;; esac)

# sshd and ip are where a user's PATH may not lead, and go where root's may not.
export PATH := $(PATH):/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin

.PHONY: build help demo test e2e soak bench size fuzz lint install uninstall dist release check-packages picture clean

build: bin/fdrace

help:
	@sed -n 's/^## //p' Makefile

# The log of HEAD is there because the version changes with a commit. A later
# "sudo make install" finds nothing to do, and so needs neither go nor git.
bin/fdrace: Makefile .ci/build go.mod go.sum $(wildcard .git/logs/HEAD) $(shell find cmd internal fdpass mptcp -type f ! -name '*_test.go')
	$(BUILD) $@

# Not by go run, which a signal would part from what it runs.
demo: bin/fdrace
	@sh .ci/need ssh sshd
	@CGO_ENABLED=0 go build -o bin/demo ./internal/tools/demo
	@bin/demo bin/fdrace

# The results depend on more than the files that go looks at: none is cached. Packages
# whose tests measure milliseconds run one at a time, after the others. The stories that
# may differ between versions of OpenSSH run once more, with the one in OPENSSH10. A loaded
# machine may need more than the ten minutes that go test allows a package.
TIMED = fdrace/cmd/fdrace fdrace/internal/lab fdrace/internal/tools/soak
test: export CGO_ENABLED = 1
test: export FDRACE_REPEATS = $(CURDIR)/bin/repeats
test:
	@sh .ci/need cc ssh sshd ip --or-skip ansible fish git microsocks mosh mptcpize nc nft ping rsync tinyproxy zsh
	@mkdir -p bin && rm -f $(FDRACE_REPEATS)
	go vet ./...
	@status=0; set -x; \
		go test -race -count=1 $$(go list ./... | grep -vxF "$$(printf '%s\n' $(TIMED))") || status=1; \
		go test -race -count=1 -timeout=30m -p 1 $(TIMED) || status=1; \
		sh .ci/openssh10 $(OPENSSH10); \
		test ! -x $(OPENSSH10)/usr/sbin/sshd || FDRACE_OPENSSH=$(OPENSSH10) \
			go test -race -count=1 -timeout=30m -p 1 -short -run '^Test(EndToEnd|SSHD)$$' ./cmd/fdrace ./internal/tools/soak || status=1; \
		set +x; test ! -e $(FDRACE_REPEATS) || cat $(FDRACE_REPEATS); \
		exit $$status

e2e:
	@sh .ci/need cc ssh sshd ip --or-skip ansible git microsocks mosh mptcpize nc nft ping rsync tinyproxy
	CGO_ENABLED=1 go test -race -count=1 -run '^TestEndToEnd$$' ./cmd/fdrace

# Each is run though the other has missed a target. Not by go run, which a signal
# would part from what it runs.
soak:
	@sh .ci/need nc ssh sshd ip --or-skip mptcpize
	@sh .ci/openssh10 $(OPENSSH10)
	@CGO_ENABLED=0 go build -o bin/soak ./internal/tools/soak
	@status=0; bin/soak $(SOAK) || status=1; \
		if [ -x $(OPENSSH10)/usr/sbin/sshd ]; then FDRACE_OPENSSH=$(OPENSSH10) bin/soak $(SOAK) || status=1; fi; \
		exit $$status

bench:
	@sh .ci/need nc --or-skip cc ssh sshd ip
	go run ./internal/tools/bench $(BENCH)

size:
	@LINK="$(ENTRY)" sh .ci/size

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
	GOOS=windows go vet ./...
	go run $(STATICCHECK) ./...
	@sh .ci/need --or-skip mandoc
	@if command -v mandoc >/dev/null; then mandoc -T lint -W warning cmd/fdrace/*.[1-9]; fi

SHARE = $(DESTDIR)$(PREFIX)/share

install: bin/fdrace
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(SHARE)/man/man1" "$(SHARE)/man/man7" "$(SHARE)/bash-completion/completions" \
		"$(SHARE)/zsh/site-functions" "$(SHARE)/fish/vendor_completions.d" "$(SHARE)/doc/fdrace"
	install -m 755 bin/fdrace "$(DESTDIR)$(PREFIX)/bin/fdrace"
	install -m 644 cmd/fdrace/fdrace.1 "$(SHARE)/man/man1/fdrace.1"
	install -m 644 cmd/fdrace/fdrace-mptcp.7 "$(SHARE)/man/man7/fdrace-mptcp.7"
	install -m 644 cmd/fdrace/completions/fdrace.bash "$(SHARE)/bash-completion/completions/fdrace"
	install -m 644 cmd/fdrace/completions/_fdrace "$(SHARE)/zsh/site-functions/_fdrace"
	install -m 644 cmd/fdrace/completions/fdrace.fish "$(SHARE)/fish/vendor_completions.d/fdrace.fish"
	install -m 644 cmd/fdrace/schema/*.json "$(SHARE)/doc/fdrace"

uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/bin/fdrace" "$(SHARE)/man/man1/fdrace.1" "$(SHARE)/man/man7/fdrace-mptcp.7" \
		"$(SHARE)/bash-completion/completions/fdrace" "$(SHARE)/zsh/site-functions/_fdrace" \
		"$(SHARE)/fish/vendor_completions.d/fdrace.fish" \
		"$(SHARE)/doc/fdrace/explain.schema.json" "$(SHARE)/doc/fdrace/doctor.schema.json"
	test ! -d "$(SHARE)/doc/fdrace" || rmdir "$(SHARE)/doc/fdrace"

dist:
	VERSION="$(VERSION)" ARCHS="$(ARCHS)" NFPM="$(NFPM)" sh .ci/dist

release:
	ARCHS="$(ARCHS)" NFPM="$(NFPM)" URL="$(URL)" sh .ci/release

check-packages:
	@sh .ci/need --or-skip bsdtar ruby nix-instantiate
	@sh .ci/check-packages

# It has a background of its own, for the light as for the dark, but no font:
# what the tool would put in is 280 KB of somebody else's, and every reader has
# the like.
picture:
	@sh .ci/need ip ssh sshd
	@mkdir -p bin && rm -f bin/picture
	PICTURE=$(CURDIR)/bin/picture CGO_ENABLED=0 go test -count=1 -run 'TestEndToEnd/picture$$' ./cmd/fdrace
	@test -s bin/picture || { echo 'picture: the lab could not race: see go test -v -run TestEndToEnd/picture ./cmd/fdrace'; exit 1; }
	go run $(FREEZE) bin/picture --language ansi --output testdata/explain.svg \
		--background '#171717' --border.radius 8 --padding 20 --margin 0 --font.size 14 --font.ligatures=false </dev/null
	sed -i -e '/^<style>$$/,/^}$$/d' -e 's/^<.style>//' -e 's/"JetBrains Mono"/"ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace"/' testdata/explain.svg

clean:
	rm -rf bin dist
