<?php
// What an attacker who has a PHP program would do next. Each attempt ends in a line:
// "NAME: done", or "NAME: refused WHY".
error_reporting(0);

function attempt($name, $f) {
	try {
		$why = $f() ? '' : 'false';
	} catch (Throwable $e) {
		$why = $e->getMessage();
	}
	echo $name, $why === '' ? ": done\n" : ": refused $why\n";
}

attempt('fork', function () {
	$pid = pcntl_fork();
	if ($pid == 0) {
		posix_kill(getmypid(), SIGKILL);
	}
	return $pid > 0 && pcntl_waitpid($pid, $status) == $pid;
});
attempt('shell_exec', fn () => shell_exec('echo yes') === "yes\n");
attempt('exec', fn () => exec('echo yes') === 'yes');
attempt('system', function () {
	ob_start();
	$last = system('echo yes');
	ob_end_clean();
	return $last === 'yes';
});
attempt('popen', fn () => ($p = popen('echo yes', 'r')) && fgets($p) === "yes\n");
attempt('proc_open', fn () => is_resource($p = proc_open(['/bin/true'], [], $pipes)) && proc_close($p) === 0);
attempt('mail', fn () => ini_get('sendmail_path') !== false && is_resource(popen('/bin/true', 'w')) && pclose(popen('/bin/true', 'w')) === 0);
attempt('a shell in the image', fn () => file_exists('/bin/sh'));
attempt('code by /proc/self/mem', function () {
	preg_match('/^([0-9a-f]+)-\S+ r-xp/m', file_get_contents('/proc/self/maps'), $m);
	$f = fopen('/proc/self/mem', 'r+b');
	if (!$f) {
		return false;
	}
	stream_set_write_buffer($f, 0);
	fseek($f, hexdec($m[1]));
	$b = fread($f, 8);
	fseek($f, hexdec($m[1]));
	return fwrite($f, $b) === 8;
});
if (class_exists('FFI')) {
	attempt('written memory', function () {
		$c = FFI::cdef('intptr_t mmap(intptr_t, size_t, int, int, int, long); intptr_t memcpy(intptr_t, const char *, size_t);');
		$p = $c->mmap(0, 4096, 7, 0x22, -1, 0);
		if ($p === -1) {
			return false;
		}
		$c->memcpy($p, "\xb8\x2a\x00\x00\x00\xc3", 6);
		return $c->cast('int (*)(void)', $p)() === 42;
	});
}
attempt('another user', fn () => posix_setuid(1000));
attempt('execve', function () {
	pcntl_exec('/bin/echo', ['execve: done']);
	return false;
});
