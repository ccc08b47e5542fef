# What an attacker who has a Ruby program would do next. Each attempt ends in a line:
# "NAME: done", or "NAME: refused WHY". The argument is a folder for files.
require 'fiddle'
require 'fileutils'
require 'socket'
$stdout.sync = true

def attempt(name)
  why = begin
    yield ? nil : 'false'
  rescue SystemCallError => e
    e.class.name.sub('Errno::', '')
  rescue Fiddle::DLError => e
    e.message =~ /ermission|failed to map/ ? 'EACCES' : e.message
  end
  puts why ? "#{name}: refused #{why}" : "#{name}: done"
end

# mov eax, 42; ret
CODE = "\xb8\x2a\x00\x00\x00\xc3".b
LIBC = Fiddle.dlopen(nil)

def native(name, args, result = Fiddle::TYPE_LONG)
  Fiddle::Function.new(LIBC[name], args, result)
end

MMAP = native('mmap', [Fiddle::TYPE_LONG, Fiddle::TYPE_LONG, Fiddle::TYPE_INT, Fiddle::TYPE_INT, Fiddle::TYPE_INT, Fiddle::TYPE_LONG])
MPROTECT = native('mprotect', [Fiddle::TYPE_LONG, Fiddle::TYPE_LONG, Fiddle::TYPE_INT], Fiddle::TYPE_INT)

def check(ok)
  raise SystemCallError.new(nil, Fiddle.last_error) unless ok
  true
end

def call(at)
  Fiddle::Function.new(at, [], Fiddle::TYPE_INT).call == 42
end

attempt('fork') { Process.wait(fork { exit! 0 }) }
attempt('spawn') { Process.wait(spawn('/bin/true')) }
attempt('system') { system('exit 0', exception: true) }
attempt('backticks') { `echo yes` == "yes\n" }
attempt('a pipe') { IO.popen(['echo', 'yes'], &:read) == "yes\n" }
attempt('a shell in the image') { File.stat('/bin/sh') }
attempt('written memory') do
  at = MMAP.call(0, 4096, 7, 0x22, -1, 0)
  check(at != -1)
  Fiddle::Pointer.new(at)[0, CODE.size] = CODE
  call(at)
end
attempt('memory reprotected') do
  at = MMAP.call(0, 4096, 3, 0x22, -1, 0)
  check(at != -1)
  Fiddle::Pointer.new(at)[0, CODE.size] = CODE
  check(MPROTECT.call(at, 4096, 5) == 0)
  call(at)
end
attempt('a copied library') do
  FileUtils.cp(File.read('/proc/self/maps')[%r{/\S*/libffi\.so\S*}], ARGV[0] + '/copy.so')
  Fiddle.dlopen(ARGV[0] + '/copy.so')
end
attempt('code by /proc/self/mem') do
  at = File.read('/proc/self/maps')[/^([0-9a-f]+)-\S+ r-xp/, 1].to_i(16)
  File.open('/proc/self/mem', 'r+b') do |f|
    b = f.pread(8, at)
    f.pwrite(b, at) == 8
  end
end
# aside is in a process of its own; where there is none to be had, here.
def aside
  pid = begin
    fork do
      yield
      exit! 0
    rescue SystemCallError
      exit! 1
    end
  rescue SystemCallError
    return yield
  end
  Process.wait(pid)
  $?.success?
end

attempt('another user') { aside { Process::Sys.setuid(1000) } }
attempt('another group') { aside { Process::Sys.setgid(1000) } }
attempt('a script') do
  File.write(ARGV[0] + '/script', "#!/bin/sh\nexit 0\n", perm: 0o755)
  system(ARGV[0] + '/script', exception: true)
end
attempt('a terminal') { File.open('/dev/ptmx', 'r+') }
attempt('chroot') { aside { Dir.chroot(ARGV[0]) } }
attempt('a packet socket') { Socket.new(:PACKET, :RAW, 0) }
attempt('exec') { exec('/bin/echo', 'exec: done') }
