# What .ci/check-packages runs the formula with, where there is no Homebrew: as much
# of its class Formula as ours uses.
class Formula
  class << self
    attr_reader :fields, :tests

    %i[desc url sha256 license depends_on].each do |name|
      define_method(name) { |value| (@fields ||= {})[name] = value }
    end

    def test(&block) = @tests = block
  end

  def version = ENV.fetch("NUMBER")
  def prefix = ENV.fetch("KEG")
  def bin = "#{prefix}/bin"

  def system(*command)
    Kernel.system(*command) or raise "failed: #{command.join(" ")}"
  end

  def shell_output(command, status = 0)
    out = `#{command}`
    raise "#{command}: exit status #{$?.exitstatus}" unless $?.exitstatus == status
    out
  end

  def assert_match(wanted, got)
    raise "no #{wanted.inspect} in #{got.inspect}" unless got.include?(wanted)
  end
end

load ENV.fetch("FORMULA")
fields = Fdrace.fields
raise "url: #{fields[:url]}" unless fields[:url] == "https://example.org/fdrace/fdrace-#{ENV.fetch("NUMBER")}.tar.gz"
raise "sha256: #{fields[:sha256]}" unless fields[:sha256] == ENV.fetch("SUM").split.first
raise "desc: Homebrew takes 80 characters" if fields[:desc].length > 80
Dir.chdir(ENV.fetch("SOURCE")) { Fdrace.new.install }
Fdrace.new.instance_eval(&Fdrace.tests)
