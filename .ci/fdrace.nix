# fdrace for Nix, built from this tree: nix-build .ci/fdrace.nix
{
  pkgs ? import <nixpkgs> { },
  version ? "dev",
}:

# The Go that go.mod asks for.
(pkgs.buildGoModule.override { go = pkgs.go_1_26; }) {
  pname = "fdrace";
  inherit version;
  src = pkgs.lib.cleanSource ../.;
  # Of what "go mod vendor" makes. .ci/check-packages compares it, and prints the new one.
  vendorHash = "sha256-d2rYqrqr7024SjEsUiKTt8Cgq8hjg6nGzuPqkfFncDs=";

  buildPhase = ''
    runHook preBuild
    make VERSION=${version}
    runHook postBuild
  '';
  doCheck = false; # the tests make network namespaces
  installPhase = ''
    runHook preInstall
    make install VERSION=${version} PREFIX=$out
    runHook postInstall
  '';

  meta = {
    description = "ProxyCommand for ssh that tries all addresses of a host at once";
    license = pkgs.lib.licenses.mit;
    mainProgram = "fdrace";
    platforms = pkgs.lib.platforms.unix;
  };
}
