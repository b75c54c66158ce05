# The formula for Homebrew, on macOS and Linux. "make release" fills in @URL@ and
# @SHA256@, and puts it into dist/. The source has the modules in vendor/.
class Fdrace < Formula
  desc "ProxyCommand for ssh that tries all addresses of a host at once"
  url "@URL@"
  sha256 "@SHA256@"
  license "MIT"

  depends_on "go" => :build

  def install
    system "make", "install", "VERSION=v#{version}", "PREFIX=#{prefix}"
  end

  test do
    assert_match "fdrace v#{version}", shell_output("#{bin}/fdrace --version 2>&1")
    assert_match "a target is missing", shell_output("#{bin}/fdrace 2>&1", 2)
  end
end
