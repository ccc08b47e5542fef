// What an attacker who has a Node program would do next. Each attempt ends in a line:
// "NAME: done", or "NAME: refused WHY". The argument is a folder for files.
'use strict';
const child = require('child_process');
const fs = require('fs');

function attempt(name, f) {
	let why = '';
	try {
		f();
	} catch (e) {
		why = e.code || e.message;
	}
	fs.writeSync(1, name + (why ? ': refused ' + why : ': done') + '\n');
}

function ended(r) {
	if (r.error)
		throw r.error;
	if (r.status !== 0)
		throw new Error('status ' + r.status);
}

attempt('spawn', () => ended(child.spawnSync('/bin/true')));
attempt('a shell', () => ended(child.spawnSync('exit 0', { shell: true })));
attempt('exec', () => child.execSync('exit 0'));
attempt('execFile', () => child.execFileSync('/bin/sh', ['-c', 'exit 0']));
attempt('itself', () => ended(child.spawnSync(process.execPath, ['-e', '0'])));
attempt('a shell in the image', () => fs.statSync('/bin/sh'));
attempt('code by /proc/self/mem', () => {
	const at = parseInt(/^([0-9a-f]+)-\S+ r-xp/m.exec(fs.readFileSync('/proc/self/maps', 'latin1'))[1], 16);
	const f = fs.openSync('/proc/self/mem', 'r+');
	const b = Buffer.alloc(8);
	fs.readSync(f, b, 0, 8, at);
	fs.writeSync(f, b, 0, 8, at);
});
attempt('a copied library', () => {
	const copy = process.argv[2] + '/copy.node';
	const source = /\/\S*\/lib(?:z|m|dl)[-.0-9]*\.so\S*/.exec(fs.readFileSync('/proc/self/maps', 'latin1'))[0];
	fs.copyFileSync(source, copy);
	try {
		process.dlopen({ exports: {} }, copy);
	} catch (e) {
		// Loaded, and no module of Node's.
		if (!/did not self-register/.test(e.message))
			throw new Error(/ermission|failed to map/.test(e.message) ? 'EACCES' : e.message);
	}
});
attempt('another user', () => process.setuid(1000));
