# The expression for Nix: nix-build fdrace.nix. "make release" fills in @URL@, @HASH@
# and @VERSION@, and puts it into dist/. The source has the modules in vendor/.
{
  pkgs ? import <nixpkgs> { },
}:

# The Go that go.mod asks for.
(pkgs.buildGoModule.override { go = pkgs.go_1_26; }) {
  pname = "fdrace";
  version = "@VERSION@";
  src = pkgs.fetchurl {
    url = "@URL@";
    hash = "sha256-@HASH@";
  };
  vendorHash = null;

  buildPhase = ''
    runHook preBuild
    make VERSION=v@VERSION@
    runHook postBuild
  '';
  doCheck = false; # the tests make network namespaces
  installPhase = ''
    runHook preInstall
    make install VERSION=v@VERSION@ PREFIX=$out
    runHook postInstall
  '';

  meta = {
    description = "ProxyCommand for ssh that tries all addresses of a host at once";
    license = pkgs.lib.licenses.mit;
    mainProgram = "fdrace";
    platforms = pkgs.lib.platforms.unix;
  };
}
