# A server with the standard library's JSON, digests, threads and queues.
require 'webrick'
require 'json'
require 'digest'
require 'openssl'
require 'tempfile'
require 'erb'

host, port, tmp = ARGV
server = WEBrick::HTTPServer.new(BindAddress: host, Port: port.to_i, AccessLog: [], Logger: WEBrick::Log.new($stderr, WEBrick::BasicLog::WARN))
lock, counts = Mutex.new, Hash.new(0)
server.mount_proc('/echo') do |q, r|
  lock.synchronize { counts[q.request_method] += 1 }
  f = Tempfile.new('body', tmp)
  f.write(q.body.to_s)
  f.close
  r['Content-Type'] = 'application/json'
  r.body = JSON.generate(method: q.request_method, path: q.path, query: q.query.reject { |k, _| k.size > 20 }, bytes: File.size(f.path),
                         sum: Digest::SHA256.file(f.path).hexdigest, mac: OpenSSL::HMAC.hexdigest('SHA256', 'key', q.path))
  f.unlink
end
server.mount_proc('/work') do |_, r|
  queue = Queue.new
  workers = 8.times.map { |i| Thread.new { 500.times { |k| queue << (i * k) % 7 }; Thread.current[:n] = i } }
  workers.each(&:join)
  sum = 0
  sum += queue.pop until queue.empty?
  r.body = ERB.new("sum <%= sum %> <%= 2**200 %> <%= 'straße'.upcase %> <%= 'a1b22'.scan(/\\d+/).inspect %>\n").result(binding)
  begin
    raise ArgumentError, 'raised'
  rescue => e
    r.body << e.full_message(highlight: false).lines.first.split(': ', 2).last
  end
  GC.start
end
server.mount_proc('/fork') do |_, r|
  r.body = begin
    Process.wait(fork { exit! }) && 'forked'
  rescue SystemCallError => e
    e.class.name
  end
end
trap('TERM') { server.shutdown }
server.start
exit 7
