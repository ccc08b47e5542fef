# Sockets, expressions, formats, sorting, files, signals and modules with C parts.
use strict;
use warnings;
use utf8;
use IO::Socket::INET;
use IO::Select;
use Socket;
use Time::HiRes qw(sleep time alarm);
use List::Util qw(sum shuffle reduce);
use Digest::SHA qw(sha256_hex);
use MIME::Base64;
use Encode;
use Data::Dumper;
use File::Temp qw(tempdir);
use Fcntl qw(:flock SEEK_SET);
use POSIX qw(strftime floor :sys_wait_h);
use Storable qw(freeze thaw);
use JSON::PP;
binmode STDOUT, ':utf8';
$| = 1;

printf "%05.2f|%-8s|%+d|%x|%e|%s\n", 3.14159, 'left', 7, 255, 12345.678, 1e21;
print join(',', map { sprintf '%b', $_ } 1 .. 5), "\n";
my $text = "The year 1984, the 24th of October; 3 cats and 12 dogs\n" x 200;
my %count;
$count{$1}++ while $text =~ /\b(\w+)\b/g;
print join(' ', map { "$_=$count{$_}" } sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count), "\n";
(my $swap = $text) =~ s/(\d+) (\w+)/$2 $1/g;
print sha256_hex($swap), "\n";
print "balanced\n" if "(a(b)c)" =~ /^(\((?:[^()]++|(?1))*\))$/;
print scalar reverse("äöü"), ' ', length(encode('UTF-8', "äöü")), ' ', uc("straße"), "\n";
my @sorted = sort { $a <=> $b } map { ($_ * 7919) % 100003 } 1 .. 20000;
print "$sorted[0] $sorted[-1] ", sum(@sorted), "\n";
print encode_base64(pack('NnCa*', 1, 2, 3, 'rest')), JSON::PP->new->canonical->encode(thaw(freeze({ a => [1, 2, { b => undef }] }))), "\n";

my $dir = tempdir(CLEANUP => 1);
open my $f, '+>', "$dir/data" or die $!;
print $f "line $_\n" for 1 .. 5000;
seek $f, 0, SEEK_SET;
my @lines = <$f>;
flock $f, LOCK_EX or die $!;
print scalar(@lines), ' ', -s $f, ' ', (stat $f)[7], "\n";
close $f;
mkdir "$dir/sub" or die $!;
symlink '../data', "$dir/sub/link" or die $!;
rename "$dir/data", "$dir/data2" or die $!;
print -e "$dir/sub/link" ? 'there' : 'dangling', ' ', readlink "$dir/sub/link", "\n";
opendir my $d, $dir or die $!;
print join(' ', sort grep { !/^\./ } readdir $d), "\n";
print open(my $none, '<', '/none') ? '' : "open: $!\n";
{ local @ARGV = ("$dir/data2"); my $n = 0; while (<>) { $n++ if /7$/ } print "sevens $n\n"; }

my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "listen: $@";
my @clients = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->sockport) or die $@ } 1 .. 5;
my @accepted = map { scalar $server->accept } @clients;
$_->autoflush(1) for @clients, @accepted;
my $select = IO::Select->new(@accepted);
print {$clients[$_]} "hello $_\n" for 0 .. 4;
my %got;
while (keys %got < 5) {
	for my $s ($select->can_read(5)) {
		my $line = <$s>;
		$got{$line} = 1;
		print $s uc $line;
	}
}
print map { scalar <$_> } @clients;
close $_ for @clients;
print join(' ', map { defined(scalar <$_>) ? 'data' : 'eof' } @accepted), "\n";
socketpair my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die $!;
syswrite $a, 'x' x 1000;
sysread $b, my $buf, 4096;
print length $buf, "\n";
print inet_ntoa(inet_aton('localhost')), ' ', (getservbyname('http', 'tcp') // 'none') =~ /80|none/ ? 1 : 0, "\n";

my $rang = 0;
local $SIG{ALRM} = sub { $rang++ };
my $t = time;
alarm 0.05;
select undef, undef, undef, 2;
print "alarm $rang ", time - $t < 1.5 ? 'in time' : 'late', " $!\n";
local $SIG{USR1} = sub { print "signal $_[0]\n" };
kill USR1 => $$;
eval { local $SIG{ALRM} = sub { die "timeout\n" }; alarm 0.05; 1 while 1 };
print "died: $@";
eval { die { code => 42 } };
print "code $@->{code}\n";
print strftime('%Y-%m-%d %H:%M:%S', gmtime 1e9), ' ', floor(-1.5), "\n";
pipe my $r, my $w or die $!;
syswrite $w, "through a pipe\n";
print scalar <$r>;
local $SIG{PIPE} = 'IGNORE';
close $r;
print defined(syswrite $w, 'x') ? 'written' : "pipe: $!", "\n";
warn "to stderr\n";
my $pid = fork;
print STDERR defined $pid ? '' : "fork: $!\n" if !defined $pid;
exit 0 if defined $pid && $pid == 0;
waitpid $pid, 0 if $pid;
END { $? = 5 if $? == 0 && (!defined $pid || $pid) }
